/* SPDX-License-Identifier: Apache-2.0
 * Peers in lines for people. Pure. */
#ifndef EXAMPLE_NODE_PEER_H
#define EXAMPLE_NODE_PEER_H

#include <stddef.h>

#include "nodekey/plugin.h"

#define PRINTABLE_BYTES 100 /* for peer_printable: what one name may take of a line */

/* What to call it in a line: its first URI, else its common name. Lives as long as `peer`. */
const char *peer_label(const nk_peer *peer);
/* A stranger's text for a line of ours: cut, and without control bytes. Returns `text`. */
const char *peer_printable(const char *said, char text[PRINTABLE_BYTES]);

#endif
