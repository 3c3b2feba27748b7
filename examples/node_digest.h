/* SPDX-License-Identifier: Apache-2.0
 * How both ends of a transfer name the bytes that crossed. */
#ifndef EXAMPLE_NODE_DIGEST_H
#define EXAMPLE_NODE_DIGEST_H

#include <stddef.h>

#define DIGEST_TEXT_BYTES 112

/* "sha256:<hex> <length>". Returns `text`. */
const char *digest_text(const void *bytes, size_t len, char text[DIGEST_TEXT_BYTES]);

#endif
