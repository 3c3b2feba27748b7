/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/report.h"
#include "base/text.h"
#include "chain/chain_limits.h"
#include "chain/chain_policies.h"
#include "chain/chain_revocation.h"
#include "trust/x509_fields.h"

#define DEPTH_MAX 8
#define AUTH_LEVEL 2 /* 112 bits: RSA-2048 and P-256 or more, no SHA-1 */
#define SUBJECT_BYTES 128

struct chain {
    X509_STORE *store;
    STACK_OF(X509) *roots;
    struct revocation *revocation;
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
    if (!chain_policies_ask(param)) {
        return false;
    }
    return !chain->settings.strict ||
           X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT) == 1;
}

/* try_each_root may need to try them all. */
static const X509 *crowded_name(STACK_OF(X509) *roots)
{
    for (int i = 0; i < sk_X509_num(roots); i++) {
        int namesakes = 0;
        const X509_NAME *name = X509_get_subject_name(sk_X509_value(roots, i));
        for (int j = 0; j < sk_X509_num(roots); j++) {
            namesakes += X509_NAME_cmp(name, X509_get_subject_name(sk_X509_value(roots, j))) == 0;
        }
        if (namesakes > CHAIN_NAMESAKES_MAX) {
            return sk_X509_value(roots, i);
        }
    }
    return NULL;
}

nk_status chain_new(STACK_OF(X509) *roots, STACK_OF(X509_CRL) *crls,
                    const struct chain_settings *settings, struct chain **ret_chain, nk_error *err)
{
    const X509 *crowded = crowded_name(roots);
    if (crowded != NULL) {
        char subject[SUBJECT_BYTES];
        x509_name_text(X509_get_subject_name(crowded), subject, sizeof(subject));
        return report(err, NK_E_TRUST,
                      "more than %d roots have the name \"%s\": take those out of "
                      "federation.roots that are no longer in use",
                      CHAIN_NAMESAKES_MAX, subject);
    }
    struct chain *chain = calloc(1, sizeof(*chain));
    if (chain == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    chain->settings = *settings;
    chain->revocation = revocation_new(crls, &settings->crl);
    if (chain->revocation == NULL || !set_up(chain, roots)) {
        chain_free(chain);
        return report_openssl(err, NK_E_INTERNAL, "set up the store of roots and CRLs");
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
    revocation_free(chain->revocation);
    free_certificates(chain->roots);
    free(chain);
}

void chain_path_clear(struct chain_path *path)
{
    free_certificates(path->certificates);
    chain_policies_free(path->policies, path->policies_len);
    *path = (struct chain_path){ .certificates = NULL };
}

static bool is_root(const struct chain *chain, const X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(chain->roots); i++) {
        if (X509_cmp(sk_X509_value(chain->roots, i), certificate) == 0) {
            return true;
        }
    }
    return false;
}

/* What the peer sent that may lie between leaf and root; NULL: no memory. Our own roots, which some
 * servers send along, are judged by nobody: we have them. */
static STACK_OF(X509) *candidates(const struct chain *chain, STACK_OF(X509) *others)
{
    STACK_OF(X509) *all = sk_X509_new_reserve(NULL, CHAIN_LIMITS_CERTIFICATES + DEPTH_MAX);
    bool whole = all != NULL;

    for (int i = 0; whole && i < sk_X509_num(others); i++) {
        X509 *other = sk_X509_value(others, i);
        if (is_root(chain, other)) {
            continue;
        }
        whole = sk_X509_push(all, other) > 0;
        if (whole) {
            X509_up_ref(other);
        }
    }
    if (!whole) {
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
        x509_name_text(X509_get_subject_name(culprit), subject, sizeof(subject));
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
    X509 *stuck;     /* where the last validation ended; borrowed from leaf or candidates */
    bool below_root; /* and a root should have signed it */
    unsigned left;   /* for the pool, of KEY_LIMITS_COST */
};

static X509 *ours_of(const struct attempt *attempt, const X509 *culprit)
{
    for (int i = 0; i < sk_X509_num(attempt->candidates); i++) {
        if (sk_X509_value(attempt->candidates, i) == culprit) {
            return sk_X509_value(attempt->candidates, i);
        }
    }
    return culprit == attempt->leaf ? attempt->leaf : NULL;
}

static bool validate(struct chain *chain, struct attempt *attempt, struct chain_path *ret_path,
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
        attempt->stuck = ours_of(attempt, X509_STORE_CTX_get_current_cert(ctx));
        attempt->below_root = failure->depth + 2 == sk_X509_num(X509_STORE_CTX_get0_chain(ctx));
        return false;
    }
    struct chain_path path = { .certificates = X509_STORE_CTX_get1_chain(ctx) };
    if (path.certificates == NULL ||
        (chain->settings.wants_policies && !chain_policies_read(ctx, attempt->shown, &path))) {
        chain_path_clear(&path);
        *failure = (struct chain_failure){ REASON_INTERNAL, 0, "no memory to validate a chain" };
        return false;
    }
    *ret_path = path;
    return true;
}

/* Fetches what the peer left out from the pool, one issuer after the other. Only then: with a chain
 * that is whole nobody else's certificates meddle. */
static bool complete(struct chain *chain, struct pool *pool, struct attempt *attempt,
                     struct chain_path *ret_path, struct chain_failure *failure)
{
    for (int fetched = 0;; fetched++) {
        if (validate(chain, attempt, ret_path, failure)) {
            return true;
        }
        bool lacks_issuer = failure->reason == REASON_UNTRUSTED && attempt->stuck != NULL;
        X509 *issuer = lacks_issuer && pool != NULL && fetched < DEPTH_MAX
                           ? pool_find_issuer(pool, attempt->stuck, &attempt->left)
                           : NULL;
        if (issuer == NULL) {
            return false;
        }
        if (sk_X509_push(attempt->candidates, issuer) == 0) {
            X509_free(issuer);
            return false;
        }
    }
}

/* During a change of roots two may have one name. With no key identifiers OpenSSL takes the first
 * and stops at its wrong signature, so each root of that name is then asked alone. */
static bool try_each_root(struct chain *chain, const struct attempt *attempt,
                          struct chain_path *ret_path)
{
    for (int i = 0; i < sk_X509_num(chain->roots); i++) {
        X509 *candidate = sk_X509_value(chain->roots, i);
        if (X509_NAME_cmp(X509_get_subject_name(candidate), X509_get_issuer_name(attempt->stuck)) !=
            0) {
            continue;
        }
        STACK_OF(X509) *root = sk_X509_new_null();
        struct attempt alone = *attempt;
        struct chain_failure unread;
        alone.only_root = root;
        bool holds = root != NULL && sk_X509_push(root, candidate) > 0 &&
                     validate(chain, &alone, ret_path, &unread);
        sk_X509_free(root);
        if (holds) {
            return true;
        }
    }
    return false;
}

static bool path_holds(struct chain *chain, struct pool *pool, uint32_t role, X509 *leaf,
                       STACK_OF(X509) *untrusted, unsigned left, struct chain_path *ret_path,
                       struct chain_failure *failure)
{
    AUTO(X509_free) X509 *subject = as_issued(leaf);
    struct attempt attempt = {
        .role = role, .shown = leaf, .leaf = subject, .candidates = untrusted, .left = left
    };
    if (subject == NULL) {
        *failure = (struct chain_failure){ REASON_INTERNAL, 0, "no memory to validate a chain" };
        return false;
    }
    bool holds =
        complete(chain, pool, &attempt, ret_path, failure) ||
        (failure->reason == REASON_BAD_SIGNATURE && attempt.stuck != NULL && attempt.below_root &&
         sk_X509_num(chain->roots) > 1 && try_each_root(chain, &attempt, ret_path));
    if (holds && subject != leaf) { /* the path ends with what the peer showed */
        X509_up_ref(leaf);
        X509_free(sk_X509_value(ret_path->certificates, 0));
        (void)sk_X509_set(ret_path->certificates, 0, leaf);
    }
    return holds;
}

/* OpenSSL lets a server's key be for encipherment alone, as in TLS before 1.3. Ours signs (RFC 8446
 * section 4.4.2.2). All bits are set when there is no keyUsage. */
static bool may_sign(X509 *leaf, struct chain_failure *failure)
{
    if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) != 0) {
        return true;
    }
    *failure = (struct chain_failure){ .reason = REASON_WRONG_PURPOSE };
    snprintf(failure->detail, sizeof(failure->detail),
             "keyUsage does not name digitalSignature, with which a handshake is signed");
    return false;
}

/* Strict asks for the role by name: no extension, or anyExtendedKeyUsage, is no answer. */
static bool names_role(X509 *leaf, uint32_t role, struct chain_failure *failure)
{
    uint32_t usages = X509_get_extended_key_usage(leaf);
    uint32_t wanted = role == NK_PEER_IS_CLIENT ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
    if (usages != UINT32_MAX && (usages & wanted) != 0) {
        return true;
    }
    *failure = (struct chain_failure){ .reason = REASON_WRONG_PURPOSE };
    snprintf(failure->detail, sizeof(failure->detail),
             "extendedKeyUsage does not name %s, which federation.strict asks for",
             role == NK_PEER_IS_CLIENT ? "clientAuth" : "serverAuth");
    return false;
}

static time_t first_end(STACK_OF(X509) *path)
{
    time_t first = text_read_time(X509_get0_notAfter(sk_X509_value(path, 0)));
    for (int i = 1; i < sk_X509_num(path); i++) {
        time_t end = text_read_time(X509_get0_notAfter(sk_X509_value(path, i)));
        first = end < first ? end : first;
    }
    return first;
}

bool chain_holds(struct chain *chain, struct pool *pool, uint32_t role, X509 *leaf,
                 STACK_OF(X509) *others, struct chain_path *ret_path,
                 struct chain_failure *ret_failure)
{
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { REASON_INTERNAL, 0, "no memory to validate a chain" };
    AUTO(free_certificates) STACK_OF(X509) *untrusted = candidates(chain, others);

    unsigned left = 0;

    bool holds = untrusted != NULL &&
                 chain_limits_hold(leaf, untrusted, chain->settings.strict, &left, &failure) &&
                 path_holds(chain, pool, role, leaf, untrusted, left, &path, &failure) &&
                 may_sign(leaf, &failure) &&
                 (!chain->settings.strict || names_role(leaf, role, &failure));
    if (holds) {
        path.until = first_end(path.certificates);
        holds = revocation_holds(chain->revocation, path.certificates, &path.until, path.note,
                                 &failure);
    }
    if (!holds) {
        chain_path_clear(&path);
        *ret_failure = failure;
        return false;
    }
    *ret_path = path;
    return true;
}
