/* SPDX-License-Identifier: Apache-2.0
 * What a JSON value may be, for the rows of a table of members. Knows no member by name. */
#ifndef NODEKEY_CONFIG_TYPES_H
#define NODEKEY_CONFIG_TYPES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/auto.h"
#include "config/json_lines.h"

#ifndef NODEKEY_VERSION
#define NODEKEY_VERSION "0.1.0"
#endif

/* LATER: known, so that its spelling and type are checked, but refused: a member that does nothing
 * must not look as if it did. */
enum since { NOW, LATER };

struct member;
/* `at` is the place of `value`, for the error. No text ever holds the value: it may be a PIN that
 * stands in the wrong place. */
typedef nk_status type_check(const struct member *member, const json_t *value,
                             const struct place *at, nk_error *err);

struct member {
    const char *name; /* NULL ends a table */
    enum since since;
    type_check *check;
    bool required;
    unsigned min; /* of a number; of an array: how many elements */
    unsigned max;
    const struct member *inside; /* of an object, or of each element */
    const char *choices[4];      /* NULL ends them */
};

type_check type_text; /* not empty, no NUL byte */
type_check type_texts;
type_check type_choice;
type_check type_flag;
type_check type_true; /* for a member whose presence says it all */
type_check type_number;
type_check type_days;
type_check type_object; /* every member is in `inside`, every required one is there */

/* An array, each element of which passes `one`. */
MUST_USE nk_status type_array(const struct member *member, type_check *one, const json_t *value,
                              const struct place *at, nk_error *err);
/* "must be a string, not a number": the failure of a check. */
nk_status type_wrong(const char *wanted, const json_t *value, const struct place *at,
                     nk_error *err);

#endif
