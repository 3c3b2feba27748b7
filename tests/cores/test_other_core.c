/* SPDX-License-Identifier: Apache-2.0
 * A host whose gRPC is not ours gets an error instead of a crash, and no credentials. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

static struct federation federation;
static struct member alice;

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static const char *wrong_core(void)
{
    return "1.0.0";
}

/* Says what `open` or, after it, both credentials answered. */
static void ask_for_credentials(const char *(*version)(void), nk_error *err)
{
    const nk_plugin *plugin = plugin_load();
    nk_host host = recording_host(recorder_new());
    nk_instance *instance = NULL;
    grpc_server_credentials *server = NULL;
    grpc_channel_credentials *channel = NULL;
    nk_error second = { .struct_size = sizeof(second) };
    char *config = member_config(&alice, "{}");

    host.grpc_version = version;
    nk_status status = plugin->open_text(&host, config, federation.folder, &instance, err);
    free(config);
    if (status == NK_OK) {
        assert_int_equal(plugin->server_credentials(instance, &server, err), NK_E_USAGE);
        assert_int_equal(plugin->channel_credentials(instance, &channel, &second), NK_E_USAGE);
        assert_int_equal(plugin->close(instance, NULL), NK_OK);
    }
    assert_null(server);
    assert_null(channel);
    assert_int_equal(err->status, NK_E_USAGE);
    print_message("    %d %s\n", (int)err->status, err->text);
}

static void another_address(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    ask_for_credentials(wrong_core, &err);
    assert_non_null(strstr(err.text, "gRPC"));
}

static void no_address(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    ask_for_credentials(NULL, &err);
    assert_non_null(strstr(err.text, "grpc_version"));
}

static void a_core_linked_in_statically(void **state)
{
    (void)state;
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *const argv[] = { OTHER_CORE_HOST, config, NULL };
    const struct process process = { .argv = argv };
    struct process_end end = process_run(&process);
    print_message("%s", end.out);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    assert_non_null(strstr(end.out, path_of("open %d ", NK_E_USAGE)));
    assert_non_null(strstr(end.out, "nk_core_symbol"));
    free(end.out);
}

static void our_core_gets_them(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &alice, "{}"); /* aborts unless it gets both */
    node_close(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_address),
        cmocka_unit_test(no_address),
        cmocka_unit_test(a_core_linked_in_statically),
        cmocka_unit_test(our_core_gets_them),
    };
    return cmocka_run_group_tests_name("other_core", tests, start, stop);
}
