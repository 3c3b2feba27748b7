/* SPDX-License-Identifier: Apache-2.0
 * Eight threads dial at once, each call a full handshake with both keys in tokens: none fails, and
 * no two threads are ever inside one session. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/auto.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define THREADS 8
#define DIALS_EACH 25

static struct federation federation;
static struct member alice, bob;

static const char *const key_types[] = { "RSA-2048", "P-256",
#if !BORINGSSL_CORE /* which has none */
                                         "Ed25519"
#endif
};

struct storm {
    grpc_channel_credentials *credentials;
    const char *address;
    atomic_int failures;
};

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        member_add_key(&alice, key_types[i], path_of("1%zu", i), key_types[i]);
        member_add_key(&bob, key_types[i], path_of("1%zu", i), key_types[i]);
    }
    alice.module = bob.module = faulty_start();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    member_free(&bob);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static void *dial(void *arg)
{
    struct storm *storm = arg;
    for (int i = 0; i < DIALS_EACH; i++) {
        struct rpc_result result =
            rpc_dial(storm->credentials, storm->address, 3 * RPC_DEADLINE_MS);
        if (!result.ok) {
            storm->failures++;
            print_error("%d %s\n", result.status, result.details);
        }
    }
    return NULL;
}

static void storm(const char *key_type, const char *patch)
{
    struct node alice_node, bob_node;
    pthread_t threads[THREADS];
    node_open(&alice_node, &alice, member_patch_key(&alice, key_type));
    node_prepare(&bob_node);
    node_open_with(&bob_node, &bob, patch != NULL ? patch : member_patch_key(&bob, key_type));
    struct rpc_server *server = rpc_server_start(bob_node.server, THREADS, NULL, NULL);
    struct storm it = { alice_node.channel, rpc_server_address(server), 0 };
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, dial, &it), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(it.failures, 0);
    assert_int_equal(rpc_server_runs(server), THREADS * DIALS_EACH);
    assert_int_equal(faulty_count()->session_shared, 0);
    rpc_server_stop(server);
    node_close(&alice_node);
    node_close(&bob_node);
}

static void no_dial_fails(void **state)
{
    storm(*state, NULL);
}

/* More threads than sessions: they wait for each other. */
static void no_dial_fails_with_one_session(void **state)
{
    (void)state;
    storm("P-256", "{\"token\": {\"max_sessions\": 1}}");
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        rows_add(path_of("no dial fails with %s", key_types[i]), no_dial_fails, key_types[i]);
    }
    ROWS_TEST(no_dial_fails_with_one_session);
    return ROWS_RUN("load", start, stop);
}
