/* SPDX-License-Identifier: Apache-2.0
 * The fault table: each row in a process of its own, through the plugin and gRPC over loopback, and
 * all of them printed at the end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "fault/fault_table.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"

#define ROWS_MAX 128
#define ROW_MAX_S 100 /* one that takes longer hangs */
#define NAME_WIDTH 66

static struct fault_world world;
static struct fault_result results[ROWS_MAX];

static const char *const moments[MOMENTS] = {
    [BEFORE_OPEN] = "before open",        [AT_OPEN] = "at open",
    [FIRST_SIGNATURE] = "1st signature",  [UNDER_LOAD] = "under load",
    [REINITIALISING] = "re-initialising",
};

/* --- one row --- */

static void run_here(const struct fault_row *row, int out)
{
    struct fault_result result = { .holds = false };
    signal(SIGPIPE, SIG_DFL);
    alarm(ROW_MAX_S);
    faulty_start();
    fault_run(&world, row, &result);
    bool told = write(out, &result, sizeof(result)) == (ssize_t)sizeof(result);
    close(out);
    exit(told ? 0 : 1);
}

/* What it wrote counts only if it also came to its end. */
static void judge(struct fault_result *result, int status, bool told)
{
    if (WIFSIGNALED(status)) {
        snprintf(result->wrong, sizeof(result->wrong), "crashed: %s", strsignal(WTERMSIG(status)));
    } else if (status != 0 || !told) {
        snprintf(result->wrong, sizeof(result->wrong), "ended with status 0x%x", (unsigned)status);
    }
    result->holds = result->wrong[0] == '\0';
}

static void check_row(void **state)
{
    const struct fault_row *row = *state;
    struct fault_result *result = &results[row - fault_rows];
    int ends[2];
    int status = -1;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL); /* else the child prints it, too */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        run_here(row, ends[1]);
    }
    close(ends[1]);
    bool told = read(ends[0], result, sizeof(*result)) == (ssize_t)sizeof(*result);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    judge(result, status, told);
    if (!result->holds) {
        fail_msg("%s: %s", result->wrong, result->text);
    }
}

/* --- the table --- */

static void print_row(size_t number)
{
    const struct fault_row *row = &fault_rows[number];
    const struct fault_result *result = &results[number];
    printf("%3zu  %-15s  %-*s  %-6s  %5lu  %5lu  %6lld  %s\n", number + 1, moments[row->moment],
           NAME_WIDTH, row->name, row->outcome == SERVES ? "serves" : "fails", result->answered,
           result->dials, result->next_ms, result->holds ? "holds" : "DEVIATES");
    printf("     %s\n", result->text[0] != '\0' ? result->text : "(nothing to say)");
    if (!result->holds) {
        printf("     DEVIATES: %s\n", result->wrong);
    }
}

static void print_table(size_t from, size_t to)
{
    size_t deviations = 0;
    printf("\nnew: what open, or a new handshake, comes to. calls: answered on the connection that "
           "stood, while the fault\nwas there. dials: meanwhile. next: ms from the cure until a "
           "new handshake of each direction had succeeded.\n\n%3s  %-15s  %-*s  %-6s  %5s  %5s  "
           "%6s\n",
           "row", "moment", NAME_WIDTH, "fault", "new", "calls", "dials", "next");
    for (size_t i = from; i < to; i++) {
        print_row(i);
        deviations += results[i].holds ? 0 : 1;
    }
    printf("\nfault table: %zu rows, %zu deviations\n", to - from, deviations);
}

static void copy_file(const char *from, const char *to)
{
    char block[65536];
    size_t len = 0;
    FILE *in = fopen(from, "re");
    FILE *out = fopen(to, "we");
    while (in != NULL && out != NULL && (len = fread(block, 1, sizeof(block), in)) > 0) {
        if (fwrite(block, 1, len, out) != len) {
            abort();
        }
    }
    if (in == NULL || out == NULL || fclose(out) != 0) {
        perror(to);
        abort();
    }
    fclose(in);
}

/* Nothing of it loads a module: that is the rows' own. */
static int start(void **state)
{
    (void)state;
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each refused handshake */
    softhsm_start();
    federation_make(&world.federation, "example.org");
    federation_enrol(&world.federation, &world.alice, "alice", "P-256");
    member_add_key(&world.alice, "other", "02", "P-256");
    federation_enrol(&world.federation, &world.rosa, "rosa", "RSA-2048");
    federation_enrol(&world.federation, &world.bob, "bob", "P-256");
    world.alice.module = world.rosa.module = faulty_start();
    world.bob.module = path_of("%s/libsofthsm2.so", scratch_folder());
    copy_file(SOFTHSM_MODULE, world.bob.module);
    world.stranger = stranger_make(&world.federation);
    world.stranger.patience_s = 30; /* on a machine that is busy with other tests */
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(&world.stranger);
    member_free(&world.alice);
    member_free(&world.rosa);
    member_free(&world.bob);
    federation_free(&world.federation);
    return 0;
}

/* test_fault_table [ROW]: all rows, or this one. */
int main(int argc, char **argv)
{
    static struct CMUnitTest tests[ROWS_MAX];
    size_t only = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    size_t from = only > 0 ? only - 1 : 0;
    size_t to = only > 0 ? only : fault_rows_len;
    if (to > fault_rows_len || fault_rows_len > ROWS_MAX) {
        fprintf(stderr, "there are %zu rows, of at most %d\n", fault_rows_len, ROWS_MAX);
        return 2;
    }
    for (size_t i = 0; i < ROWS_MAX; i++) {
        const struct fault_row *row = &fault_rows[i < to - from ? from + i : from];
        tests[i] = (struct CMUnitTest){ .name = path_of("%s: %s", moments[row->moment], row->name),
                                        .test_func = check_row,
                                        .initial_state = (void *)(uintptr_t)row };
    }
    int failed = _cmocka_run_group_tests("fault_table", tests, to - from, start, stop);
    print_table(from, to);
    return failed;
}
