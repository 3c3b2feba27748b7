/* SPDX-License-Identifier: Apache-2.0 */
#include "config/cipher_suites.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"

#define VARIABLE "GRPC_SSL_CIPHER_SUITES"
#define SEPARATORS ":,; " /* of OpenSSL, ciphers(1) */
/* gRPC 1.51, ssl_utils.cc. */
#define SUITES_OF_GRPC                                                                             \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:"     \
    "ECDHE-RSA-AES256-GCM-SHA384"

/* Forward secrecy and authenticated encryption: RFC 9113 section 9.2.2 leaves HTTP/2 no others. */
static const char *const suites_12[] = {
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",   "ECDHE-RSA-CHACHA20-POLY1305",
};
/* RFC 8446 appendix B.4. In this list they choose nothing: OpenSSL has another for them. */
static const char *const suites_13[] = {
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",   "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256",
};

static bool is_listed(const char *const *suites, size_t len, const char *name, size_t name_len)
{
    for (size_t i = 0; i < len; i++) {
        if (strlen(suites[i]) == name_len && memcmp(suites[i], name, name_len) == 0) {
            return true;
        }
    }
    return false;
}

nk_status cipher_suites_check(nk_error *err)
{
    const char *list = getenv(VARIABLE);
    bool has_12 = false;

    if (list == NULL) {
        return NK_OK;
    }
    for (const char *at = list + strspn(list, SEPARATORS); *at != '\0';
         at += strspn(at, SEPARATORS)) {
        size_t len = strcspn(at, SEPARATORS);
        bool is_12 = is_listed(suites_12, ARRAY_LEN(suites_12), at, len);
        if (!is_12 && !is_listed(suites_13, ARRAY_LEN(suites_13), at, len)) {
            return report(err, NK_E_CONFIG,
                          VARIABLE ": \"%.*s\" is not taken; unset the variable, or list suites "
                                   "such as %s by their full names, with colons between",
                          (int)(len < 64 ? len : 64), at, suites_12[0]);
        }
        has_12 = has_12 || is_12;
        at += len;
    }
    return has_12 ? NK_OK
                  : report(err, NK_E_CONFIG,
                           VARIABLE " names no suite of TLS 1.2, which OpenSSL does not take; "
                                    "unset the variable, or add one such as %s",
                           suites_12[0]);
}

const char *cipher_suites(void)
{
    const char *list = getenv(VARIABLE);

    return list != NULL ? list : SUITES_OF_GRPC;
}
