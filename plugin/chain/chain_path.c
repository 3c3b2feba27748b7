/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_path.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "chain/chain_anchor.h"
#include "chain/chain_check.h"
#include "chain/chain_policies.h"
#include "chain/chain_signatures.h"

DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(X509_STORE_CTX *, X509_STORE_CTX_free);

void chain_path_clear(struct chain_path *path)
{
    sk_X509_pop_free(path->certificates, X509_free);
    chain_policies_free(path->policies, path->policies_len);
    *path = (struct chain_path){ .certificates = NULL };
}

/* P2PFL's script gives the CA and every node one subject, so a node's certificate looks self-signed
 * to OpenSSL, which tells by the names when there are no key identifiers and then looks for no
 * issuer. A leaf that its own key did not sign is not self-signed: validate a copy whose decoded
 * subject differs. The signature is checked over the bytes as received, which the copy keeps; were
 * they encoded anew, the signature would not verify and the peer would be refused. All other names
 * stay as they are. */
static X509 *copy_as_issued(X509 *leaf)
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
        X509_NAME_add_entry_by_txt((X509_NAME *)X509_get_subject_name(copy), "OU", MBSTRING_ASC,
                                   (const unsigned char *)"not self-signed", -1, -1, 0) != 1) {
        X509_free(copy);
        return NULL;
    }
    return copy;
}

static int purpose_of(uint32_t role)
{
    return role == NK_PEER_IS_CLIENT ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
}

/* One call of chain_path_find. */
struct attempt {
    const struct chain_shown *shown;
    struct pool *pool;         /* may be NULL */
    X509 *leaf;                /* copy_as_issued of the leaf shown */
    STACK_OF(X509) *only_root; /* NULL: any root */
    X509 *stuck;     /* where the last validation ended; borrowed from leaf or candidates */
    bool below_root; /* a root should have signed `stuck` */
    bool pooled;     /* a candidate is the pool's */
    unsigned left;   /* for the pool, of KEY_LIMITS_COST */
};

static X509 *find_ours(const struct attempt *attempt, const X509 *culprit)
{
    for (int i = 0; i < sk_X509_num(attempt->shown->candidates); i++) {
        if (sk_X509_value(attempt->shown->candidates, i) == culprit) {
            return sk_X509_value(attempt->shown->candidates, i);
        }
    }
    return culprit == attempt->leaf ? attempt->leaf : NULL;
}

static bool validate_path(const struct chain_anchors *anchors, struct attempt *attempt,
                          struct chain_path *ret_path, struct chain_failure *failure)
{
    struct chain_check check = { .roots = anchors->roots, .pool = attempt->pool };
    AUTO(X509_STORE_CTX_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (ctx == NULL ||
        X509_STORE_CTX_init(ctx, anchors->store, attempt->leaf, attempt->shown->candidates) != 1 ||
        X509_STORE_CTX_set_purpose(ctx, purpose_of(attempt->shown->role)) != 1 ||
        X509_STORE_CTX_set_app_data(ctx, &check) != 1) {
        return chain_failure_no_memory(failure);
    }
    chain_anchor_pass_form(ctx);
    chain_signatures_spare(ctx, &check);
    if (attempt->only_root != NULL) {
        X509_STORE_CTX_set0_trusted_stack(ctx, attempt->only_root);
    }
    if (X509_verify_cert(ctx) != 1) {
        chain_failure_read(ctx, attempt->shown->leaf, failure);
        attempt->stuck = find_ours(attempt, X509_STORE_CTX_get_current_cert(ctx));
        attempt->below_root = failure->depth + 2 == sk_X509_num(X509_STORE_CTX_get0_chain(ctx));
        return false;
    }
    struct chain_path path = { .certificates = X509_STORE_CTX_get1_chain(ctx) };
    if (path.certificates == NULL ||
        (anchors->wants_policies &&
         !chain_policies_read(ctx, attempt->shown->leaf, &path.policies, &path.policies_len))) {
        chain_path_clear(&path);
        return chain_failure_no_memory(failure);
    }
    *ret_path = path;
    return true;
}

/* Issuers that the peer left out are fetched from the pool, one after the other. No other peer's
 * certificates meddle with a chain that is whole. */
static bool complete_path(const struct chain_anchors *anchors, struct attempt *attempt,
                          struct chain_path *ret_path, struct chain_failure *failure)
{
    for (int fetched = 0;; fetched++) {
        if (validate_path(anchors, attempt, ret_path, failure)) {
            return true;
        }
        bool lacks_issuer = failure->reason == REASON_UNTRUSTED && attempt->stuck != NULL;
        X509 *issuer = lacks_issuer && attempt->pool != NULL && fetched < CHAIN_DEPTH_MAX
                           ? pool_find_issuer(attempt->pool, attempt->stuck, &attempt->left)
                           : NULL;
        if (issuer == NULL) {
            return false;
        }
        if (sk_X509_push(attempt->shown->candidates, issuer) == 0) {
            X509_free(issuer);
            return false;
        }
        attempt->pooled = true;
    }
}

/* Two roots may have one name during their change. With no key identifiers OpenSSL takes the first
 * and stops at its wrong signature, so each root of that name is then asked alone. */
static bool try_each_root(const struct chain_anchors *anchors, const struct attempt *attempt,
                          struct chain_path *ret_path)
{
    for (int i = 0; i < sk_X509_num(anchors->roots); i++) {
        X509 *candidate = sk_X509_value(anchors->roots, i);
        if (X509_NAME_cmp(X509_get_subject_name(candidate), X509_get_issuer_name(attempt->stuck)) !=
            0) {
            continue;
        }
        STACK_OF(X509) *root = sk_X509_new_null();
        struct attempt alone = *attempt;
        struct chain_failure unread;
        alone.only_root = root;
        bool holds = root != NULL && sk_X509_push(root, candidate) > 0 &&
                     validate_path(anchors, &alone, ret_path, &unread);
        sk_X509_free(root);
        if (holds) {
            return true;
        }
    }
    return false;
}

bool chain_path_find(const struct chain_anchors *anchors, struct pool *pool,
                     const struct chain_shown *shown, struct chain_path *ret_path,
                     struct chain_failure *ret_failure)
{
    AUTO(X509_free) X509 *leaf = copy_as_issued(shown->leaf);
    struct attempt attempt = { .shown = shown, .pool = pool, .leaf = leaf, .left = shown->left };
    if (leaf == NULL) {
        return chain_failure_no_memory(ret_failure);
    }
    bool holds = complete_path(anchors, &attempt, ret_path, ret_failure) ||
                 (ret_failure->reason == REASON_BAD_SIGNATURE && attempt.stuck != NULL &&
                  attempt.below_root && sk_X509_num(anchors->roots) > 1 &&
                  try_each_root(anchors, &attempt, ret_path));
    ret_path->pooled = holds && attempt.pooled;
    if (holds && leaf != shown->leaf) { /* the path begins with the leaf as the peer showed it */
        X509_up_ref(shown->leaf);
        X509_free(sk_X509_value(ret_path->certificates, 0));
        (void)sk_X509_set(ret_path->certificates, 0, shown->leaf);
    }
    return holds;
}
