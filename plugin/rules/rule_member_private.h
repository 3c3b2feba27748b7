/* SPDX-License-Identifier: Apache-2.0
 * The row of a member, for the files that read, match and index rules. */
#ifndef NODEKEY_RULE_MEMBER_PRIVATE_H
#define NODEKEY_RULE_MEMBER_PRIVATE_H

#include "rules/rule_member.h"
#include "rules/rule_values.h"
#include "rules/traits.h"

/* What the peer shows of the member, one after the other; *at begins at 0. NULL: no more. Text, but
 * for digests and numbers. */
typedef const void *rule_show(const struct traits *traits, size_t *at);
/* The shown as the keys of values are spelled; `room` has RULE_FACT_MAX_BYTES + 1. False: unknown,
 * or of a shape that no value can match. */
typedef bool rule_spell(const void *shown, char *room, struct rule_fact *ret_fact);
/* Why no value matches, beginning with the member's name. `first` of `count` that the peer shows;
 * NULL: none. */
typedef void rule_say(const char *member, const void *first, size_t count, char *why, size_t room);

struct rule_member_row {
    enum rule_member member;
    const char *name;
    unsigned max; /* as rule_member_max */
    rule_read *read;
    uint32_t name_kind; /* NK_NAME_*; 0: not a subjectAltName */
    rule_show *show;    /* NULL: the names of name_kind */
    rule_spell *spell;
    rule_fits *fits; /* for values that are not exact; NULL: there are none */
    rule_say *say;
    bool (*is_plain)(const char *name); /* no reader takes it for another; NULL: not a name */
    /* The index hangs a rule on the member of its lowest rank: if all values are exact, if not.
     * 0: never, since too many peers are alike in it. Values that are not exact need a hook of
     * their own in rule_index.c. */
    unsigned exact_rank;
    unsigned any_rank;
};
extern const struct rule_member_row rule_member_rows[];

/* Where the walk through the facts of one member is. `next` begins at 0. */
struct rule_fact_cursor {
    size_t next;
    char text[RULE_FACT_MAX_BYTES + 1];
};
/* False: no further fact of this member is known. */
bool rule_member_fact(enum rule_member member, const struct traits *traits,
                      struct rule_fact_cursor *cursor, struct rule_fact *ret_fact);
/* Writes why none of them matches. */
void rule_member_say(enum rule_member member, const struct traits *traits, char *why, size_t room);

#endif
