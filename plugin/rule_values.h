/* SPDX-License-Identifier: Apache-2.0
 * The values that members of a rule hold: how each is read, and how it meets a fact of the peer.
 * Private to rules.c. */
#ifndef NODEKEY_RULE_VALUES_H
#define NODEKEY_RULE_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules.h"

struct rule_value {
    char *text;
    uint8_t bytes[NK_SHA256_BYTES]; /* the pin, or the address in network order */
    size_t address_len;
    unsigned prefix_bits;
};

struct rule_member_type {
    const char *name;
    uint32_t name_kind; /* 0: not a subjectAltName */
    nk_status (*parse)(const char *text, struct rule_value *value, nk_error *err);
    /* NULL: a pin, compared by its bytes */
    bool (*fits)(const struct rule_value *value, const char *text);
};
extern const struct rule_member_type rule_member_types[RULE_MEMBERS];

/* For messages: what a configuration holds may be any UTF-8 of any length. */
struct rule_quote {
    char text[80];
};
struct rule_quote rule_quote(const char *value);
bool rule_is_printable(const char *text);

#endif
