/* SPDX-License-Identifier: Apache-2.0
 * RFC 9113 frames; RFC 7541 header fields, none of them compressed. */
#include "http2.h"

#include <stdint.h>
#include <string.h>

#define FRAME_HEADER_BYTES 9
#define FRAME_TYPE_AT 3
#define FRAME_STREAM_AT 5
#define FRAME_DATA 0
#define FRAME_HEADERS 1
#define FRAME_SETTINGS 4
#define END_STREAM 0x1
#define END_HEADERS 0x4

struct out {
    unsigned char *buf;
    size_t len;
};

static void put(struct out *out, const void *bytes, size_t len)
{
    memcpy(out->buf + out->len, bytes, len);
    out->len += len;
}

static void put_frame(struct out *out, unsigned char type, unsigned char flags,
                      unsigned char stream, const struct out *payload)
{
    const unsigned char header[FRAME_HEADER_BYTES] = { 0,
                                                       (unsigned char)(payload->len >> 8),
                                                       (unsigned char)payload->len,
                                                       type,
                                                       flags,
                                                       0,
                                                       0,
                                                       0,
                                                       stream };
    put(out, header, sizeof(header));
    put(out, payload->buf, payload->len);
}

/* `index` is the bytes that name the field in HPACK's static table. */
static void put_field(struct out *out, const char *index, const char *value)
{
    unsigned char len = (unsigned char)strlen(value);
    put(out, index, strlen(index));
    put(out, &len, 1);
    put(out, value, len);
}

size_t http2_request(unsigned char *buf, const char *text)
{
    static const unsigned char post_https[] = { 0x83, 0x87 };
    static const unsigned char te_trailers[] = "\0\2te\10trailers";
    unsigned char text_len = (unsigned char)strnlen(text, HTTP2_PAYLOAD_MAX_BYTES);
    const unsigned char message[] = { 0, 0, 0, 0, text_len };
    unsigned char payload_buf[HTTP2_REQUEST_MAX_BYTES];
    struct out payload = { .buf = payload_buf };
    struct out out = { .buf = buf };

    put(&out, HTTP2_PREFACE, HTTP2_PREFACE_BYTES);
    put_frame(&out, FRAME_SETTINGS, 0, 0, &payload);
    put(&payload, post_https, sizeof(post_https));
    put_field(&payload, "\4", "/nodekey.test.Echo/Echo"); /* :path */
    put_field(&payload, "\1", "127.0.0.1");               /* :authority */
    put_field(&payload, "\17\20", "application/grpc");    /* content-type */
    put(&payload, te_trailers, sizeof(te_trailers) - 1);
    put_frame(&out, FRAME_HEADERS, END_HEADERS, 1, &payload);
    payload.len = 0;
    put(&payload, message, sizeof(message));
    put(&payload, text, text_len);
    put_frame(&out, FRAME_DATA, END_STREAM, 1, &payload);
    return out.len;
}

bool http2_answered(http2_read read_all, void *source)
{
    unsigned char header[FRAME_HEADER_BYTES];
    unsigned char skipped[UINT16_MAX];
    while (read_all(source, header, sizeof(header))) {
        if (header[FRAME_TYPE_AT] == FRAME_HEADERS) {
            return true;
        }
        size_t len = (size_t)header[1] << 8 | header[2];
        if (header[0] != 0 || !read_all(source, skipped, len)) {
            return false;
        }
    }
    return false;
}
