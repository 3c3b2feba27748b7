/* SPDX-License-Identifier: Apache-2.0
 * Filling an nk_error. Each call returns the status it was given, so a failure is one statement. An
 * `err` may be NULL, or hold a failure already: the first one stays. Texts become one line. All
 * [any]; an nk_error itself is of one thread. */
#ifndef NODEKEY_REPORT_H
#define NODEKEY_REPORT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

nk_status report(nk_error *err, nk_status status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* "<text>: <strerror>" with errno as `native`; reads errno first. */
nk_status report_errno(nk_error *err, nk_status status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Drains this thread's OpenSSL queue; the oldest entry, the cause, becomes `native`. */
nk_status report_openssl(nk_error *err, nk_status status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "<where>: " before a text already reported, such as the path of a config member; does
 * nothing where nothing was. */
nk_status report_where(nk_error *err, nk_status status, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* False: an nk_error that a host forgot to initialise, and that would be read as noise. */
static inline bool report_is_ready(const nk_error *err)
{
    return err == NULL || NK_HAS(nk_error, err, text);
}
/* Hands on an error that was collected aside; returns its status. */
nk_status report_copy(nk_error *err, const nk_error *from);

/* One line to the host's log, if it has one; `host` may be NULL. The host is called back on this
 * thread: never under a lock of ours. */
void log_line(const nk_host *host, int32_t level, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define LOG_BUDGET_LINES 60 /* a minute */

/* Lines that whoever reaches a port can cause. Zeroed: none yet. [any] */
struct log_budget {
    atomic_llong minute; /* of the monotonic clock */
    atomic_uint lines;   /* in that minute */
    atomic_ullong held_back;
};
/* As log_line, while the budget lasts; the next line says how many were held back before it. */
void log_line_within(struct log_budget *budget, const nk_host *host, int32_t level, const char *fmt,
                     ...) PRINTF_LIKE(4, 5);

#endif
