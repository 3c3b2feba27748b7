/* SPDX-License-Identifier: Apache-2.0
 * Keys of kinds that BoringSSL does not verify, P-521 and Ed25519, in nodes and in peers on
 * OpenSSL; with the first of them it signs. Where gRPC is on OpenSSL everybody meets everybody. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc.h>

#include "base/auto.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

static struct federation federation;
static struct member alice;
static struct node bob;   /* P-256 */
static struct node large; /* P-521 */
static struct node mixed; /* RSA-2048 as server, P-521 as client */
static struct node issued_by_ed25519;
static struct node issued_by_p521;

static const struct row {
    const char *name;
    struct node *server; /* NULL: OpenSSL's, with a key of this type */
    struct node *client; /* NULL: likewise */
    const char *type;
    int version;
    bool reached; /* also where gRPC is on BoringSSL */
} rows[] = {
    { "P-256 dials P-256", &bob, &bob, NULL, 0, true },
    { "P-521 dials P-256", &bob, &large, NULL, 0, false },
    { "P-256 dials P-521", &large, &bob, NULL, 0, false },
    { "P-256 dials the RSA-2048 of one that has P-521 to dial", &mixed, &bob, NULL, 0, true },
    { "and is dialled by its P-521", &bob, &mixed, NULL, 0, false },
    { "P-256 dials P-256 of a CA with Ed25519", &issued_by_ed25519, &bob, NULL, 0, true },
    { "and is dialled by it", &bob, &issued_by_ed25519, NULL, 0, true },
    { "P-256 dials P-256 of a CA with P-521", &issued_by_p521, &bob, NULL, 0, true },
    { "and is dialled by that", &bob, &issued_by_p521, NULL, 0, true },
    { "P-521 dials OpenSSL, TLS 1.3", NULL, &large, "P-256", TLS1_3_VERSION, true },
    { "P-521 is dialled by OpenSSL, TLS 1.3", &large, NULL, "P-256", TLS1_3_VERSION, true },
    { "P-521 is dialled by OpenSSL, TLS 1.2", &large, NULL, "P-256", TLS1_2_VERSION, true },
    { "P-256 dials OpenSSL's P-521, TLS 1.3", NULL, &bob, "P-521", TLS1_3_VERSION, false },
    { "P-256 dials OpenSSL's Ed25519, TLS 1.3", NULL, &bob, "Ed25519", TLS1_3_VERSION, false },
    { "P-256 dials OpenSSL's Ed25519, TLS 1.2", NULL, &bob, "Ed25519", TLS1_2_VERSION, false },
    { "OpenSSL's P-521 dials P-256, TLS 1.3", &bob, NULL, "P-521", TLS1_3_VERSION, false },
    { "OpenSSL's Ed25519 dials P-256, TLS 1.3", &bob, NULL, "Ed25519", TLS1_3_VERSION, false },
    { "OpenSSL's Ed25519 dials P-256, TLS 1.2", &bob, NULL, "Ed25519", TLS1_2_VERSION, false },
};

static struct tls_peer peer_of(const struct row *row)
{
    struct certificate_spec spec = member_spec(&federation, "stranger");
    EVP_PKEY *key = software_key(row->type);

    return (struct tls_peer){
        .key = key,
        .certificate = authority_issue(&federation.intermediate, key, &spec),
        .issuers = { federation.intermediate.certificate },
        .root = federation.root.certificate,
        .version = row->version,
    };
}

static bool peer_dials(const struct row *row, struct rpc_server *server)
{
    struct tls_peer peer = peer_of(row);
    struct tls_result result = tls_peer_dial(&peer, rpc_server_port(server));

    print_message("    %s\n", result.why);
    stranger_free(&peer);
    return result.accepted;
}

static bool peer_is_dialled(const struct row *row)
{
    struct tls_peer peer = peer_of(row);
    struct tls_listener *listener = tls_peer_listen(&peer);

    (void)rpc_dial(row->client->channel, tls_listener_address(listener), RPC_DEADLINE_MS);
    struct tls_result result = tls_listener_wait(listener);
    print_message("    %s\n", result.why);
    tls_listener_stop(listener);
    stranger_free(&peer);
    return result.accepted;
}

static bool node_dials(const struct row *row, struct rpc_server *server)
{
    struct rpc_result result =
        rpc_dial(row->client->channel, rpc_server_address(server), RPC_DEADLINE_MS);

    print_message("    %s\n", result.ok ? "talked" : result.details);
    assert_int_equal(rpc_server_runs(server), result.ok);
    return result.ok;
}

static void they_meet_or_not(void **state)
{
    const struct row *row = *state;
    struct rpc_server *server =
        row->server != NULL ? rpc_server_start(row->server->server, 2, NULL, NULL) : NULL;

    bool reached = server == NULL        ? peer_is_dialled(row)
                   : row->client == NULL ? peer_dials(row, server)
                                         : node_dials(row, server);
    rpc_server_stop(server);
    assert_int_equal(reached, row->reached || !BORINGSSL_CORE);
}

/* Alice by another intermediate, whose key is of this type: BoringSSL is shown its signature, and
 * leaves the judging to us. */
static void open_issued_by(struct node *node, const char *type)
{
    struct certificate_spec ca = {
        .cn = type,
        .basic_constraints = "critical,CA:TRUE",
        .key_usage = "critical,keyCertSign,cRLSign",
        .eku = "",
    };
    struct certificate_spec spec = member_spec(&federation, "alice");
    EVP_PKEY *key = software_key(type);
    struct authority issuer = { key, authority_issue(&federation.root, key, &ca) };
    EVP_PKEY *public_key = X509_get_pubkey(alice.leaf);
    X509 *leaf = authority_issue(&issuer, public_key, &spec);
    char *pem = pem_of(leaf, issuer.certificate, NULL);

    write_file(path_of("%s/by-%s.pem", federation.folder, type), pem, 0644);
    node_open(node, &alice, path_of("{\"node\": {\"certificate\": \"by-%s.pem\"}}", type));
    free(pem);
    X509_free(leaf);
    EVP_PKEY_free(public_key);
    authority_free(&issuer);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    member_add_key(&alice, "P-521", "11", "P-521");
    member_add_key(&alice, "RSA-2048", "12", "RSA-2048");
    node_open(&bob, &alice, "{}");
    node_open(&large, &alice, member_patch_key(&alice, "P-521"));
    node_open(&mixed, &alice,
              path_of("{\"node\": {\"key\": \"pkcs11:token=alice;object=RSA-2048\","
                      " \"certificate\": \"alice-RSA-2048.pem\"},"
                      " \"client\": {\"key\": \"pkcs11:token=alice;object=P-521\","
                      " \"certificate\": \"alice-P-521.pem\"}}"));
    open_issued_by(&issued_by_ed25519, "Ed25519");
    open_issued_by(&issued_by_p521, "P-521");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    node_close(&bob);
    node_close(&large);
    node_close(&mixed);
    node_close(&issued_by_ed25519);
    node_close(&issued_by_p521);
    member_free(&alice);
    federation_free(&federation);
    return 0;
}

int main(void)
{
    ROWS_OF(rows, they_meet_or_not)
    int failed = ROWS_RUN("unreached", start, stop);
    /* OpenSSL's peers speak no HTTP/2: a channel that leaves one may be forgotten by gRPC 1.51 */
    if (!rpc_shuts_down()) {
        fflush(stdout);
        _exit(failed);
    }
    return failed;
}
