/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/auto.h"

#define NO_END 253402300799 /* 99991231235959Z, RFC 5280 section 4.1.2.5 */

/* Code points that break a line, move the cursor, show what follows in another order (Unicode
 * standard annex 9), or show nothing at all (Default_Ignorable_Code_Point, annex 44): a log that
 * shows them shows what a label wants to be read. */
static const struct {
    unsigned long first, last;
} controls[] = {
    { 0x00, 0x1f },       { 0x7f, 0x9f },       { 0xad, 0xad },       { 0x34f, 0x34f },
    { 0x61c, 0x61c },     { 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
    { 0x200b, 0x200f },   { 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0x3164, 0x3164 },
    { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },
    { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

static bool is_control(unsigned long point)
{
    for (size_t i = 0; i < ARRAY_LEN(controls); i++) {
        if (point >= controls[i].first && point <= controls[i].last) {
            return true;
        }
    }
    return false;
}

/* Length of the first code point of UTF-8; 0: it is none, or a control character. */
static size_t line_step(const unsigned char *bytes, size_t len)
{
    unsigned long point = 0;
    int step = UTF8_getc(bytes, len < 4 ? (int)len : 4, &point);

    return step > 0 && point <= 0x10ffff && !is_control(point) ? (size_t)step : 0;
}

static size_t step_of_kind(const unsigned char *bytes, size_t len, enum text_kind kind)
{
    unsigned char first = kind == TEXT_VISIBLE ? '!' : ' ';

    if (bytes[0] < 0x80 || kind != TEXT_ONE_LINE) {
        return bytes[0] >= first && bytes[0] <= '~' ? 1 : 0;
    }
    return line_step(bytes, len);
}

size_t text_span(const void *bytes, size_t len, enum text_kind kind)
{
    const unsigned char *at = bytes;
    size_t span = 0;

    for (size_t step = 1; span < len && step > 0; span += step) {
        step = step_of_kind(at + span, len - span, kind);
    }
    return span;
}

bool text_is(const char *text, enum text_kind kind)
{
    size_t len = strlen(text);
    return text_span(text, len, kind) == len;
}

void text_flatten(char *text, size_t len, enum text_kind kind)
{
    for (size_t i = text_span(text, len, kind); i < len; i += text_span(text + i, len - i, kind)) {
        text[i] = '?';
    }
}

const char *text_escape(char *out, size_t room, const char *text)
{
    size_t used = 0;

    for (const char *at = text; *at != '\0'; at++) {
        bool plain = text_span(at, 1, TEXT_PRINTABLE) == 1 && *at != '\\';
        if (used + (plain ? 1 : 4) >= room) {
            break;
        }
        if (plain) { /* nearly always, and each verdict has one */
            out[used++] = *at;
        } else {
            used += (size_t)snprintf(out + used, room - used, "\\x%02x", (unsigned char)*at);
        }
    }
    out[used] = '\0';
    return out;
}

const char *text_hex(char *text, const void *bytes, size_t len)
{
    text[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)bytes)[i]);
    }
    return text;
}

const char *text_time(char text[TEXT_TIME_BYTES], time_t at)
{
    struct tm utc;

    if (at == -1 || gmtime_r(&at, &utc) == NULL ||
        strftime(text, TEXT_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
        snprintf(text, TEXT_TIME_BYTES, "?");
    }
    return text;
}

/* In the largest unit of which there are two. */
static void print_span(char *text, size_t room, long long seconds)
{
    static const struct {
        long long seconds;
        const char *name;
    } units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(units) && seconds / units[i].seconds < 2) {
        i++;
    }
    long long count = seconds / units[i].seconds;
    snprintf(text, room, "%lld %s%s", count, units[i].name, count == 1 ? "" : "s");
}

const char *text_until(char text[TEXT_UNTIL_BYTES], time_t end, time_t now)
{
    char at[TEXT_TIME_BYTES];
    char span[32];

    text_time(at, end);
    print_span(span, sizeof(span), end < now ? now - end : end - now);
    if (end == -1 || end == NO_END) {
        snprintf(text, TEXT_UNTIL_BYTES, "until %s%s", at, end == NO_END ? " (no end)" : "");
    } else if (end < now) {
        snprintf(text, TEXT_UNTIL_BYTES, "until %s (RAN OUT %s ago)", at, span);
    } else {
        snprintf(text, TEXT_UNTIL_BYTES, "until %s (%s left)", at, span);
    }
    return text;
}

time_t text_read_time(const ASN1_TIME *date)
{
    struct tm utc;
    return date != NULL && ASN1_TIME_to_tm(date, &utc) == 1 ? timegm(&utc) : (time_t)-1;
}

int text_compare_to_now(const ASN1_TIME *date)
{
    int order = ASN1_TIME_cmp_time_t(date, time(NULL)); /* -2: it cannot be read */

    return order == -2 ? 0 : order > 0 ? 1 : -1;
}
