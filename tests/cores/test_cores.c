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
    const char *says; /* NULL: it talks */
} rows[] = {
    { .name = "shared gRPC", .program = CORE_SHARED },
    { .name = "shared gRPC, no position-independent program", .program = CORE_NO_PIE },
    { .name = "the same, linked with a later OpenSSL, too", .program = CORE_LATER },
    { .name = "shared gRPC, another OpenSSL hidden and handed out", .program = CORE_HIDING },
    { .name = "static gRPC, shared OpenSSL", .program = CORE_STATIC },
    { .name = "the same, no position-independent program", .program = CORE_STATIC_NO_PIE },
    { .name = "static gRPC, static OpenSSL", .program = CORE_STATIC_ALL },
    { .name = "static gRPC, static OpenSSL, all symbols exported", .program = CORE_EXPORTING },
    { "a library before OpenSSL that has a third of its names", CORE_THIRD, "libthird.so" },
    { "the same of what OpenSSL and pkcs11-helper call", CORE_INNER, "libinner.so" },
    { "the same of what the module alone calls", CORE_BESIDE, "libsofthsm2.so in this process" },
    { .name = "shared gRPC, the whole of a static OpenSSL exported", .program = CORE_WHOLE },
#ifdef CORE_BORINGSSL
    { "BoringSSL before OpenSSL", CORE_BORINGSSL, "libcrypto.so.0" },
#endif
#ifdef CORE_BORINGSSL_STATIC
    { "a static BoringSSL", CORE_BORINGSSL_STATIC, "core_boringssl_static" },
    { "the same with -rdynamic", CORE_BORINGSSL_EXPORTING, "core_boringssl_exporting" },
    { .name = "the same, hidden by --exclude-libs", .program = CORE_BORINGSSL_HIDING },
#endif
    { "a part of a static OpenSSL, exported", CORE_PARTIAL, "core_partial" },
};

/* Rows that are refused say both objects and the cure, and the program goes on to its end. */
static bool is_as_told(const struct row *row, const struct process_end *end)
{
    if (!WIFEXITED(end->status)) {
        return false;
    }
    if (row->says == NULL) {
        return WEXITSTATUS(end->status) == 0 && strstr(end->out, CALLS " talked") != NULL;
    }
    return WEXITSTATUS(end->status) == 3 && strstr(end->out, "refused 1 ") != NULL &&
           strstr(end->out, row->says) != NULL && strstr(end->out, "libcrypto.so") != NULL &&
           strstr(end->out, "-Wl,--exclude-libs,ALL") != NULL;
}

static void run_host(const struct row *row)
{
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *const argv[] = { row->program, config, CALLS, NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv, .with_stderr = true });

    if (!is_as_told(row, &end)) {
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

#ifdef CORE_CPLUSPLUS
static void talk_in_cplusplus(void **state)
{
    (void)state;
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *const argv[] = { CORE_CPLUSPLUS, getenv("NODEKEY_MODULE"), config, "127.0.0.1:0",
                                 NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv, .with_stderr = true });

    print_message("%s", end.out);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    assert_non_null(strstr(end.out, "host: talked to "));
    assert_non_null(strstr(end.out, "host: who calls us "));
    free(end.out);
}
#endif

#ifndef NODEKEY_SANITIZED /* whose runtime must be in the program */
/* Its BoringSSL is hidden, so nodekey has OpenSSL; its core has none, and cannot be had anyway. */
static void beside_grpcio(void **state)
{
    (void)state;
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *const argv[] = { GRPCIO_PYTHON, GRPCIO_HOST, getenv("NODEKEY_MODULE"), config,
                                 NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv, .with_stderr = true });

    print_message("%s", end.out);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    assert_non_null(strstr(end.out, "open 0 \n"));
    assert_non_null(strstr(end.out, "open 1 the functions of this program's gRPC core cannot be"));
    assert_non_null(strstr(end.out, "open 9 this program's gRPC does not use OpenSSL 3 or 4"));
    assert_non_null(strstr(end.out, " goes on\n"));
    free(end.out);
}
#endif

int main(void)
{
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    ROWS_OF(rows, talk_and_close)
    ROWS_OF(rows, talk_and_exit)
#ifdef CORE_CPLUSPLUS
    ROWS_TEST(talk_in_cplusplus);
#endif
#ifndef NODEKEY_SANITIZED
    ROWS_TEST(beside_grpcio);
#endif
    int failed = ROWS_RUN("cores", NULL, NULL);
    member_free(&alice);
    federation_free(&federation);
    return failed;
}
