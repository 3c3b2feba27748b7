/* SPDX-License-Identifier: Apache-2.0
 * Peers that a node knows, through the plugin as it ships and real gRPC: each connection is the
 * hook's and the audit's, each change of the policy is seen at the next handshake, and a crowd of
 * twice as many as are kept gets each its own verdict, at no more memory the third time. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "fixtures/federation.h"
#include "fixtures/resident.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer_ends.h"

#ifdef NODEKEY_SANITIZED /* which takes five times as long, and memory is not measured */
#define TIMES 200
#define CROWD 300
#else
#define TIMES 1000
#define CROWD 2000
#endif
#define TIMES_OUTBOUND 60
#define DIALLERS 4
#define SERVER_THREADS 4
#define UNTIL_KNOWN 3 /* connections, the last of which is not judged */
#define GROWTH_MAX_KIB 1536
#define KNOWN_MAX_KIB 4096 /* all that are kept */
#define SETTLE_READS 8
#define SETTLE_STEP_MS 100
#define DOMAIN "spiffe://example.org"
#define ANY_ADDRESS "0.0.0.0:0"

DEFINE_AUTO(SSL_CTX *, SSL_CTX_free);

static const nk_plugin *plugin;
static struct federation federation;
static struct authority second; /* root of those who are judged */
static struct member alice;     /* who judges */
static struct member bob;       /* is dialled */
static struct tls_peer erin;    /* dials */
static long crl_number;

/* --- the scene --- */

static const char *file_of(const char *name)
{
    return path_of("%s/%s", federation.folder, name);
}

static void write_roots(bool with_second)
{
    AUTO(free)
    char *pem = with_second ? pem_of(federation.root.certificate, second.certificate, NULL)
                            : pem_of(federation.root.certificate, NULL);
    write_file(file_of("ca.pem"), pem, 0644);
}

static void write_list(bool revokes)
{
    struct crl_spec spec = { .issuer = &second, .number = ++crl_number };

    if (revokes) {
        spec.revoked[0] = erin.certificate;
        spec.revoked[1] = bob.leaf;
    }
    crl_write(file_of("second.crl"), &spec);
}

static void write_config(const char *patch)
{
    AUTO(free) char *text = member_config(&alice, patch);
    write_file(file_of("alice.json"), text, 0644);
}

static X509 *issue(EVP_PKEY *key, const char *san, const char *eku)
{
    const struct certificate_spec spec = { .san = san, .eku = eku };
    return authority_issue(&second, key, &spec);
}

/* Bob's token and key, and a certificate of the second root. */
static void enrol_bob(void)
{
    federation_enrol(&federation, &bob, "bob", "P-256");
    EVP_PKEY *key = X509_get_pubkey(bob.leaf);
    X509_free(bob.leaf);
    bob.leaf = issue(key, "URI:" DOMAIN "/node/bob,IP:127.0.0.1", NULL);
    EVP_PKEY_free(key);
    AUTO(free) char *pem = pem_of(bob.leaf, NULL);
    write_file(file_of("bob.pem"), pem, 0644);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    second = authority_make(NULL, "second root", NULL);
    enrol_bob();
    erin = (struct tls_peer){ .key = software_key("P-256"), .root = federation.root.certificate };
    erin.certificate = issue(erin.key, "URI:" DOMAIN "/node/erin,IP:127.0.0.1", NULL);
    federation_write_crls(&federation, ++crl_number, NULL);
    write_roots(true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(&erin);
    member_free(&bob);
    member_free(&alice);
    authority_free(&second);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

/* --- each connection is asked about and written down --- */

struct hook {
    atomic_uint calls;
    unsigned refused_call; /* 0: none */
    const char *uri;       /* of whom all of them are about */
    atomic_uint misled;
};

static struct hook at_alice, at_bob;

static nk_status decide(struct hook *hook, const nk_peer *peer, nk_verdict *verdict)
{
    bool as_told = peer->names_len > 0 && strcmp(peer->names[0].text, hook->uri) == 0 &&
                   strcmp(peer->rule, "members") == 0;

    hook->misled += as_told ? 0 : 1;
    verdict->decision = ++hook->calls == hook->refused_call ? NK_DENY : NK_ALLOW;
    return NK_OK;
}

static nk_status decide_at_alice(void *host_data, const nk_peer *peer, nk_verdict *verdict)
{
    (void)host_data;
    return decide(&at_alice, peer, verdict);
}

static nk_status decide_at_bob(void *host_data, const nk_peer *peer, nk_verdict *verdict)
{
    (void)host_data;
    return decide(&at_bob, peer, verdict);
}

static const char *audit_of(const char *name)
{
    return path_of("%s/%s.audit", scratch_folder(), name);
}

static void open_audited(struct node *node, const struct member *member, const char *audit)
{
    node_prepare(node);
    node->host.verify_peer = member == &alice ? decide_at_alice : decide_at_bob;
    node_open_with(
        node, member,
        path_of("{\"audit\": {\"file\": \"%s\", \"per_peer_per_minute\": 60000}}", audit));
}

static void assert_audited(const char *audit, unsigned all, unsigned refused)
{
    assert_int_equal(count_lines_with(audit, ""), all);
    assert_int_equal(count_lines_with(audit, "\"verdict\":\"deny\""), refused);
    assert_int_equal(count_lines_with(audit, "\"reason\":\"hook-refused\""), refused);
}

static struct dialling {
    grpc_channel_credentials *credentials;
    const char *address;
    atomic_uint begun;
    atomic_uint answered;
} dialling;

static void *dial_on(void *arg)
{
    (void)arg;
    while (dialling.begun++ < TIMES) {
        dialling.answered +=
            rpc_dial(dialling.credentials, dialling.address, RPC_DEADLINE_MS).ok ? 1 : 0;
    }
    return NULL;
}

static void both_sides_have_each_connection(void **state)
{
    (void)state;
    struct node client;
    struct node server_node;
    pthread_t threads[DIALLERS];

    at_alice = (struct hook){ .uri = bob.uri };
    at_bob = (struct hook){ .uri = alice.uri };
    open_audited(&client, &alice, audit_of("client"));
    open_audited(&server_node, &bob, audit_of("server"));
    struct rpc_server *server = rpc_server_start(server_node.server, SERVER_THREADS, NULL, NULL);
    dialling = (struct dialling){ client.channel, rpc_server_address(server), 0, 0 };
    for (int i = 0; i < DIALLERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, dial_on, NULL), 0);
    }
    for (int i = 0; i < DIALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    rpc_server_stop(server);
    node_close(&client);
    node_close(&server_node);
    assert_int_equal(dialling.answered, TIMES);
    assert_int_equal(at_alice.calls, TIMES);
    assert_int_equal(at_bob.calls, TIMES);
    assert_int_equal(at_alice.misled + at_bob.misled, 0);
    assert_audited(audit_of("client"), TIMES, 0);
    assert_audited(audit_of("server"), TIMES, 0);
}

static void the_hook_refuses_one_of_many_callers(void **state)
{
    (void)state;
    struct node node;
    const unsigned refused_call = TIMES / 2 + 1;
    AUTO(SSL_CTX_free) SSL_CTX *context = tls_peer_context_kept(&erin);

    at_alice = (struct hook){ .refused_call = refused_call, .uri = DOMAIN "/node/erin" };
    open_audited(&node, &alice, audit_of("callers"));
    struct rpc_server *server = rpc_server_start(node.server, SERVER_THREADS, NULL, NULL);
    for (unsigned i = 1; i <= TIMES; i++) {
        struct tls_result result = tls_peer_dial_kept(&erin, context, rpc_server_port(server));
        if (result.accepted != (i != refused_call)) {
            fail_msg("connection %u: %s", i, result.why);
        }
        assert_int_equal(at_alice.calls, i);
    }
    assert_int_equal(rpc_server_runs(server), TIMES - 1);
    assert_int_equal(at_alice.misled, 0);
    rpc_server_stop(server);
    node_close(&node);
    assert_audited(audit_of("callers"), TIMES, 1);
}

/* Here gRPC may try the refused one again before the channel is gone. */
static void the_hook_refuses_one_of_many_who_are_dialled(void **state)
{
    (void)state;
    struct node node;
    struct node server_node;
    const unsigned refused_call = TIMES_OUTBOUND / 2 + 1;

    at_alice = (struct hook){ .refused_call = refused_call, .uri = bob.uri };
    open_audited(&node, &alice, audit_of("dialled"));
    node_open(&server_node, &bob, "{}");
    struct rpc_server *server = rpc_server_start(server_node.server, SERVER_THREADS, NULL, NULL);
    for (unsigned i = 1; i <= TIMES_OUTBOUND; i++) {
        struct rpc_result result =
            rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS);
        if (result.ok != (i != refused_call)) {
            fail_msg("connection %u: %s", i, result.details);
        }
    }
    rpc_server_stop(server);
    node_close(&server_node);
    node_close(&node);
    assert_in_range(at_alice.calls, TIMES_OUTBOUND, TIMES_OUTBOUND + 2);
    assert_audited(audit_of("dialled"), at_alice.calls, 1);
}

/* --- what changes is seen at the next handshake --- */

#define LISTS                                                                                      \
    "\"federation\": {\"crls\": [\"root.crl\", \"intermediate.crl\", \"second.crl\"]}, "           \
    "\"reload\": {\"interval_seconds\": 3600}"
#define AS_BEFORE "{" LISTS "}"

struct scene {
    struct node judge;
    struct node dialled;
    struct rpc_server *inbound;
    struct rpc_server *outbound;
};

/* `config` NULL: as before. */
static void write_policy(const char *config, bool takes_root, bool revokes)
{
    write_config(config != NULL ? config : AS_BEFORE);
    write_roots(!takes_root);
    write_list(revokes);
}

static void open_scene(struct scene *scene)
{
    nk_error err = { .struct_size = sizeof(err) };
    struct node *judge = &scene->judge;

    write_policy(NULL, false, false);
    node_prepare(judge);
    if (plugin->open_file(&judge->host, file_of("alice.json"), &judge->instance, &err) != NK_OK ||
        plugin->server_credentials(judge->instance, &judge->server, &err) != NK_OK ||
        plugin->channel_credentials(judge->instance, &judge->channel, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    node_open(&scene->dialled, &bob, "{}");
    scene->inbound = rpc_server_start(judge->server, 2, NULL, NULL);
    scene->outbound = rpc_server_start_at(ANY_ADDRESS, scene->dialled.server, 2, NULL, NULL);
}

static void close_scene(struct scene *scene)
{
    rpc_server_stop(scene->inbound);
    rpc_server_stop(scene->outbound);
    node_close(&scene->dialled);
    node_close(&scene->judge);
}

static bool lets_in(const struct scene *scene)
{
    return tls_peer_dial(&erin, rpc_server_port(scene->inbound)).accepted;
}

static bool dials(const struct scene *scene, const char *host)
{
    const char *address = path_of("%s:%d", host, rpc_server_port(scene->outbound));
    return rpc_dial(scene->judge.channel, address, RPC_DEADLINE_MS).ok;
}

/* Both of them, from the first time until they are known. */
static void assert_admitted(const struct scene *scene, bool admitted)
{
    for (int i = 0; i < UNTIL_KNOWN; i++) {
        assert_int_equal(lets_in(scene), admitted);
        assert_int_equal(dials(scene, "127.0.0.1"), admitted);
    }
}

static void reload(struct scene *scene)
{
    nk_error err = { .struct_size = sizeof(err) };

    recorder_clear(scene->judge.log);
    if (plugin->reload(scene->judge.instance, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static const struct change {
    const char *name;
    const char *config; /* NULL: as before */
    bool takes_root;
    bool revokes;
    const char *reason;
} changes[] = {
    { "a CRL that revokes", NULL, false, true, ": revoked: " },
    { "a root taken away", NULL, true, false, ": untrusted: " },
    { "a deny rule",
      "{" LISTS ", \"deny\": [{\"name\": \"out\", \"uri\": [\"" DOMAIN "/node/erin\", \"" DOMAIN
      "/node/bob\"]}]}",
      false, false, ": denied: " },
    { "an admit rule taken away", "{" LISTS ", \"admit\": []}", false, false, ": no-rule: " },
};

static void a_change_is_seen_at_the_next_handshake(void **state)
{
    const struct change *change = *state;
    struct scene scene;

    open_scene(&scene);
    assert_admitted(&scene, true);
    write_policy(change->config, change->takes_root, change->revokes);
    reload(&scene);
    assert_admitted(&scene, false);
    assert_true(recorder_waits_for(scene.judge.log, "refused inbound peer", RPC_DEADLINE_MS));
    assert_true(recorder_waits_for(scene.judge.log, "refused outbound peer", RPC_DEADLINE_MS));
    assert_true(recorder_has(scene.judge.log, change->reason));
    write_policy(NULL, false, false);
    reload(&scene);
    assert_admitted(&scene, true);
    close_scene(&scene);
}

/* --- the same certificates under another name, or in another role --- */

#define HERS "127.0.0.1"
#define NOT_HERS "127.0.0.2"

static const struct order {
    const char *name;
    const char *first;
    const char *then;
} orders[] = {
    { "its own name, then another's", HERS, NOT_HERS },
    { "another's name, then its own", NOT_HERS, HERS },
};

static void another_target_is_judged_anew(void **state)
{
    const struct order *order = *state;
    const char *const hosts[] = { order->first, order->then, order->first };
    struct scene scene;

    open_scene(&scene);
    for (size_t i = 0; i < ARRAY_LEN(hosts) * UNTIL_KNOWN; i++) {
        const char *host = hosts[i / UNTIL_KNOWN];
        assert_int_equal(dials(&scene, host), strcmp(host, HERS) == 0);
    }
    assert_true(recorder_has(scene.judge.log, ": name-mismatch: "));
    close_scene(&scene);
}

static const struct role {
    const char *name;
    const char *eku;
    bool calls;
    bool serves;
} roles[] = {
    { "a client's certificate as a server's", "clientAuth", true, false },
    { "a server's certificate as a client's", "serverAuth", false, true },
    { "a certificate of both", NULL, true, true },
};

#define CONNECTIONS 4 /* that gRPC may make for one call */

/* Whether the judge, who dials, goes on to call. Who is to be called waits for it: what is served
 * first may be a connection of the call before. */
static bool is_called(struct scene *scene, struct tls_listener *listener, bool is_to_be)
{
    size_t before = tls_listener_accepted(listener);
    bool called = false;

    (void)rpc_dial(scene->judge.channel, tls_listener_address(listener), RPC_DEADLINE_MS);
    for (int i = 0; i < (is_to_be ? CONNECTIONS : 1) && !called; i++) {
        (void)tls_listener_wait(listener);
        called = tls_listener_accepted(listener) > before;
    }
    return called;
}

static void another_role_is_judged_anew(void **state)
{
    const struct role *role = *state;
    struct tls_peer peer = erin;
    struct scene scene;

    peer.certificate = issue(erin.key, "URI:" DOMAIN "/node/erin,IP:127.0.0.1", role->eku);
    open_scene(&scene);
    struct tls_listener *listener = tls_peer_listen(&peer);
    for (int i = 0; i < 2 * UNTIL_KNOWN; i++) {
        assert_int_equal(tls_peer_dial(&peer, rpc_server_port(scene.inbound)).accepted,
                         role->calls);
        assert_int_equal(is_called(&scene, listener, role->serves), role->serves);
    }
    tls_listener_stop(listener);
    close_scene(&scene);
    X509_free(peer.certificate);
}

/* --- a crowd --- */

enum kind { MEMBER, STRANGER, DENIED };

static struct {
    EVP_PKEY *key; /* one for all: their certificates differ */
    X509 *certificates[CROWD];
    int port;
    atomic_uint next;
    atomic_uint wrong;
} crowd;

static enum kind kind_of(unsigned i)
{
    return i % 10 == 8 ? STRANGER : i % 10 == 9 ? DENIED : MEMBER;
}

static void make_crowd(void)
{
    crowd.key = software_key("P-256");
    for (unsigned i = 0; i < CROWD; i++) {
        const char *folder = kind_of(i) == DENIED ? "out" : "node";
        const struct certificate_spec spec = { .san = path_of("URI:" DOMAIN "/%s/%u", folder, i) };
        crowd.certificates[i] =
            authority_issue(kind_of(i) == STRANGER ? NULL : &second, crowd.key, &spec);
    }
}

static void free_crowd(void)
{
    for (unsigned i = 0; i < CROWD; i++) {
        X509_free(crowd.certificates[i]);
    }
    EVP_PKEY_free(crowd.key);
}

static void *dial_crowd(void *arg)
{
    (void)arg;
    struct tls_peer peer = { .key = crowd.key,
                             .certificate = crowd.certificates[0],
                             .root = federation.root.certificate };
    AUTO(SSL_CTX_free) SSL_CTX *context = tls_peer_context_kept(&peer);

    for (unsigned i = 0; (i = crowd.next++) < CROWD;) {
        if (SSL_CTX_use_certificate(context, crowd.certificates[i]) != 1) {
            abort();
        }
        struct tls_result result = tls_peer_dial_kept(&peer, context, crowd.port);
        if (result.accepted != (kind_of(i) == MEMBER)) {
            fprintf(stderr, "peer %u: %s\n", i, result.why);
            crowd.wrong++;
        }
    }
    return NULL;
}

/* The least of some looks: gRPC sees connections end a little later. */
static long settled_kib(void)
{
    long least = resident_kib();

    for (int i = 0; i < SETTLE_READS; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = SETTLE_STEP_MS * 1000000L }, NULL);
        long kib = resident_kib();
        least = kib < least ? kib : least;
    }
    return least;
}

static long let_crowd_dial(void)
{
    pthread_t threads[DIALLERS];

    crowd.next = 0;
    for (int i = 0; i < DIALLERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, dial_crowd, NULL), 0);
    }
    for (int i = 0; i < DIALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(crowd.wrong, 0);
    return settled_kib();
}

static void drop_line(void *host_data, int32_t level, const char *line)
{
    (void)host_data, (void)level, (void)line;
}

static void a_crowd_gets_each_its_verdict(void **state)
{
    (void)state;
    struct node node;

    make_crowd();
    node_prepare(&node);
    node.host.log = drop_line; /* a log that is kept would grow */
    node_open_with(&node, &alice,
                   "{\"admit\": [{\"name\": \"all\", \"uri\": [\"" DOMAIN "/node/*\", \"" DOMAIN
                   "/out/*\"]}], \"deny\": [{\"name\": \"out\", \"uri\": [\"" DOMAIN
                   "/out/*\"]}]}");
    struct rpc_server *server = rpc_server_start(node.server, SERVER_THREADS, NULL, NULL);
    crowd.port = rpc_server_port(server);
    long once = let_crowd_dial();
    long twice = let_crowd_dial();
    long thrice = let_crowd_dial();
    print_message("    %d peers; resident: %ld KiB, %+ld when all came again, %+ld after the third "
                  "time\n",
                  CROWD, once, twice - once, thrice - twice);
    rpc_server_stop(server);
    node_close(&node);
    free_crowd();
#ifndef NODEKEY_SANITIZED /* under which what was freed stays resident */
    assert_true(thrice - twice <= GROWTH_MAX_KIB);
    assert_true(thrice - once <= KNOWN_MAX_KIB + GROWTH_MAX_KIB);
#endif
}

int main(void)
{
    ROWS_TEST(a_crowd_gets_each_its_verdict);
    ROWS_OF(changes, a_change_is_seen_at_the_next_handshake);
    ROWS_OF(orders, another_target_is_judged_anew);
    ROWS_OF(roles, another_role_is_judged_anew);
    ROWS_TEST(both_sides_have_each_connection);
    ROWS_TEST(the_hook_refuses_one_of_many_callers);
    ROWS_TEST(the_hook_refuses_one_of_many_who_are_dialled);
    return ROWS_RUN("known_host", start, stop);
}
