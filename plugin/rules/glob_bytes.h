/* SPDX-License-Identifier: Apache-2.0
 * Kinds of characters. Not <ctype.h>: its answers depend on the host's locale. Private to the
 * glob*.c files. */
#ifndef NODEKEY_GLOB_BYTES_H
#define NODEKEY_GLOB_BYTES_H

#include <stdbool.h>
#include <string.h>

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static inline char lower(char c)
{
    return (char)(is_upper(c) ? c - 'A' + 'a' : c);
}

static inline bool is_alpha(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static inline bool is_hex(char c)
{
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

static inline bool is_one_of(const char *set, char c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static inline bool is_label_byte(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_';
}

#endif
