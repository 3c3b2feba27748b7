/* SPDX-License-Identifier: Apache-2.0
 * What building the index and finding in it share. Private to rule_index.c and rule_find.c. */
#ifndef NODEKEY_RULE_INDEX_PARTS_H
#define NODEKEY_RULE_INDEX_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "rules/rule_index.h"

#define ADDRESS_BITS_MAX 128
#define SHAPES_MAX 16
#define SHAPE_SEGMENTS 64

/* What a look-up is by: a member, or one with a star. */
enum rule_hook { HOOK_URI_SHAPE = RULE_MEMBERS, HOOK_DNS_SUFFIX, HOOKS };

struct rule_entry {
    uint64_t hash;
    const uint8_t *key; /* of the rule's value */
    uint32_t len;
    uint32_t rule;
    uint32_t next; /* in its chain, whose rules ascend; a number + 1, 0 at the end */
};

struct rule_index {
    uint64_t seed[2]; /* peers choose what is looked up, so they must not know who collides */
    struct rule_entry *entries;
    size_t len;
    uint32_t *heads; /* numbers + 1, 0: empty */
    size_t heads_mask;
    size_t longest[HOOKS];                     /* key; 0: nothing hangs here */
    uint8_t prefixes[2][ADDRESS_BITS_MAX + 1]; /* lengths in use: of IPv4, of IPv6 */
    size_t prefixes_len[2];
    uint64_t shapes[SHAPES_MAX]; /* bit n: the segment behind the nth slash is a star */
    size_t shapes_len;
    uint32_t *walked; /* rules that hang nowhere, ascending */
    size_t walked_len;
};

/* begin, then byte for each, then end; or all at once. */
uint64_t rule_hash_begin(const struct rule_index *index, unsigned hook);
uint64_t rule_hash_byte(uint64_t hash, uint8_t byte);
uint64_t rule_hash_end(const struct rule_index *index, uint64_t hash);
uint64_t rule_hash_all(const struct rule_index *index, unsigned hook, const uint8_t *key,
                       size_t len);

#endif
