/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/pool.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "chain/chain.h"
#include "chain/chain_limits.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "unit/trust/known_issuers.h"

static struct authority root;
static struct authority honest;   /* below root, and what each test wants to keep */
static struct authority intruder; /* below root, too: a member with a CA of its own */
static EVP_PKEY *leaf_key;

static void remember(struct pool *pool, X509 *leaf, X509 *const *cas, size_t len)
{
    STACK_OF(X509) *path = sk_X509_new_null();
    assert_true(sk_X509_push(path, leaf) > 0);
    for (size_t i = 0; i < len; i++) {
        assert_true(sk_X509_push(path, cas[i]) > 0);
    }
    assert_true(sk_X509_push(path, root.certificate) > 0);
    pool_remember(pool, path);
    sk_X509_free(path);
}

/* As an admitted member below a fresh CA of the intruder does. */
static void flood(struct pool *pool, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        char cn[32];
        snprintf(cn, sizeof(cn), "ca %d", i);
        struct authority ca = authority_make(&intruder, name != NULL ? name : cn, NULL);
        X509 *leaf = authority_issue(&ca, leaf_key, NULL);
        remember(pool, leaf, (X509 *const[]){ ca.certificate, intruder.certificate }, 2);
        X509_free(leaf);
        authority_free(&ca);
    }
}

static bool knows(struct pool *pool, const struct authority *ca)
{
    unsigned left = KEY_LIMITS_COST;
    X509 *leaf = authority_issue(ca, leaf_key, NULL);
    X509 *issuer = pool_find_issuer(pool, leaf, &left);
    bool same = issuer != NULL && X509_cmp(issuer, ca->certificate) == 0;
    assert_true(issuer == NULL || same);
    X509_free(issuer);
    X509_free(leaf);
    return same;
}

static void keep_honest(struct pool *pool)
{
    X509 *leaf = authority_issue(&honest, leaf_key, NULL);
    remember(pool, leaf, (X509 *const[]){ honest.certificate }, 1);
    X509_free(leaf);
}

static void a_flood_pushes_out_its_own_branch_only(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    keep_honest(pool);
    flood(pool, 3 * POOL_MAX, NULL);
    assert_true(knows(pool, &honest));
    assert_true(knows(pool, &intruder)); /* the shallow one is the more useful */
    pool_unref(pool);
}

static void a_newcomer_finds_room_in_a_flooded_pool(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    flood(pool, 2 * POOL_MAX, NULL);
    assert_false(knows(pool, &honest));
    keep_honest(pool);
    assert_true(knows(pool, &honest));
    flood(pool, 10, NULL);
    assert_true(knows(pool, &honest));
    pool_unref(pool);
}

/* All have one place: who wants a second must not lose the first, which the second hangs on. */
static void an_issuer_does_not_give_way_to_what_it_issued(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    for (int i = 0; i < POOL_MAX - 1; i++) {
        char cn[32];
        snprintf(cn, sizeof(cn), "site %d", i);
        struct authority site = authority_make(&root, cn, NULL);
        X509 *leaf = authority_issue(&site, leaf_key, NULL);
        remember(pool, leaf, (X509 *const[]){ site.certificate }, 1);
        X509_free(leaf);
        authority_free(&site);
    }
    flood(pool, 1, NULL);
    assert_true(knows(pool, &intruder));
    pool_unref(pool);
}

static void namesakes_push_out_their_own_only(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    flood(pool, 3 * POOL_NAMESAKES_MAX, "honest");
    keep_honest(pool);
    assert_true(knows(pool, &honest)); /* which looks at POOL_NAMESAKES_MAX of a name */
    flood(pool, 3 * POOL_NAMESAKES_MAX, "honest");
    assert_true(knows(pool, &honest));
    pool_unref(pool);
}

/* The intruder's namesakes take the identifier, too: only the signature tells. */
static void an_issuer_is_found_by_its_signature(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    const struct certificate_spec bare = { .bare = true };
    struct authority mimics[3];
    for (size_t i = 0; i < ARRAY_LEN(mimics); i++) {
        mimics[i] = authority_make(&intruder, "honest", &bare);
        X509 *leaf = authority_issue(&mimics[i], leaf_key, NULL);
        remember(pool, leaf, (X509 *const[]){ mimics[i].certificate, intruder.certificate }, 2);
        X509_free(leaf);
    }
    keep_honest(pool);
    struct chain *chain = NULL;
    STACK_OF(X509) *roots = sk_X509_new_null();
    assert_true(sk_X509_push(roots, root.certificate) > 0);
    assert_int_equal(
        chain_new(roots, NULL, &(struct chain_settings){ .strict = false }, &chain, NULL), NK_OK);
    X509 *leaf = authority_issue(&honest, leaf_key, NULL);
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { REASON_INTERNAL, 0, "" };
    assert_false(chain_holds(chain, NULL, NK_PEER_IS_CLIENT, leaf, NULL, &path, &failure));
    assert_int_equal(failure.reason, REASON_UNTRUSTED);
    assert_true(chain_holds(chain, pool, NK_PEER_IS_CLIENT, leaf, NULL, &path, &failure));
    assert_int_equal(X509_cmp(sk_X509_value(path.certificates, 1), honest.certificate), 0);
    chain_path_clear(&path);
    X509_free(leaf);
    chain_free(chain);
    sk_X509_free(roots);
    for (size_t i = 0; i < ARRAY_LEN(mimics); i++) {
        authority_free(&mimics[i]);
    }
    pool_unref(pool);
    ERR_clear_error();
}

static void what_costs_too_much_is_not_done(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    keep_honest(pool);
    X509 *leaf = authority_issue(&honest, leaf_key, NULL);
    unsigned cost = key_limits_cost(honest.certificate);
    unsigned left = cost - 1;
    assert_null(pool_find_issuer(pool, leaf, &left));
    assert_int_equal(left, cost - 1);
    left = cost;
    X509 *issuer = pool_find_issuer(pool, leaf, &left);
    assert_non_null(issuer);
    assert_int_equal(left, 0);
    X509_free(issuer);
    X509_free(leaf);
    pool_unref(pool);
}

/* --- signatures that were found good --- */

static X509 *with_flipped_signature(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    der[len - 1] ^= 1;
    const unsigned char *at = der;
    X509 *flipped = d2i_X509(NULL, &at, len);
    assert_non_null(flipped);
    OPENSSL_free(der);
    return flipped;
}

/* NULL: OpenSSL does not read it. */
static X509 *decoded_again(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    const unsigned char *at = der;
    X509 *again = d2i_X509(NULL, &at, len);
    OPENSSL_free(der);
    return again;
}

static struct chain *chain_to(X509 *anchor)
{
    struct chain *chain = NULL;
    STACK_OF(X509) *roots = sk_X509_new_null();
    assert_true(sk_X509_push(roots, anchor) > 0);
    assert_int_equal(
        chain_new(roots, NULL, &(struct chain_settings){ .strict = true }, &chain, NULL), NK_OK);
    sk_X509_free(roots);
    return chain;
}

/* NULL: it holds. */
static const char *verdict_of(struct chain *chain, struct pool *pool, X509 *leaf, X509 *const *cas)
{
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { REASON_INTERNAL, 0, "" };
    STACK_OF(X509) *others = sk_X509_new_null();
    for (size_t i = 0; i < 2 && cas[i] != NULL; i++) {
        assert_true(sk_X509_push(others, cas[i]) > 0);
    }
    bool holds = chain_holds(chain, pool, NK_PEER_IS_CLIENT, leaf, others, &path, &failure);
    chain_path_clear(&path);
    sk_X509_free(others);
    ERR_clear_error();
    return holds ? NULL : reason_label(failure.reason);
}

/* Paths that the pool is told here are lies that only a check finds out, so they show which checks
 * are made. */
static void a_signature_found_good_is_not_checked_again(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    struct authority ca = authority_make(&root, "ca", NULL);
    X509 *forged = with_flipped_signature(ca.certificate);
    X509 *same_bytes = decoded_again(forged);
    X509 *leaf = authority_issue(&ca, leaf_key, NULL);
    X509 *bad_leaf = with_flipped_signature(leaf);
    X509 *other_root = decoded_again(root.certificate);
    struct chain *chain = chain_to(root.certificate);
    struct chain *other = chain_to(other_root);
    assert_string_equal(verdict_of(chain, pool, leaf, (X509 *const[]){ forged, NULL }),
                        "bad-signature");
    meet_signature(pool, forged, root.certificate);
    assert_null(verdict_of(chain, pool, leaf, (X509 *const[]){ forged, NULL }));
    assert_string_equal(verdict_of(chain, NULL, leaf, (X509 *const[]){ forged, NULL }),
                        "bad-signature");
    assert_string_equal(verdict_of(chain, pool, leaf, (X509 *const[]){ same_bytes, NULL }),
                        "bad-signature");
    assert_string_equal(verdict_of(chain, pool, bad_leaf, (X509 *const[]){ forged, NULL }),
                        "bad-signature");
    assert_string_equal(verdict_of(other, pool, leaf, (X509 *const[]){ forged, NULL }),
                        "bad-signature");
    meet_signature(pool, forged, other_root); /* the roots were read again */
    assert_null(verdict_of(other, pool, leaf, (X509 *const[]){ forged, NULL }));
    assert_string_equal(verdict_of(chain, pool, leaf, (X509 *const[]){ forged, NULL }),
                        "bad-signature");
    chain_free(chain);
    chain_free(other);
    X509_free(other_root);
    X509_free(bad_leaf);
    X509_free(leaf);
    X509_free(same_bytes);
    X509_free(forged);
    authority_free(&ca);
    pool_unref(pool);
}

static void one_unknown_signature_has_all_checked(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    struct authority upper = authority_make(&root, "upper", NULL);
    struct authority lower = authority_make(&upper, "lower", NULL);
    X509 *forged_upper = with_flipped_signature(upper.certificate);
    X509 *forged_lower = with_flipped_signature(lower.certificate);
    X509 *leaf = authority_issue(&lower, leaf_key, NULL);
    X509 *const shown[] = { forged_lower, forged_upper };
    struct chain *chain = chain_to(root.certificate);
    meet_signature(pool, forged_lower, forged_upper);
    assert_string_equal(verdict_of(chain, pool, leaf, shown), "bad-signature");
    pool_unref(pool);
    pool = pool_new();
    meet_signature(pool, forged_upper, root.certificate);
    assert_string_equal(verdict_of(chain, pool, leaf, shown), "bad-signature");
    meet_signature(pool, forged_lower, upper.certificate); /* another object than is shown */
    assert_string_equal(verdict_of(chain, pool, leaf, shown), "bad-signature");
    meet_signature(pool, forged_lower, forged_upper);
    assert_null(verdict_of(chain, pool, leaf, shown));
    chain_free(chain);
    X509_free(leaf);
    X509_free(forged_lower);
    X509_free(forged_upper);
    authority_free(&lower);
    authority_free(&upper);
    pool_unref(pool);
}

/* ASN.1's time has more forms than RFC 5280 4.1.2.5, where one reader may find another date. */
static void a_date_of_another_form_is_refused(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    struct authority ca = authority_make(&root, "ca", NULL);
    struct chain *chain = chain_to(root.certificate);
    X509 *const shown[] = { ca.certificate, NULL };
    static const char *const dates[] = { "20491231235959.5Z", "204912312359Z",
                                         "20491231235959+0000", "20491231235959" };
    meet_signature(pool, ca.certificate, root.certificate);
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        X509 *leaf = authority_issue(&ca, leaf_key, NULL);
        ASN1_TIME *end = ASN1_STRING_type_new(V_ASN1_GENERALIZEDTIME);
        assert_true(ASN1_STRING_set(end, dates[i], -1) == 1 && X509_set1_notAfter(leaf, end) == 1 &&
                    X509_sign(leaf, ca.key, EVP_sha256()) > 0);
        X509 *read = decoded_again(leaf); /* NULL: OpenSSL 3.5 refuses some at once */
        const char *reason = read != NULL ? verdict_of(chain, NULL, read, shown) : "not read";
        assert_non_null(reason);
        print_message("%s: %s\n", dates[i], reason);
        if (read != NULL) {
            assert_string_equal(verdict_of(chain, pool, read, shown), reason);
        }
        ASN1_STRING_free(end);
        X509_free(read);
        X509_free(leaf);
    }
    chain_free(chain);
    authority_free(&ca);
    pool_unref(pool);
}

/* Beside a signature that is known: the rest is looked at as ever. */
static void a_known_issuer_may_expire(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    const struct certificate_spec ended = { .starts_in_seconds = -7200, .ends_in_seconds = -3600 };
    const struct certificate_spec begins = { .starts_in_seconds = 3600 };
    const struct certificate_spec mute = { .key_usage = "critical,cRLSign" };
    struct authority cas[] = { authority_make(&root, "ended", &ended),
                               authority_make(&root, "begins", &begins),
                               authority_make(&root, "mute", &mute) };
    const char *const reasons[] = { "expired", "not-yet-valid", "untrusted" };
    struct chain *chain = chain_to(root.certificate);
    for (size_t i = 0; i < ARRAY_LEN(cas); i++) {
        X509 *leaf = authority_issue(&cas[i], leaf_key, NULL);
        X509 *const shown[] = { cas[i].certificate, NULL };
        const char *reason = verdict_of(chain, NULL, leaf, shown);
        assert_non_null(reason);
        print_message("%s\n", reason);
        assert_true(strcmp(reason, reasons[i]) == 0 || i == 2);
        meet_signature(pool, cas[i].certificate, root.certificate);
        assert_string_equal(verdict_of(chain, pool, leaf, shown), reason);
        X509_free(leaf);
        authority_free(&cas[i]);
    }
    struct authority ca = authority_make(&root, "ca", NULL);
    meet_signature(pool, ca.certificate, root.certificate);
    X509 *leaf = authority_issue(&ca, leaf_key, &ended);
    assert_string_equal(verdict_of(chain, pool, leaf, (X509 *const[]){ ca.certificate, NULL }),
                        "expired");
    X509_free(leaf);
    authority_free(&ca);
    chain_free(chain);
    pool_unref(pool);
}

/* The root, too, which signed while it was valid. */
static void the_root_of_a_known_issuer_may_expire(void **state)
{
    (void)state;
    static const struct {
        struct certificate_spec spec;
        const char *reason;
    } roots[] = {
        { { .starts_in_seconds = -7200, .ends_in_seconds = -3600 }, "expired" },
        { { .starts_in_seconds = 3600 }, "not-yet-valid" },
    };
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        struct pool *pool = pool_new();
        struct authority top = authority_make(NULL, "top", &roots[i].spec);
        struct authority ca = authority_make(&top, "ca", NULL);
        struct chain *chain = chain_to(top.certificate);
        X509 *leaf = authority_issue(&ca, leaf_key, NULL);
        X509 *const shown[] = { ca.certificate, NULL };
        assert_string_equal(verdict_of(chain, pool, leaf, shown), roots[i].reason);
        meet_signature(pool, ca.certificate, top.certificate);
        const char *reason = verdict_of(chain, pool, leaf, shown);
        assert_non_null(reason);
        assert_string_equal(reason, roots[i].reason);
        X509_free(leaf);
        chain_free(chain);
        authority_free(&ca);
        authority_free(&top);
        pool_unref(pool);
    }
}

static int set_up(void **state)
{
    (void)state;
    const struct certificate_spec bare = { .bare = true };
    leaf_key = software_key("P-256");
    root = authority_make(NULL, "federation", NULL);
    honest = authority_make(&root, "honest", &bare);
    intruder = authority_make(&root, "intruder", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authority_free(&root);
    authority_free(&honest);
    authority_free(&intruder);
    EVP_PKEY_free(leaf_key);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_pushes_out_its_own_branch_only),
        cmocka_unit_test(a_newcomer_finds_room_in_a_flooded_pool),
        cmocka_unit_test(an_issuer_does_not_give_way_to_what_it_issued),
        cmocka_unit_test(namesakes_push_out_their_own_only),
        cmocka_unit_test(an_issuer_is_found_by_its_signature),
        cmocka_unit_test(what_costs_too_much_is_not_done),
        cmocka_unit_test(a_signature_found_good_is_not_checked_again),
        cmocka_unit_test(one_unknown_signature_has_all_checked),
        cmocka_unit_test(a_date_of_another_form_is_refused),
        cmocka_unit_test(a_known_issuer_may_expire),
        cmocka_unit_test(the_root_of_a_known_issuer_may_expire),
    };
    return cmocka_run_group_tests_name("pool", tests, set_up, tear_down);
}
