/* SPDX-License-Identifier: Apache-2.0
 * bench_handshake --handshakes N [--threads T] [--key TYPE] [--json]
 * N full mutual handshakes, each a call on a channel of its own, from T threads; both keys are in
 * SoftHSM. */
#ifndef NODEKEY_BENCH_HANDSHAKE_LOAD_H
#define NODEKEY_BENCH_HANDSHAKE_LOAD_H

/* As main; 0 only when none failed. */
int handshake_load(int argc, char **argv);

#endif
