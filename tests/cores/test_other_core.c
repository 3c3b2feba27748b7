/* SPDX-License-Identifier: Apache-2.0
 * A host whose gRPC is not ours gets an error instead of a crash, and no credentials. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "nodekey/detail/core_names.h"

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
    assert_non_null(strstr(err.text, "grpc_version_string itself"));
}

static void no_address(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    ask_for_credentials(NULL, &err);
    assert_non_null(strstr(err.text, "grpc_version"));
}

static void is_told_of_symbol(const char *host)
{
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *const argv[] = { host, config, NULL };
    const struct process process = { .argv = argv };
    struct process_end end = process_run(&process);
    print_message("%s", end.out);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    assert_non_null(strstr(end.out, path_of("open %d ", NK_E_USAGE)));
    assert_non_null(strstr(end.out, "nk_core_symbol"));
    free(end.out);
}

static void a_core_linked_in_statically(void **state)
{
    (void)state;
    is_told_of_symbol(OTHER_CORE_HOST);
}

static void a_core_linked_in_statically_and_exported(void **state)
{
    (void)state;
    is_told_of_symbol(OTHER_CORE_EXPORTING);
}

/* --- a core that is handed out by nk_host.symbol --- */

static const char *lacking;
static const char *version_text;
static bool is_second_core;

static const char *told_version(void)
{
    return version_text;
}

static void init_second(void)
{
    grpc_init();
}

/* Functions of this program's own, but the one that is lacking. */
static nk_function find_all_but_one(const char *name)
{
    nk_function found = NULL;

    if (strcmp(name, "grpc_version_string") == 0) {
        return (nk_function)told_version;
    }
    if (is_second_core && strcmp(name, "grpc_init") == 0) {
        return (nk_function)init_second;
    }
    if (lacking == NULL || strcmp(name, lacking) != 0) {
        *(void **)&found = dlsym(RTLD_DEFAULT, name);
    }
    return found;
}

static nk_status open_told(struct recorder *log, nk_error *err)
{
    const nk_plugin *plugin = plugin_load();
    nk_host host = recording_host(log);
    nk_instance *instance = NULL;
    char *config = member_config(&alice, "{}");

    host.grpc_version = told_version;
    host.symbol = find_all_but_one;
    nk_status status = plugin->open_text(&host, config, federation.folder, &instance, err);
    free(config);
    if (status == NK_OK) {
        assert_int_equal(plugin->close(instance, NULL), NK_OK);
    }
    return status;
}

#define LACKS(name) { "without " #name, #name },
static const struct lack {
    const char *name;
    const char *function;
} lacks[] = { NK_CORE_GRPC(LACKS) NK_CORE_CRYPTO(LACKS)
                  LACKS(grpc_tls_certificate_provider_file_watcher_create) };

static void a_core_that_lacks_a_function(void **state)
{
    const char *function = ((const struct lack *)*state)->function;
    nk_error err = { .struct_size = sizeof(err) };

    version_text = grpc_version_string();
    lacking = function;
    assert_int_equal(open_told(recorder_new(), &err), NK_E_UNSUPPORTED);
    lacking = NULL;
    const char *at = strstr(err.text, path_of("lacks %s", function));
    if (at == NULL || strchr(";,", at[strlen("lacks ") + strlen(function)]) == NULL) {
        fail_msg("%s: %s", function, err.text);
    }
}

static const struct version {
    const char *name;
    const char *text;
    nk_status status;
    bool is_untested;
} versions[] = {
    { .name = "version 29.0.0", .text = "29.0.0" },
    { .name = "version 29.5.1", .text = "29.5.1" },
    { .name = "version 30.0.0-dev", .text = "30.0.0-dev", .is_untested = true },
    { .name = "version 2.0.0", .text = "2.0.0", .is_untested = true },
    { .name = "no version", .text = NULL, .status = NK_E_UNSUPPORTED },
    { .name = "version of no letters", .text = "", .status = NK_E_UNSUPPORTED },
    { .name = "version 29", .text = "29", .status = NK_E_UNSUPPORTED },
    { .name = "version 29-dev", .text = "29-dev", .status = NK_E_UNSUPPORTED },
    { .name = "version v29.0.0", .text = "v29.0.0", .status = NK_E_UNSUPPORTED },
    { .name = "version with a space", .text = " 29.0.0", .status = NK_E_UNSUPPORTED },
    { .name = "version -29.0.0", .text = "-29.0.0", .status = NK_E_UNSUPPORTED },
    { .name = "version +29.0.0", .text = "+29.0.0", .status = NK_E_UNSUPPORTED },
    { .name = "version 029.0.0", .text = "029.0.0", .status = NK_E_UNSUPPORTED },
    { .name = "version 0x1d.0.0", .text = "0x1d.0.0", .status = NK_E_UNSUPPORTED },
    { .name = "version .29", .text = ".29", .status = NK_E_UNSUPPORTED },
    { .name = "version past every number",
      .text = "99999999999999999999999.0",
      .status = NK_E_UNSUPPORTED },
};

static void a_version_text(void **state)
{
    const struct version *version = *state;
    nk_error err = { .struct_size = sizeof(err) };

    version_text = version->text;
    struct recorder *log = recorder_new();
    nk_status status = open_told(log, &err);
    print_message("    %d %s\n", (int)status, err.text);
    assert_int_equal(status, version->status);
    assert_int_equal(recorder_count(log, "nodekey is tested with"), version->is_untested ? 1 : 0);
    assert_true(status == NK_OK || strstr(err.text, "no number that nodekey knows") != NULL);
}

/* --- two cores --- */

static void a_second_core_is_refused(void **state)
{
    (void)state;
    Dl_info info;
    void *address = NULL;
    const char *(*version)(void) = grpc_version_string;
    memcpy(&address, &version, sizeof(address));
    assert_int_not_equal(dladdr(address, &info), 0);
    const char *config = path_of("%s/alice.json", federation.folder);
    const char *const argv[] = { TWO_CORES_HOST, config, info.dli_fname, NULL };
    const struct process process = { .argv = argv };
    struct process_end end = process_run(&process);
    print_message("%s", end.out);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    assert_non_null(
        strstr(end.out, path_of("other %d this process has two gRPC cores", NK_E_USAGE)));
    assert_non_null(strstr(end.out, "first 0"));
    free(end.out);
}

static void a_core_that_starts_otherwise_is_a_second(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };

    version_text = grpc_version_string();
    is_second_core = true;
    assert_int_equal(open_told(recorder_new(), &err), NK_E_USAGE);
    is_second_core = false;
    assert_non_null(strstr(err.text, "this process has two gRPC cores"));
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
    ROWS_TEST(another_address);
    ROWS_TEST(no_address);
    ROWS_TEST(a_core_linked_in_statically);
    ROWS_TEST(a_core_linked_in_statically_and_exported);
    ROWS_OF(lacks, a_core_that_lacks_a_function)
    ROWS_OF(versions, a_version_text)
    ROWS_TEST(a_second_core_is_refused);
    ROWS_TEST(a_core_that_starts_otherwise_is_a_second);
    ROWS_TEST(our_core_gets_them);
    return ROWS_RUN("other_core", start, stop);
}
