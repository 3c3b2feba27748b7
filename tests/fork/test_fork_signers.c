/* SPDX-License-Identifier: Apache-2.0
 * A node on gRPC that forks while signatures are under way: its signers sign in its children, at
 * once and called back, and what the parent has started is answered in the parent alone, once. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fixtures/child.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fork/remote_token.h"

#define CHILDREN 4
#define IN_FLIGHT 12
#define SIGNATURES 50
#define PATIENCE_MS 60000
#define ECDSA_SHA256 0x0403

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice;
static const uint8_t text[] = "what TLS 1.2 signs";

/* --- signatures --- */

struct asked {
    nk_signing *signing;
    atomic_uint dones;
    nk_status status;
    size_t len;
    uint8_t signature[NK_SIGNATURE_BYTES];
};

static void take_answer(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    struct asked *asked = arg;

    asked->status = err->status;
    asked->len = len;
    memcpy(asked->signature, signature, err->status == NK_OK ? len : 0);
    atomic_fetch_add(&asked->dones, 1);
}

static nk_status start_one(nk_signer *signer, struct asked *asked, nk_error *err)
{
    *asked = (struct asked){ .signing = NULL };
    return plugin->sign_start(signer, ECDSA_SHA256, text, sizeof(text), take_answer, asked,
                              &asked->signing, err);
}

static bool is_answered(struct asked *asked)
{
    for (int ms = 0; ms < PATIENCE_MS && atomic_load(&asked->dones) == 0; ms++) {
        clock_sleep_ms(1);
    }
    return atomic_load(&asked->dones) == 1;
}

static bool verifies(const uint8_t *signature, size_t len)
{
    EVP_PKEY *key = X509_get_pubkey(alice.leaf);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(ctx, signature, len, text, sizeof(text)) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good;
}

/* At once, and called back. */
static bool signs(nk_signer *signer)
{
    nk_error err = { .struct_size = sizeof(err) };
    uint8_t signature[NK_SIGNATURE_BYTES];
    struct asked asked;
    size_t len = 0;

    if (plugin->sign(signer, ECDSA_SHA256, text, sizeof(text), signature, sizeof(signature), &len,
                     &err) != NK_OK ||
        start_one(signer, &asked, &err) != NK_OK) {
        fprintf(stderr, "no signature: %s\n", err.text);
        return false;
    }
    bool ok = verifies(signature, len) && is_answered(&asked) && asked.status == NK_OK &&
              verifies(asked.signature, asked.len);
    plugin->signing_free(asked.signing);
    return ok;
}

static bool signs_often(nk_signer *signer)
{
    bool ok = true;

    for (int i = 0; i < SIGNATURES && ok; i++) {
        ok = signs(signer);
    }
    return ok;
}

/* Neither way, for the same reason, and nobody is called. */
static bool refuses(nk_signer *signer, nk_status status, const char *says)
{
    nk_error at_once = { .struct_size = sizeof(at_once) };
    nk_error started = { .struct_size = sizeof(started) };
    uint8_t signature[NK_SIGNATURE_BYTES];
    struct asked asked;
    size_t len = 0;

    bool ok = plugin->sign(signer, ECDSA_SHA256, text, sizeof(text), signature, sizeof(signature),
                           &len, &at_once) == status &&
              start_one(signer, &asked, &started) == status && asked.dones == 0 &&
              strstr(at_once.text, says) != NULL && strstr(started.text, says) != NULL;
    if (!ok) {
        fprintf(stderr, "%d %s; %d %s\n", (int)at_once.status, at_once.text, (int)started.status,
                started.text);
    }
    return ok;
}

/* --- the node --- */

static const struct row {
    const char *name, *module, *patch;
} rows[] = {
    { "SoftHSM, direct", "softhsm", "{}" },
    { "SoftHSM, by deadline", "softhsm", "{\"token\": {\"sign_timeout_ms\": 20000}}" },
    { "p11-kit server, direct", "p11-kit", "{}" },
    { "p11-kit server, by deadline", "p11-kit", "{\"token\": {\"sign_timeout_ms\": 20000}}" },
};

/* A server that has been called: gRPC's threads are there. */
struct serving {
    struct node node;
    struct rpc_server *server;
    nk_signer *signer;
};

static bool is_called(const struct serving *serving)
{
    return rpc_dial(serving->node.channel, rpc_server_address(serving->server), 3 * RPC_DEADLINE_MS)
        .ok;
}

static nk_signer *signer_of(nk_instance *instance)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_signer *signer = NULL;

    if (plugin->signer(instance, NK_PEER_IS_CLIENT, &signer, &err) != NK_OK) {
        fprintf(stderr, "no signer: %s\n", err.text);
    }
    return signer;
}

static void serve(struct serving *serving, const struct row *row)
{
    alice.module = row->module;
    node_open(&serving->node, &alice, row->patch);
    serving->server = rpc_server_start(serving->node.server, 2, NULL, NULL);
    serving->signer = signer_of(serving->node.instance);
    assert_non_null(serving->signer);
    assert_true(is_called(serving));
    usleep(100000); /* gRPC tidies up: OpenSSL's locks do not survive a fork */
}

static void stop_serving(struct serving *serving)
{
    assert_true(is_called(serving));
    rpc_server_stop(serving->server);
    plugin->signer_free(serving->signer);
    node_close(&serving->node);
}

/* --- while signatures are under way --- */

/* Signatures that the parent started are nothing here: neither called off there, nor answered. */
static bool lives(nk_signer *signer, struct asked *parents)
{
    unsigned dones = 0;

    for (size_t i = 0; i < IN_FLIGHT; i++) {
        dones += parents[i].dones;
        plugin->sign_cancel(parents[i].signing);
        plugin->signing_free(parents[i].signing);
    }
    bool ok = signs_often(signer);
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        dones -= parents[i].dones;
    }
    return ok && dones == 0;
}

static void each_is_answered_where_it_was_started(void **state)
{
    static struct asked asked[CHILDREN][IN_FLIGHT];
    pid_t children[CHILDREN];
    struct serving serving;
    int fine = 0;

    serve(&serving, *state);
    for (size_t i = 0; i < CHILDREN; i++) {
        for (size_t j = 0; j < IN_FLIGHT; j++) {
            assert_int_equal(start_one(serving.signer, &asked[i][j], NULL), NK_OK);
        }
        children[i] = child_fork(true);
        if (children[i] == 0) {
            exit(lives(serving.signer, asked[i]) ? 0 : 1);
        }
    }
    for (size_t i = 0; i < CHILDREN; i++) {
        fine += child_is_fine(children[i]) ? 1 : 0;
        for (size_t j = 0; j < IN_FLIGHT; j++) {
            assert_true(is_answered(&asked[i][j]));
            assert_int_equal(asked[i][j].status, NK_OK);
            plugin->signing_free(asked[i][j].signing);
        }
    }
    assert_int_equal(fine, CHILDREN);
    assert_false(recorder_has(serving.node.log, "error: "));
    stop_serving(&serving);
}

/* --- instances --- */

#ifdef NODEKEY_TSAN /* takes a child's thread for one of the parent's, and dies */
static bool opens_its_own(void)
{
    return true;
}
#else
static bool opens_its_own(void)
{
    const nk_host host = silent_host();
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;
    char *config = member_config(&alice, "{}");
    nk_status status = plugin->open_text(&host, config, federation.folder, &instance, &err);

    free(config);
    if (status != NK_OK) {
        fprintf(stderr, "a child's own: %s\n", err.text);
        return false;
    }
    nk_signer *signer = signer_of(instance);
    bool ok = signer != NULL && signs_often(signer) && plugin->close(instance, NULL) == NK_OK &&
              refuses(signer, NK_E_CLOSED, "closed");
    plugin->signer_free(signer);
    return ok;
}
#endif

static bool is_refused_signers(nk_instance *parents)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_signer *none = NULL;

    return plugin->signer(parents, NK_PEER_IS_CLIENT, &none, &err) == NK_E_USAGE && none == NULL &&
           strstr(err.text, "forked: ") != NULL;
}

/* Of the parent's instance no more; of one of its own, all. */
static void a_child_has_instances_of_its_own(void **state)
{
    struct serving serving;

    serve(&serving, *state);
    pid_t child = child_fork(true);
    if (child == 0) {
        nk_instance *parents = serving.node.instance;
        bool ok = is_refused_signers(parents) && opens_its_own() && signs(serving.signer) &&
                  plugin->close(parents, NULL) == NK_OK &&
                  refuses(serving.signer, NK_E_CLOSED, "closed");
        exit(ok ? 0 : 1);
    }
    assert_true(child_is_fine(child));
    assert_true(signs(serving.signer));
    stop_serving(&serving);
}

static void a_foreign_child_signs_nothing(void **state)
{
    struct serving serving;

    serve(&serving, *state);
    pid_t child = child_fork(false);
    if (child == 0) {
        _exit(refuses(serving.signer, NK_E_USAGE, "this process was forked") ? 0 : 1);
    }
    assert_true(child_is_fine(child));
    stop_serving(&serving);
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
    remote_start();
    plugin = plugin_load();
    grpc_init();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rows_add(path_of("while signatures are under way: %s", rows[i].name),
                 each_is_answered_where_it_was_started, &rows[i]);
        rows_add(path_of("instances: %s", rows[i].name), a_child_has_instances_of_its_own,
                 &rows[i]);
        rows_add(path_of("foreign: %s", rows[i].name), a_foreign_child_signs_nothing, &rows[i]);
    }
    return ROWS_RUN("fork_signers", start, stop);
}
