/* SPDX-License-Identifier: Apache-2.0
 * A process may end in any order of close, grpc_shutdown and exit, with credentials alive or not
 * and with threads inside the token: it ends with its own code and no signal. Every order runs many
 * times, since what goes wrong here goes wrong sometimes. */
#include <dirent.h>
#include <stdlib.h>
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

static const char *runtime_folder;
static struct federation federation;
static struct member alice;

static const struct row {
    const char *order;
    const char *script; /* NULL: SoftHSM itself; else the faulty token before it */
    bool lent;          /* four threads of the plugin poll, too */
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
    { .order = "eight-threads-signing",
      .script = "sign_ms=20" }, /* nearly always inside at that moment */
    { .order = "close-under-eight-threads-signing" },
    { .order = "close-under-eight-threads-signing", .script = "sign_ms=20" },
    { .order = "close-while-eight-dial-on" },
    { .order = "exit-from-a-second-thread-while-eight-sign" },
    { .order = "openssl-is-kept" },
    { .order = "shutdown-and-wait-then-close", .lent = true },
    { .order = "shutdown-without-close", .lent = true },
    { .order = "close-under-a-running-server", .lent = true },
    { .order = "eight-threads-signing", .script = "sign_ms=20", .lent = true },
    { .order = "close-while-eight-dial-on", .lent = true },
};

static void save_configs(const char *name)
{
    char *config = member_config(&alice, "{}");
    char *lent = member_config(&alice, "{\"grpc\": {\"lent_threads\": 4}}");
    write_file(path_of("%s/%s.json", federation.folder, name), config, 0644);
    write_file(path_of("%s/%s-lent.json", federation.folder, name), lent, 0644);
    free(config);
    free(lent);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    runtime_folder = path_of("%s/run", scratch_folder());
    assert_int_equal(mkdir(runtime_folder, 0700), 0);
    setenv("RUNTIME_DIRECTORY", runtime_folder, 1);
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
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        entries++;
    }
    closedir(folder);
    return entries == 2; /* itself and its parent */
}

static void check_row(void **state)
{
    const struct row *row = *state;
    const char *config = path_of("%s/%s%s.json", federation.folder,
                                 row->script != NULL ? "slow" : "direct", row->lent ? "-lent" : "");
    const char *const argv[] = { EXIT_CHILD, row->order, config, NULL };
    const struct process process = { .argv = argv, .with_stderr = true };
    const char *fewer = getenv("NODEKEY_EXIT_RUNS");
    long runs = fewer != NULL ? strtol(fewer, NULL, 10) : RUNS;

    faulty_set(row->script != NULL ? row->script : "");
    assert_true(runs > 0);
    for (long i = 0; i < runs; i++) {
        struct process_end end = process_run(&process);
        if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != CODE) {
            print_message("%s", end.out);
            fail_msg("run %ld of %ld ended with status 0x%x", i + 1, runs, end.status);
        }
        free(end.out);
        assert_true(is_empty(runtime_folder));
    }
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rows_add(path_of("%s%s%s", rows[i].order, rows[i].script != NULL ? ", slow" : "",
                         rows[i].lent ? ", lent" : ""),
                 check_row, &rows[i]);
    }
    return ROWS_RUN("exit", start, stop);
}
