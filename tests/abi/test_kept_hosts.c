/* SPDX-License-Identifier: Apache-2.0
 * Programs of earlier ABI versions, kept as they were with their plugin.h, run with this plugin. */
#include <stdlib.h>
#include <sys/wait.h>

#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

static struct federation federation;
static struct member alice;

static const struct row {
    const char *name;
    const char *program;
    const char *expected;
} rows[] = {
    { "a host of 0.3", KEPT_HOST_0_3,
      "absent: 2\n"
      "peer: spiffe://example.org/node/alice, admitted by members, 2 names\n"
      "claims: 0 7\n"
      "guarded\n"
      "call: ok\n"
      "verdict: 1 by members, explained: 1\n"
      "verdict: 0, name-mismatch\n"
      "asked: both ends\n"
      "closed\n" },
};

static void run_host(void **state)
{
    const struct row *row = *state;
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *leaf = path_of("%s/alice.pem", federation.folder);
    const char *const argv[] = { row->program, config, leaf, NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv });

    assert_string_equal(end.out, row->expected);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    free(end.out);
}

int main(void)
{
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    ROWS_OF(rows, run_host)
    int failed = ROWS_RUN("kept_hosts", NULL, NULL);
    member_free(&alice);
    federation_free(&federation);
    return failed;
}
