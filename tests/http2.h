/* SPDX-License-Identifier: Apache-2.0
 * The few bytes of HTTP/2 that a peer without gRPC needs. */
#ifndef NODEKEY_TESTS_HTTP2_H
#define NODEKEY_TESTS_HTTP2_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_PREFACE_BYTES (sizeof(HTTP2_PREFACE) - 1)
#define HTTP2_PAYLOAD_MAX_BYTES 128
#define HTTP2_REQUEST_MAX_BYTES 512

/* Preface, SETTINGS, and one unary gRPC call with this payload. Returns its length. */
size_t http2_request(unsigned char *buf, const char *payload);

/* Reads exactly `len` bytes, or says no. */
typedef bool (*http2_read)(void *source, unsigned char *buf, size_t len);
/* Reads frames until the answer to the call begins; false when the source ends first. */
bool http2_answered(http2_read read_all, void *source);

#endif
