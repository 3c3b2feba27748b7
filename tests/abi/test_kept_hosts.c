/* SPDX-License-Identifier: Apache-2.0
 * Programs of earlier ABI versions, kept as they were with their plugin.h, run with this plugin. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/grpc_credentials.h"

static struct federation federation;
static struct member alice;

#define SERVES_ITSELF                                                                              \
    "absent: 2\n"                                                                                  \
    "peer: spiffe://example.org/node/alice, admitted by members, 2 names\n"                        \
    "claims: 0 7\n"                                                                                \
    "guarded\n"                                                                                    \
    "call: ok\n"                                                                                   \
    "verdict: 1 by members, explained: 1\n"                                                        \
    "verdict: 0, name-mismatch\n"

static const struct row {
    const char *name;
    const char *program;
    const char *expected;
    bool has_signers; /* else gRPC on BoringSSL is not for it */
} rows[] = {
    { "a host of 0.3", KEPT_HOST_0_3, SERVES_ITSELF "asked: both ends\nclosed\n", false },
    { "a host of 0.4", KEPT_HOST_0_4,
      SERVES_ITSELF "chain: -----BEGIN CERTIFICATE-----, quick: 0 or 1\n"
                    "sign: 0 1, signed\n"
                    "done: 1, 0, signed\n"
                    "done: 1\n"
                    "asked: both ends\n"
                    "after close: 8\n"
                    "closed\n",
      true },
};

static void run_host(void **state)
{
    const struct row *row = *state;
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *leaf = path_of("%s/alice.pem", federation.folder);
    const char *const argv[] = { row->program, config, leaf, NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv });
    bool is_refused = BORINGSSL_CORE && !row->has_signers;

    assert_true(WIFEXITED(end.status));
    if (is_refused) {
        assert_non_null(strstr(end.out, "gRPC does not use OpenSSL 3 or 4"));
    } else {
        assert_string_equal(end.out, row->expected);
    }
    assert_int_equal(WEXITSTATUS(end.status), is_refused);
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
