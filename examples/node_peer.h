/* SPDX-License-Identifier: Apache-2.0
 * What a peer says of itself against what its certificate says. Pure. */
#ifndef EXAMPLE_NODE_PEER_H
#define EXAMPLE_NODE_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "nodekey/plugin.h"

#define PRINTABLE_BYTES 100 /* for peer_printable: what one name may take of a line */

/* Is the host part of `addr` ("host:port", "[v6]:port") an IP or DNS name of the certificate? */
bool peer_has_address(const nk_peer *peer, const char *addr);
/* What to call it in a line: its first URI, else its common name. Lives as long as `peer`. */
const char *peer_label(const nk_peer *peer);
/* A stranger's text for a line of ours: cut, and without control bytes. Returns `text`. */
const char *peer_printable(const char *said, char text[PRINTABLE_BYTES]);

#endif
