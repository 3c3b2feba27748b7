/* SPDX-License-Identifier: Apache-2.0
 * bench_handshake --handshakes N [--threads T] [--key TYPE] [--plain] [--json]
 * N full mutual handshakes, each a call on a channel of its own, from T threads; both keys are in
 * SoftHSM, or with --plain in memory, and gRPC's own TLS takes them. */
#ifndef NODEKEY_BENCH_HANDSHAKE_LOAD_H
#define NODEKEY_BENCH_HANDSHAKE_LOAD_H

/* As main; 0 only when none failed. */
int handshake_load(int argc, char **argv);

#endif
