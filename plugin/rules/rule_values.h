/* SPDX-License-Identifier: Apache-2.0
 * Values that members of a rule hold: how each is read, and how it meets a fact of the peer.
 * Private to the rule_*.c files. */
#ifndef NODEKEY_RULE_VALUES_H
#define NODEKEY_RULE_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* An address: its length, its prefix in bits, 16 bytes of which 4 may be used. */
#define RULE_ADDRESS_BYTES 18
#define RULE_FACT_MAX_BYTES 320 /* 64 of a local part, the @, 255 of a domain */
#define RULE_LIFETIME_MAX_DAYS 36500

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

/* A fact of the peer, spelled as keys are; text has a NUL behind it. */
struct rule_fact {
    const uint8_t *bytes;
    size_t len;
    int64_t number; /* of RULE_MAX_LIFETIME_DAYS: the seconds */
};

/* The value that a text means. NK_E_CONFIG with the reason: the text is outside the grammar. */
typedef nk_status rule_read(const char *text, struct rule_value *value, nk_error *err);
rule_read rule_read_uri;
rule_read rule_read_dns;
rule_read rule_read_ip;
rule_read rule_read_email;
rule_read rule_read_cn;
rule_read rule_read_lifetime;
/* In rule_codes.c: */
rule_read rule_read_digest;
rule_read rule_read_serial;
rule_read rule_read_policy;
rule_read rule_read_usage;
rule_read rule_read_key_type;

/* Whether a value that is not exact fits the fact. */
typedef bool rule_fits(const struct rule_value *value, const struct rule_fact *fact);
rule_fits rule_fits_uri;
rule_fits rule_fits_dns;
rule_fits rule_fits_ip;
rule_fits rule_fits_lifetime;

/* The key becomes a copy of `bytes`. */
nk_status rule_set_key(struct rule_value *value, const void *bytes, size_t len, nk_error *err);
void rule_lower(char *text); /* ASCII alone, whatever the host's locale */
/* The order of keys; 0: they are equal. */
int rule_compare_keys(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
/* The address that a text says, its prefix being the whole of it; false: it says none. */
bool rule_read_address(const char *text, uint8_t key[RULE_ADDRESS_BYTES]);
/* The prefix is shortened, and what lies behind it cleared; true if anything did. */
bool rule_cut_address(uint8_t key[RULE_ADDRESS_BYTES], unsigned prefix_bits);
/* A whole number in plain decimal, from `min` to `max`; -1: it is none. */
long rule_read_number(const char *digits, long min, long max);

/* A value as messages quote it, since a configuration may hold any UTF-8 of any length. */
struct rule_quote {
    char text[80];
};
struct rule_quote rule_quote(const char *value);

#endif
