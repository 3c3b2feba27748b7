/* SPDX-License-Identifier: Apache-2.0
 * Admit and deny rules. Pure: no files, no clock, no gRPC. Inside a rule every given member must
 * match (AND); of the values of one member, one is enough. A fact that the peer has not, or that is
 * not known, matches nothing. */
#ifndef NODEKEY_RULES_H
#define NODEKEY_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "nodekey/plugin.h"
#include "rules/rule_match.h"
#include "rules/rule_member.h"
#include "rules/traits.h"

struct rule_index;
/* The word for "a certificate is enough", in "admit" and in verdicts. */
#define ALL_CERTIFIED "all-certified"

struct rule_list { /* zeroed: empty. May be moved by assignment, never copied */
    struct rule *rules;
    size_t len;
    size_t room;
    unsigned members;         /* that some rule has: bits of 1 << RULE_... */
    struct rule_index *index; /* NULL: not sorted */
};

/* An empty rule is appended, which matches nothing until a member was added. `directions` is a mask
 * of NK_PEER_IS_*: "inbound" is NK_PEER_IS_CLIENT, "outbound" is NK_PEER_IS_SERVER. */
MUST_USE nk_status rule_list_append(struct rule_list *list, const char *name, unsigned directions,
                                    nk_error *err);
/* A value is added to the last rule. NK_E_CONFIG with the reason: it is outside the grammar. */
MUST_USE nk_status rule_list_add(struct rule_list *list, enum rule_member member, const char *value,
                                 nk_error *err);
/* Rules are ordered by name, and finding is made cheap, once all are added. Adding more undoes it;
 * an unsorted list gives the same answers, slowly. Names must be unique for an order to be one. */
MUST_USE nk_status rule_list_sort(struct rule_list *list, nk_error *err);
void rule_list_clear(struct rule_list *list);
/* The rule number `i`, below list->len: by name once sorted, before as appended. */
const struct rule *rule_list_at(const struct rule_list *list, size_t i);
bool rule_list_has(const struct rule_list *list, enum rule_member member); /* some rule has it */

const char *rule_name(const struct rule *rule);
unsigned rule_directions(const struct rule *rule);
bool rule_has(const struct rule *rule, enum rule_member member);
/* Whether the rule says which peer it expects, by uri or spki_sha256 (server_name "rule" asks). */
bool rule_names_peer(const struct rule *rule);
/* The rule that matches and whose name is the smallest in byte order, whatever the order in the
 * document; or NULL. Cheap with thousands of rules and values once sorted. */
const struct rule *rule_list_find(const struct rule_list *list, const struct traits *traits);
/* Likewise among the rules of which rule_names_peer is true. */
const struct rule *rule_list_find_naming(const struct rule_list *list, const struct traits *traits);
/* The common name, if the rules match such and it has letters beyond ASCII, which look like others;
 * else the first name of a kind that the rules match and that is not in plain form, or NULL: a deny
 * rule must not be got round by another spelling of the name ("%61" for "a", an upper-case scheme,
 * a trailing dot, a quoted local part, an IPv4 address written as IPv6). */
const char *rule_list_odd_name(const struct rule_list *list, const struct traits *traits);

/* The bytes of all that the rules say go to `put`: equal for lists that mean the same, whatever the
 * order of their rules and values and the spelling of these, different for any others. False: the
 * list is not sorted. */
typedef void rule_put(void *to, const void *bytes, size_t len);
MUST_USE bool rule_list_canonical(const struct rule_list *list, rule_put *put, void *to);

#endif
