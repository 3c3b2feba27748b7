/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static bool is_of_kind(unsigned char byte, enum text_kind kind)
{
    unsigned char first = kind == TEXT_VISIBLE ? '!' : ' ';
    return (byte >= first && byte <= '~') || (byte >= 0x80 && kind == TEXT_ONE_LINE);
}

size_t text_span(const void *bytes, size_t len, enum text_kind kind)
{
    const unsigned char *byte = bytes;
    size_t span = 0;

    while (span < len && is_of_kind(byte[span], kind)) {
        span++;
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
