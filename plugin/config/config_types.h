/* SPDX-License-Identifier: Apache-2.0
 * Types of members of the configuration, for the rows of a table that names the members. */
#ifndef NODEKEY_CONFIG_TYPES_H
#define NODEKEY_CONFIG_TYPES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "config/json_lines.h"

#ifndef NODEKEY_VERSION
#define NODEKEY_VERSION "0.1.0"
#endif

/* The time at which a changed member takes effect. EACH: an object, of which each member says it
 * itself. LATER: the member is known, so that its spelling and type are checked, but refused: one
 * that does nothing must not look as if it did. */
enum effect { EACH, AT_START, AT_RELOAD, LATER };

struct member;
/* A check of `value`, whose place is `at`, for the error. No text ever holds the value: it may be a
 * PIN that stands in the wrong place. */
typedef nk_status type_check(const struct member *member, const json_t *value,
                             const struct place *at, nk_error *err);
/* A checked value, or what its absence (NULL) means, is written to zeroed memory. On failure, too,
 * the memory can be cleared. */
typedef nk_status type_read(const struct member *member, const json_t *value,
                            const struct place *at, void *to, nk_error *err);

struct type {
    type_check *check;
    size_t size; /* in memory; 0: nothing is kept, and the rest is NULL */
    type_read *read;
    bool (*same)(const void *a, const void *b); /* NULL: if the bytes are */
    void (*clear)(void *held);                  /* NULL: it owns nothing */
};

struct choice {
    const char *text; /* NULL ends them */
    unsigned value;
};

/* A row of a table: a member of an object. What means nothing for its type is 0. */
struct member {
    const char *name; /* NULL ends a table */
    enum effect effect;
    const struct type *type;
    size_t at;    /* where it lies in its struct */
    unsigned min; /* of a number; of an array: how many elements */
    unsigned max;
    unsigned absent;  /* number, flag or choice that its absence means; may be out of range */
    type_check *also; /* after the type's check */
    bool required;
    const char *over;            /* of an object: what it lacks is taken from this one */
    const struct member *inside; /* of an object, or of each element */
    const struct choice *choices;
};

/* Types of which nothing is kept: */
extern const struct type type_word; /* a text that says nothing to us */
extern const struct type type_true; /* a member whose presence says it all */
extern const struct type type_days;
extern const struct type type_texts; /* an array of them */
/* Types kept as unsigned, unsigned, bool: */
extern const struct type type_number;
extern const struct type type_choice;
extern const struct type type_flag;
/* Types kept as char *, or NULL: */
extern const struct type type_text; /* not empty, no NUL byte */
extern const struct type type_path; /* made absolute */
extern const struct type type_path_or_uri;
/* Kept as struct path_list: */
extern const struct type type_paths;

/* Parts of types that other files make. */
type_check check_text;
const struct choice *type_find_choice(const struct choice *choices, const char *text); /* or NULL */
MUST_USE nk_status type_copy(const char *text, char **ret_copy, nk_error *err);
MUST_USE nk_status type_absolute(const char *path, const struct place *at, char **ret_path,
                                 nk_error *err);
bool type_same_text(const char *a, const char *b);

/* The check of an array, each element of which passes `one`. */
MUST_USE nk_status type_array(const struct member *member, type_check *one, const json_t *value,
                              const struct place *at, nk_error *err);
/* "must be a string, not a number": the failure of a check. */
nk_status type_wrong(const char *wanted, const json_t *value, const struct place *at,
                     nk_error *err);

#endif
