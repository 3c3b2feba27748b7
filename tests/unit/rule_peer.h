/* SPDX-License-Identifier: Apache-2.0
 * One peer with a fact for every member, for rules to match or miss. */
#ifndef NODEKEY_TESTS_RULE_PEER_H
#define NODEKEY_TESTS_RULE_PEER_H

#include "rules/rules.h"

#define F "spiffe://fed.example"
#define BOTH (NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER)
#define DAY 86400
#define AA8 "aaaaaaaaaaaaaaaa"
/* Hashes of the peer's key, and of its issuer's. */
#define AA32 AA8 AA8 AA8 AA8
#define CA_PIN                                                                                     \
    "ca000000000000000000000000000000"                                                             \
    "00000000000000000000000000000000"

nk_peer a_peer(void);
/* The peer is borrowed; the rest is static. */
struct traits traits_of(const nk_peer *peer);

/* Fails the test unless it can. */
void sort_rules(struct rule_list *list);
/* Adds a rule for both directions, of one member with one value or two (or NULL). */
void add_text_rule(struct rule_list *list, const char *name, enum rule_member member,
                   const char *value, const char *more);

#endif
