/* SPDX-License-Identifier: Apache-2.0 */
#include "dial/tls.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/report.h"
#include "base/text.h"
#include "config/cipher_suites.h"

#define ALERT_PROTOCOL_VERSION 70
#define ALERT_NO_APPLICATION_PROTOCOL 120
#define CHUNK_BYTES 4096
#define BEGINNING_BYTES 24 /* that tell who else answers */
#define BEGINNING_WAIT_MS 500

DEFINE_AUTO(SSL_CTX *, SSL_CTX_free);

/* --- the context --- */

static int leave_to_policy(X509_STORE_CTX *context, void *arg)
{
    (void)context, (void)arg;
    return 1;
}

static bool use_identity(SSL_CTX *context, const struct dial_order *order)
{
    bool good = SSL_CTX_use_certificate(context, order->leaf) == 1 &&
                SSL_CTX_use_PrivateKey(context, order->key) == 1;

    for (int i = 0; good && i < sk_X509_num(order->intermediates); i++) {
        good = SSL_CTX_add1_chain_cert(context, sk_X509_value(order->intermediates, i)) == 1;
    }
    return good;
}

/* The group is gRPC's SSL_CTX_set_tmp_ecdh, which leaves OpenSSL 3 no other. */
static bool set_terms(SSL_CTX *context)
{
    static const unsigned char offered[] = "\10grpc-exp\2h2";

    SSL_CTX_set_cert_verify_callback(context, leave_to_policy, NULL);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set1_groups_list(context, "P-256") == 1 &&
           SSL_CTX_set_cipher_list(context, cipher_suites()) == 1 &&
           SSL_CTX_set_alpn_protos(context, offered, sizeof(offered) - 1) == 0; /* 0: it did */
}

nk_status tls_context(const struct dial_order *order, SSL_CTX **ret_context, nk_error *err)
{
    nk_status status = cipher_suites_check(err);
    if (status != NK_OK) {
        return status;
    }
    ERR_clear_error();
    AUTO(SSL_CTX_free) SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context == NULL || !set_terms(context)) {
        return report_openssl(err, NK_E_INTERNAL, "set up TLS");
    }
    if (!use_identity(context, order)) {
        return report_openssl(err, NK_E_IDENTITY, "TLS does not take our certificate with our key");
    }
    *ret_context = context;
    context = NULL;
    return NK_OK;
}

/* --- the pump --- */

enum step { GO_ON, CLOSED, LATE, FLOODED, FAILED };

bool tls_begin(struct tls *tls, SSL_CTX *context, const char *host, struct wire *wire)
{
    *tls = (struct tls){ .ssl = SSL_new(context), .wire = wire };
    tls->from_peer = BIO_new(BIO_s_mem());
    tls->to_peer = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->from_peer == NULL || tls->to_peer == NULL ||
        SSL_set_tlsext_host_name(tls->ssl, host) != 1) { /* addresses, too, as gRPC does */
        BIO_free(tls->from_peer);
        BIO_free(tls->to_peer);
        tls_clear(tls);
        return false;
    }
    SSL_set_bio(tls->ssl, tls->from_peer, tls->to_peer);
    SSL_set_connect_state(tls->ssl);
    seen_watch(&tls->seen, tls->ssl);
    return true;
}

void tls_clear(struct tls *tls)
{
    SSL_free(tls->ssl);
    tls->ssl = NULL;
    ERR_clear_error();
}

/* A peer that has closed the socket may have said why before, which is still to be read. */
static enum step flush(struct tls *tls)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(tls->to_peer, &bytes);
    enum wire_end end = len > 0 ? wire_write(tls->wire, bytes, (size_t)len) : WIRE_OK;

    (void)BIO_reset(tls->to_peer);
    return end == WIRE_LATE ? LATE : GO_ON;
}

static enum step fetch(struct tls *tls)
{
    unsigned char bytes[CHUNK_BYTES];
    size_t len = 0;

    switch (wire_read(tls->wire, bytes, sizeof(bytes), &len)) {
    case WIRE_CLOSED:
        return CLOSED;
    case WIRE_LATE:
        return LATE;
    case WIRE_FLOODED:
        return FLOODED;
    case WIRE_OK:
        break;
    }
    return BIO_write(tls->from_peer, bytes, (int)len) == (int)len ? GO_ON : FAILED;
}

/* After a call of OpenSSL's that did not end well: what it wants, or why it does not. */
static enum step serve(struct tls *tls, int result)
{
    int error = SSL_get_error(tls->ssl, result);
    enum step step = flush(tls);

    if (step != GO_ON || error == SSL_ERROR_WANT_READ) {
        return step != GO_ON ? step : fetch(tls);
    }
    return error == SSL_ERROR_ZERO_RETURN ? CLOSED : FAILED;
}

/* --- who is no TLS peer --- */

static bool looks_like_tls(const struct wire *wire)
{
    return wire->first[0] >= SSL3_RT_CHANGE_CIPHER_SPEC &&
           wire->first[0] <= SSL3_RT_APPLICATION_DATA &&
           (wire->got < 2 || wire->first[1] == SSL3_VERSION_MAJOR);
}

/* A SETTINGS or GOAWAY frame on stream 0: RFC 9113 4.1. */
static bool looks_like_http2(const struct wire *wire)
{
    const unsigned char *first = wire->first;

    return wire->got >= 9 && first[0] == 0 && (first[3] == 4 || first[3] == 7) &&
           (first[5] | first[6] | first[7] | first[8]) == 0;
}

static void tell_beginning(const void *bytes, size_t len, char detail[NK_DETAIL_BYTES])
{
    char text[WIRE_FIRST_BYTES + 1] = "";

    memcpy(text, bytes, len < WIRE_FIRST_BYTES ? len : WIRE_FIRST_BYTES);
    if (text[0] != '\0') {
        text[strcspn(text, "\r\n")] = '\0';
    }
    text_flatten(text, strlen(text), TEXT_PRINTABLE);
    snprintf(detail, NK_DETAIL_BYTES, "it began with \"%s\"", text);
}

static enum dial_end tell_stranger(struct tls *tls, char detail[NK_DETAIL_BYTES])
{
    struct wire *wire = tls->wire;
    unsigned char more[CHUNK_BYTES];
    size_t len = 0;
    long long patience = clock_now_ms() + BEGINNING_WAIT_MS;

    wire->deadline_ms = patience < wire->deadline_ms ? patience : wire->deadline_ms;
    while (wire->got < BEGINNING_BYTES && wire_read(wire, more, sizeof(more), &len) == WIRE_OK) {
    }
    if (looks_like_http2(wire)) {
        return DIAL_PLAIN_H2;
    }
    tell_beginning(wire->first, wire->got, detail);
    return memcmp(wire->first, "HTTP/", strlen("HTTP/")) == 0 ? DIAL_PLAIN_HTTP : DIAL_NOT_TLS;
}

/* --- how it ended --- */

static void tell_alert(int alert, char detail[NK_DETAIL_BYTES])
{
    snprintf(detail, NK_DETAIL_BYTES, "TLS alert %d, %s", alert, seen_alert_name(alert));
}

static enum dial_end end_by_alert(const struct seen *seen, char detail[NK_DETAIL_BYTES])
{
    tell_alert(seen->alert, detail);
    if (seen->alert == ALERT_NO_APPLICATION_PROTOCOL) {
        return DIAL_NO_H2;
    }
    if (seen->alert == ALERT_PROTOCOL_VERSION) {
        return DIAL_OLD_TLS;
    }
    return seen->shown ? DIAL_REFUSED_US : DIAL_ALERT;
}

static enum dial_end end_by_openssl(const struct seen *seen, char detail[NK_DETAIL_BYTES])
{
    unsigned long error = ERR_peek_error();
    nk_error own = { .struct_size = sizeof(own) };

    report_openssl(&own, NK_E_PEER, "OpenSSL");
    snprintf(detail, NK_DETAIL_BYTES, "%.*s", NK_DETAIL_BYTES - 1, own.text);
    text_flatten(detail, strlen(detail), TEXT_PRINTABLE);
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_UNSUPPORTED_PROTOCOL) {
        return DIAL_OLD_TLS;
    }
    return seen->shown && !seen->has_signed ? DIAL_OUR_KEY : DIAL_BROKEN_TLS;
}

static enum dial_end end_by_closing(const struct tls *tls, char detail[NK_DETAIL_BYTES])
{
    if (tls->seen.shown) {
        snprintf(detail, NK_DETAIL_BYTES, "without an alert, as gRPC does");
        return DIAL_REFUSED_US;
    }
    snprintf(detail, NK_DETAIL_BYTES, tls->wire->got == 0 ? "without a byte" : "after %zu bytes",
             tls->wire->got);
    return DIAL_CLOSED;
}

static enum dial_end end_of_handshake(const struct tls *tls, enum step step,
                                      char detail[NK_DETAIL_BYTES])
{
    switch (step) {
    case LATE:
        snprintf(detail, NK_DETAIL_BYTES, "%zu bytes of a handshake came", tls->wire->got);
        return DIAL_SILENT;
    case FLOODED:
        snprintf(detail, NK_DETAIL_BYTES, "it sent more than %zu bytes", WIRE_MAX_BYTES);
        return DIAL_BROKEN_TLS;
    case CLOSED:
        return end_by_closing(tls, detail);
    default:
        return tls->seen.alert != SEEN_NO_ALERT ? end_by_alert(&tls->seen, detail)
                                                : end_by_openssl(&tls->seen, detail);
    }
}

enum dial_end tls_shake_hands(struct tls *tls, char detail[NK_DETAIL_BYTES])
{
    for (;;) {
        ERR_clear_error();
        int result = SSL_do_handshake(tls->ssl);
        enum step step = result == 1 ? flush(tls) : serve(tls, result);
        if (result == 1 && step == GO_ON) {
            return DIAL_FINE;
        }
        if (tls->wire->got > 0 && !looks_like_tls(tls->wire)) {
            return tell_stranger(tls, detail);
        }
        if (step != GO_ON) {
            return end_of_handshake(tls, step, detail);
        }
    }
}

/* --- after it --- */

/* In TLS 1.3 a server refuses our certificate only after our side of the handshake is done. */
static enum dial_end end_by_leaving(const struct seen *seen, char detail[NK_DETAIL_BYTES])
{
    if (seen->asked && !seen->shown) {
        snprintf(detail, NK_DETAIL_BYTES,
                 "it takes none of the signature schemes of our key, so we showed no certificate");
        return DIAL_OUR_KEY;
    }
    if (seen->alert != SEEN_NO_ALERT) {
        tell_alert(seen->alert, detail);
    } else {
        snprintf(detail, NK_DETAIL_BYTES, "without an alert, as gRPC does");
    }
    return seen->shown ? DIAL_REFUSED_US : DIAL_CLOSED_LATE;
}

static enum dial_end end_of_talk(const struct tls *tls, enum step step,
                                 char detail[NK_DETAIL_BYTES])
{
    switch (step) {
    case LATE:
        return DIAL_NO_FIRST_BYTE;
    case FLOODED:
        return end_of_handshake(tls, step, detail);
    case CLOSED:
        return end_by_leaving(&tls->seen, detail);
    default:
        return tls->seen.alert != SEEN_NO_ALERT ? end_by_leaving(&tls->seen, detail)
                                                : end_by_openssl(&tls->seen, detail);
    }
}

enum dial_end tls_read(struct tls *tls, void *bytes, size_t room, size_t *ret_len,
                       char detail[NK_DETAIL_BYTES])
{
    for (;;) {
        ERR_clear_error();
        int result = SSL_read_ex(tls->ssl, bytes, room, ret_len);
        enum step step = result == 1 ? flush(tls) : serve(tls, result);
        if (result == 1) {
            return DIAL_FINE;
        }
        if (step != GO_ON) {
            return end_of_talk(tls, step, detail);
        }
    }
}

enum dial_end tls_write(struct tls *tls, const void *bytes, size_t len,
                        char detail[NK_DETAIL_BYTES])
{
    size_t written = 0;

    ERR_clear_error();
    int result = SSL_write_ex(tls->ssl, bytes, len, &written);
    enum step step = result == 1 ? flush(tls) : serve(tls, result);
    return result == 1 && step == GO_ON ? DIAL_FINE : end_of_talk(tls, step, detail);
}

void tls_end(struct tls *tls)
{
    (void)SSL_shutdown(tls->ssl);
    (void)flush(tls);
}
