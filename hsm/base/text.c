/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Code points that break a line, move the cursor, or show what follows in another order (Unicode
 * standard annex 9): a log that shows them shows what a label wants to be read. */
static bool is_control(unsigned long point)
{
    return point < ' ' || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
           (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
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
        used +=
            (size_t)snprintf(out + used, room - used, plain ? "%c" : "\\x%02x", (unsigned char)*at);
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

time_t text_read_time(const ASN1_TIME *date)
{
    struct tm utc;
    return date != NULL && ASN1_TIME_to_tm(date, &utc) == 1 ? timegm(&utc) : (time_t)-1;
}
