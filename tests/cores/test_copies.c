/* SPDX-License-Identifier: Apache-2.0
 * A second nodekey.so or gRPC beside those that serve this process: each is told why it cannot, and
 * the first ones go on. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <grpc/grpc.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/grpc_credentials.h"
#include "fixtures/wire/rpc.h"
#include "nodekey/load.h"

#define CALL_MS 20000

static struct federation federation;
static struct member alice;
static struct node node;

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    member_add_key(&alice, "RSA-2048", "11", "RSA-2048");
    node_open(&node, &alice, "{}");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    node_close(&node);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static void talk(void)
{
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    grpc_channel *channel = rpc_channel(node.channel, rpc_server_address(server));

    assert_true(rpc_call(channel, CALL_MS).ok);
    grpc_channel_destroy(channel);
    rpc_server_stop(server);
}

static void is_refused_with(const nk_plugin *copy, nk_host host, const char *patch,
                            const char *piece)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;
    char *config = member_config(&alice, patch);

    assert_int_equal(copy->open_text(&host, config, federation.folder, &instance, &err),
                     NK_E_USAGE);
    print_message("    %s\n", err.text);
    assert_non_null(strstr(err.text, piece));
    free(config);
    talk();
}

static void is_refused(const nk_plugin *copy, nk_host host, const char *piece)
{
    is_refused_with(copy, host, "{}", piece);
}

static void a_copy_at_another_path(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    const char *path = path_of("%s/nodekey.so", federation.folder);
    const char *const argv[] = { "cp", getenv("NODEKEY_MODULE"), path, NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv });

    assert_int_equal(end.status, 0);
    free(end.out);
    const nk_plugin *copy = nk_load(path, &err);
    if (copy == NULL) {
        fail_msg("%s", err.text);
    }
    for (int i = 0; i < 2; i++) {
        is_refused(copy, recording_host(recorder_new()), "two copies of nodekey.so");
        is_refused_with(copy, recording_host(recorder_new()), member_patch_key(&alice, "RSA-2048"),
                        "two copies of nodekey.so");
    }
}

static void a_copy_in_another_namespace(void **state)
{
    (void)state;
    void *module = dlmopen(LM_ID_NEWLM, getenv("NODEKEY_MODULE"), RTLD_NOW | RTLD_LOCAL);
    nk_host host = recording_host(recorder_new());
    nk_entry_fn entry = NULL;

    assert_non_null(module);
    *(void **)&entry = dlsym(module, NK_ENTRY_SYMBOL);
    is_refused(entry(), host, "namespace of the dynamic linker");
    host.grpc_version = NULL;
    is_refused(entry(), host, "namespace of the dynamic linker");
}

static nk_function find_shown(const char *name)
{
    nk_function found = NULL;

    *(void **)&found = dlsym(RTLD_DEFAULT, name);
    return found;
}

static void a_core_in_another_namespace(void **state)
{
    (void)state;
    Dl_info info;
    nk_host host = recording_host(recorder_new());
    void *address = NULL;

    memcpy(&address, &host.grpc_version, sizeof(address));
    assert_int_not_equal(dladdr(address, &info), 0);
    void *library = dlmopen(LM_ID_NEWLM, info.dli_fname, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    *(void **)&host.grpc_version = dlsym(library, "grpc_version_string");
    is_refused(plugin_load(), host, "namespace of the dynamic linker");
    host.symbol = find_shown;
    is_refused(plugin_load(), host, "namespace of the dynamic linker");
}

int main(void)
{
    ROWS_TEST(a_copy_at_another_path);
    ROWS_TEST(a_copy_in_another_namespace);
    ROWS_TEST(a_core_in_another_namespace);
    return ROWS_RUN("copies", start, stop);
}
