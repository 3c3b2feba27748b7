/* SPDX-License-Identifier: Apache-2.0
 * Who is calling, asked on connections that resumed: always the caller, never a neighbour. Peers of
 * different names, keys and rules dial at once, and say in the call who they are. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

#define CALLERS 9
#define DIALS_EACH 12
#define SERVER_THREADS 6

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice;
static struct node node;
static struct rpc_server *server;
static long crl_number;

/* How a caller comes back: with a ticket; or by what the server remembers, which OpenSSL forgets
 * when it sees the first connection end. */
static const struct way {
    int version;
    bool no_tickets;
    bool always_resumes;
} ways[] = {
    { TLS1_3_VERSION, .always_resumes = true },
    { TLS1_2_VERSION, .always_resumes = true },
    { TLS1_2_VERSION, .no_tickets = true },
};

static struct caller {
    pthread_t thread;
    struct tls_peer peer;
    SSL_SESSION *session;
    const char *uri;
    const char *rule;
    uint8_t leaf_sha256[NK_SHA256_BYTES];
    int dials;
    int answered;
    int resumed;
} callers[CALLERS];

static struct answers {
    atomic_int own;
    atomic_int anothers;
    atomic_int refused;   /* NK_E_PEER, as revoked */
    atomic_bool revoking; /* the next call first revokes its caller */
} answers;

/* --- the handler --- */

static size_t claimed_number(grpc_byte_buffer *payload)
{
    grpc_byte_buffer_reader reader;
    assert_int_equal(grpc_byte_buffer_reader_init(&reader, payload), 1);
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    char *text = grpc_slice_to_c_string(all);
    size_t number = strtoul(text, NULL, 10);
    gpr_free(text);
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
    return number;
}

static bool is_caller(const nk_peer *who, const struct caller *caller)
{
    return who->role == NK_PEER_IS_CLIENT && who->names_len == 1 &&
           who->names[0].kind == NK_NAME_URI && strcmp(who->names[0].text, caller->uri) == 0 &&
           strcmp(who->rule, caller->rule) == 0 &&
           memcmp(who->leaf_sha256, caller->leaf_sha256, NK_SHA256_BYTES) == 0;
}

static void revoke(const struct caller *caller)
{
    X509 *revoked[] = { caller->peer.certificate, NULL };
    federation_write_crls(&federation, ++crl_number, revoked);
    (void)!plugin->reload(node.instance, NULL);
}

static void ask_who(void *user, grpc_call *call, grpc_byte_buffer *payload)
{
    (void)user;
    nk_peer *who = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    const struct caller *claimed = &callers[claimed_number(payload) % CALLERS];
    if (atomic_exchange(&answers.revoking, false)) {
        revoke(claimed);
    }
    grpc_auth_context *context = grpc_call_auth_context(call);
    nk_status status = plugin->peer_identity(node.instance, NK_PEER_IS_CLIENT, context, &who, &err);
    grpc_auth_context_release(context);
    if (status == NK_OK) {
        (is_caller(who, claimed) ? &answers.own : &answers.anothers)[0]++;
    } else if (status == NK_E_PEER && strstr(err.text, ": revoked: ") != NULL) {
        answers.refused++;
    }
    plugin->free_peer(who);
}

/* --- callers --- */

static void make_caller(size_t i)
{
    struct caller *caller = &callers[i];
    const struct way *way = &ways[i % ARRAY_LEN(ways)];
    const char *kind = i % 2 == 0 ? "even" : "odd";
    caller->rule = kind;
    caller->uri = path_of("spiffe://example.org/%s/%zu", kind, i);
    caller->peer = (struct tls_peer){
        .key = software_key("P-256"),
        .issuers = { federation.intermediate.certificate },
        .version = way->version,
        .no_tickets = way->no_tickets,
        .says = path_of("%zu", i),
        .session = &caller->session,
    };
    struct certificate_spec spec = { .cn = "caller", .san = path_of("URI:%s", caller->uri) };
    caller->peer.certificate = authority_issue(&federation.intermediate, caller->peer.key, &spec);
    assert_int_equal(X509_digest(caller->peer.certificate, EVP_sha256(), caller->leaf_sha256, NULL),
                     1);
}

static void free_caller(struct caller *caller)
{
    SSL_SESSION_free(caller->session);
    X509_free(caller->peer.certificate);
    EVP_PKEY_free(caller->peer.key);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_write_crls(&federation, ++crl_number, NULL);
    federation_enrol(&federation, &alice, "alice", "P-256");
    node_open(&node, &alice,
              "{" FEDERATION_CRLS ", \"admit\": ["
              "{\"name\": \"even\", \"uri\": [\"spiffe://example.org/even/*\"]},"
              "{\"name\": \"odd\", \"uri\": [\"spiffe://example.org/odd/*\"]}]}");
    server = rpc_server_start(node.server, SERVER_THREADS, NULL, NULL);
    rpc_server_on_payload(server, ask_who);
    for (size_t i = 0; i < CALLERS; i++) {
        make_caller(i);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rpc_server_stop(server);
    node_close(&node);
    for (size_t i = 0; i < CALLERS; i++) {
        free_caller(&callers[i]);
    }
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static void *dial_often(void *arg)
{
    struct caller *caller = arg;
    for (int i = 0; i < caller->dials; i++) {
        struct tls_result result = tls_peer_dial(&caller->peer, rpc_server_port(server));
        caller->answered += result.accepted ? 1 : 0;
        caller->resumed += result.resumed ? 1 : 0;
    }
    return NULL;
}

static void dial_all(int dials)
{
    answers.own = answers.anothers = answers.refused = 0;
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].dials = dials;
        callers[i].answered = callers[i].resumed = 0;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, dial_often, &callers[i]), 0);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].answered, dials);
    }
}

static void a_full_handshake_tells_the_caller(void **state)
{
    (void)state;
    dial_all(1);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(callers[i].resumed, 0);
    }
    assert_int_equal(answers.anothers, 0);
    assert_int_equal(answers.own, CALLERS);
}

static void each_resumed_connection_tells_the_caller(void **state)
{
    (void)state;
    dial_all(DIALS_EACH);
    for (size_t i = 0; i < CALLERS; i++) {
        if (ways[i % ARRAY_LEN(ways)].always_resumes) {
            assert_int_equal(callers[i].resumed, DIALS_EACH);
        }
    }
    assert_int_equal(answers.anothers, 0);
    assert_int_equal(answers.own, CALLERS * DIALS_EACH);
}

/* Else the two above would prove nothing. */
static void a_false_claim_is_seen(void **state)
{
    (void)state;
    struct tls_peer liar = callers[0].peer;
    liar.says = callers[1].peer.says;
    answers.own = answers.anothers = 0;
    struct tls_result result = tls_peer_dial(&liar, rpc_server_port(server));
    assert_true(result.accepted && result.resumed);
    assert_int_equal(answers.own, 0);
    assert_int_equal(answers.anothers, 1);
}

/* Its call was let in before; asked afterwards, nobody vouches for it. */
static void who_is_revoked_during_a_call_is_nobody(void **state)
{
    (void)state;
    answers.own = answers.anothers = answers.refused = 0;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        answers.revoking = true;
        struct tls_result result = tls_peer_dial(&callers[i].peer, rpc_server_port(server));
        assert_true(result.accepted);
        assert_true(result.resumed || !ways[i].always_resumes);
        assert_false(answers.revoking);
        assert_int_equal(answers.refused, i + 1);
        size_t runs = rpc_server_runs(server);
        result = tls_peer_dial(&callers[i].peer, rpc_server_port(server));
        assert_false(result.accepted);
        assert_true(result.resumed || !ways[i].always_resumes);
        assert_int_equal(rpc_server_runs(server), runs);
    }
    assert_int_equal(answers.own, 0);
    assert_true(tls_peer_dial(&callers[ARRAY_LEN(ways)].peer, rpc_server_port(server)).accepted);
    assert_int_equal(answers.own, 1);
    assert_int_equal(answers.anothers, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_handshake_tells_the_caller),
        cmocka_unit_test(each_resumed_connection_tells_the_caller),
        cmocka_unit_test(a_false_claim_is_seen),
        cmocka_unit_test(who_is_revoked_during_a_call_is_nobody),
    };
    return cmocka_run_group_tests_name("resumed", tests, start, stop);
}
