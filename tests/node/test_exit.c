/* SPDX-License-Identifier: Apache-2.0
 * A process may end in any order of close, grpc_shutdown and exit, with credentials alive or not
 * and with threads inside the token: it ends with its own code and no signal. Every order runs many
 * times, since what goes wrong here goes wrong sometimes. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define CODE 7
#define RUNS 50 /* $NODEKEY_EXIT_RUNS lowers it */
#define SLOW "sign_ms=20"
#define LANES 4 /* so many end side by side */

static struct federation federation;
static struct member alice;

static const struct row {
    const char *order;
    const char *script; /* NULL: SoftHSM itself; else the faulty token before it */
    bool lent;          /* four threads of the plugin poll, too */
    bool deadline;      /* signing workers make the calls; gRPC on BoringSSL is called back */
} rows[] = {
    { .order = "close-then-shutdown" },
    { .order = "shutdown-then-close" },
    { .order = "shutdown-and-wait-then-close" },
    { .order = "close-without-shutdown" },
    { .order = "shutdown-without-close" },
    { .order = "nothing-at-all" },
    { .order = "close-under-a-running-server" },
    { .order = "credentials-alive" },
    { .order = "release-after-close-and-shutdown" },
    { .order = "exit-from-a-second-thread" },
    { .order = "eight-threads-signing" },
    { .order = "eight-threads-signing", .script = SLOW }, /* nearly always inside at that moment */
    { .order = "close-under-eight-threads-signing" },
    { .order = "close-under-eight-threads-signing", .script = SLOW },
    { .order = "close-while-eight-dial-on" },
    { .order = "exit-from-a-second-thread-while-eight-sign" },
    { .order = "openssl-is-kept" },
    { .order = "shutdown-and-wait-then-close", .lent = true },
    { .order = "shutdown-without-close", .lent = true },
    { .order = "close-under-a-running-server", .lent = true },
    { .order = "eight-threads-signing", .script = SLOW, .lent = true },
    { .order = "close-while-eight-dial-on", .lent = true },
};

/* With signatures that are called back: test_exit signers. */
static const struct row signer_rows[] = {
    { .order = "signatures-under-way" },
    { .order = "signatures-under-way", .script = SLOW },
    { .order = "close-under-signatures" },
    { .order = "close-under-signatures", .script = SLOW },
    { .order = "shutdown-under-signatures", .script = SLOW },
    { .order = "shutdown-then-signatures", .script = SLOW },
    { .order = "exit-in-a-call-back" },
    { .order = "exit-in-a-call-back", .script = SLOW },
    { .order = "exit-in-the-call-back-of-a-cancel", .script = SLOW },
    { .order = "call-backs-start-more" },
    { .order = "call-backs-start-more", .script = SLOW },
    { .order = "close-while-call-backs-start-more", .script = SLOW },
    { .order = "exit-from-a-second-thread-while-call-backs-start-more" },
    { .order = "two-start-and-cancel" },
    { .order = "two-start-and-cancel", .script = SLOW },
    { .order = "server-stopped-while-it-signs", .script = "sign_ms=100" },
    { .order = "server-stopped-while-it-signs", .script = "sign_ms=100", .deadline = true },
    { .order = "eight-threads-signing", .deadline = true },
    { .order = "eight-threads-signing", .script = SLOW, .deadline = true },
    { .order = "close-under-eight-threads-signing", .script = SLOW, .deadline = true },
    { .order = "close-while-eight-dial-on", .script = SLOW, .deadline = true },
    { .order = "exit-from-a-second-thread-while-eight-sign", .deadline = true },
};

static void save_configs(const char *name)
{
    static const char *const kinds[][2] = {
        { "", "{}" },
        { "-lent", "{\"grpc\": {\"lent_threads\": 4}}" },
        { "-deadline", "{\"token\": {\"sign_timeout_ms\": 10000}}" },
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char *config = member_config(&alice, kinds[i][1]);
        write_file(path_of("%s/%s%s.json", federation.folder, name, kinds[i][0]), config, 0644);
        free(config);
    }
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "RSA-2048");
    save_configs("direct");
    alice.module = faulty_start();
    save_configs("slow");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    return 0;
}

/* What nodekey publishes for gRPC goes with the process, in whatever order it ends. */
static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    size_t entries = 0;
    while (folder != NULL && readdir(folder) != NULL) {
        entries++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return entries == 2; /* itself and its parent */
}

/* Processes that end one after the other, beside those of other lanes; each lane has a runtime
 * folder of its own. */
struct lane {
    pthread_t thread;
    const char *folder;
    const char *argv[6];
    atomic_long *left; /* of all lanes */
    char *failure;     /* owned; NULL: none */
};

static void *run_lane(void *data)
{
    struct lane *lane = data;
    const struct process process = { .argv = lane->argv, .with_stderr = true };

    while (lane->failure == NULL && atomic_fetch_sub(lane->left, 1) > 0) {
        struct process_end end = process_run(&process);
        bool good = WIFEXITED(end.status) && WEXITSTATUS(end.status) == CODE;
        if (!good &&
            asprintf(&lane->failure, "%sended with status 0x%x", end.out, end.status) < 0) {
            abort();
        }
        if (good && !is_empty(lane->folder)) {
            lane->failure = strdup("a file is left in the runtime folder");
        }
        free(end.out);
    }
    return NULL;
}

static void check_row(void **state)
{
    const struct row *row = *state;
    const char *config =
        path_of("%s/%s%s.json", federation.folder, row->script != NULL ? "slow" : "direct",
                row->lent       ? "-lent"
                : row->deadline ? "-deadline"
                                : "");
    const char *fewer = getenv("NODEKEY_EXIT_RUNS");
    atomic_long left = fewer != NULL ? strtol(fewer, NULL, 10) : RUNS;
    struct lane lanes[LANES];

    faulty_set(row->script != NULL ? row->script : "");
    assert_true(left > 0);
    for (size_t i = 0; i < LANES; i++) {
        const char *folder = path_of("%s/run-%zu", scratch_folder(), i);
        assert_true(mkdir(folder, 0700) == 0 || is_empty(folder));
        lanes[i] = (struct lane){ .folder = folder,
                                  .argv = { "env", path_of("RUNTIME_DIRECTORY=%s", folder),
                                            EXIT_CHILD, row->order, config, NULL },
                                  .left = &left };
        assert_int_equal(pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]), 0);
    }
    bool failed = false;
    for (size_t i = 0; i < LANES; i++) {
        pthread_join(lanes[i].thread, NULL);
        if (lanes[i].failure != NULL) {
            print_message("%s\n", lanes[i].failure);
            free(lanes[i].failure);
            failed = true;
        }
    }
    assert_false(failed);
}

static void add_rows(const struct row *table, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const struct row *row = &table[i];
        rows_add(path_of("%s%s%s%s", row->order, row->script != NULL ? ", slow" : "",
                         row->lent ? ", lent" : "", row->deadline ? ", by deadline" : ""),
                 check_row, row);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "signers") == 0) {
        add_rows(signer_rows, ARRAY_LEN(signer_rows));
    } else {
        add_rows(rows, ARRAY_LEN(rows));
    }
    return ROWS_RUN("exit", start, stop);
}
