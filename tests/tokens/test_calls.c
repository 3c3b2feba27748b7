/* SPDX-License-Identifier: Apache-2.0
 * OpenSC's pkcs11-spy stands between the nodes and SoftHSM and writes each call down: a signature
 * costs two, a peer's verification and a new channel none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define HANDSHAKES 10
#define CHANNELS 10
#define PATIENCE_MS 60000
#define SETTLE_MS 50
#define DEADLINE "\"sign_timeout_ms\": 30000" /* never reached */

static const char *const key_types[] = { "P-256", "RSA-2048", "Ed25519" };

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice, bob;
static struct tls_peer stranger;
static const char *spy_log;

struct mode {
    const char *key;
    bool deadline;
};

/* --- what the spy wrote since the last look --- */

static long looked_until;

struct calls {
    unsigned sign_init;
    unsigned sign;
    unsigned other;
    char names[512]; /* of the others */
};

/* A call begins with "NUMBER: C_Name". */
static void count(const char *line, struct calls *calls)
{
    char *rest = NULL;
    (void)strtoul(line, &rest, 10);
    if (rest == line || strncmp(rest, ": C_", 4) != 0) {
        return;
    }
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(rest + 2, "\n"), rest + 2);
    if (strcmp(name, "C_SignInit") == 0) {
        calls->sign_init++;
    } else if (strcmp(name, "C_Sign") == 0) {
        calls->sign++;
    } else {
        calls->other++;
        size_t used = strlen(calls->names);
        snprintf(calls->names + used, sizeof(calls->names) - used, "%s ", name);
    }
}

static struct calls calls_since(void)
{
    struct calls calls = { 0 };
    char line[512];
    FILE *file = fopen(spy_log, "re");
    if (file == NULL || fseek(file, looked_until, SEEK_SET) != 0) {
        fail_msg("the spy has written nothing");
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        count(line, &calls);
    }
    looked_until = ftell(file);
    fclose(file);
    return calls;
}

static void assert_calls(unsigned signatures)
{
    struct calls calls = calls_since();
    print_message("%u signatures: %u C_SignInit, %u C_Sign, %u others\n", signatures,
                  calls.sign_init, calls.sign, calls.other);
    if (calls.sign_init != signatures || calls.sign != signatures || calls.other != 0) {
        fail_msg("%u signatures cost %u C_SignInit, %u C_Sign and %s", signatures, calls.sign_init,
                 calls.sign, calls.other != 0 ? calls.names : "nothing else");
    }
}

/* --- the nodes --- */

static struct node alice_node, bob_node;
static struct rpc_server *server;

static const char *patch_of(const struct member *member, const struct mode *mode)
{
    return path_of("{\"node\": {\"key\": \"pkcs11:token=%s;object=%s\", "
                   "\"certificate\": \"%s-%s.pem\"}, \"token\": {%s}}",
                   member->label, mode->key, member->label, mode->key,
                   mode->deadline ? DEADLINE : "");
}

static void dial(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        struct rpc_result result =
            rpc_dial(alice_node.channel, rpc_server_address(server), PATIENCE_MS);
        if (!result.ok) {
            fail_msg("%d %s", result.status, result.details);
        }
    }
}

/* One polling thread: a second signature at the same time would ask for a second session. */
static void open_both(const struct mode *mode)
{
    node_open(&alice_node, &alice, patch_of(&alice, mode));
    node_open(&bob_node, &bob, patch_of(&bob, mode));
    server = rpc_server_start(bob_node.server, 1, NULL, NULL);
    dial(2);
    calls_since();
}

static void close_both(void)
{
    rpc_server_stop(server);
    node_close(&alice_node);
    node_close(&bob_node);
}

static void two_calls_a_signature(void **state)
{
    open_both(*state);
    dial(HANDSHAKES);
    assert_calls(2 * HANDSHAKES);
    close_both();
}

static void none_for_verifying_a_peer(void **state)
{
    open_both(*state);
    for (int i = 0; i < HANDSHAKES; i++) {
        struct tls_result result = tls_peer_dial(&stranger, rpc_server_port(server));
        assert_true(result.accepted && !result.resumed);
    }
    assert_calls(HANDSHAKES); /* ours; his is verified */
    char *pem = pem_of(stranger.certificate, federation.intermediate.certificate, NULL);
    for (int i = 0; i < HANDSHAKES; i++) {
        nk_verdict verdict = { .struct_size = sizeof(verdict) };
        assert_int_equal(plugin->check_peer(bob_node.instance, NK_PEER_IS_CLIENT, NULL, pem,
                                            strlen(pem), &verdict, NULL, NULL),
                         NK_OK);
        assert_int_equal(verdict.decision, NK_ALLOW);
    }
    free(pem);
    assert_calls(0);
    close_both();
}

/* Towards a port at which nobody listens any more, so that they come as far as they can without a
 * handshake. */
static void none_for_a_new_channel(void **state)
{
    grpc_channel *channels[CHANNELS];
    open_both(*state);
    struct rpc_server *gone = rpc_server_start(bob_node.server, 1, NULL, NULL);
    char *address = strdup(rpc_server_address(gone));
    rpc_server_stop(gone);
    for (int i = 0; i < CHANNELS; i++) {
        channels[i] = rpc_channel(alice_node.channel, address);
        assert_int_equal(rpc_call(channels[i], PATIENCE_MS).status, GRPC_STATUS_UNAVAILABLE);
    }
    nanosleep(&(struct timespec){ .tv_nsec = SETTLE_MS * 1000000L }, NULL);
    assert_calls(0);
    for (int i = 0; i < CHANNELS; i++) {
        grpc_channel_destroy(channels[i]);
    }
    free(address);
    close_both();
}

/* --- all --- */

static int start(void **state)
{
    (void)state;
    softhsm_start();
    spy_log = path_of("%s/spy.log", scratch_folder());
    setenv("PKCS11SPY", SOFTHSM_MODULE, 1);
    setenv("PKCS11SPY_OUTPUT", spy_log, 1);
    setenv("GRPC_VERBOSITY", "NONE", 1);
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        member_add_key(&alice, key_types[i], path_of("1%zu", i), key_types[i]);
        member_add_key(&bob, key_types[i], path_of("1%zu", i), key_types[i]);
    }
    alice.module = bob.module = "pkcs11-spy";
    stranger = stranger_make(&federation);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(&stranger);
    member_free(&alice);
    member_free(&bob);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

int main(void)
{
    static struct mode modes[2 * ARRAY_LEN(key_types)];

    rows_add("none for verifying a peer", none_for_verifying_a_peer, &modes[0]);
    rows_add("none for a new channel", none_for_a_new_channel, &modes[0]);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        modes[i] = (struct mode){ key_types[i / 2], i % 2 == 1 };
        rows_add(path_of("two calls a signature (%s, %s)", modes[i].key,
                         modes[i].deadline ? "deadline" : "direct"),
                 two_calls_a_signature, &modes[i]);
    }
    return ROWS_RUN("calls", start, stop);
}
