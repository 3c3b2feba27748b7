/* SPDX-License-Identifier: Apache-2.0
 * The beginning of HTTP/2, RFC 9113 3.4: a server's first frame is SETTINGS, and gRPC has no
 * connection before that. [any] */
#ifndef NODEKEY_DIAL_H2_H
#define NODEKEY_DIAL_H2_H

#include "dial/tls.h"

/* Waits for the frame; `speaks`: after our own beginning, else in silence, and not long. DIAL_FINE:
 * it came. *ret_first_us is the moment of its first byte by clock_now_us, else untouched. */
enum dial_end h2_greet(struct tls *tls, bool speaks, long long *ret_first_us,
                       char detail[NK_DETAIL_BYTES]);

#endif
