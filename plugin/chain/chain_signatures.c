/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_signatures.h"

#include <stdbool.h>

#include <openssl/x509v3.h>

#include "base/text.h"

#define UTC_BYTES 13         /* YYMMDDHHMMSSZ */
#define GENERALIZED_BYTES 15 /* YYYYMMDDHHMMSSZ */

/* RFC 5280 4.1.2.5 has one form of each kind; ASN1_TIME_cmp_time_t takes others, too, which
 * X509_verify_cert calls an error. */
static bool is_of_form(const ASN1_TIME *date)
{
    const unsigned char *text = ASN1_STRING_get0_data(date);
    int len = ASN1_STRING_length(date);
    bool good = len == (ASN1_STRING_type(date) == V_ASN1_UTCTIME ? UTC_BYTES : GENERALIZED_BYTES);

    for (int i = 0; good && i < len - 1; i++) {
        good = text[i] >= '0' && text[i] <= '9';
    }
    return good && text[len - 1] == 'Z';
}

static bool is_valid_now(const X509 *certificate)
{
    const ASN1_TIME *begin = X509_get0_notBefore(certificate);
    const ASN1_TIME *end = X509_get0_notAfter(certificate);

    return is_of_form(begin) && is_of_form(end) && text_compare_to_now(begin) < 0 &&
           text_compare_to_now(end) > 0;
}

/* Whether nothing but the leaf's signature is left to check. */
static bool only_leaf_is_new(struct pool *pool, STACK_OF(X509) *path)
{
    int root = sk_X509_num(path) - 1;
    X509 *issuer = sk_X509_value(path, 1);
    bool known = pool != NULL && root >= 2 && X509_get0_pubkey(issuer) != NULL &&
                 (X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN) != 0;

    for (int i = 1; known && i < root; i++) {
        known = pool_knows_signature(pool, sk_X509_value(path, i), sk_X509_value(path, i + 1));
    }
    for (int i = 0; known && i <= root; i++) {
        known = is_valid_now(sk_X509_value(path, i));
    }
    return known;
}

/* OpenSSL's own check of signatures and validity is the last word wherever this one says nothing:
 * it begins at the root, and would come to the leaf's signature with nothing found by then. */
static int check_signatures(X509_STORE_CTX *ctx)
{
    const struct chain_check *check = X509_STORE_CTX_get_app_data(ctx);
    STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
    X509 *leaf = sk_X509_value(path, 0);

    if (!only_leaf_is_new(check->pool, path)) {
        return check->openssl_signatures(ctx);
    }
    X509_STORE_CTX_set_error_depth(ctx, 0); /* as OpenSSL's ends, which has the leaf last */
    X509_STORE_CTX_set_current_cert(ctx, leaf);
    if (X509_verify(leaf, X509_get0_pubkey(sk_X509_value(path, 1))) == 1) {
        return 1;
    }
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_SIGNATURE_FAILURE);
    return 0;
}

void chain_signatures_spare(X509_STORE_CTX *ctx, struct chain_check *check)
{
    check->openssl_signatures = X509_STORE_CTX_get_verify(ctx);
    X509_STORE_CTX_set_verify(ctx, check_signatures);
}
