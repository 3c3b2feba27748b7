/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "unit/policy_scene.h"

#define THREADS 8
#define JUDGEMENTS 50

static const char *reason_for(struct policy *policy, const struct showing *showing)
{
    static char reason[NK_REASON_BYTES];
    struct peer *peer = show_peer(showing);
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    judge_peer(policy, peer, &verdict);
    snprintf(reason, sizeof(reason), "%s", verdict.reason);
    peer_free(peer);
    return reason;
}

static void an_intermediate_seen_once_is_known(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    const struct showing bare = { .issuer = SECOND, .keeps_intermediates = true };
    const struct showing whole = { .issuer = SECOND };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    assert_string_equal(reason_for(policy, &bare), "untrusted");
    assert_string_equal(reason_for(policy, &whole), "");
    assert_string_equal(reason_for(policy, &bare), "");
    policy_unref(policy);
}

static void strangers_do_not_enter_the_pool(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    struct authority stranger = authority_make(&issuers[MIMIC], "stranger", NULL);
    X509 *leaf = authority_issue(&stranger, leaf_key, NULL);
    char *pem = pem_of(leaf, stranger.certificate, issuers[MIMIC].certificate, NULL);
    struct peer *peer = NULL;
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    assert_int_equal(peer_read(IN, NULL, pem, NULL, &peer, NULL), NK_OK);
    judge_peer(policy, peer, &verdict);
    assert_string_equal(verdict.reason, "untrusted");
    const struct showing good = { .issuer = INTERMEDIATE };
    assert_string_equal(reason_for(policy, &good), "");
    peer_free(peer);
    free(pem);
    X509_free(leaf);
    authority_free(&stranger);
    policy_unref(policy);
}

/* A denied member may own an intermediate CA: what it shows must not be tried for others. */
static void refused_peers_do_not_enter_the_pool(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting none = {
        .rules = { { .name = "nobody", .directions = BOTH, .member = RULE_CN, .value = "nobody" } }
    };
    const struct showing bare = { .issuer = SECOND, .keeps_intermediates = true };
    const struct showing whole = { .issuer = SECOND };
    assert_int_equal(make_policy(&none, &policy, NULL), NK_OK);
    assert_string_equal(reason_for(policy, &whole), "no-rule");
    assert_string_equal(reason_for(policy, &bare), "untrusted");
    policy_unref(policy);
}

/* An admitted peer brought a CA of the same name into the pool; the judged one's chain is whole. */
static void a_mimic_in_the_pool_harms_no_whole_chain(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true, .loose = true };
    const struct certificate_spec bare = { .bare = true };
    struct authority honest = authority_make(&issuers[ROOT], "site", &bare);
    /* OpenSSL prefers the candidate that is valid longest. */
    const struct certificate_spec lasting = { .bare = true, .ends_in_seconds = 864000 };
    struct authority mimic = authority_make(&issuers[ROOT], "site", &lasting);
    X509 *leaves[] = { authority_issue(&mimic, leaf_key, &bare),
                       authority_issue(&honest, leaf_key, &bare) };
    X509 *cas[] = { mimic.certificate, honest.certificate };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        char *pem = pem_of(leaves[i], cas[i], NULL);
        struct peer *peer = NULL;
        nk_verdict verdict = { .struct_size = sizeof(verdict) };
        assert_int_equal(peer_read(IN, NULL, pem, NULL, &peer, NULL), NK_OK);
        judge_peer(policy, peer, &verdict);
        assert_string_equal(verdict.reason, "");
        peer_free(peer);
        free(pem);
        X509_free(leaves[i]);
    }
    authority_free(&honest);
    authority_free(&mimic);
    policy_unref(policy);
}

static void the_pool_is_bounded(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    for (int i = 0; i < 70; i++) { /* six more than it holds */
        char cn[16];
        snprintf(cn, sizeof(cn), "ca %d", i);
        struct authority ca = authority_make(&issuers[ROOT], cn, NULL);
        X509 *leaf = authority_issue(&ca, leaf_key, NULL);
        char *leaf_pem = pem_of(leaf, NULL);
        char *ca_pem = pem_of(ca.certificate, NULL);
        for (int known = 0; known <= 1; known++) {
            struct peer *peer = NULL;
            nk_verdict verdict = { .struct_size = sizeof(verdict) };
            assert_int_equal(peer_read(IN, NULL, leaf_pem, known == 0 ? ca_pem : NULL, &peer, NULL),
                             NK_OK);
            judge_peer(policy, peer, &verdict);
            assert_int_equal(verdict.decision, NK_ALLOW);
            peer_free(peer);
        }
        free(leaf_pem);
        free(ca_pem);
        X509_free(leaf);
        authority_free(&ca);
    }
    policy_unref(policy);
}

/* --- intermediates that were met are not decoded again --- */

static struct peer *read_for(struct policy *policy, const char *leaf_pem, const char *chain_pem)
{
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    if (policy_read_peer(policy, IN, NULL, leaf_pem, chain_pem, &peer, &err) != NK_OK) {
        assert_int_equal(err.status, NK_E_PEER);
        return NULL;
    }
    return peer;
}

/* Whether the first intermediate of what is shown now is the very object that `met` has. */
static bool has_it_of(struct policy *policy, const struct peer *met, const char *leaf_pem,
                      const char *chain_pem)
{
    struct peer *peer = read_for(policy, leaf_pem, chain_pem);
    bool same = sk_X509_value(peer->others, 0) == sk_X509_value(met->others, 0);
    peer_free(peer);
    return same;
}

/* A peer below `issuer`, judged. */
static struct peer *meet(struct policy *policy, const struct authority *issuer, const char *reason)
{
    X509 *leaf =
        authority_issue(issuer, leaf_key, &(struct certificate_spec){ .san = "URI:" NODE });
    char *pem = pem_of(leaf, issuer->certificate, NULL);
    struct peer *peer = read_for(policy, pem, NULL);
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    assert_non_null(peer);
    judge_peer(policy, peer, &verdict);
    assert_string_equal(verdict.reason, reason);
    free(pem);
    X509_free(leaf);
    return peer;
}

static void met_intermediates_are_not_decoded_again(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    X509 *leaf = issue_leaf(&(struct showing){ .issuer = SECOND });
    char *leaf_pem = pem_of(leaf, NULL);
    char *chain = pem_of(issuers[SECOND].certificate, issuers[INTERMEDIATE].certificate, NULL);
    char *whole =
        pem_of(leaf, issuers[SECOND].certificate, issuers[INTERMEDIATE].certificate, NULL);
    struct peer *stranger = read_for(policy, whole, NULL);
    assert_false(has_it_of(policy, stranger, whole, NULL)); /* not met: it was not judged */
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    judge_peer(policy, stranger, &verdict);
    assert_string_equal(verdict.reason, "");
    assert_true(has_it_of(policy, stranger, whole, NULL));
    assert_true(has_it_of(policy, stranger, leaf_pem, chain)); /* gRPC's way, and older cores' */
    assert_true(has_it_of(policy, stranger, leaf_pem, whole));
    struct peer *second = read_for(policy, leaf_pem, whole);
    assert_int_equal(sk_X509_num(second->others), 2);
    assert_ptr_equal(sk_X509_value(second->others, 1), sk_X509_value(stranger->others, 1));
    assert_int_equal(second->facts.chain_len, 3);
    assert_ptr_not_equal(second->leaf, stranger->leaf);
    peer_free(second);
    peer_free(stranger);
    free(leaf_pem);
    free(chain);
    free(whole);
    X509_free(leaf);
    policy_unref(policy);
}

static char *pem_of_der(const unsigned char *der, long len)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    assert_true(PEM_write_bio(bio, PEM_STRING_X509, "", der, len) > 0);
    long text_len = BIO_get_mem_data(bio, &text);
    char *copy = strndup(text, (size_t)text_len);
    BIO_free(bio);
    return copy;
}

static void other_bytes_are_decoded(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    struct peer *met = meet(policy, &issuers[INTERMEDIATE], "");
    X509 *leaf = issue_leaf(&(struct showing){ .issuer = INTERMEDIATE });
    char *leaf_pem = pem_of(leaf, NULL);
    unsigned char *der = NULL;
    int len = i2d_X509(issuers[INTERMEDIATE].certificate, &der);
    unsigned char longer[8192] = { 0 };
    assert_in_range(len, 1, sizeof(longer) - 1);
    memcpy(longer, der, (size_t)len);

    char *same = pem_of_der(longer, len);
    assert_true(has_it_of(policy, met, leaf_pem, same));
    char *followed = pem_of_der(longer, len + 1);
    assert_null(read_for(policy, leaf_pem, followed));
    char *cut = pem_of_der(longer, len - 1);
    assert_null(read_for(policy, leaf_pem, cut));
    longer[len - 1] ^= 1; /* of the signature */
    char *flipped = pem_of_der(longer, len);
    assert_false(has_it_of(policy, met, leaf_pem, flipped));
    struct peer *forger = read_for(policy, leaf_pem, flipped);
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    judge_peer(policy, forger, &verdict);
    assert_string_equal(verdict.reason, "bad-signature");
    peer_free(forger);
    free(same);
    free(followed);
    free(cut);
    free(flipped);
    OPENSSL_free(der);
    free(leaf_pem);
    X509_free(leaf);
    peer_free(met);
    policy_unref(policy);
}

/* The verdict on what is shown, or the error of its reading; whether it is refused. */
static bool tell_verdict(struct policy *policy, const char *leaf_pem, const char *chain_pem,
                         char text[NK_ERROR_TEXT_BYTES])
{
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    if (policy_read_peer(policy, IN, NULL, leaf_pem, chain_pem, &peer, &err) != NK_OK) {
        snprintf(text, NK_ERROR_TEXT_BYTES, "%s", err.text);
        return true;
    }
    judge_peer(policy, peer, &verdict);
    snprintf(text, NK_ERROR_TEXT_BYTES, "%s: %s", verdict.reason, verdict.detail);
    peer_free(peer);
    return verdict.decision != NK_ALLOW;
}

/* Each byte of an intermediate, to a policy that has met it and to one that has met none. What has
 * become another certificate altogether, the first may complete with the good one. */
static void no_damaged_byte_is_passed_over(void **state)
{
    (void)state;
    struct policy *warm = NULL;
    struct policy *cold = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &warm, NULL), NK_OK);
    assert_int_equal(make_policy(&all, &cold, NULL), NK_OK);
    peer_free(meet(warm, &issuers[INTERMEDIATE], ""));
    X509 *leaf = issue_leaf(&(struct showing){ .issuer = INTERMEDIATE });
    char *leaf_pem = pem_of(leaf, NULL);
    unsigned char *der = NULL;
    int len = i2d_X509(issuers[INTERMEDIATE].certificate, &der);
    int compared = 0;
    for (int i = 0; i < len; i++) {
        char met[NK_ERROR_TEXT_BYTES];
        char unmet[NK_ERROR_TEXT_BYTES];
        der[i] ^= 1;
        char *damaged = pem_of_der(der, len);
        assert_true(tell_verdict(cold, leaf_pem, damaged, unmet));
        (void)tell_verdict(warm, leaf_pem, damaged, met);
        if (strncmp(unmet, "untrusted: ", strlen("untrusted: ")) != 0) {
            assert_string_equal(met, unmet);
            compared++;
        }
        free(damaged);
        der[i] ^= 1;
    }
    print_message("%d of %d\n", compared, len);
    assert_true(compared > len / 2);
    OPENSSL_free(der);
    free(leaf_pem);
    X509_free(leaf);
    policy_unref(warm);
    policy_unref(cold);
}

/* The same name and key, issued once more. */
static void a_certificate_issued_again_is_decoded(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    const struct authority *ca = &issuers[INTERMEDIATE];
    struct peer *met = meet(policy, ca, "");
    const struct certificate_spec spec = { .cn = "intermediate",
                                           .eku = "",
                                           .key_usage = "critical,keyCertSign,cRLSign",
                                           .basic_constraints = "critical,CA:TRUE" };
    struct authority again = { ca->key, authority_issue(&issuers[ROOT], ca->key, &spec) };
    struct peer *peer = meet(policy, &again, "");
    X509 *other = sk_X509_value(peer->others, 0);
    assert_ptr_not_equal(other, sk_X509_value(met->others, 0));
    assert_int_equal(X509_cmp(other, again.certificate), 0);
    peer_free(peer);
    peer_free(met);
    X509_free(again.certificate);
    policy_unref(policy);
}

/* A CA that is shown as a leaf: what is kept of it is no leaf. */
static void a_leaf_is_always_decoded(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    struct peer *met = meet(policy, &issuers[INTERMEDIATE], "");
    char *pem = pem_of(issuers[INTERMEDIATE].certificate, NULL);
    struct peer *peer = read_for(policy, pem, NULL);
    assert_ptr_not_equal(peer->leaf, sk_X509_value(met->others, 0));
    assert_int_equal(X509_cmp(peer->leaf, sk_X509_value(met->others, 0)), 0);
    peer_free(peer);
    free(pem);
    peer_free(met);
    policy_unref(policy);
}

static void what_a_refused_peer_shows_is_decoded_again(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting none = {
        .rules = { { .name = "nobody", .directions = BOTH, .member = RULE_CN, .value = "nobody" } }
    };
    assert_int_equal(make_policy(&none, &policy, NULL), NK_OK);
    struct peer *first = meet(policy, &issuers[INTERMEDIATE], "no-rule");
    struct peer *second = meet(policy, &issuers[INTERMEDIATE], "no-rule");
    assert_ptr_not_equal(sk_X509_value(first->others, 0), sk_X509_value(second->others, 0));
    peer_free(first);
    peer_free(second);
    policy_unref(policy);
}

static void what_gave_way_is_decoded_again(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    struct authority first = authority_make(&issuers[ROOT], "first", NULL);
    struct peer *met = meet(policy, &first, "");
    char *leaf_pem = pem_of(met->leaf, NULL);
    char *ca_pem = pem_of(first.certificate, NULL);
    for (int i = 0; i < POOL_MAX - 1; i++) {
        struct authority ca = authority_make(&issuers[ROOT], path_of("ca %d", i), NULL);
        peer_free(meet(policy, &ca, ""));
        authority_free(&ca);
    }
    assert_true(has_it_of(policy, met, leaf_pem, ca_pem));
    peer_free(meet(policy, &issuers[INTERMEDIATE], "")); /* one more than there is room for */
    assert_false(has_it_of(policy, met, leaf_pem, ca_pem));
    free(leaf_pem);
    free(ca_pem);
    peer_free(met);
    authority_free(&first);
    policy_unref(policy);
}

/* --- many at once --- */

struct worker {
    pthread_t thread;
    struct policy *policy;
    char *good;
    char *bad;
    int wrong;
};

static void *judge_often(void *data)
{
    struct worker *worker = data;
    for (int i = 0; i < JUDGEMENTS; i++) {
        bool good = i % 2 == 0;
        struct peer *peer = NULL;
        nk_verdict verdict = { .struct_size = sizeof(verdict) };
        if (policy_read_peer(worker->policy, IN, NULL, good ? worker->good : worker->bad, NULL,
                             &peer, NULL) != NK_OK) {
            worker->wrong++;
            continue;
        }
        judge_peer(worker->policy, peer, &verdict);
        worker->wrong += (verdict.decision == NK_ALLOW) != good;
        peer_free(peer);
    }
    policy_unref(worker->policy);
    return NULL;
}

static void threads_judge_at_once(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    X509 *leaf = issue_leaf(&(struct showing){ .issuer = SECOND });
    X509 *stranger = issue_leaf(&(struct showing){ .issuer = MIMIC });
    char *good = pem_of(leaf, issuers[SECOND].certificate, issuers[INTERMEDIATE].certificate, NULL);
    char *bad = pem_of(stranger, NULL);
    struct worker workers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .policy = policy_ref(policy), .good = good, .bad = bad };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, judge_often, &workers[i]), 0);
    }
    policy_unref(policy); /* theirs keep it */
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
    free(good);
    free(bad);
    X509_free(leaf);
    X509_free(stranger);
}

int main(void)
{
    ROWS_TEST(an_intermediate_seen_once_is_known);
    ROWS_TEST(strangers_do_not_enter_the_pool);
    ROWS_TEST(refused_peers_do_not_enter_the_pool);
    ROWS_TEST(a_mimic_in_the_pool_harms_no_whole_chain);
    ROWS_TEST(the_pool_is_bounded);
    ROWS_TEST(met_intermediates_are_not_decoded_again);
    ROWS_TEST(other_bytes_are_decoded);
    ROWS_TEST(no_damaged_byte_is_passed_over);
    ROWS_TEST(a_certificate_issued_again_is_decoded);
    ROWS_TEST(a_leaf_is_always_decoded);
    ROWS_TEST(what_a_refused_peer_shows_is_decoded_again);
    ROWS_TEST(what_gave_way_is_decoded_again);
    ROWS_TEST(threads_judge_at_once);
    return ROWS_RUN("policy_judge: the pool", policy_scene_set_up, policy_scene_tear_down);
}
