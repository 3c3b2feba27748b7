/* SPDX-License-Identifier: Apache-2.0
 * The host that README shows, compiled from there, opens a node; and so does README's JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"
#include "readme_json.h"

static struct federation federation;
static struct member member;

static char *run_host_with(const char *module, const char *config, int *ret_code)
{
    const char *const argv[] = { README_HOST, module, config, NULL };
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    *ret_code = WIFEXITED(end.status) ? WEXITSTATUS(end.status) : -1;
    return end.out;
}

static char *run_host(const char *config, int *ret_code)
{
    return run_host_with(getenv("NODEKEY_MODULE"), config, ret_code);
}

static void the_host_gets_ready(void **state)
{
    (void)state;
    int code = -1;
    char *out = run_host(path_of("%s/node-a.json", federation.folder), &code);
    assert_int_equal(code, 0);
    assert_non_null(strstr(out, "ready"));
    assert_non_null(strstr(out, "nodekey: ")); /* its log */
    assert_non_null(strstr(out, "custody: software"));
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

/* dlopen's own reason, and what is loaded but is not ours. */
static void the_host_tells_why_it_loads_no_plugin(void **state)
{
    (void)state;
    static const struct {
        const char *module;
        const char *says;
    } rows[] = {
        { "/nonexistent/nodekey.so", "/nonexistent/nodekey.so: cannot open shared object file" },
        { "nodekey.so", "nodekey.so is not an absolute path" },
        { "/etc/passwd", "/etc/passwd: invalid ELF header" },
        { SOFTHSM_MODULE, "is not nodekey of ABI 0: it has no " NK_ENTRY_SYMBOL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int code = -1;
        char *out = run_host_with(rows[i].module, "/nonexistent.json", &code);
        assert_int_equal(code, 1);
        assert_non_null(strstr(out, rows[i].says));
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_gets_ready),
        cmocka_unit_test(the_configuration_opens),
        cmocka_unit_test(the_host_tells_why_not),
        cmocka_unit_test(the_host_tells_why_it_loads_no_plugin),
    };
    softhsm_start();
    federation_make(&federation, "federation.example");
    federation_enrol(&federation, &member, "node-a", "P-256");
    int failed = cmocka_run_group_tests_name("readme", tests, NULL, NULL);
    member_free(&member);
    federation_free(&federation);
    return failed;
}
