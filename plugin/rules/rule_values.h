/* SPDX-License-Identifier: Apache-2.0
 * The values that members of a rule hold: how each is read, and how it meets a fact of the peer.
 * Private to the rule_*.c files. */
#ifndef NODEKEY_RULE_VALUES_H
#define NODEKEY_RULE_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/rules.h"

#define RULE_ADDRESS_BYTES                                                                         \
    18                          /* its length, its prefix in bits, 16 bytes of which 4 may be used \
                                 */
#define RULE_FACT_MAX_BYTES 320 /* 64 of a local part, the @, 255 of a domain */

struct rule_value {
    uint8_t *key; /* owned; canonical: equal values have equal bytes. A NUL follows them */
    size_t len;
    bool exact; /* fits the fact of the same bytes and no other */
};

struct rule_values {
    struct rule_value *items;
    size_t len;
    size_t room;
    size_t sorted; /* so many, from the first, are exact and ascending by key */
};

struct rule {
    char name[NK_RULE_NAME_BYTES];
    unsigned directions;
    struct rule_values members[RULE_MEMBERS];
};

/* One fact, spelled as keys are; text has a NUL behind it. */
struct rule_fact {
    const uint8_t *bytes;
    size_t len;
    int64_t number; /* of RULE_MAX_LIFETIME_DAYS: the seconds */
};

/* Where the walk through the facts of one member is. `next` begins at 0. */
struct rule_fact_cursor {
    size_t next;
    char text[RULE_FACT_MAX_BYTES + 1];
};

struct rule_member_type {
    const char *name;
    uint32_t name_kind; /* 0: not a subjectAltName */
    nk_status (*parse)(const char *text, struct rule_value *value, nk_error *err);
    /* For values that are not exact; NULL: there are none. */
    bool (*fits)(const struct rule_value *value, const struct rule_fact *fact);
};
extern const struct rule_member_type rule_member_types[RULE_MEMBERS];

/* Of rule_codes.c. */
nk_status rule_parse_pin(const char *text, struct rule_value *value, nk_error *err);
nk_status rule_parse_serial(const char *text, struct rule_value *value, nk_error *err);
nk_status rule_parse_policy(const char *text, struct rule_value *value, nk_error *err);
nk_status rule_parse_usage(const char *text, struct rule_value *value, nk_error *err);
nk_status rule_parse_key_type(const char *text, struct rule_value *value, nk_error *err);

/* Of rule_facts.c. False: no further fact of this member is known. */
bool rule_fact_next(const struct traits *traits, enum rule_member member,
                    struct rule_fact_cursor *cursor, struct rule_fact *ret_fact);

/* Copies `bytes` into value->key. */
nk_status rule_set_key(struct rule_value *value, const void *bytes, size_t len, nk_error *err);
/* The order of keys; 0: equal. */
int rule_compare_keys(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
/* False: no address. The prefix is the whole address. */
bool rule_read_address(const char *text, uint8_t key[RULE_ADDRESS_BYTES]);
/* Shortens the prefix and clears what lies behind it; true if anything did. */
bool rule_cut_address(uint8_t key[RULE_ADDRESS_BYTES], unsigned prefix_bits);
/* A whole number in plain decimal from `min` to `max`, or -1. */
long rule_read_number(const char *digits, long min, long max);

/* For messages: what a configuration holds may be any UTF-8 of any length. */
struct rule_quote {
    char text[80];
};
struct rule_quote rule_quote(const char *value);

#endif
