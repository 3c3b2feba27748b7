/* SPDX-License-Identifier: Apache-2.0
 * The host's verify_peer hook narrows what the policy allowed, and nothing that it does or leaves
 * undone lets a peer in. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

#define VERIFY_TIMEOUT_MS 200
#define LATE_MS 600
#define AT_ONCE_MAX 8 /* of the ABI: a ninth waits */
#define NINTH_MS 100
#define SERVER_THREADS 12

enum behaviour { ALLOW, DENY, DENY_SILENTLY, ERROR, ALLOW_LATE, HOLD };

static struct federation federation;
static struct member alice, bob;
static struct node bob_node;

static struct hook {
    _Atomic enum behaviour behaviour;
    atomic_int calls;
    atomic_int returned;
    atomic_bool release;   /* lets HOLD go on */
    pthread_mutex_t mutex; /* guards what follows: of the last peer */
    uint32_t role;
    char uri[256];
    char rule[NK_RULE_NAME_BYTES];
    char target[64];
} hook = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void remember(const nk_peer *peer)
{
    pthread_mutex_lock(&hook.mutex);
    hook.role = peer->role;
    snprintf(hook.rule, sizeof(hook.rule), "%s", peer->rule);
    snprintf(hook.target, sizeof(hook.target), "%s", peer->target != NULL ? peer->target : "");
    for (size_t i = 0; i < peer->names_len; i++) {
        if (peer->names[i].kind == NK_NAME_URI) {
            snprintf(hook.uri, sizeof(hook.uri), "%s", peer->names[i].text);
        }
    }
    pthread_mutex_unlock(&hook.mutex);
}

static nk_status decide(void *host_data, const nk_peer *peer, nk_verdict *verdict)
{
    (void)host_data;
    enum behaviour behaviour = hook.behaviour;
    hook.calls++;
    if (behaviour == ALLOW_LATE) {
        pause_ms(LATE_MS);
    }
    while (behaviour == HOLD && !hook.release) {
        pause_ms(1);
    }
    remember(peer); /* also when late: it is still valid */
    if (behaviour == DENY) {
        snprintf(verdict->detail, sizeof(verdict->detail), "not on a Sunday");
    }
    if (behaviour != DENY_SILENTLY) {
        verdict->decision = behaviour == DENY ? NK_DENY : NK_ALLOW;
    }
    hook.returned++;
    return behaviour == ERROR ? NK_E_INTERNAL : NK_OK;
}

static void open_hooked(struct node *node, enum behaviour behaviour, unsigned timeout_ms)
{
    hook.behaviour = behaviour;
    hook.calls = 0;
    hook.returned = 0;
    hook.release = false;
    node_prepare(node);
    node->host.verify_peer = decide;
    node_open_with(node, &alice, path_of("{\"host\": {\"verify_timeout_ms\": %u}}", timeout_ms));
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    node_open(&bob_node, &bob, "{}");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    node_close(&bob_node);
    member_free(&alice);
    member_free(&bob);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static const struct row {
    const char *name;
    enum behaviour behaviour;
    bool lets_in;
    const char *reason; /* in the log */
} rows[] = {
    { "yes lets in", ALLOW, true, NULL },
    { "no refuses, with the host's words", DENY, false, "not on a Sunday" },
    { "an unwritten verdict refuses", DENY_SILENTLY, false, "refused inbound peer" },
    { "an error refuses, whatever the verdict", ERROR, false, "refused inbound peer" },
    { "a late yes refuses", ALLOW_LATE, false, "refused inbound peer" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct node node;
    open_hooked(&node, row->behaviour, VERIFY_TIMEOUT_MS);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    struct rpc_result result =
        rpc_dial(bob_node.channel, rpc_server_address(server), RPC_DEADLINE_MS);
    assert_int_equal(result.ok, row->lets_in);
    assert_int_equal(rpc_server_runs(server), row->lets_in ? 1 : 0);
    if (row->reason != NULL) {
        assert_true(recorder_has(node.log, row->reason));
    }
    while (hook.returned < hook.calls) { /* the late one ends after its verdict was needed */
        pause_ms(1);
    }
    assert_true(hook.calls >=
                1); /* gRPC retries a call that no server has seen on a new connection */
    assert_int_equal(hook.role, NK_PEER_IS_CLIENT);
    assert_string_equal(hook.uri, bob.uri);
    assert_string_equal(hook.rule, "members");
    assert_string_equal(hook.target, "");
    rpc_server_stop(server);
    node_close(&node);
}

static void servers_are_asked_about_too(void **state)
{
    (void)state;
    struct node node;
    open_hooked(&node, DENY, VERIFY_TIMEOUT_MS);
    struct rpc_server *server = rpc_server_start(bob_node.server, 2, NULL, NULL);
    struct rpc_result result = rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS);
    assert_int_equal(result.status, GRPC_STATUS_UNAVAILABLE);
    assert_true(recorder_has(node.log, "refused outbound peer"));
    assert_int_equal(hook.role, NK_PEER_IS_SERVER);
    assert_string_equal(hook.uri, bob.uri);
    assert_string_equal(hook.target, "127.0.0.1");
    hook.behaviour = ALLOW;
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    assert_int_equal(rpc_server_runs(server), 1);
    rpc_server_stop(server);
    node_close(&node);
}

static void a_yes_cannot_widen(void **state)
{
    (void)state;
    struct node node;
    open_hooked(&node, ALLOW, VERIFY_TIMEOUT_MS);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    struct certificate_spec spec = member_spec(&federation, "selfmade");
    struct tls_peer peer = { .key = software_key("P-256") };
    peer.certificate = authority_issue(NULL, peer.key, &spec);
    assert_false(tls_peer_dial(&peer, rpc_server_port(server)).accepted);
    assert_int_equal(hook.calls, 0);
    X509_free(peer.certificate);
    EVP_PKEY_free(peer.key);
    rpc_server_stop(server);
    node_close(&node);
}

static void a_peer_that_resumes_is_asked_about_again(void **state)
{
    (void)state;
    struct node node;
    SSL_SESSION *session = NULL;
    struct certificate_spec spec = member_spec(&federation, "returning");
    struct tls_peer peer = { .key = software_key("P-256"), .session = &session };
    peer.certificate = authority_issue(&federation.intermediate, peer.key, &spec);
    peer.issuers[0] = federation.intermediate.certificate;
    open_hooked(&node, ALLOW, VERIFY_TIMEOUT_MS);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    assert_true(tls_peer_dial(&peer, rpc_server_port(server)).accepted);
    struct tls_result again = tls_peer_dial(&peer, rpc_server_port(server));
    assert_true(again.accepted && again.resumed);
    assert_int_equal(hook.calls, 2);
    hook.behaviour = DENY;
    again = tls_peer_dial(&peer, rpc_server_port(server));
    assert_true(!again.accepted && again.resumed);
    assert_int_equal(rpc_server_runs(server), 2);
    SSL_SESSION_free(session);
    X509_free(peer.certificate);
    EVP_PKEY_free(peer.key);
    rpc_server_stop(server);
    node_close(&node);
}

struct dial {
    pthread_t thread;
    const char *address;
    bool ok;
};

static void *dial(void *arg)
{
    struct dial *it = arg;
    it->ok = rpc_dial(bob_node.channel, it->address, RPC_DEADLINE_MS).ok;
    return NULL;
}

static void a_ninth_at_a_time_waits(void **state)
{
    (void)state;
    struct node node;
    struct dial dials[AT_ONCE_MAX + 1];
    open_hooked(&node, HOLD, RPC_DEADLINE_MS);
    struct rpc_server *server = rpc_server_start(node.server, SERVER_THREADS, NULL, NULL);
    for (size_t i = 0; i < AT_ONCE_MAX + 1; i++) {
        dials[i].address = rpc_server_address(server);
        assert_int_equal(pthread_create(&dials[i].thread, NULL, dial, &dials[i]), 0);
    }
    while (hook.calls < AT_ONCE_MAX) {
        pause_ms(1);
    }
    pause_ms(NINTH_MS);
    assert_int_equal(hook.calls, AT_ONCE_MAX);
    assert_int_equal(hook.returned, 0);
    hook.release = true;
    for (size_t i = 0; i < AT_ONCE_MAX + 1; i++) {
        pthread_join(dials[i].thread, NULL);
        assert_true(dials[i].ok);
    }
    assert_int_equal(hook.calls, AT_ONCE_MAX + 1);
    assert_int_equal(rpc_server_runs(server), AT_ONCE_MAX + 1);
    rpc_server_stop(server);
    node_close(&node);
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_TEST(servers_are_asked_about_too);
    ROWS_TEST(a_yes_cannot_widen);
    ROWS_TEST(a_peer_that_resumes_is_asked_about_again);
    ROWS_TEST(a_ninth_at_a_time_waits);
    return ROWS_RUN("verify_peer", start, stop);
}
