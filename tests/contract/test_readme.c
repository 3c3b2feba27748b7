/* SPDX-License-Identifier: Apache-2.0
 * The host that README shows, compiled from there, opens a node; and so does README's JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"
#include "readme_json.h"

static struct federation federation;
static struct member member;

static char *run_host(const char *config, int *ret_code)
{
    const char *const argv[] = { README_HOST, getenv("NODEKEY_MODULE"), config, NULL };
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    *ret_code = WIFEXITED(end.status) ? WEXITSTATUS(end.status) : -1;
    return end.out;
}

static void the_host_gets_ready(void **state)
{
    (void)state;
    int code = -1;
    char *out = run_host(path_of("%s/node-a.json", federation.folder), &code);
    assert_int_equal(code, 0);
    assert_non_null(strstr(out, "ready"));
    free(out);
}

static void the_configuration_opens(void **state)
{
    (void)state;
    char *root = pem_of(federation.root.certificate, NULL);
    write_file(path_of("%s/federation-ca.pem", federation.folder), root, 0644);
    write_file(path_of("%s/readme.json", federation.folder), README_JSON, 0644);
    free(root);
    int code = -1;
    char *out = run_host(path_of("%s/readme.json", federation.folder), &code);
    assert_int_equal(code, 0);
    assert_non_null(strstr(out, "ready"));
    free(out);
}

static void the_host_tells_why_not(void **state)
{
    (void)state;
    int code = -1;
    char *out = run_host("/nonexistent.json", &code);
    assert_int_equal(code, 1);
    assert_non_null(strstr(out, "/nonexistent.json"));
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_gets_ready),
        cmocka_unit_test(the_configuration_opens),
        cmocka_unit_test(the_host_tells_why_not),
    };
    softhsm_start();
    federation_make(&federation, "federation.example");
    federation_enrol(&federation, &member, "node-a", "P-256");
    int failed = cmocka_run_group_tests_name("readme", tests, NULL, NULL);
    member_free(&member);
    federation_free(&federation);
    return failed;
}
