/* SPDX-License-Identifier: Apache-2.0
 * Every key type signs in both roles: to a node like us, and to an OpenSSL peer that speaks one
 * version of TLS only. All keys but that peer's are in SoftHSM. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

/* BoringSSL verifies no signature of the last two kinds: the test `unreached`. */
static const char *const key_types[] = { "RSA-2048", "RSA-3072", "RSA-4096", "P-256", "P-384",
#if !BORINGSSL_CORE
                                         "P-521",    "Ed25519"
#endif
};

enum other { NODE, OPENSSL_12, OPENSSL_13, OTHERS };
static const char *const other_names[] = { "a node", "OpenSSL, TLS 1.2", "OpenSSL, TLS 1.3" };
static const int versions[] = { 0, TLS1_2_VERSION, TLS1_3_VERSION };

/* gRPC 1.51 offers no curve but P-256 (1.83: all), and TLS 1.2 ties a client's certificate to the
 * curves that it offered: OpenSSL refuses the others, with keys in files just the same. TLS 1.3
 * does not. */
#define OUT_OF_REACH "wrong curve"

struct row {
    size_t type;
    enum other other;
    bool as_server; /* which role our key plays */
};

static struct federation federation;
static struct member alice;                      /* a key of each type */
static struct node alices[ARRAY_LEN(key_types)]; /* an instance for each */
static struct member bob;
static struct node bob_node;
static struct tls_peer stranger; /* a good member without token */

static int open_all(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        member_add_key(&alice, key_types[i], path_of("1%zu", i), key_types[i]);
        node_open(&alices[i], &alice, member_patch_key(&alice, key_types[i]));
    }
    node_open(&bob_node, &bob, "{}");
    stranger = stranger_make(&federation);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        node_close(&alices[i]);
    }
    node_close(&bob_node);
    member_free(&alice);
    member_free(&bob);
    stranger_free(&stranger);
    federation_free(&federation);
    return 0;
}

static void between_nodes(const struct node *server_node, const struct node *client_node)
{
    struct rpc_server *server = rpc_server_start(server_node->server, 2, NULL, NULL);
    struct rpc_result result =
        rpc_dial(client_node->channel, rpc_server_address(server), RPC_DEADLINE_MS);
    if (!result.ok) {
        fail_msg("the call ended with %d: %s", result.status, result.details);
    }
    assert_int_equal(rpc_server_runs(server), 1);
    rpc_server_stop(server);
}

static struct tls_result with_openssl(const struct node *node, bool as_server, int version)
{
    struct tls_peer peer = stranger;
    struct tls_result result;
    peer.version = version;
    if (as_server) {
        struct rpc_server *server = rpc_server_start(node->server, 2, NULL, NULL);
        result = tls_peer_dial(&peer, rpc_server_port(server));
        rpc_server_stop(server);
    } else {
        struct tls_listener *listener = tls_peer_listen(&peer);
        rpc_dial(node->channel, tls_listener_address(listener), RPC_DEADLINE_MS);
        result = tls_listener_wait(listener);
        tls_listener_stop(listener);
    }
    return result;
}

static bool out_of_reach(const struct row *row)
{
    const char *type = key_types[row->type];
    return !LATER_CORE && row->other == OPENSSL_12 && !row->as_server &&
           (strcmp(type, "P-384") == 0 || strcmp(type, "P-521") == 0);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    const struct node *node = &alices[row->type];
    if (row->other == NODE) {
        between_nodes(row->as_server ? node : &bob_node, row->as_server ? &bob_node : node);
        return;
    }
    struct tls_result result = with_openssl(node, row->as_server, versions[row->other]);
    if (out_of_reach(row)) {
        assert_false(result.accepted);
        assert_non_null(strstr(result.why, OUT_OF_REACH));
        return;
    }
    if (!result.accepted) {
        fail_msg("not accepted: %s", result.why);
    }
    assert_int_equal(result.version, versions[row->other]);
}

#define WHO_BYTES 2048

/* Runs inside the handler, where a node asks who calls. */
static void ask_who(void *user, grpc_call *call)
{
    const nk_plugin *plugin = plugin_load();
    nk_error err = { .struct_size = sizeof(err) };
    nk_peer *peer = NULL;
    grpc_auth_context *context = grpc_call_auth_context(call);
    char *who = user; /* WHO_BYTES */
    if (plugin->peer_identity(bob_node.instance, NK_PEER_IS_CLIENT, context, &peer, &err) ==
        NK_OK) {
        for (size_t i = 0; i < peer->names_len; i++) {
            if (peer->names[i].kind == NK_NAME_URI) {
                snprintf(who, WHO_BYTES, "%s by %s", peer->names[i].text, peer->rule);
            }
        }
        plugin->free_peer(peer);
    } else {
        snprintf(who, WHO_BYTES, "%s", err.text);
    }
    grpc_auth_context_release(context);
}

static void the_handler_knows_the_caller(void **state)
{
    (void)state;
    char who[WHO_BYTES] = "nobody asked";
    struct rpc_server *server = rpc_server_start(bob_node.server, 2, ask_who, who);
    struct rpc_result result =
        rpc_dial(alices[0].channel, rpc_server_address(server), RPC_DEADLINE_MS);
    assert_true(result.ok);
    rpc_server_stop(server);
    assert_string_equal(who, path_of("%s by members", alice.uri));
}

/* The group is gRPC's own choice: nodekey must not narrow it. Without a certificate s_client is
 * refused, after it has shown what was agreed on. */
static void the_group_is_the_best_of_grpc(void **state)
{
    (void)state;
    struct rpc_server *server = rpc_server_start(bob_node.server, 2, NULL, NULL);
    const char *const argv[] = { "openssl", "s_client", "-connect", rpc_server_address(server),
                                 "-alpn",   "h2",       NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv, .with_stderr = true });

    rpc_server_stop(server);
    bool agreed = BORINGSSL_CORE ? strstr(end.out, "X25519") != NULL
                  : LATER_CORE   ? strstr(end.out, "X25519MLKEM768") != NULL
                                 : strstr(end.out, "prime256v1") != NULL || /* OpenSSL 3.0 */
                                     strstr(end.out, "secp256r1") != NULL;  /* later ones */
    if (!agreed) {
        fail_msg("%s", end.out);
    }
    free(end.out);
}

/* --- what a kind of key does not reach --- */

#define BORINGSSL "no gRPC on BoringSSL"
#define TLS_1_2 "on gRPC 1.51 they dial no OpenSSL server that has TLS 1.2 alone"

static const struct unmet_row {
    const char *type;
    bool boringssl, tls_1_2;
} unmet_rows[] = {
    { "RSA-2048", false, false }, { "RSA-3072", false, false }, { "RSA-4096", false, false },
    { "P-256", false, false },    { "P-384", false, true },     { "P-521", true, true },
    { "Ed25519", true, false },
};

static void open_says_what_is_out_of_reach(void **state)
{
    const struct unmet_row *row = *state;
    size_t i = (size_t)(row - unmet_rows);
    struct recorder *log = alices[i].log;

    assert_string_equal(key_types[i], row->type);
    assert_int_equal(recorder_count(log, " keys: "), row->boringssl || row->tls_1_2);
    assert_int_equal(recorder_count(log, BORINGSSL), row->boringssl);
    assert_int_equal(recorder_count(log, TLS_1_2), row->tls_1_2);
}

static void ed25519_is_refused(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;

    member_add_key(&alice, "Ed25519", "19", "Ed25519");
    char *config = member_config(&alice, member_patch_key(&alice, "Ed25519"));
    assert_int_equal(
        plugin_load()->open_text(&bob_node.host, config, federation.folder, &instance, &err),
        NK_E_IDENTITY);
    free(config);
    assert_non_null(strstr(err.text, "gRPC on BoringSSL has no Ed25519"));
}

#define ROWS (ARRAY_LEN(key_types) * OTHERS * 2)

int main(void)
{
    static struct row rows[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = (struct row){ i / 2 / OTHERS, (enum other)(i / 2 % OTHERS), i % 2 == 0 };
        rows_add(path_of("%s as %s to %s%s", key_types[rows[i].type],
                         rows[i].as_server ? "server" : "client", other_names[rows[i].other],
                         out_of_reach(&rows[i]) ? ": out of gRPC's reach" : ""),
                 check_row, &rows[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        rows_add(path_of("open says what is out of reach: %s", unmet_rows[i].type),
                 open_says_what_is_out_of_reach, (void *)(uintptr_t)&unmet_rows[i]);
    }
    if (BORINGSSL_CORE) {
        ROWS_TEST(ed25519_is_refused);
    }
    ROWS_TEST(the_handler_knows_the_caller);
    ROWS_TEST(the_group_is_the_best_of_grpc);
    int failed = ROWS_RUN("handshake", open_all, close_all);
    /* OpenSSL's peers speak no HTTP/2: a channel that leaves one may be forgotten by gRPC 1.51 */
    if (!rpc_shuts_down()) {
        fflush(stdout);
        _exit(failed);
    }
    return failed;
}
