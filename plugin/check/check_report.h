/* SPDX-License-Identifier: Apache-2.0
 * Findings of a check, in the order in which they were made. */
#ifndef NODEKEY_CHECK_REPORT_H
#define NODEKEY_CHECK_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/auto.h"
#include "judge/digest.h"
#include "nodekey/plugin.h"

enum check_mark { CHECK_GOOD, CHECK_WARNING, CHECK_BAD, CHECK_MARKS };

/* All of it owned. */
struct check_finding {
    enum check_mark mark;
    char *topic; /* "node.pin" */
    char *text;  /* one line: what was seen, and what to do */
    char *cure;  /* a command for a shell that mends it; NULL: there is none */
};

struct check_report { /* zeroed: empty */
    struct check_finding *findings;
    size_t len;
    char digest[DIGEST_CHARS + 1]; /* of the policy; "": it could not be made */
    bool no_memory;                /* a finding is missing */
    json_t *against;               /* of dial_json; NULL: nobody was dialled */
};
void check_report_clear(struct check_report *report);
/* Nothing is bad. */
bool check_is_sound(const struct check_report *report);
size_t check_count(const struct check_report *report, enum check_mark mark);

/* Adds a finding, but not the same twice, nor a bad one under another topic. `cure` may be NULL. */
void check_add(struct check_report *report, enum check_mark mark, const char *topic,
               const char *cure, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* A host whose log becomes findings of one topic: warnings and errors, nothing else. */
struct check_ear {
    nk_host host; /* to be handed out; asks as `asked` does */
    const nk_host *asked;
    struct check_report *report; /* NULL: nothing is heard any more */
    const char *topic;
};
/* `asked` may be NULL: nobody is asked. The ear stays where it is. */
void check_listen(struct check_ear *ear, struct check_report *report, const char *topic,
                  const nk_host *asked);

#endif
