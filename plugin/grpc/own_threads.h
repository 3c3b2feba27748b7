/* SPDX-License-Identifier: Apache-2.0
 * The threads of a later gRPC's own. 1.83 begins with as many as the machine has cores, at least 4
 * and at most 16 (PosixEventEngine), makes another one at most once a second while all are busy,
 * and has no public way to more (gRPC issue 37180). */
#ifndef NODEKEY_OWN_THREADS_H
#define NODEKEY_OWN_THREADS_H

/* How many of them make handshakes and answer calls. 0: threads that poll do, as in gRPC 1.51.
 * [any] */
unsigned own_threads(void);

#endif
