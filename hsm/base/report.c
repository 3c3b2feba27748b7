/* SPDX-License-Identifier: Apache-2.0 */
#include "base/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "base/callback.h"
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

void log_line(const nk_host *host, int32_t level, const char *fmt, ...)
{
    if (host == NULL || host->log == NULL) {
        return;
    }
    char line[LOG_LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    flatten_line(line);
    callback_enter();
    host->log(host->host_data, level, line);
    callback_leave();
}
