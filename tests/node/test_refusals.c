/* SPDX-License-Identifier: Apache-2.0
 * Strangers at a real node, as client and as server. Each is refused with its reason in the log,
 * and no handler ran; those who never reach a verifier are refused by TLS without one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

#define HOUR 3600L
#define LOG_WAIT_MS 30000
#define DOMAIN "spiffe://example.org"
#define MEMBER "URI:" DOMAIN "/node/stranger,IP:127.0.0.1"

enum issuer { OURS, NOBODY, OTHER_CA, A_LEAF };

static struct federation federation;
static struct member alice;
static struct node node;
static struct authority other_root; /* named like ours */
static struct authority other_intermediate;
static struct authority leaf_issuer; /* a member's certificate that issues, CA:FALSE */
static EVP_PKEY *key;

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    node_open(&node, &alice,
              "{\"deny\": [{\"name\": \"expelled\", \"uri\": [\"" DOMAIN "/node/mallory\"]}]}");
    other_root = authority_make(NULL, "example.org root", NULL);
    other_intermediate = authority_make(&other_root, "example.org intermediate", NULL);
    struct certificate_spec no_ca = member_spec(&federation, "leaf");
    leaf_issuer.key = software_key("P-256");
    leaf_issuer.certificate = authority_issue(&federation.intermediate, leaf_issuer.key, &no_ca);
    key = software_key("P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    node_close(&node);
    member_free(&alice);
    authority_free(&other_root);
    authority_free(&other_intermediate);
    authority_free(&leaf_issuer);
    EVP_PKEY_free(key);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

enum roles { AS_CLIENT = 1, AS_SERVER = 2, AS_BOTH = 3 };

static const struct stranger {
    const char *name;
    const char *reason; /* NULL: let in */
    enum roles roles;   /* of the stranger */
    enum issuer issuer;
    struct certificate_spec spec;
} strangers[] = {
    { "a member", NULL, AS_BOTH, OURS, { .san = MEMBER } },
    { "self-signed", "untrusted", AS_BOTH, NOBODY, { .san = MEMBER } },
    { "same names from another CA", "untrusted", AS_BOTH, OTHER_CA, { .san = MEMBER } },
    { "expired",
      "expired",
      AS_BOTH,
      OURS,
      { .san = MEMBER, .starts_in_seconds = -2 * HOUR, .ends_in_seconds = -HOUR } },
    { "not yet valid",
      "not-yet-valid",
      AS_BOTH,
      OURS,
      { .san = MEMBER, .starts_in_seconds = HOUR, .ends_in_seconds = 2 * HOUR } },
    { "serverAuth-only", "wrong-purpose", AS_CLIENT, OURS, { .san = MEMBER, .eku = "serverAuth" } },
    { "clientAuth-only", "wrong-purpose", AS_SERVER, OURS, { .san = MEMBER, .eku = "clientAuth" } },
    { "no extended key usage", "wrong-purpose", AS_BOTH, OURS, { .san = MEMBER, .eku = "" } },
    { "chained to a CA:false issuer", "not-a-ca", AS_BOTH, A_LEAF, { .san = MEMBER } },
    { "member matched by no rule",
      "no-rule",
      AS_BOTH,
      OURS,
      { .san = "URI:" DOMAIN "/guest/stranger,IP:127.0.0.1" } },
    { "denied member",
      "denied",
      AS_BOTH,
      OURS,
      { .san = "URI:" DOMAIN "/node/mallory,IP:127.0.0.1" } },
    { "another member's address",
      "name-mismatch",
      AS_SERVER,
      OURS,
      { .san = "URI:" DOMAIN "/node/stranger,IP:127.0.0.2" } },
    { "two URI names, one denied",
      "denied",
      AS_BOTH,
      OURS,
      { .san = MEMBER ",URI:" DOMAIN "/node/mallory" } },
};

static struct tls_peer dress(const struct stranger *stranger)
{
    const struct authority *issuers[] = {
        [OURS] = &federation.intermediate,
        [NOBODY] = NULL,
        [OTHER_CA] = &other_intermediate,
        [A_LEAF] = &leaf_issuer,
    };
    const struct authority *issuer = issuers[stranger->issuer];
    struct tls_peer peer = { .key = key };
    peer.certificate = authority_issue(issuer, key, &stranger->spec);
    if (issuer != NULL) {
        peer.issuers[0] = issuer->certificate;
    }
    if (stranger->issuer == A_LEAF) {
        peer.issuers[1] = federation.intermediate.certificate;
    }
    return peer;
}

static void expect(const struct stranger *stranger, const char *direction, bool accepted,
                   const char *why)
{
    if (accepted != (stranger->reason == NULL)) {
        char *log = recorder_copy(node.log);
        print_message("%s\n%s", why, log);
        free(log);
    }
    assert_int_equal(accepted, stranger->reason == NULL);
    if (stranger->reason == NULL) {
        return;
    }
    /* refused inbound peer <who>: <label>: <detail> */
    assert_true(recorder_waits_for(node.log, path_of("refused %s peer ", direction), LOG_WAIT_MS));
    assert_true(recorder_has(node.log, path_of(": %s: ", stranger->reason)));
}

static void as_client(void **state)
{
    const struct stranger *stranger = *state;
    struct tls_peer peer = dress(stranger);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    recorder_clear(node.log);
    struct tls_result result = tls_peer_dial(&peer, rpc_server_port(server));
    expect(stranger, "inbound", result.accepted, result.why);
    assert_int_equal(rpc_server_runs(server), stranger->reason == NULL ? 1 : 0);
    rpc_server_stop(server);
    X509_free(peer.certificate);
}

static void as_server(void **state)
{
    const struct stranger *stranger = *state;
    struct tls_peer peer = dress(stranger);
    struct tls_listener *listener = tls_peer_listen(&peer);
    recorder_clear(node.log);
    rpc_dial(node.channel, tls_listener_address(listener), RPC_DEADLINE_MS);
    struct tls_result result = tls_listener_wait(listener);
    expect(stranger, "outbound", result.accepted, result.why);
    tls_listener_stop(listener);
    X509_free(peer.certificate);
}

/* TLS itself refuses these: nodekey claims no reason, and the proof is that no handler ran. */
static const struct below {
    const char *name;
    int version;
    bool shows_certificate;
    bool plaintext;
} below[] = {
    { "no certificate", 0, false, false },
    { "no certificate over TLS 1.2", TLS1_2_VERSION, false, false },
    { "plaintext", 0, false, true },
    { "TLS 1.1", TLS1_1_VERSION, true, false },
};

static struct tls_peer undress(const struct below *row)
{
    struct tls_peer peer = dress(&strangers[0]);
    peer.version = row->version;
    peer.plaintext = row->plaintext;
    if (!row->shows_certificate) {
        X509_free(peer.certificate);
        peer.certificate = NULL;
    }
    return peer;
}

static void below_as_client(void **state)
{
    struct tls_peer peer = undress(*state);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    assert_false(tls_peer_dial(&peer, rpc_server_port(server)).accepted);
    assert_int_equal(rpc_server_runs(server), 0);
    /* the same server still serves a member */
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    rpc_server_stop(server);
    X509_free(peer.certificate);
}

static void below_as_server(void **state)
{
    struct tls_peer peer = undress(*state);
    struct tls_listener *listener = tls_peer_listen(&peer);
    struct rpc_result result =
        rpc_dial(node.channel, tls_listener_address(listener), RPC_DEADLINE_MS);
    assert_int_equal(result.status, GRPC_STATUS_UNAVAILABLE);
    assert_false(tls_listener_wait(listener).accepted);
    assert_int_equal(tls_listener_accepted(listener), 0);
    tls_listener_stop(listener);
    X509_free(peer.certificate);
}

/* Else "plaintext" above would prove nothing. */
static void a_plaintext_server_answers_that_stranger(void **state)
{
    (void)state;
    struct tls_peer peer = { .plaintext = true };
    grpc_server_credentials *insecure = grpc_insecure_server_credentials_create();
    struct rpc_server *server = rpc_server_start(insecure, 2, NULL, NULL);
    assert_true(tls_peer_dial(&peer, rpc_server_port(server)).accepted);
    assert_int_equal(rpc_server_runs(server), 1);
    rpc_server_stop(server);
    grpc_server_credentials_release(insecure);
}

static size_t add(struct CMUnitTest *tests, size_t len, const char *name, CMUnitTestFunction check,
                  const void *row)
{
    tests[len].name = name;
    tests[len].test_func = check;
    tests[len].initial_state = (void *)(uintptr_t)row;
    return len + 1;
}

int main(void)
{
    static struct CMUnitTest tests[2 * (ARRAY_LEN(strangers) + ARRAY_LEN(below)) + 1];
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        const struct stranger *row = &strangers[i];
        if ((row->roles & AS_CLIENT) != 0) {
            len = add(tests, len, path_of("%s, as client", row->name), as_client, row);
        }
        if ((row->roles & AS_SERVER) != 0) {
            len = add(tests, len, path_of("%s, as server", row->name), as_server, row);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        const struct below *row = &below[i];
        len = add(tests, len, path_of("%s, as client", row->name), below_as_client, row);
        len = add(tests, len, path_of("%s, as server", row->name), below_as_server, row);
    }
    len = add(tests, len, "a_plaintext_server_answers_that_stranger",
              a_plaintext_server_answers_that_stranger, NULL);
    /* The macros take the array's length; only `len` of it is filled. */
    return _cmocka_run_group_tests("refusals", tests, len, start, stop);
}
