/* SPDX-License-Identifier: Apache-2.0
 * PyPI's grpcio, of the first version that asks for signatures and of the newest, dials a node of
 * ours by keys in a token: its BoringSSL asks nk_signer for each, at once or to be called back. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <grpc/grpc.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define CALLS "16"

static struct federation federation;
static struct member alice;
static struct node bob_node;

static const char *const pythons[] = { GRPCIO_OLDEST, GRPCIO_NEWEST };
static const char *const versions[] = { "1.80.", "1.85." };

#define TALK                                                                                       \
    {                                                                                              \
        CALLS " talked\n", ONCE                                                                    \
    }
#define ONCE "each ended once"

/* Lines that a case of grpcio_key.py prints, in this order. */
static const struct row {
    const char *name; /* of the case */
    const char *key;
    const char *said[4];
    bool reaches; /* the node, with its calls */
} rows[] = {
    { "later", "RSA-2048", TALK, true },
    { "later", "P-256", TALK, true },
    { "later", "P-384", TALK, true },
    { "at once", "RSA-2048", TALK, true },
    { "at once", "P-256", TALK, true },
    { "at once", "P-384", TALK, true },
    { "later", "Ed25519", { "0 talked" }, false }, /* BoringSSL has no scheme for it */
    { "cancelled",
      "P-256",
      { CALLS " cancelled", ONCE, "some were cancelled", CALLS " talked\n" },
      true },
    { "away, later",
      "P-256",
      { "0 talked", "CKR_TOKEN_NOT_PRESENT", ONCE, CALLS " talked\n" },
      true },
    { "away, at once",
      "P-256",
      { "0 talked", "CKR_TOKEN_NOT_PRESENT", ONCE, CALLS " talked\n" },
      true },
    { "closed",
      "P-256",
      { CALLS " talked\n", "closed: 0\n0 talked", "instance of this key is closed", ONCE },
      true },
};

static struct cell {
    const struct row *row;
    size_t python;
} cells[ARRAY_LEN(rows) * ARRAY_LEN(pythons)];

static void dial(void **state)
{
    const struct cell *cell = *state;
    const struct row *row = cell->row;
    struct rpc_server *server = rpc_server_start(bob_node.server, 4, NULL, NULL);
    const char *const argv[] = { pythons[cell->python],
                                 GRPCIO_KEY,
                                 row->name,
                                 getenv("NODEKEY_MODULE"),
                                 path_of("%s/%s.json", federation.folder, row->key),
                                 rpc_server_address(server),
                                 path_of("%s/ca.pem", federation.folder),
                                 NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv });
    size_t reached = rpc_server_runs(server);
    const char *at = strstr(end.out, versions[cell->python]);

    rpc_server_stop(server);
    faulty_set("");
    print_message("%s", end.out);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    assert_non_null(at);
    for (size_t i = 0; i < ARRAY_LEN(row->said) && row->said[i] != NULL; i++) {
        at = strstr(at, row->said[i]);
        if (at == NULL) {
            fail_msg("no \"%s\" in: %s", row->said[i], end.out);
        }
    }
    assert_int_equal(reached, row->reaches ? atoi(CALLS) : 0);
    free(end.out);
}

static void a_node_that_cannot_be_opened_says_why(void **state)
{
    (void)state;
    const char *const argv[] = {
        GRPCIO_NEWEST, GRPCIO_KEY, "later", getenv("NODEKEY_MODULE"), "/nonexistent/node.json",
        "-",           "-",        NULL
    };
    struct process_end end = process_run(&(struct process){ .argv = argv });

    assert_int_equal(WEXITSTATUS(end.status), 3);
    assert_non_null(strstr(end.out, "/nonexistent/node.json"));
    free(end.out);
}

static int start(void **state)
{
    (void)state;
    static const char *const keys[] = { "RSA-2048", "P-256", "P-384", "Ed25519" };
    static struct member bob;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    alice.module = faulty_start();
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        member_add_key(&alice, keys[i], path_of("1%zu", i), keys[i]);
        char *config = member_config(&alice, member_patch_key(&alice, keys[i]));
        write_file(path_of("%s/%s.json", federation.folder, keys[i]), config, 0644);
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
    for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
        const struct row *row = &rows[i / ARRAY_LEN(pythons)];
        cells[i] = (struct cell){ row, i % ARRAY_LEN(pythons) };
        rows_add(path_of("%sx, %s: %s", versions[cells[i].python], row->key, row->name), dial,
                 &cells[i]);
    }
    ROWS_TEST(a_node_that_cannot_be_opened_says_why);
    return ROWS_RUN("grpcio_key", start, stop);
}
