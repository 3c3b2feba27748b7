/* SPDX-License-Identifier: Apache-2.0
 * One nodekey.so in programs that came by their gRPC in different ways: each talks with itself over
 * mutual TLS of a token key, and ends in whatever order. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define CALLS "6"

static struct federation federation;
static struct member alice;

static const struct row {
    const char *name;
    const char *program;
} rows[] = {
    { "shared gRPC", CORE_SHARED },
    { "shared gRPC, no position-independent program", CORE_NO_PIE },
    { "static gRPC, shared OpenSSL", CORE_STATIC },
    { "static gRPC, static OpenSSL", CORE_STATIC_ALL },
    { "static gRPC, static OpenSSL, all symbols exported", CORE_EXPORTING },
};

static void run_host(const struct row *row)
{
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *const argv[] = { row->program, config, CALLS, NULL };
    struct process_end end =
        process_run(&(struct process){ .argv = argv, .with_stderr = true });

    if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != 0 ||
        strstr(end.out, CALLS " talked") == NULL) {
        fail_msg("%s: status %x: %s", row->name, (unsigned)end.status, end.out);
    }
    print_message("    %s", end.out);
    free(end.out);
}

static void talk_and_close(void **state)
{
    unsetenv("CORE_HOST_LEAVES");
    run_host(*state);
}

static void talk_and_exit(void **state)
{
    setenv("CORE_HOST_LEAVES", "1", 1);
    run_host(*state);
}

int main(void)
{
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    ROWS_OF(rows, talk_and_close)
    ROWS_OF(rows, talk_and_exit)
    int failed = ROWS_RUN("cores", NULL, NULL);
    member_free(&alice);
    federation_free(&federation);
    return failed;
}
