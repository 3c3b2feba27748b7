/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

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
        if (peer_read(IN, NULL, good ? worker->good : worker->bad, NULL, &peer, NULL) != NK_OK) {
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
    ROWS_TEST(threads_judge_at_once);
    return ROWS_RUN("policy_judge: the pool", policy_scene_set_up, policy_scene_tear_down);
}
