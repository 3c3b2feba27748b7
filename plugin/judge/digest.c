/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/digest.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/report.h"
#include "base/text.h"

#define FORMAT "nodekey policy 1" /* a change of what is hashed changes this */
#define ROOTS_MAX 4096

DEFINE_AUTO(EVP_MD_CTX *, EVP_MD_CTX_free);

static void put_bytes(void *to, const void *bytes, size_t len)
{
    (void)EVP_DigestUpdate(to, bytes, len); /* SHA-256 in memory does not fail once it has begun */
}

static void put_number(EVP_MD_CTX *to, uint64_t number)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(number >> (8 * (sizeof(bytes) - 1 - i)));
    }
    put_bytes(to, bytes, sizeof(bytes));
}

static int compare_entries(const void *a, const void *b)
{
    return memcmp(a, b, NK_SHA256_BYTES);
}

/* Sorted, and each once: the same roots in other files, in another order, or twice are the same. */
static nk_status put_roots(EVP_MD_CTX *to, STACK_OF(X509) *roots, nk_error *err)
{
    static const uint8_t none[NK_SHA256_BYTES];
    int len = sk_X509_num(roots);
    if (len > ROOTS_MAX) {
        return report(err, NK_E_TRUST, "federation.roots holds more than %d certificates",
                      ROOTS_MAX);
    }
    uint8_t(*prints)[NK_SHA256_BYTES] = calloc((size_t)len, sizeof(*prints));
    if (prints == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    for (int i = 0; i < len; i++) {
        if (X509_digest(sk_X509_value(roots, i), EVP_sha256(), prints[i], NULL) != 1) {
            free(prints);
            return report_openssl(err, NK_E_INTERNAL, "hash a root");
        }
    }
    qsort(prints, (size_t)len, sizeof(*prints), compare_entries);
    for (int i = 0; i < len; i++) {
        if (i == 0 || memcmp(prints[i], prints[i - 1], sizeof(*prints)) != 0) {
            put_bytes(to, prints[i], sizeof(*prints));
        }
    }
    put_bytes(to, none, sizeof(none)); /* ends the list: no certificate hashes to it */
    free(prints);
    return NK_OK;
}

static void put_settings(EVP_MD_CTX *to, const struct federation_settings *settings)
{
    put_number(to, settings->strict);
    put_number(to, settings->server_name);
    put_number(to, settings->crl.mode);
    put_number(to, settings->crl.grace_hours);
    put_number(to, settings->crl.max_age_hours);
}

nk_status digest_policy(const struct federation_settings *settings, STACK_OF(X509) *roots,
                        const struct rule_set *rules, char hex[DIGEST_CHARS + 1], nk_error *err)
{
    uint8_t digest[NK_SHA256_BYTES];

    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *to = EVP_MD_CTX_new();
    if (to == NULL || EVP_DigestInit_ex(to, EVP_sha256(), NULL) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "begin the digest of a policy");
    }
    put_bytes(to, FORMAT, sizeof(FORMAT));
    put_settings(to, settings);
    put_number(to, rules->all_certified);
    put_number(to, rules->has_candidate);
    nk_status status = put_roots(to, roots, err);
    if (status != NK_OK) {
        return status;
    }
    if (!rule_list_canonical(&rules->deny, put_bytes, to) ||
        !rule_list_canonical(&rules->admit, put_bytes, to) ||
        !rule_list_canonical(&rules->candidate, put_bytes, to)) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    if (EVP_DigestFinal_ex(to, digest, NULL) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "finish the digest of a policy");
    }
    text_hex(hex, digest, sizeof(digest));
    return NK_OK;
}
