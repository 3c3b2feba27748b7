/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_object.h"

#include <stdio.h>
#include <string.h>

#define NAMES_BYTES 400
#define NEAR_NAME_BYTES 32 /* longer names are no typing mistake */
#define NEAR_EDITS 2

/* Levenshtein's distance, for names so short that one row on the stack is enough. */
static size_t count_edits(const char *a, const char *b)
{
    size_t row[NEAR_NAME_BYTES + 1];
    size_t len = strlen(b);

    if (len > NEAR_NAME_BYTES || strlen(a) > NEAR_NAME_BYTES) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < len; j++) {
            size_t best = corner + (a[i] != b[j]);
            corner = row[j + 1];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j + 1] = corner + 1 < best ? corner + 1 : best;
        }
    }
    return row[len];
}

static nk_status refuse_unknown(const struct member *table, const struct place *at, nk_error *err)
{
    const char *nearest = NULL;
    size_t fewest = NEAR_EDITS + 1;
    char names[NAMES_BYTES] = "";

    for (const struct member *row = table; row->name != NULL; row++) {
        size_t count = count_edits(at->name, row->name);
        if (count < fewest && count < strlen(row->name)) {
            fewest = count;
            nearest = row->name;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof(names) - used, "%s%s", used > 0 ? ", " : "", row->name);
    }
    if (nearest != NULL) {
        return place_report(err, NK_E_CONFIG, at, "unknown member; did you mean \"%s\"?", nearest);
    }
    return place_report(err, NK_E_CONFIG, at, "unknown member; remove it; known here are %s",
                        names);
}

static nk_status check_member(const struct member *table, const json_t *value,
                              const struct place *at, nk_error *err)
{
    const struct member *row = table;
    while (row->name != NULL && strcmp(row->name, at->name) != 0) {
        row++;
    }
    if (row->name == NULL) {
        return refuse_unknown(table, at, err);
    }
    nk_status status = row->type->check(row, value, at, err);
    if (status == NK_OK && row->also != NULL) {
        status = row->also(row, value, at, err);
    }
    if (status == NK_OK && row->effect == LATER) {
        return place_report(err, NK_E_UNSUPPORTED, at,
                            "known but not enforced by this version (" NODEKEY_VERSION
                            "); remove it");
    }
    return status;
}

/* A bit for each required row that has no member. */
static unsigned long long find_missing(const struct member *table, const json_t *value)
{
    unsigned long long missing = 0;

    for (const struct member *row = table; row->name != NULL; row++) {
        bool absent = row->required && json_object_get(value, row->name) == NULL;
        missing |= (unsigned long long)absent << (row - table);
    }
    return missing;
}

static nk_status report_missing(const struct member *table, unsigned long long missing,
                                const struct place *at, nk_error *err)
{
    for (const struct member *row = table; row->name != NULL; row++) {
        struct place place = place_member(at, row->name);
        nk_status status = (missing >> (row - table) & 1) != 0
                               ? place_report(err, NK_E_CONFIG, &place, "missing; it is required")
                               : NK_OK;
        if (!place_goes_on(&place, &status, err)) {
            return status;
        }
    }
    return NK_OK;
}

nk_status check_object(const struct member *member, const json_t *value, const struct place *at,
                       nk_error *err)
{
    if (!json_is_object(value)) {
        return type_wrong("an object", value, at, err);
    }
    const unsigned long long missing = find_missing(member->inside, value);
    void *next = NULL;
    for (void *i = json_object_iter((json_t *)value); i != NULL; i = next) {
        const char *name = json_object_iter_key(i);
        struct place place = place_member(at, name);
        next = json_object_iter_next((json_t *)value, i);
        nk_status status = check_member(member->inside, json_object_iter_value(i), &place, err);
        bool bad = status != NK_OK;
        if (!place_goes_on(&place, &status, err)) {
            return status;
        }
        if (bad) { /* what follows takes members for sound */
            (void)json_object_del((json_t *)value, name);
        }
    }
    return report_missing(member->inside, missing, at, err);
}

const struct type type_object = { check_object, 0, NULL, NULL, NULL };
const struct type type_default = { check_object, 0, NULL, NULL, NULL };
