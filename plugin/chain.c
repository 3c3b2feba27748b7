/* SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "report.h"
#include "trust.h"

#define DEPTH_MAX 8
#define AUTH_LEVEL 2 /* 112 bits: RSA-2048 and P-256 or more, no SHA-1 */
#define SUBJECT_BYTES 128

struct chain {
    X509_STORE *store;
    STACK_OF(X509) *roots;
    struct chain_settings settings;
};

DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(X509_STORE_CTX *, X509_STORE_CTX_free);

static void free_certificates(STACK_OF(X509) *certificates)
{
    sk_X509_pop_free(certificates, X509_free);
}
DEFINE_AUTO(STACK_OF(X509) *, free_certificates);

/* --- life --- */

static bool set_up(struct chain *chain, STACK_OF(X509) *roots)
{
    chain->store = X509_STORE_new();
    chain->roots = X509_chain_up_ref(roots);
    if (chain->store == NULL || chain->roots == NULL) {
        return false;
    }
    for (int i = 0; i < sk_X509_num(roots); i++) {
        if (X509_STORE_add_cert(chain->store, sk_X509_value(roots, i)) != 1) {
            return false;
        }
    }
    /* Never X509_V_FLAG_PARTIAL_CHAIN: only the federation's roots end a path. */
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(chain->store);
    X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    return !chain->settings.strict || X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT) == 1;
}

nk_status chain_new(STACK_OF(X509) *roots, STACK_OF(X509_CRL) *crls,
                    const struct chain_settings *settings, struct chain **ret_chain, nk_error *err)
{
    struct chain *chain = calloc(1, sizeof(*chain));
    if (chain == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    (void)crls;
    chain->settings = *settings;
    if (!set_up(chain, roots)) {
        chain_free(chain);
        return report_openssl(err, NK_E_INTERNAL, "set up the store of roots");
    }
    *ret_chain = chain;
    return NK_OK;
}

void chain_free(struct chain *chain)
{
    if (chain == NULL) {
        return;
    }
    X509_STORE_free(chain->store);
    free_certificates(chain->roots);
    free(chain);
}

void chain_path_clear(struct chain_path *path)
{
    free_certificates(path->certificates);
    for (size_t i = 0; i < path->policies_len; i++) {
        free(path->policies[i]);
    }
    free(path->policies);
    *path = (struct chain_path){ .certificates = NULL };
}

/* What may lie between leaf and root; NULL: no memory. The peer's own come first, and OpenSSL takes
 * the first that fits: another issuer of that name in the pool harms no peer that sends its own. */
static STACK_OF(X509) *candidates(struct pool *pool, STACK_OF(X509) *others)
{
    STACK_OF(X509) *all = sk_X509_new_reserve(NULL, POOL_MAX);
    bool whole = all != NULL;

    for (int i = 0; whole && i < sk_X509_num(others); i++) {
        whole = sk_X509_push(all, sk_X509_value(others, i)) > 0;
        if (whole) {
            X509_up_ref(sk_X509_value(others, i));
        }
    }
    if (!whole || (pool != NULL && !pool_append(pool, all))) {
        free_certificates(all);
        return NULL;
    }
    return all;
}

/* --- validation --- */

/* P2PFL's script gives the CA and every node one subject, so a node's certificate looks self-signed
 * to OpenSSL, which tells by the names when there are no key identifiers and then looks for no
 * issuer. If its own key did not sign it, it is not: validate a copy whose decoded subject differs.
 * The signature is checked over the bytes as received, which the copy keeps; were they encoded
 * anew, it would not verify and the peer would be refused. All other names stay as they are. */
static X509 *as_issued(X509 *leaf)
{
    EVP_PKEY *own = X509_get0_pubkey(leaf);
    if (X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_issuer_name(leaf)) != 0 ||
        own == NULL || X509_verify(leaf, own) == 1) {
        X509_up_ref(leaf);
        return leaf;
    }
    ERR_clear_error();
    X509 *copy = X509_dup(leaf);
    if (copy == NULL ||
        X509_NAME_add_entry_by_txt(X509_get_subject_name(copy), "OU", MBSTRING_ASC,
                                   (const unsigned char *)"not self-signed", -1, -1, 0) != 1) {
        X509_free(copy);
        return NULL;
    }
    return copy;
}

static const struct {
    int error;
    enum reason reason;
} reasons[] = {
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, REASON_UNTRUSTED },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REASON_UNTRUSTED },
    { X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, REASON_UNTRUSTED },
    { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, REASON_UNTRUSTED },
    { X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, REASON_UNTRUSTED },
    { X509_V_ERR_CERT_UNTRUSTED, REASON_UNTRUSTED },
    { X509_V_ERR_CERT_REJECTED, REASON_UNTRUSTED },
    { X509_V_ERR_SUBJECT_ISSUER_MISMATCH, REASON_UNTRUSTED },
    { X509_V_ERR_AKID_SKID_MISMATCH, REASON_UNTRUSTED },
    { X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH, REASON_UNTRUSTED },
    { X509_V_ERR_CERT_HAS_EXPIRED, REASON_EXPIRED },
    { X509_V_ERR_CERT_NOT_YET_VALID, REASON_NOT_YET_VALID },
    { X509_V_ERR_INVALID_PURPOSE, REASON_WRONG_PURPOSE },
    { X509_V_ERR_INVALID_CA, REASON_NOT_A_CA },
    { X509_V_ERR_KEYUSAGE_NO_CERTSIGN, REASON_NOT_A_CA },
    { X509_V_ERR_CERT_SIGNATURE_FAILURE, REASON_BAD_SIGNATURE },
    { X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, REASON_BAD_SIGNATURE },
    { X509_V_ERR_EE_KEY_TOO_SMALL, REASON_WEAK_KEY },
    { X509_V_ERR_CA_KEY_TOO_SMALL, REASON_WEAK_KEY },
    { X509_V_ERR_CA_MD_TOO_WEAK, REASON_WEAK_KEY },
    { X509_V_OK, REASON_INTERNAL }, /* it failed, but for no reason of the certificates */
    { X509_V_ERR_UNSPECIFIED, REASON_INTERNAL },
    { X509_V_ERR_OUT_OF_MEM, REASON_INTERNAL },
    { X509_V_ERR_INVALID_CALL, REASON_INTERNAL },
    { X509_V_ERR_STORE_LOOKUP, REASON_INTERNAL },
};

static enum reason reason_of(int error)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].error == error) {
            return reasons[i].reason;
        }
    }
    return REASON_CHAIN_INVALID;
}

static void describe_failure(X509_STORE_CTX *ctx, X509 *shown, struct chain_failure *failure)
{
    int error = X509_STORE_CTX_get_error(ctx);
    const X509 *culprit = X509_STORE_CTX_get_current_cert(ctx);
    char subject[SUBJECT_BYTES] = "?";
    char depth[32] = "";

    failure->reason = reason_of(error);
    failure->depth = X509_STORE_CTX_get_error_depth(ctx);
    if (failure->depth == 0) {
        culprit = shown; /* not the copy of as_issued */
    }
    if (culprit != NULL) {
        trust_describe(X509_get_subject_name(culprit), subject, sizeof(subject));
    }
    if (failure->depth > 0) {
        snprintf(depth, sizeof(depth), " at depth %d", failure->depth);
    }
    snprintf(failure->detail, sizeof(failure->detail), "%s%s, in \"%s\"",
             X509_verify_cert_error_string(error), depth, subject);
}

static int purpose_of(uint32_t role)
{
    return role == NK_PEER_IS_CLIENT ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
}

/* What to verify; `only_root` NULL: any root. */
struct attempt {
    uint32_t role;
    X509 *shown; /* the leaf as the peer sent it */
    X509 *leaf;  /* as_issued of it */
    STACK_OF(X509) *candidates;
    STACK_OF(X509) *only_root;
};

static bool validate(struct chain *chain, const struct attempt *attempt, STACK_OF(X509) **ret_path,
                     struct chain_failure *failure)
{
    AUTO(X509_STORE_CTX_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (ctx == NULL ||
        X509_STORE_CTX_init(ctx, chain->store, attempt->leaf, attempt->candidates) != 1 ||
        X509_STORE_CTX_set_purpose(ctx, purpose_of(attempt->role)) != 1) {
        *failure = (struct chain_failure){ REASON_INTERNAL, 0, "no memory to validate a chain" };
        return false;
    }
    if (attempt->only_root != NULL) {
        X509_STORE_CTX_set0_trusted_stack(ctx, attempt->only_root);
    }
    if (X509_verify_cert(ctx) != 1) {
        describe_failure(ctx, attempt->shown, failure);
        return false;
    }
    *ret_path = X509_STORE_CTX_get1_chain(ctx);
    return *ret_path != NULL;
}

/* During a change of roots two may have one name. With no key identifiers OpenSSL takes the first
 * and stops at its wrong signature, so each root is then asked alone. */
static bool try_each_root(struct chain *chain, const struct attempt *attempt,
                          STACK_OF(X509) **ret_path)
{
    for (int i = 0; i < sk_X509_num(chain->roots); i++) {
        STACK_OF(X509) *root = sk_X509_new_null();
        struct attempt alone = *attempt;
        struct chain_failure unread;
        alone.only_root = root;
        bool holds = root != NULL && sk_X509_push(root, sk_X509_value(chain->roots, i)) > 0 &&
                     validate(chain, &alone, ret_path, &unread);
        sk_X509_free(root);
        if (holds) {
            return true;
        }
    }
    return false;
}

/* Strict asks for the role by name: no extension, or anyExtendedKeyUsage, is no answer. */
static bool names_role(X509 *leaf, uint32_t role)
{
    uint32_t usages = X509_get_extended_key_usage(leaf);
    uint32_t wanted = role == NK_PEER_IS_CLIENT ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
    return usages != UINT32_MAX && (usages & wanted) != 0;
}

bool chain_holds(struct chain *chain, struct pool *pool, uint32_t role, X509 *leaf,
                 STACK_OF(X509) *others, struct chain_path *ret_path,
                 struct chain_failure *ret_failure)
{
    AUTO(free_certificates) STACK_OF(X509) *path = NULL;
    AUTO(X509_free) X509 *subject = as_issued(leaf);
    AUTO(free_certificates) STACK_OF(X509) *untrusted = candidates(pool, others);
    if (subject == NULL || untrusted == NULL) {
        *ret_failure =
            (struct chain_failure){ REASON_INTERNAL, 0, "no memory to validate a chain" };
        return false;
    }

    struct attempt attempt = {
        .role = role, .shown = leaf, .leaf = subject, .candidates = untrusted
    };
    struct chain_failure failure = { REASON_INTERNAL, 0, "" };
    bool holds = validate(chain, &attempt, &path, &failure);
    if (!holds && failure.reason == REASON_BAD_SIGNATURE && sk_X509_num(chain->roots) > 1) {
        holds = try_each_root(chain, &attempt, &path);
    }
    if (!holds) {
        *ret_failure = failure;
        return false;
    }
    if (chain->settings.strict && !names_role(leaf, role)) {
        *ret_failure = (struct chain_failure){ .reason = REASON_WRONG_PURPOSE };
        snprintf(ret_failure->detail, sizeof(ret_failure->detail),
                 "extendedKeyUsage does not name %s, which federation.strict asks for",
                 role == NK_PEER_IS_CLIENT ? "clientAuth" : "serverAuth");
        return false;
    }
    *ret_path = (struct chain_path){ .certificates = path };
    path = NULL;
    return true;
}
