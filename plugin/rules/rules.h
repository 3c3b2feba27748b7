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
struct rule_list { /* zeroed: empty. May be moved by assignment, never copied */
    struct rule *rules;
    size_t len;
    size_t room;
    unsigned members;         /* that some rule has: bits of 1 << RULE_... */
    struct rule_index *index; /* NULL: not sorted */
};

/* Appends an empty rule; it matches nothing until a member was added. `directions` is a mask of
 * NK_PEER_IS_*: "inbound" is NK_PEER_IS_CLIENT, "outbound" is NK_PEER_IS_SERVER. */
MUST_USE nk_status rule_list_append(struct rule_list *list, const char *name, unsigned directions,
                                    nk_error *err);
/* Adds a value to the last rule. A value outside the grammar is NK_E_CONFIG with the reason. */
MUST_USE nk_status rule_list_add(struct rule_list *list, enum rule_member member, const char *value,
                                 nk_error *err);
/* When all is added: orders the rules by name and makes finding cheap. Adding more undoes it; an
 * unsorted list gives the same answers, slowly. Names must be unique for an order to be one. */
MUST_USE nk_status rule_list_sort(struct rule_list *list, nk_error *err);
void rule_list_clear(struct rule_list *list);
/* By name once sorted, before as appended; `i` is below list->len. */
const struct rule *rule_list_at(const struct rule_list *list, size_t i);
bool rule_list_has(const struct rule_list *list, enum rule_member member); /* some rule has it */

const char *rule_name(const struct rule *rule);
unsigned rule_directions(const struct rule *rule);
bool rule_has(const struct rule *rule, enum rule_member member);
/* Does it say which peer it expects, by uri or spki_sha256, as server_name "rule" asks? */
bool rule_names_peer(const struct rule *rule);
/* Of the rules that match the one whose name is the smallest in byte order, or NULL. Whatever the
 * order in the document, that is the one. Cheap with thousands of rules and values once sorted. */
const struct rule *rule_list_find(const struct rule_list *list, const struct traits *traits);
/* The same among the rules of which rule_names_peer is true. */
const struct rule *rule_list_find_naming(const struct rule_list *list, const struct traits *traits);
/* A deny rule must not be got round by another spelling of the name: "%61" for "a", an upper-case
 * scheme, a trailing dot, a quoted local part, an IPv4 address written as IPv6. The first name of a
 * kind that the rules match and that is not in plain form, or NULL. */
const char *rule_list_odd_name(const struct rule_list *list, const struct traits *traits);

/* Hands all that the rules say to `put`: equal for lists that mean the same whatever the order of
 * their rules and values and the spelling of these, different for any others. False: the list is
 * not sorted. */
typedef void rule_put(void *to, const void *bytes, size_t len);
MUST_USE bool rule_list_canonical(const struct rule_list *list, rule_put *put, void *to);

#endif
