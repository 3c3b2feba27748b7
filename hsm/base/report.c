/* SPDX-License-Identifier: Apache-2.0 */
#include "base/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "base/callback.h"
#include "base/clock.h"
#include "base/text.h"

#define LOG_LINE_BYTES 2048

static bool takes_report(const nk_error *err)
{
    return err != NULL && NK_HAS(nk_error, err, text) && err->status == NK_OK;
}

/* A line is one line: whatever a certificate or a file name carries, a log reader sees no break. */
static void flatten_line(char *text)
{
    text_flatten(text, strlen(text), TEXT_ONE_LINE);
}

static void PRINTF_LIKE(3, 0)
    set_text(nk_error *err, nk_status status, const char *fmt, va_list args)
{
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    flatten_line(err->text);
    err->status = status;
}

static void append_text(nk_error *err, const char *separator, const char *text)
{
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, "%s%s", separator, text);
    flatten_line(err->text + used);
}

nk_status report(nk_error *err, nk_status status, const char *fmt, ...)
{
    if (takes_report(err)) {
        va_list args;
        va_start(args, fmt);
        set_text(err, status, fmt, args);
        va_end(args);
    }
    return status;
}

nk_status report_errno(nk_error *err, nk_status status, const char *fmt, ...)
{
    int cause = errno;

    if (takes_report(err)) {
        char room[128];
        va_list args;
        va_start(args, fmt);
        set_text(err, status, fmt, args);
        va_end(args);
        err->native_kind = NK_NATIVE_ERRNO;
        err->native = (uint64_t)cause;
        append_text(err, ": ", strerror_r(cause, room, sizeof(room)));
    }
    return status;
}

nk_status report_openssl(nk_error *err, nk_status status, const char *fmt, ...)
{
    const char *detail = NULL;
    int flags = 0;
    unsigned long cause = ERR_peek_error_all(NULL, NULL, NULL, &detail, &flags);

    if (takes_report(err)) {
        const char *reason = ERR_reason_error_string(cause);
        va_list args;
        va_start(args, fmt);
        set_text(err, status, fmt, args);
        va_end(args);
        err->native_kind = NK_NATIVE_OPENSSL;
        err->native = cause;
        append_text(err, ": ", reason != NULL ? reason : "OpenSSL gives no reason");
        if ((flags & ERR_TXT_STRING) != 0 && detail != NULL && detail[0] != '\0') {
            append_text(err, ", ", detail);
        }
    }
    ERR_clear_error();
    return status;
}

nk_status report_where(nk_error *err, nk_status status, const char *fmt, ...)
{
    if (err != NULL && NK_HAS(nk_error, err, text) && err->status != NK_OK) {
        char rest[NK_ERROR_TEXT_BYTES];
        snprintf(rest, sizeof(rest), "%s", err->text);
        va_list args;
        va_start(args, fmt);
        set_text(err, err->status, fmt, args);
        va_end(args);
        append_text(err, ": ", rest);
    }
    return status;
}

nk_status report_copy(nk_error *err, const nk_error *from)
{
    if (takes_report(err)) {
        err->native_kind = from->native_kind;
        err->native = from->native;
        snprintf(err->text, sizeof(err->text), "%s", from->text);
        err->status = from->status;
    }
    return from->status;
}

static void PRINTF_LIKE(3, 0) write_line(const nk_host *host, int32_t level, const char *fmt,
                                         va_list args, unsigned long long held_back)
{
    char line[LOG_LINE_BYTES];
    char counted[64] = "";

    if (held_back > 0) {
        snprintf(counted, sizeof(counted), " (%llu such lines before it were held back)",
                 held_back);
    }
    vsnprintf(line, sizeof(line) - strlen(counted), fmt, args);
    size_t used = strlen(line);
    snprintf(line + used, sizeof(line) - used, "%s", counted);
    flatten_line(line);
    callback_enter();
    host->log(host->host_data, level, line);
    callback_leave();
}

void log_line(const nk_host *host, int32_t level, const char *fmt, ...)
{
    if (host != NULL && host->log != NULL) {
        va_list args;
        va_start(args, fmt);
        write_line(host, level, fmt, args, 0);
        va_end(args);
    }
}

/* Two threads at the turn of a minute may both begin it: some lines more. */
static bool take_line(struct log_budget *budget)
{
    long long minute = clock_now_ms() / 60000 + 1; /* never that of a zeroed one */

    if (atomic_exchange(&budget->minute, minute) != minute) {
        atomic_store(&budget->lines, 0);
    }
    if (atomic_fetch_add(&budget->lines, 1) < LOG_BUDGET_LINES) {
        return true;
    }
    atomic_fetch_add(&budget->held_back, 1);
    return false;
}

void log_line_within(struct log_budget *budget, const nk_host *host, int32_t level, const char *fmt,
                     ...)
{
    if (host != NULL && host->log != NULL && take_line(budget)) {
        va_list args;
        va_start(args, fmt);
        write_line(host, level, fmt, args, atomic_exchange(&budget->held_back, 0));
        va_end(args);
    }
}
