/* SPDX-License-Identifier: Apache-2.0
 * A chain shown once more, to a pool that has met all of its issuers: the signatures that it knows
 * are not checked again, and nothing else may be otherwise. */
#ifndef NODEKEY_TESTS_KNOWN_ISSUERS_H
#define NODEKEY_TESTS_KNOWN_ISSUERS_H

#include <stdbool.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "chain/chain.h"
#include "chain/pool.h"
#include "fixtures/check.h"

static inline bool is_signed_by(X509 *certificate, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    return certificate != issuer && key != NULL &&
           X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) == 0 &&
           X509_verify(certificate, key) == 1;
}

/* As if an admitted peer had shown a path with one above the other. */
static inline void meet_signature(struct pool *pool, X509 *certificate, X509 *issuer)
{
    STACK_OF(X509) *path = sk_X509_new_null();
    assert_true(sk_X509_push(path, certificate) > 0 && sk_X509_push(path, certificate) > 0 &&
                sk_X509_push(path, issuer) > 0);
    pool_remember(pool, path);
    assert_true(pool_knows_signature(pool, certificate, issuer));
    sk_X509_free(path);
}

static inline void meet_signers(struct pool *pool, X509 *certificate, STACK_OF(X509) *issuers)
{
    for (int i = 0; i < sk_X509_num(issuers); i++) {
        if (is_signed_by(certificate, sk_X509_value(issuers, i))) {
            meet_signature(pool, certificate, sk_X509_value(issuers, i));
        }
    }
}

/* `roots` are the chain's own objects. Clears OpenSSL's errors. */
static inline void assert_same_when_known(struct chain *chain, uint32_t role, X509 *leaf,
                                          STACK_OF(X509) *others, STACK_OF(X509) *roots)
{
    struct pool *pool = pool_new();
    struct chain_path path = { .certificates = NULL };
    struct chain_path again = { .certificates = NULL };
    struct chain_failure failure = { .reason = REASON_INTERNAL };
    struct chain_failure failed_again = { .reason = REASON_INTERNAL };

    for (int i = 0; i < sk_X509_num(others); i++) {
        meet_signers(pool, sk_X509_value(others, i), others);
        meet_signers(pool, sk_X509_value(others, i), roots);
    }
    bool held = chain_holds(chain, NULL, role, leaf, others, &path, &failure);
    bool holds = chain_holds(chain, pool, role, leaf, others, &again, &failed_again);
    assert_int_equal(holds, held);
    if (held) {
        assert_int_equal(sk_X509_num(again.certificates), sk_X509_num(path.certificates));
        assert_int_equal(again.until, path.until);
        assert_string_equal(again.note, path.note);
        assert_int_equal(again.policies_len, path.policies_len);
    } else {
        assert_string_equal(failed_again.detail, failure.detail);
        assert_int_equal(failed_again.reason, failure.reason);
        assert_int_equal(failed_again.depth, failure.depth);
    }
    chain_path_clear(&path);
    chain_path_clear(&again);
    pool_unref(pool);
    ERR_clear_error();
}

#endif
