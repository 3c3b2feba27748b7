/* SPDX-License-Identifier: Apache-2.0
 * Admit and deny rules. Pure: no files, no clock, no gRPC. Inside a rule every given member must
 * match (AND); of the values of one member, one is enough. */
#ifndef NODEKEY_RULES_H
#define NODEKEY_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "auto.h"
#include "nodekey/plugin.h"

/* The members of a rule that match a fact of the peer. */
enum rule_member { RULE_URI, RULE_DNS, RULE_IP, RULE_CN, RULE_SPKI_SHA256, RULE_MEMBERS };

struct rule; /* one compiled rule */
struct rule_index;
struct rule_list { /* zeroed: empty. May be moved by assignment, never copied */
    struct rule *rules;
    size_t len;
    struct rule_index *index; /* of rules.c: finds the rules that pin a key by that key */
};

/* Appends an empty rule; it matches nothing until a member was added. `directions` is a mask of
 * NK_PEER_IS_*: "inbound" is NK_PEER_IS_CLIENT, "outbound" is NK_PEER_IS_SERVER. */
MUST_USE nk_status rule_list_append(struct rule_list *list, const char *name, unsigned directions,
                                    nk_error *err);
/* Adds a value to the last rule. A value outside the grammar is NK_E_CONFIG with the reason. */
MUST_USE nk_status rule_list_add(struct rule_list *list, enum rule_member member, const char *value,
                                 nk_error *err);
void rule_list_clear(struct rule_list *list);
/* In document order; `i` is below list->len. */
const struct rule *rule_list_at(const struct rule_list *list, size_t i);

const char *rule_name(const struct rule *rule);
unsigned rule_directions(const struct rule *rule);
bool rule_has(const struct rule *rule, enum rule_member member);
/* The JSON name of a member: "spki_sha256". */
const char *rule_member_name(enum rule_member member);
/* Does it match, its direction included? If not, `why` gets the member that said no and what it
 * saw. `why` may be NULL. */
bool rule_matches(const struct rule *rule, const nk_peer *peer, char *why, size_t room);
/* The first rule that matches, or NULL. Cheap with thousands of rules that only pin an SPKI. */
const struct rule *rule_list_find(const struct rule_list *list, const nk_peer *peer);

/* The glob grammar of the README: one whole leftmost DNS label, or one whole URI path segment. */
bool glob_uri_matches(const char *pattern, const char *uri);
bool glob_dns_matches(const char *pattern, const char *dns);

#endif
