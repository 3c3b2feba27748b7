/* SPDX-License-Identifier: Apache-2.0
 * Marks of refused PINs, and the text that a file keeps them in. No file is touched here. All
 * [any]. */
#ifndef NODEKEY_REFUSED_MARKS_H
#define NODEKEY_REFUSED_MARKS_H

#include "pin/pin.h"

#define PIN_MARK_BYTES 32
#define PIN_SALT_BYTES 32
#define REFUSED_MARKS_MAX 32
/* Room for what refused_marks_print writes. */
#define REFUSED_MARKS_TEXT_BYTES 4096

struct refused_marks {
    unsigned char salt[PIN_SALT_BYTES];
    unsigned char refused[REFUSED_MARKS_MAX][PIN_MARK_BYTES];
    size_t len;
};

/* scrypt with 64 MiB. */
MUST_USE bool refused_marks_derive(const struct refused_marks *marks, const struct pin *pin,
                                   const struct token_name *token,
                                   unsigned char out[PIN_MARK_BYTES]);
/* False: not exactly what refused_marks_print made. */
MUST_USE bool refused_marks_parse(const char *text, size_t len, struct refused_marks *ret_marks);
/* Returns the length, or 0. */
size_t refused_marks_print(const struct refused_marks *marks, char text[REFUSED_MARKS_TEXT_BYTES]);

/* SHA-256 over the salt, the token's four names and the PIN: what stands for the PIN where a
 * library would make copies of its input. */
MUST_USE bool pin_digest(const struct pin *pin, const struct token_name *token,
                         const unsigned char salt[PIN_SALT_BYTES],
                         unsigned char out[PIN_MARK_BYTES]);
MUST_USE bool pin_token_digest(const struct token_name *token, unsigned char out[PIN_MARK_BYTES]);

#endif
