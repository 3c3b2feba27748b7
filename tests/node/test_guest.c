/* SPDX-License-Identifier: Apache-2.0
 * A program that uses OpenSSL for itself notices nothing of the plugin, whichever comes first. */
#include <stdlib.h>
#include <sys/wait.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"

static struct federation federation;
static struct member alice;

static int start(void **state)
{
    (void)state;
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    return 0;
}

static void check_order(const char *order, const char *expected)
{
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *const argv[] = { GUEST_CHILD, order, config, NULL };
    const struct process process = { .argv = argv };
    struct process_end end = process_run(&process);
    assert_string_equal(end.out, expected);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    free(end.out);
}

static void openssl_first(void **state)
{
    (void)state;
    check_order("openssl-first",
                "before same\nopened same\nduring same\nclosed same\nafter same\n");
}

static void plugin_first(void **state)
{
    (void)state;
    check_order("plugin-first", "opened same\nduring same\nclosed same\nafter same\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_first),
        cmocka_unit_test(plugin_first),
    };
    return cmocka_run_group_tests_name("guest", tests, start, stop);
}
