/* SPDX-License-Identifier: Apache-2.0
 * PyPI's grpcio dials a node of ours by keys in a token: its BoringSSL asks nk_signer for each
 * signature, and is called back. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <grpc/grpc.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define CALLS "16"

static struct federation federation;
static struct member alice;
static struct node bob_node;

static const struct row {
    const char *name; /* a type of key */
    bool talks;       /* BoringSSL has its scheme */
} rows[] = {
    { "RSA-2048", true },
    { "P-256", true },
    { "P-384", true },
    { "Ed25519", false },
};

static void talk(void **state)
{
    const struct row *row = *state;
    struct rpc_server *server = rpc_server_start(bob_node.server, 4, NULL, NULL);
    const char *config = path_of("%s/%s.json", federation.folder, row->name);
    const char *roots = path_of("%s/ca.pem", federation.folder);
    const char *const argv[] = { GRPCIO_PYTHON,
                                 GRPCIO_KEY,
                                 getenv("NODEKEY_MODULE"),
                                 config,
                                 rpc_server_address(server),
                                 roots,
                                 CALLS,
                                 NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv, .with_stderr = true });

    print_message("    %s", end.out);
    assert_int_equal(rpc_server_runs(server), row->talks ? atoi(CALLS) : 0);
    rpc_server_stop(server);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    assert_non_null(strstr(end.out, row->talks ? ": " CALLS " talked" : ": 0 talked"));
    free(end.out);
}

static void a_node_that_cannot_be_opened_says_why(void **state)
{
    (void)state;
    const char *const argv[] = {
        GRPCIO_PYTHON, GRPCIO_KEY, getenv("NODEKEY_MODULE"), "/nonexistent/node.json", "-", "-",
        "1",           NULL
    };
    struct process_end end = process_run(&(struct process){ .argv = argv });

    assert_int_equal(WEXITSTATUS(end.status), 3);
    assert_non_null(strstr(end.out, "/nonexistent/node.json"));
    free(end.out);
}

static int start(void **state)
{
    (void)state;
    static struct member bob;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        member_add_key(&alice, rows[i].name, path_of("1%zu", i), rows[i].name);
        char *config = member_config(&alice, member_patch_key(&alice, rows[i].name));
        write_file(path_of("%s/%s.json", federation.folder, rows[i].name), config, 0644);
        free(config);
    }
    node_open(&bob_node, &bob, "{}");
    member_free(&bob);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    node_close(&bob_node);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

int main(void)
{
    ROWS_OF(rows, talk)
    ROWS_TEST(a_node_that_cannot_be_opened_says_why);
    return ROWS_RUN("grpcio_key", start, stop);
}
