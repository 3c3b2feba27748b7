/* SPDX-License-Identifier: Apache-2.0 */
#include "dial/seen.h"

#include <stddef.h>

#include "base/auto.h"

#define ALERT_FATAL 2 /* RFC 8446 6, as the names */
#define ALERT_CLOSE_NOTIFY 0
#define ALERT_USER_CANCELED 90

/* An empty Certificate: the header, in TLS 1.3 an empty context, the length of the list. */
#define EMPTY_CERTIFICATE_BYTES 8
/* Sent to who asks, by an OpenSSL since 3.2 that can compress: algorithm, length, data. */
#define COMPRESSED_CERTIFICATE 25
#define HEADER_BYTES 4
#define COMPRESSED_FROM 9
#define SCHEME_AT 4 /* in CertificateVerify */

struct numbered {
    int number;
    const char *name;
};

static const struct numbered alerts[] = {
    { 10, "unexpected_message" },
    { 20, "bad_record_mac" },
    { 22, "record_overflow" },
    { 40, "handshake_failure" },
    { 42, "bad_certificate" },
    { 43, "unsupported_certificate" },
    { 44, "certificate_revoked" },
    { 45, "certificate_expired" },
    { 46, "certificate_unknown" },
    { 47, "illegal_parameter" },
    { 48, "unknown_ca" },
    { 49, "access_denied" },
    { 50, "decode_error" },
    { 51, "decrypt_error" },
    { 70, "protocol_version" },
    { 71, "insufficient_security" },
    { 80, "internal_error" },
    { 86, "inappropriate_fallback" },
    { 109, "missing_extension" },
    { 110, "unsupported_extension" },
    { 112, "unrecognized_name" },
    { 113, "bad_certificate_status_response" },
    { 115, "unknown_psk_identity" },
    { 116, "certificate_required" },
    { 120, "no_application_protocol" },
};

/* RFC 8446 4.2.3, those that our keys can make. */
static const struct numbered schemes[] = {
    { 0x0401, "rsa_pkcs1_sha256" },       { 0x0501, "rsa_pkcs1_sha384" },
    { 0x0601, "rsa_pkcs1_sha512" },       { 0x0403, "ecdsa_secp256r1_sha256" },
    { 0x0503, "ecdsa_secp384r1_sha384" }, { 0x0603, "ecdsa_secp521r1_sha512" },
    { 0x0804, "rsa_pss_rsae_sha256" },    { 0x0805, "rsa_pss_rsae_sha384" },
    { 0x0806, "rsa_pss_rsae_sha512" },    { 0x0807, "ed25519" },
    { 0x0809, "rsa_pss_pss_sha256" },     { 0x080a, "rsa_pss_pss_sha384" },
    { 0x080b, "rsa_pss_pss_sha512" },
};

static const char *name_of(const struct numbered *rows, size_t len, int number, const char *other)
{
    for (size_t i = 0; i < len; i++) {
        if (rows[i].number == number) {
            return rows[i].name;
        }
    }
    return other;
}

const char *seen_alert_name(int alert)
{
    return name_of(alerts, ARRAY_LEN(alerts), alert, "of a number that RFC 8446 does not have");
}

/* In TLS 1.3 every alert but two ends the connection, whatever its level says (RFC 8446 6). */
static void see_alert(const SSL *ssl, int where, int value)
{
    struct seen *seen = SSL_get_app_data(ssl);
    int alert = value & 0xff;

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && alert != ALERT_CLOSE_NOTIFY &&
        alert != ALERT_USER_CANCELED &&
        (value >> 8 == ALERT_FATAL || SSL_version(ssl) == TLS1_3_VERSION)) {
        seen->alert = alert;
    }
}

/* Size of a CompressedCertificate once uncompressed, its header included: RFC 8879 section 4. */
static size_t bytes_of_compressed(const unsigned char *message, size_t len)
{
    return len < COMPRESSED_FROM
               ? 0
               : HEADER_BYTES + ((size_t)message[6] << 16 | (size_t)message[7] << 8 | message[8]);
}

static void see_ours(struct seen *seen, const unsigned char *message, size_t len)
{
    if (message[0] == SSL3_MT_CERTIFICATE) {
        seen->shown = len > EMPTY_CERTIFICATE_BYTES;
    } else if (message[0] == COMPRESSED_CERTIFICATE) {
        seen->shown = bytes_of_compressed(message, len) > EMPTY_CERTIFICATE_BYTES;
    } else if (message[0] == SSL3_MT_CERTIFICATE_VERIFY && len > SCHEME_AT + 1) {
        int scheme = message[SCHEME_AT] << 8 | message[SCHEME_AT + 1];
        seen->has_signed = true;
        seen->scheme = name_of(schemes, ARRAY_LEN(schemes), scheme, "another scheme");
    }
}

static void see_message(int ours, int version, int type, const void *message, size_t len, SSL *ssl,
                        void *arg)
{
    struct seen *seen = arg;
    const unsigned char *bytes = message;

    (void)version, (void)ssl;
    if (type != SSL3_RT_HANDSHAKE || len == 0) {
        return;
    }
    if (ours != 0) {
        see_ours(seen, bytes, len);
    } else if (bytes[0] == SSL3_MT_CERTIFICATE_REQUEST) {
        seen->asked = true;
    }
}

void seen_watch(struct seen *seen, SSL *ssl)
{
    *seen = (struct seen){ .alert = SEEN_NO_ALERT };
    SSL_set_app_data(ssl, seen);
    SSL_set_info_callback(ssl, see_alert);
    SSL_set_msg_callback(ssl, see_message);
    SSL_set_msg_callback_arg(ssl, seen);
}
