/* SPDX-License-Identifier: Apache-2.0
 * A program that forks before grpc_init: each child is a whole node, by an instance of its own of
 * the same configuration, whether its parent holds one or has closed it. Afterwards the parent
 * becomes a node itself. */
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/child.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fork/remote_token.h"

#define DIALS 20
#define CHILDREN 3 /* at once */
#define GENERATIONS 100
#define GENERATION_S 20

static struct federation federation;
static struct member alice;

static size_t folders(void)
{
    glob_t found;
    size_t len = 0;
    if (glob(path_of("%s/nodekey-*", getenv("RUNTIME_DIRECTORY")), 0, NULL, &found) == 0) {
        len = found.gl_pathc;
    }
    globfree(&found);
    return len;
}

/* SoftHSM does not see a token whose file another process is writing at that moment. */
static int wait_for_turn(void)
{
    int turn = open(path_of("%s/turn", scratch_folder()), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(turn >= 0 && flock(turn, LOCK_EX) == 0);
    return turn;
}

static bool open_instance(nk_instance **ret_instance)
{
    const nk_host host = silent_host();
    nk_error err = { .struct_size = sizeof(err) };
    char *config = member_config(&alice, "{}");
    int turn = wait_for_turn();
    nk_status status =
        plugin_load()->open_text(&host, config, federation.folder, ret_instance, &err);
    close(turn);
    free(config);
    if (status != NK_OK) {
        fprintf(stderr, "open: %s\n", err.text);
    }
    return status == NK_OK;
}

/* Serves and dials itself. */
static bool talks(nk_instance *instance)
{
    nk_error err = { .struct_size = sizeof(err) };
    grpc_server_credentials *server_credentials = NULL;
    grpc_channel_credentials *channel = NULL;
    bool ok = true;
    if (plugin_load()->server_credentials(instance, &server_credentials, &err) != NK_OK ||
        plugin_load()->channel_credentials(instance, &channel, &err) != NK_OK) {
        fprintf(stderr, "credentials: %s\n", err.text);
        return false;
    }
    struct rpc_server *server = rpc_server_start(server_credentials, 2, NULL, NULL);
    for (int i = 0; i < DIALS && ok; i++) {
        struct rpc_result result =
            rpc_dial(channel, rpc_server_address(server), 3 * RPC_DEADLINE_MS);
        ok = result.ok;
        if (!ok) {
            fprintf(stderr, "%d %s\n", result.status, result.details);
        }
    }
    rpc_server_stop(server);
    grpc_server_credentials_release(server_credentials);
    grpc_channel_credentials_release(channel);
    return ok;
}

static bool is_refused(nk_instance *parents)
{
    nk_error err = { .struct_size = sizeof(err) };
    grpc_server_credentials *server = NULL;
    return parents == NULL ||
           (plugin_load()->server_credentials(parents, &server, &err) == NK_E_USAGE &&
            strstr(err.text, "forked: ") != NULL);
}

static bool closes(nk_instance *instance)
{
    nk_error err = { .struct_size = sizeof(err) };
    return plugin_load()->close(instance, &err) == NK_OK;
}

struct row {
    const char *name, *module;
    bool holds;  /* the parent's instance is open at the fork */
    bool tidies; /* the child closes its instance, else exit does */
};
static const struct row rows[] = {
    { "SoftHSM: the parent has closed, the child closes", "softhsm", false, true },
    { "SoftHSM: the parent holds, the child closes", "softhsm", true, true },
    { "SoftHSM: the parent holds, the child exits", "softhsm", true, false },
    { "p11-kit server: the parent has closed, the child exits", "p11-kit", false, false },
    { "p11-kit server: the parent holds, the child closes", "p11-kit", true, true },
    { "p11-kit server: the parent holds, the child exits", "p11-kit", true, false },
};

static bool lives(const struct row *row, nk_instance *parents)
{
    nk_instance *own = NULL;
    grpc_init();
    bool ok = is_refused(parents) && open_instance(&own) && talks(own);
    if (ok && row->tidies) {
        ok = closes(own) && (parents == NULL || closes(parents));
        rpc_shutdown();
    }
    return ok;
}

static void check_row(void **state)
{
    const struct row *row = *state;
    nk_instance *held = NULL;
    pid_t children[CHILDREN];

    alice.module = row->module;
    assert_true(open_instance(&held));
    if (!row->holds) {
        assert_true(closes(held));
        held = NULL;
    }
    size_t before = folders();
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = child_fork(true);
        if (children[i] == 0) {
            exit(lives(row, held) ? 0 : 1);
        }
    }
    for (int i = 0; i < CHILDREN; i++) {
        assert_true(child_is_fine(children[i]));
    }
    assert_int_equal(folders(), before); /* theirs are gone, ours is not */
    if (held != NULL) {
        assert_true(closes(held));
        assert_int_equal(folders(), LATER_CORE ? 0 : before - 1);
    }
}

/* What an instance that has seen children come and go is still good for. */
static void becomes_a_node(void **state)
{
    (void)state;
    nk_instance *instance = NULL;
    alice.module = "softhsm";
    assert_true(open_instance(&instance));
    pid_t child = child_fork(true);
    if (child == 0) {
        exit(is_refused(instance) && closes(instance) ? 0 : 1);
    }
    assert_true(child_is_fine(child));
    grpc_init();
    assert_true(talks(instance));
    assert_true(closes(instance));
    rpc_shutdown();
}

static void *use_grpc(void *data)
{
    const atomic_bool *enough = data;
    while (!atomic_load(enough)) {
        grpc_init(); /* as every call that makes something does: for its lock */
        grpc_shutdown();
    }
    return NULL;
}

static bool forks_again(void)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* The child has nothing to do with us, and gRPC's lock may be held in it by a thread that it has
 * not. */
static void children_of_a_program_on_grpc_fork_in_turn(void **state)
{
    (void)state;
    atomic_bool enough = false;
    pthread_t threads[2];
    assert_non_null(plugin_load());
    grpc_init();
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_grpc, &enough), 0);
    }
    bool ok = true;
    for (int i = 0; i < GENERATIONS && ok; i++) {
        pid_t child = child_fork(true);
        if (child == 0) {
            alarm(GENERATION_S);
            _exit(forks_again() ? 0 : 1);
        }
        ok = child_is_fine(child);
    }
    atomic_store(&enough, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(ok);
    grpc_shutdown();
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
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    return 0;
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_TEST(becomes_a_node);
    ROWS_TEST(children_of_a_program_on_grpc_fork_in_turn);
    return ROWS_RUN("fork_nodes", start, stop);
}
