/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/reasons.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *reason_label(enum reason reason)
{
#define REASON_LABEL(constant, label, meaning) [constant] = (label),
    static const char *const labels[] = { REASONS(REASON_LABEL) };
#undef REASON_LABEL
    return (size_t)reason < ARRAY_LEN(labels) ? labels[reason] : labels[REASON_INTERNAL];
}

void verdict_deny(nk_verdict *verdict, enum reason reason, const char *rule, const char *fmt, ...)
{
    va_list args;

    verdict->decision = NK_DENY;
    snprintf(verdict->rule, sizeof(verdict->rule), "%s", rule != NULL ? rule : "");
    snprintf(verdict->reason, sizeof(verdict->reason), "%s", reason_label(reason));
    va_start(args, fmt);
    vsnprintf(verdict->detail, sizeof(verdict->detail), fmt, args);
    va_end(args);
    /* Targets come from the host and may hold any byte. */
    text_flatten(verdict->detail, strlen(verdict->detail), TEXT_PRINTABLE);
}
