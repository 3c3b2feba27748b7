/* SPDX-License-Identifier: Apache-2.0
 * The names of a token, by which it is known: slot numbers change when it is pulled, re-made or
 * re-initialised. All of it [any]. */
#ifndef NODEKEY_TOKEN_NAME_H
#define NODEKEY_TOKEN_NAME_H

#include <stdbool.h>

#include <p11-kit/pkcs11.h>

/* NUL-terminated, without the padding of CK_TOKEN_INFO. */
struct token_name {
    char manufacturer[33];
    char model[17];
    char serial[17];
    char label[33];
};

/* Copies a fixed field without its padding: spaces by the standard, NULs from tpm2-pkcs11. */
void token_field_copy(char *to, const CK_UTF8CHAR *field, size_t len);
void token_name_of(const CK_TOKEN_INFO *info, struct token_name *ret_name);
bool token_name_equal(const struct token_name *a, const struct token_name *b);

#endif
