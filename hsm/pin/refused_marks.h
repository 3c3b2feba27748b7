/* SPDX-License-Identifier: Apache-2.0
 * Marks of refused PINs, and the text that a file keeps them in. No file is touched here. */
#ifndef NODEKEY_PIN_MARKS_H
#define NODEKEY_PIN_MARKS_H

#include "pin/pin.h"

#define PIN_MARK_BYTES 32
#define PIN_SALT_BYTES 32
#define PIN_MARKS_MAX 32
/* What pin_marks_print needs at most. */
#define PIN_MARKS_TEXT_BYTES 4096

struct pin_marks {
    unsigned char salt[PIN_SALT_BYTES];
    unsigned char refused[PIN_MARKS_MAX][PIN_MARK_BYTES];
    size_t len;
};

/* scrypt with 64 MiB. */
MUST_USE bool pin_marks_derive(const struct pin_marks *marks, const struct pin *pin,
                               const struct token_name *token, unsigned char out[PIN_MARK_BYTES]);
/* False: not exactly what pin_marks_print made. */
MUST_USE bool pin_marks_parse(const char *text, size_t len, struct pin_marks *ret_marks);
/* Returns the length, or 0. */
size_t pin_marks_print(const struct pin_marks *marks, char text[PIN_MARKS_TEXT_BYTES]);

/* SHA-256 over the salt, the token's four names and the PIN: what stands for the PIN where a
 * library would make copies of its input. */
MUST_USE bool pin_digest(const struct pin *pin, const struct token_name *token,
                         const unsigned char salt[PIN_SALT_BYTES],
                         unsigned char out[PIN_MARK_BYTES]);
MUST_USE bool pin_token_digest(const struct token_name *token, unsigned char out[PIN_MARK_BYTES]);

#endif
