/* SPDX-License-Identifier: Apache-2.0 */
#include "dial/h2.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define EMPTY_SETTINGS "\0\0\0\4\0\0\0\0\0"
#define FRAME_HEADER_BYTES 9 /* RFC 9113 4.1: length, type, flags, stream */
#define TYPE_AT 3
#define FLAGS_AT 4
#define STREAM_AT 5
#define TYPE_SETTINGS 4
#define FLAG_ACK 1
#define SETTING_BYTES 6
#define FRAME_MAX_BYTES 16384
#define UNSPOKEN_WAIT_MS 2000

static bool is_settings(const unsigned char *header)
{
    size_t len = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
    static const unsigned char stream[] = { 0, 0, 0, 0 };

    return header[TYPE_AT] == TYPE_SETTINGS && (header[FLAGS_AT] & FLAG_ACK) == 0 &&
           memcmp(header + STREAM_AT, stream, sizeof(stream)) == 0 && len <= FRAME_MAX_BYTES &&
           len % SETTING_BYTES == 0;
}

static void tell_frame(const unsigned char *header, char detail[NK_DETAIL_BYTES])
{
    char text[FRAME_HEADER_BYTES + 1] = "";

    memcpy(text, header, FRAME_HEADER_BYTES);
    if (text_span(header, FRAME_HEADER_BYTES, TEXT_PRINTABLE) == FRAME_HEADER_BYTES) {
        snprintf(detail, NK_DETAIL_BYTES, "it began with \"%s\"", text);
    } else {
        snprintf(detail, NK_DETAIL_BYTES, "its first frame is of type %u, not SETTINGS",
                 header[TYPE_AT]);
    }
}

static enum dial_end read_header(struct tls *tls, unsigned char *header, long long *ret_first_us,
                                 char detail[NK_DETAIL_BYTES])
{
    for (size_t used = 0, len = 0; used < FRAME_HEADER_BYTES; used += len) {
        enum dial_end end = tls_read(tls, header + used, FRAME_HEADER_BYTES - used, &len, detail);
        if (end != DIAL_FINE) {
            return end;
        }
        *ret_first_us = used == 0 ? clock_now_us() : *ret_first_us;
    }
    return DIAL_FINE;
}

static void shorten(struct wire *wire)
{
    long long patience = clock_now_ms() + UNSPOKEN_WAIT_MS;

    wire->deadline_ms = patience < wire->deadline_ms ? patience : wire->deadline_ms;
}

enum dial_end h2_greet(struct tls *tls, bool speaks, long long *ret_first_us,
                       char detail[NK_DETAIL_BYTES])
{
    static const char hello[] = PREFACE EMPTY_SETTINGS;
    unsigned char header[FRAME_HEADER_BYTES];
    enum dial_end end = DIAL_FINE;

    if (speaks) {
        end = tls_write(tls, hello, sizeof(hello) - 1, detail);
    } else {
        shorten(tls->wire);
    }
    if (end == DIAL_FINE) {
        end = read_header(tls, header, ret_first_us, detail);
    }
    if (end == DIAL_NO_FIRST_BYTE && !speaks) {
        snprintf(detail, NK_DETAIL_BYTES, "we said nothing either, since our policy refuses it");
    }
    if (end != DIAL_FINE || is_settings(header)) {
        return end;
    }
    tell_frame(header, detail);
    return DIAL_NOT_H2;
}
