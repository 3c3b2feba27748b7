/* SPDX-License-Identifier: Apache-2.0
 * The contract of plugin.h, seen by a host: the layout of 0.1 and the promises at its edges. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <openssl/err.h>

#include "contract/opened.h"
#include "fixtures/check.h"
#include "fixtures/rows.h"
#include "fixtures/wire/grpc_credentials.h"

/* Version 0.1 as it shipped. A failing line here means that the change is not an append. */
#if UINTPTR_MAX == UINT64_MAX
#define AT(type, member, offset)                                                                   \
    _Static_assert(offsetof(type, member) == (offset), #type "." #member " has moved")
AT(nk_error, status, 4);
AT(nk_error, native_kind, 8);
AT(nk_error, native, 16);
AT(nk_error, text, 24);
AT(nk_verdict, decision, 4);
AT(nk_verdict, rule, 8);
AT(nk_verdict, reason, 72);
AT(nk_verdict, detail, 112);
AT(nk_name, text, 8);
AT(nk_bytes, len, 8);
AT(nk_peer, role, 4);
AT(nk_peer, target, 8);
AT(nk_peer, chain, 16);
AT(nk_peer, chain_len, 24);
AT(nk_peer, names, 32);
AT(nk_peer, names_len, 40);
AT(nk_peer, common_name, 48);
AT(nk_peer, leaf_sha256, 56);
AT(nk_peer, spki_sha256, 88);
AT(nk_peer, rule, 120);
AT(nk_host, host_data, 8);
AT(nk_host, grpc_version, 16);
AT(nk_host, log, 24);
AT(nk_host, ask_pin, 32);
AT(nk_host, verify_peer, 40);
AT(nk_host, event, 48);
AT(nk_host, flags, 56);
AT(nk_host, symbol, 64);
AT(nk_host, set_identity, 72);
AT(nk_plugin, abi_major, 4);
AT(nk_plugin, abi_minor, 6);
AT(nk_plugin, version, 8);
AT(nk_plugin, open_file, 16);
AT(nk_plugin, open_text, 24);
AT(nk_plugin, close, 32);
AT(nk_plugin, server_credentials, 40);
AT(nk_plugin, channel_credentials, 48);
AT(nk_plugin, check_peer, 56);
AT(nk_plugin, peer_identity, 64);
AT(nk_plugin, guard_call, 72);
AT(nk_plugin, unguard_call, 80);
AT(nk_plugin, reload, 88);
AT(nk_plugin, status, 96);
AT(nk_plugin, metrics, 104);
AT(nk_plugin, free_text, 112);
AT(nk_plugin, free_peer, 120);
AT(nk_plugin, check_claim, 128);
AT(nk_plugin, signer, 136);
AT(nk_plugin, signer_chain, 144);
AT(nk_plugin, signer_is_quick, 152);
AT(nk_plugin, sign, 160);
AT(nk_plugin, sign_start, 168);
AT(nk_plugin, sign_cancel, 176);
AT(nk_plugin, signing_free, 184);
AT(nk_plugin, signer_ref, 192);
AT(nk_plugin, signer_free, 200);
#endif

static void the_table_is_whole(void **state)
{
    (void)state;
    assert_int_equal(plugin->abi_major, NK_ABI_MAJOR);
    assert_int_equal(plugin->abi_minor, NK_ABI_MINOR);
    assert_string_equal(plugin->version, "0.1.0");
    assert_true(NK_HAS(nk_plugin, plugin, signer_free));
    void *const *members = (void *const *)&plugin->open_file;
    size_t len = (sizeof(*plugin) - offsetof(nk_plugin, open_file)) / sizeof(*members);
    for (size_t i = 0; i < len; i++) {
        assert_non_null(members[i]);
    }
    assert_ptr_equal(plugin_load(), plugin);
}

static void an_older_table_lacks_newer_members(void **state)
{
    (void)state;
    nk_plugin old;
    memset(&old, 0xff, sizeof(old)); /* whatever lies past an older, shorter table */
    old.struct_size = (uint32_t)offsetof(nk_plugin, free_peer);
    assert_false(NK_HAS(nk_plugin, &old, free_peer));
    assert_true(NK_HAS(nk_plugin, &old, free_text));
}

static void the_first_failure_wins(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *ret = NULL;
    assert_int_equal(plugin->open_file(&good_host, NULL, &ret, &err), NK_E_USAGE);
    nk_error first = err;
    assert_int_equal(plugin->open_file(&good_host, "/nonexistent/nodekey.json", &ret, &err),
                     NK_E_CONFIG);
    assert_memory_equal(&first, &err, sizeof(err));
}

static void a_call_that_fails_early_leaves_deny(void **state)
{
    (void)state;
    nk_verdict verdict = { .struct_size = sizeof(verdict), .decision = NK_ALLOW };
    nk_error unset = { .struct_size = 0 };
    assert_int_equal(plugin->check_peer(instance, NK_PEER_IS_CLIENT, NULL, leaf, strlen(leaf),
                                        &verdict, NULL, &unset),
                     NK_E_USAGE);
    assert_int_equal(verdict.decision, NK_DENY);
}

static void a_target_that_is_no_name_is_a_usage_error(void **state)
{
    (void)state;
    char *json = NULL;
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    assert_int_equal(plugin->check_peer(instance, NK_PEER_IS_SERVER, "\xff", leaf, strlen(leaf),
                                        &verdict, &json, NULL),
                     NK_E_USAGE);
    assert_null(json);
}

static void a_guard_wants_a_call_and_a_role(void **state)
{
    (void)state;
    struct grpc_call *no_call = NULL;
    struct grpc_call *any = (struct grpc_call *)&plugin; /* is not looked at */
    assert_int_equal(plugin->guard_call(instance, NK_PEER_IS_CLIENT, no_call, NULL), NK_E_USAGE);
    assert_int_equal(plugin->guard_call(NULL, NK_PEER_IS_CLIENT, any, NULL), NK_E_USAGE);
    assert_int_equal(plugin->guard_call(instance, 0, any, NULL), NK_E_USAGE);
    assert_int_equal(plugin->unguard_call(instance, any, NULL), NK_E_USAGE);
    assert_int_equal(plugin->reload(NULL, NULL), NK_E_USAGE);
}

static const struct claim {
    const char *claim;
    nk_status status;
} claims[] = {
    { "127.0.0.1", NK_OK },
    { "127.0.0.1:7000", NK_OK },
    { "node.example:1", NK_OK },
    { "NODE.example", NK_OK },
    { "[2001:db8::7]:7000", NK_OK },
    { "[2001:0db8:0::7]", NK_OK },
    { "2001:db8::7", NK_OK },
    { "127.0.0.2:7000", NK_E_PEER },
    { "sub.node.example", NK_E_PEER },
    { "any.wild.example", NK_E_PEER }, /* a pattern is nobody's address */
    { "*.wild.example", NK_E_PEER },
    { "127.0.0.1:", NK_E_PEER },
    { "127.0.0.1:7000x", NK_E_PEER },
    { "127.0.0.1:700000", NK_E_PEER },
    { "[127.0.0.1]x", NK_E_PEER },
    { "[2001:db8::7", NK_E_PEER },
    { "spiffe://example.org/node/a", NK_E_PEER },
    { "", NK_E_PEER },
    { ":7000", NK_E_PEER },
    { "[]", NK_E_PEER },
};

static void a_claim_is_held_against_the_certificate(void **state)
{
    (void)state;
    const nk_name names[] = {
        { .kind = NK_NAME_URI, .text = "spiffe://example.org/node/a" },
        { .kind = NK_NAME_IP, .text = "127.0.0.1" },
        { .kind = NK_NAME_DNS, .text = "node.example" },
        { .kind = NK_NAME_DNS, .text = "*.wild.example" },
        { .kind = NK_NAME_IP, .text = "2001:db8::7" },
    };
    const nk_peer peer = { .struct_size = sizeof(peer), .names = names, .names_len = 5 };
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        nk_error err = { .struct_size = sizeof(err) };
        nk_status status = plugin->check_claim(&peer, claims[i].claim, &err);
        if (status != claims[i].status) {
            fail_msg("\"%s\": %d %s", claims[i].claim, (int)status, err.text);
        }
        assert_int_equal(err.status, status);
    }
    assert_int_equal(plugin->check_claim(NULL, "a", NULL), NK_E_USAGE);
    assert_int_equal(plugin->check_claim(&peer, NULL, NULL), NK_E_USAGE);
}

static void what_comes_later_says_so(void **state)
{
    (void)state;
    char *untouched = leaf;
    char *text = untouched;
    assert_int_equal(plugin->status(instance, &text, NULL), NK_E_UNSUPPORTED);
    assert_int_equal(plugin->metrics(instance, &text, NULL), NK_E_UNSUPPORTED);
    assert_ptr_equal(text, untouched);
}

static void flags_that_are_not_known_are_refused(void **state)
{
    (void)state;
    nk_instance *ret = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_host host = good_host;
    host.flags = NK_HOST_TRUST_FOLDERS | 0x80000000u;
    assert_int_equal(plugin->open_file(&host, config_path, &ret, &err), NK_E_USAGE);
    assert_non_null(strstr(err.text, "nk_host.flags"));
    host.flags = NK_HOST_TRUST_FOLDERS;
    host.reserved_2 = 1;
    assert_int_equal(plugin->open_file(&host, config_path, &ret, NULL), NK_E_USAGE);
    /* a host of 0.2: whatever lies behind its struct; it has no set_identity for BoringSSL */
    host.struct_size = offsetof(nk_host, flags);
    assert_int_equal(plugin->open_file(&host, config_path, &ret, NULL),
                     BORINGSSL_CORE ? NK_E_UNSUPPORTED : NK_OK);
    assert_int_equal(plugin->close(ret, NULL), NK_OK);
}

static void a_newer_host_is_taken(void **state)
{
    (void)state;
    struct {
        nk_host host;
        void *since_some_later_version;
    } newer = { .host = good_host };
    nk_instance *ret = NULL;
    newer.host.struct_size = sizeof(newer);
    assert_int_equal(plugin->open_file(&newer.host, config_path, &ret, NULL), NK_OK);
    assert_int_equal(plugin->close(ret, NULL), NK_OK);
}

static void failure_leaves_deny_and_a_clean_queue(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    nk_verdict verdict = { .struct_size = sizeof(verdict), .decision = NK_ALLOW };
    ERR_raise(ERR_LIB_USER, 1); /* left behind by somebody else on this thread */
    assert_int_equal(
        plugin->check_peer(instance, NK_PEER_IS_CLIENT, NULL, "junk", 4, &verdict, NULL, &err),
        NK_E_PEER);
    assert_int_equal(verdict.decision, NK_DENY);
    assert_int_not_equal(ERR_GET_LIB(err.native), ERR_LIB_USER);
    ERR_clear_error();
}

static void check_peer_tells_why(void **state)
{
    (void)state;
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    char *json = NULL;
    assert_int_equal(plugin->check_peer(instance, NK_PEER_IS_SERVER, "127.0.0.1", leaf,
                                        strlen(leaf), &verdict, &json, NULL),
                     NK_OK);
    assert_int_equal(verdict.decision, NK_ALLOW);
    assert_string_equal(verdict.rule, "members");
    assert_string_equal(verdict.reason, "");
    assert_non_null(strstr(json, "members"));
    plugin->free_text(json);
    json = NULL;
    assert_int_equal(plugin->check_peer(instance, NK_PEER_IS_SERVER, "127.0.0.2", leaf,
                                        strlen(leaf), &verdict, &json, NULL),
                     NK_OK);
    assert_int_equal(verdict.decision, NK_DENY);
    assert_string_equal(verdict.reason, "name-mismatch");
    plugin->free_text(json);
}

static void credentials_after_grpc_init(void **state)
{
    (void)state;
    struct grpc_server_credentials *server = NULL;
    struct grpc_channel_credentials *channel = NULL;
    grpc_init();
    assert_int_equal(plugin->server_credentials(instance, &server, NULL), NK_OK);
    assert_int_equal(plugin->channel_credentials(instance, &channel, NULL), NK_OK);
    grpc_server_credentials_release(server);
    grpc_channel_credentials_release(channel);
    grpc_shutdown();
}

/* What a cleaner does to forgotten folders. gRPC would make a port that fails every handshake. */
static void clean(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strncmp(entry->d_name, "nodekey-", 8) == 0) {
            const char *ours = path_of("%s/%s", path, entry->d_name);
            assert_int_equal(unlink(path_of("%s/server.pem", ours)), 0);
            assert_int_equal(unlink(path_of("%s/client.pem", ours)), 0);
            assert_int_equal(rmdir(ours), 0);
        }
    }
    closedir(folder);
}

static void credentials_without_the_published_identity_are_refused(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    grpc_server_credentials *server = NULL;
    nk_instance *other = NULL;
    const char *runtime = path_of("%s/run", scratch_folder());
    assert_int_equal(mkdir(runtime, 0700), 0);
    setenv("RUNTIME_DIRECTORY", runtime, 1);
    assert_int_equal(plugin->open_file(&good_host, config_path, &other, &err), NK_OK);
    clean(runtime);
    grpc_init();
    assert_int_equal(plugin->server_credentials(other, &server, &err), NK_E_INTERNAL);
    assert_non_null(strstr(err.text, "somebody removed"));
    assert_null(server);
    grpc_shutdown();
    assert_int_equal(plugin->close(other, NULL), NK_OK);
}

/* A socket's name must fit into sun_path; a folder's need not. */
static void a_long_runtime_folder_is_fine(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    grpc_channel_credentials *channel = NULL;
    nk_instance *other = NULL;
    const char *runtime = path_of("%s/%0100d", scratch_folder(), 0);
    assert_int_equal(mkdir(runtime, 0700), 0);
    setenv("RUNTIME_DIRECTORY", runtime, 1);
    assert_int_equal(plugin->open_file(&good_host, config_path, &other, &err), NK_OK);
    grpc_init();
    if (plugin->channel_credentials(other, &channel, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    grpc_channel_credentials_release(channel);
    assert_int_equal(plugin->close(other, NULL), NK_OK);
    grpc_shutdown();
}

int main(void)
{
    ROWS_TEST(the_table_is_whole);
    ROWS_TEST(an_older_table_lacks_newer_members);
    ROWS_TEST(the_first_failure_wins);
    ROWS_TEST(a_call_that_fails_early_leaves_deny);
    ROWS_TEST(a_target_that_is_no_name_is_a_usage_error);
    ROWS_TEST(a_guard_wants_a_call_and_a_role);
    ROWS_TEST(a_claim_is_held_against_the_certificate);
    ROWS_TEST(what_comes_later_says_so);
    ROWS_TEST(flags_that_are_not_known_are_refused);
    ROWS_TEST(a_newer_host_is_taken);
    ROWS_TEST(failure_leaves_deny_and_a_clean_queue);
    ROWS_TEST(check_peer_tells_why);
    ROWS_TEST(credentials_after_grpc_init);
    if (!LATER_CORE) { /* which reads files */
        ROWS_TEST(credentials_without_the_published_identity_are_refused);
    }
    ROWS_TEST(a_long_runtime_folder_is_fine);
    return ROWS_RUN("abi", start, stop);
}
