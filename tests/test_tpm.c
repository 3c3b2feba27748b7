/* SPDX-License-Identifier: Apache-2.0
 * A node whose key is in a (software) TPM talks to itself: both roles, both signatures on the TPM.
 * tests/tpm.sh starts the TPM and runs the README's commands before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>
#include <openssl/x509.h>

#include "check.h"
#include "federation.h"
#include "rpc.h"

static struct federation federation;

static EVP_PKEY *public_key(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    EVP_PKEY *key = d2i_PUBKEY_fp(file, NULL);
    fclose(file);
    assert_non_null(key);
    return key;
}

static void check_talks(const char *public_path, const char *patch)
{
    struct member member = { .federation = &federation, .label = "node-a", .module = "tpm2" };
    struct certificate_spec spec = member_spec(&federation, "node-a");
    EVP_PKEY *key = public_key(public_path);
    member.leaf = authority_issue(&federation.intermediate, key, &spec);
    EVP_PKEY_free(key);
    member_write_certificate(&member, "node-a.pem", member.leaf);
    write_file(path_of("%s/node-a.pin", federation.folder), getenv("PIN"), 0600);

    struct node node;
    node_open(&node, &member, patch);
    assert_true(recorder_has(node.log, "custody: hardware, as the module claims"));
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    struct rpc_result result = rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS);
    if (!result.ok) {
        fail_msg("the call ended with %d: %s", result.status, result.details);
    }
    assert_int_equal(rpc_server_runs(server), 1);
    rpc_server_stop(server);
    node_close(&node);
    X509_free(member.leaf);
}

/* The key that the README's commands make. */
static void talks(void **state)
{
    (void)state;
    check_talks("node-a.pub.der", "{}");
}

static void talks_with_rsa_where_pss_is_ours(void **state)
{
    (void)state;
    check_talks("node-a-rsa.pub.der", "{\"node\": {\"key\": \"pkcs11:token=node-a;object=rsa\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(talks),
                                        cmocka_unit_test(talks_with_rsa_where_pss_is_ours) };
    grpc_init();
    federation_make(&federation, "example.org");
    int failed = cmocka_run_group_tests_name("tpm", tests, NULL, NULL);
    federation_free(&federation);
    rpc_shutdown();
    return failed;
}
