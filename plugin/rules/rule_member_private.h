/* SPDX-License-Identifier: Apache-2.0
 * The row of a member, and the compiled rule, for the files that make, match and index rules. */
#ifndef NODEKEY_RULE_MEMBER_PRIVATE_H
#define NODEKEY_RULE_MEMBER_PRIVATE_H

#include "rules/rule_member.h"
#include "rules/rule_values.h"
#include "rules/traits.h"

/* Facts as the peer shows them, one after the other; *at begins at 0. NULL: no more. They are
 * texts, but for digests and numbers. */
typedef const void *rule_show(const struct traits *traits, size_t *at);
/* A shown fact, spelled as the keys of values are; `room` has RULE_FACT_MAX_BYTES + 1. False: it is
 * unknown, or of a shape that no value can match. */
typedef bool rule_spell(const void *shown, char *room, struct rule_fact *ret_fact);
/* The reason why no value matches, beginning with the member's name. `first` is the first of
 * `count` shown facts; NULL: there is none. */
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
    bool (*is_plain)(const char *name); /* no reader takes this name for another; NULL: no name */
    /* Ranks: the index hangs a rule on its member of the lowest one; the first counts if all values
     * are exact, else the second. 0: never, since too many peers are alike in it. Values that are
     * not exact need a hook of their own in rule_index.c. */
    unsigned exact_rank;
    unsigned any_rank;
};
extern const struct rule_member_row rule_member_rows[];

struct rule {
    char name[NK_RULE_NAME_BYTES];
    unsigned directions;
    struct rule_values members[RULE_MEMBERS];
};

/* The walk through the facts of one member; `next` begins at 0. */
struct rule_fact_cursor {
    size_t next;
    char text[RULE_FACT_MAX_BYTES + 1];
};
/* The next fact of the member; false: no further one is known. */
bool rule_member_fact(enum rule_member member, const struct traits *traits,
                      struct rule_fact_cursor *cursor, struct rule_fact *ret_fact);
/* `why` gets the reason why none of them matches. */
void rule_member_say(enum rule_member member, const struct traits *traits, char *why, size_t room);

#endif
