/* SPDX-License-Identifier: Apache-2.0
 * A node that forks after grpc_init: its children do TLS with the keys that it loaded, through
 * OpenSSL alone, while it serves gRPC and notices nothing. What is gRPC's or an instance's is
 * refused to them by name. */
#include <glob.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/auto.h"
#include "fixtures/child.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fork/remote_token.h"

#define CHILDREN 4
#define HANDSHAKES 200
#define DIALLERS 2
#define POLLERS 4
#define PUMPS_MAX 20
#define QUIET_MS 100

static struct federation federation;
static struct member alice, bob;

/* Both ends of a handshake, by the keys of two nodes of this process. NULL: a later core, which is
 * told what an older one reads as files; then this is about its calls alone. */
struct ends {
    SSL_CTX *server, *client;
};

/* --- TLS with what the nodes have published for gRPC --- */

static EVP_PKEY *load_key(const char *path)
{
    BIO *bio = BIO_new_file(path, "r");
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static SSL_CTX *context(const SSL_METHOD *method, const char *path)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    EVP_PKEY *key = load_key(path);
    assert_non_null(key);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, path), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    assert_int_equal(
        SSL_CTX_load_verify_locations(ctx, path_of("%s/ca.pem", federation.folder), NULL), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    EVP_PKEY_free(key);
    return ctx;
}

/* Pumps both ends until both are done: two signatures by tokens. */
static bool shake(const struct ends *ends, int version)
{
    if (ends->server == NULL) {
        return true;
    }
    BIO *to_server = BIO_new(BIO_s_mem());
    BIO *to_client = BIO_new(BIO_s_mem());
    SSL *server = SSL_new(ends->server);
    SSL *client = SSL_new(ends->client);
    int done = 0;

    BIO_up_ref(to_server);
    BIO_up_ref(to_client);
    SSL_set_bio(server, to_server, to_client);
    SSL_set_bio(client, to_client, to_server);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    SSL_set_max_proto_version(client, version);
    for (int i = 0; i < PUMPS_MAX && done != 2; i++) {
        done = SSL_do_handshake(client) == 1 ? 1 : 0;
        done += SSL_do_handshake(server) == 1 ? 1 : 0;
    }
    bool ok = done == 2 && SSL_version(server) == version && !SSL_session_reused(server) &&
              SSL_get0_peer_certificate(server) != NULL &&
              SSL_get0_peer_certificate(client) != NULL;
    SSL_free(server);
    SSL_free(client);
    return ok;
}

static bool shake_often(const struct ends *ends)
{
    for (int i = 0; i < HANDSHAKES; i++) {
        if (!shake(ends, i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION)) {
            fprintf(stderr, "handshake %d of a child fails:\n", i);
            ERR_print_errors_fp(stderr);
            return false;
        }
    }
    return true;
}

/* --- the nodes --- */

struct pair {
    struct node alice, bob;
    struct rpc_server *server;
    char *folders[2]; /* of alice, of bob; owned */
    struct ends ends;
};

/* The newest folder that a node of this process made, which is not `known`. */
static char *find_folder(const char *known)
{
    glob_t found;
    char *folder = NULL;
    const char *pattern = path_of("%s/run/nodekey-*", scratch_folder());
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            if (known == NULL || strcmp(found.gl_pathv[i], known) != 0) {
                free(folder);
                folder = strdup(found.gl_pathv[i]);
            }
        }
    }
    globfree(&found);
    assert_non_null(folder);
    return folder;
}

static void pair_open(struct pair *pair, const char *patch)
{
    *pair = (struct pair){ .server = NULL };
    node_open(&pair->alice, &alice, patch);
    pair->folders[0] = LATER_CORE ? NULL : find_folder(NULL);
    node_open(&pair->bob, &bob, patch);
    pair->folders[1] = LATER_CORE ? NULL : find_folder(pair->folders[0]);
    pair->server = rpc_server_start(pair->alice.server, POLLERS, NULL, NULL);
    if (LATER_CORE) {
        return;
    }
    pair->ends.server = context(TLS_server_method(), path_of("%s/server.pem", pair->folders[0]));
    pair->ends.client = context(TLS_client_method(), path_of("%s/client.pem", pair->folders[1]));
    assert_true(shake(&pair->ends, TLS1_3_VERSION));
    assert_true(shake(&pair->ends, TLS1_2_VERSION));
}

static struct rpc_result call(const struct pair *pair)
{
    return rpc_dial(pair->bob.channel, rpc_server_address(pair->server), 3 * RPC_DEADLINE_MS);
}

/* What a node that lost something to a child would show. */
static void check_whole(const struct pair *pair)
{
    assert_true(shake(&pair->ends, TLS1_3_VERSION));
    assert_true(call(pair).ok);
    for (int i = 0; i < 2 && !LATER_CORE; i++) {
        assert_int_equal(access(path_of("%s/server.pem", pair->folders[i]), R_OK), 0);
        assert_int_equal(access(path_of("%s/client.pem", pair->folders[i]), R_OK), 0);
    }
    assert_false(recorder_has(pair->alice.log, "trying again"));
    assert_false(recorder_has(pair->bob.log, "trying again"));
    assert_false(recorder_has(pair->alice.log, "error: "));
    assert_false(recorder_has(pair->bob.log, "error: "));
}

static void pair_close(struct pair *pair)
{
    SSL_CTX_free(pair->ends.server);
    SSL_CTX_free(pair->ends.client);
    rpc_server_stop(pair->server);
    node_close(&pair->alice);
    node_close(&pair->bob);
    free(pair->folders[0]);
    free(pair->folders[1]);
}

/* --- children that do TLS, a parent that serves gRPC --- */

struct dialler {
    const struct pair *pair;
    pthread_t thread;
    pthread_mutex_t turn; /* held for each call, and by who forks */
    atomic_ulong calls;
    unsigned long failures;
};
static atomic_bool over;
static atomic_bool resting; /* nobody begins a call: a mutex alone would not be fair */

static void *dial_on(void *arg)
{
    struct dialler *dialler = arg;
    while (!atomic_load(&over)) {
        if (atomic_load(&resting)) {
            usleep(1000);
            continue;
        }
        pthread_mutex_lock(&dialler->turn);
        struct rpc_result result = call(dialler->pair);
        pthread_mutex_unlock(&dialler->turn);
        dialler->calls++;
        if (!result.ok) {
            dialler->failures++;
            print_error("%d %s\n", result.status, result.details);
        }
    }
    return NULL;
}

/* OpenSSL is not made for forks: a lock of its own that another thread holds is held in the child
 * for ever. So no handshake is under way at that moment, and gRPC gets time to tidy up. */
static void fork_children(const struct ends *ends, struct dialler *diallers,
                          pid_t children[CHILDREN])
{
    atomic_store(&resting, true);
    for (int i = 0; i < DIALLERS; i++) {
        pthread_mutex_lock(&diallers[i].turn);
    }
    usleep(QUIET_MS * 1000);
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = child_fork(true);
        if (children[i] == 0) {
            exit(shake_often(ends) ? 0 : 1);
        }
    }
    for (int i = 0; i < DIALLERS; i++) {
        pthread_mutex_unlock(&diallers[i].turn);
    }
    atomic_store(&resting, false);
}

static void start_dialling(struct dialler *diallers, const struct pair *pair)
{
    atomic_store(&over, false);
    for (int i = 0; i < DIALLERS; i++) {
        diallers[i] = (struct dialler){ .pair = pair };
        pthread_mutex_init(&diallers[i].turn, NULL);
        assert_int_equal(pthread_create(&diallers[i].thread, NULL, dial_on, &diallers[i]), 0);
    }
}

/* How many calls there were; none may have failed. */
static unsigned long stop_dialling(struct dialler *diallers)
{
    unsigned long calls = 0;
    unsigned long failures = 0;
    atomic_store(&over, true);
    for (int i = 0; i < DIALLERS; i++) {
        pthread_join(diallers[i].thread, NULL);
        pthread_mutex_destroy(&diallers[i].turn);
        calls += diallers[i].calls;
        failures += diallers[i].failures;
    }
    assert_int_equal(failures, 0);
    return calls;
}

static void serve_and_fork(const char *patch)
{
    struct pair pair;
    struct dialler diallers[DIALLERS];
    pid_t children[CHILDREN];
    int fine = 0;

    pair_open(&pair, patch);
    assert_true(call(&pair).ok);
    start_dialling(diallers, &pair);
    fork_children(&pair.ends, diallers, children);
    for (int i = 0; i < CHILDREN; i++) {
        fine += child_is_fine(children[i]) ? 1 : 0;
    }
    for (int i = 0; i < DIALLERS; i++) { /* goes on in the parent; else the test hangs */
        unsigned long before = atomic_load(&diallers[i].calls);
        while (atomic_load(&diallers[i].calls) < before + 2) { /* one had begun */
            usleep(1000);
        }
    }
    unsigned long calls = stop_dialling(diallers);
    assert_int_equal(fine, CHILDREN);
    print_message("           %d children: %d handshakes each; the parent: %lu, none failed\n",
                  CHILDREN, LATER_CORE ? 0 : HANDSHAKES, calls);
    check_whole(&pair);
    pair_close(&pair);
}

static const struct row {
    const char *name, *module, *patch;
} rows[] = {
    { "SoftHSM, direct", "softhsm", "{}" },
    { "SoftHSM, by deadline", "softhsm", "{\"token\": {\"sign_timeout_ms\": 20000}}" },
    { "p11-kit server, direct", "p11-kit", "{}" },
    { "p11-kit server, by deadline", "p11-kit", "{\"token\": {\"sign_timeout_ms\": 20000}}" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    alice.module = bob.module = row->module;
    serve_and_fork(row->patch);
}

/* --- what a child may not do --- */

static bool forked(nk_status status, const nk_error *err)
{
    bool ok = status == NK_E_USAGE && strstr(err->text, "forked: ") != NULL;
    if (!ok) {
        fprintf(stderr, "a child: %d %s\n", (int)status, err->text);
    }
    return ok;
}
#define FORKED(call) (err = (nk_error){ .struct_size = sizeof(err) }, forked((call), &err))

static bool is_refused(nk_instance *instance)
{
    const nk_plugin *plugin = plugin_load();
    nk_error err;
    grpc_server_credentials *server = NULL;
    grpc_channel_credentials *channel = NULL;
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    nk_peer *peer = NULL;
    char *pem = pem_of(alice.leaf, NULL);
    int thing = 0; /* nobody looks at it */
    bool ok =
        FORKED(plugin->server_credentials(instance, &server, &err)) &&
        FORKED(plugin->channel_credentials(instance, &channel, &err)) &&
        FORKED(plugin->check_peer(instance, NK_PEER_IS_CLIENT, NULL, pem, strlen(pem), &verdict,
                                  NULL, &err)) &&
        FORKED(plugin->peer_identity(instance, NK_PEER_IS_CLIENT,
                                     (const struct grpc_auth_context *)&thing, &peer, &err)) &&
        FORKED(plugin->guard_call(instance, NK_PEER_IS_CLIENT, (struct grpc_call *)&thing, &err)) &&
        FORKED(plugin->unguard_call(instance, (struct grpc_call *)&thing, &err)) &&
        FORKED(plugin->reload(instance, &err));
    free(pem);
    return ok && server == NULL && channel == NULL && peer == NULL && verdict.decision == NK_DENY;
}

#ifndef NODEKEY_TSAN
/* One of its own is good for keys, but gRPC is not there to use it. */
static bool opens_one_without_grpc(void)
{
    const nk_plugin *plugin = plugin_load();
    const nk_host host = silent_host();
    nk_instance *instance = NULL;
    grpc_server_credentials *server = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    char *config = member_config(&alice, "{}");
    nk_status status = plugin->open_text(&host, config, federation.folder, &instance, &err);
    free(config);
    if (status != NK_OK) {
        fprintf(stderr, "a child's own: %s\n", err.text);
        return false;
    }
    return FORKED(plugin->server_credentials(instance, &server, &err)) &&
           strstr(err.text, "grpc_init") != NULL && plugin->close(instance, &err) == NK_OK;
}

#endif

static bool closes(const struct pair *pair)
{
    nk_error err = { .struct_size = sizeof(err) };
    return plugin_load()->close(pair->alice.instance, &err) == NK_OK &&
           (LATER_CORE || !shake(&pair->ends, TLS1_3_VERSION));
}

static void refused_and_closed(void **state)
{
    const struct row *row = *state;
    struct pair pair;

    alice.module = bob.module = row->module;
    pair_open(&pair, row->patch);
    assert_true(call(&pair).ok);
    pid_t child = child_fork(true);
    if (child == 0) {
        bool ok = is_refused(pair.alice.instance);
#ifndef NODEKEY_TSAN /* takes a child's thread for one of the parent's, and dies */
        ok = ok && opens_one_without_grpc();
#endif
        exit(ok && shake(&pair.ends, TLS1_3_VERSION) && closes(&pair) ? 0 : 1);
    }
    assert_true(child_is_fine(child));
    check_whole(&pair);
    pair_close(&pair);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    setenv("RUNTIME_DIRECTORY", path_of("%s/run", scratch_folder()), 1);
    if (mkdir(getenv("RUNTIME_DIRECTORY"), 0700) != 0) {
        return -1;
    }
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "RSA-2048");
    remote_start();
    grpc_init();
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

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rows_add(path_of("children do TLS: %s", rows[i].name), check_row, &rows[i]);
        rows_add(path_of("refused: %s", rows[i].name), refused_and_closed, &rows[i]);
    }
    return ROWS_RUN("fork_tls", start, stop);
}
