/* SPDX-License-Identifier: Apache-2.0
 * Callers that break the contract of plugin.h get NK_E_USAGE, never a crash. Nobody calls grpc_init
 * in this program. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "contract/opened.h"
#include "fixtures/rows.h"

/* Each of these must answer, not crash; and it must leave *ret alone. */
static nk_status open_without_host(nk_error *err)
{
    nk_instance *ret = NULL;
    return plugin->open_file(NULL, config_path, &ret, err);
}

static nk_status open_with_short_host(nk_error *err)
{
    nk_instance *ret = NULL;
    nk_host host = good_host;
    host.struct_size = 4;
    return plugin->open_file(&host, config_path, &ret, err);
}

static nk_status open_with_reserved(nk_error *err)
{
    nk_instance *ret = NULL;
    nk_host host = good_host;
    host.reserved = 1;
    return plugin->open_file(&host, config_path, &ret, err);
}

static nk_status open_without_path(nk_error *err)
{
    nk_instance *ret = NULL;
    return plugin->open_file(&good_host, NULL, &ret, err);
}

static nk_status open_without_ret(nk_error *err)
{
    return plugin->open_file(&good_host, config_path, NULL, err);
}

static nk_status open_text_without_text(nk_error *err)
{
    nk_instance *ret = NULL;
    return plugin->open_text(&good_host, NULL, federation.folder, &ret, err);
}

static nk_status open_text_without_folder(nk_error *err)
{
    nk_instance *ret = NULL;
    return plugin->open_text(&good_host, "{}", NULL, &ret, err);
}

static nk_status server_without_instance(nk_error *err)
{
    struct grpc_server_credentials *ret = NULL;
    return plugin->server_credentials(NULL, &ret, err);
}

static nk_status server_without_ret(nk_error *err)
{
    return plugin->server_credentials(instance, NULL, err);
}

static nk_status channel_without_instance(nk_error *err)
{
    struct grpc_channel_credentials *ret = NULL;
    return plugin->channel_credentials(NULL, &ret, err);
}

static nk_status channel_without_ret(nk_error *err)
{
    return plugin->channel_credentials(instance, NULL, err);
}

static nk_status server_before_grpc_init(nk_error *err)
{
    struct grpc_server_credentials *ret = NULL;
    return plugin->server_credentials(instance, &ret, err);
}

static nk_status channel_before_grpc_init(nk_error *err)
{
    struct grpc_channel_credentials *ret = NULL;
    return plugin->channel_credentials(instance, &ret, err);
}

static nk_status check_without_instance(nk_error *err)
{
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    return plugin->check_peer(NULL, NK_PEER_IS_CLIENT, NULL, leaf, strlen(leaf), &verdict, NULL,
                              err);
}

static nk_status check_without_verdict(nk_error *err)
{
    return plugin->check_peer(instance, NK_PEER_IS_CLIENT, NULL, leaf, strlen(leaf), NULL, NULL,
                              err);
}

static nk_status check_with_short_verdict(nk_error *err)
{
    nk_verdict verdict = { .struct_size = offsetof(nk_verdict, rule) };
    return plugin->check_peer(instance, NK_PEER_IS_CLIENT, NULL, leaf, strlen(leaf), &verdict, NULL,
                              err);
}

static nk_status check_with_no_role(nk_error *err)
{
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    return plugin->check_peer(instance, 0, NULL, leaf, strlen(leaf), &verdict, NULL, err);
}

static nk_status check_without_pem(nk_error *err)
{
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    return plugin->check_peer(instance, NK_PEER_IS_CLIENT, NULL, NULL, 1, &verdict, NULL, err);
}

static nk_status identity_without_context(nk_error *err)
{
    nk_peer *ret = NULL;
    return plugin->peer_identity(instance, NK_PEER_IS_CLIENT, NULL, &ret, err);
}

static nk_status identity_without_instance(nk_error *err)
{
    nk_peer *ret = NULL;
    return plugin->peer_identity(NULL, NK_PEER_IS_CLIENT, NULL, &ret, err);
}

static const struct misuse {
    const char *name;
    nk_status (*call)(nk_error *err);
} misuses[] = {
    { "open without host", open_without_host },
    { "open with a host too short for any member", open_with_short_host },
    { "open with reserved bits", open_with_reserved },
    { "open without path", open_without_path },
    { "open without ret", open_without_ret },
    { "open_text without text", open_text_without_text },
    { "open_text without folder", open_text_without_folder },
    { "server credentials without instance", server_without_instance },
    { "server credentials without ret", server_without_ret },
    { "channel credentials without instance", channel_without_instance },
    { "channel credentials without ret", channel_without_ret },
    { "server credentials before grpc_init", server_before_grpc_init },
    { "channel credentials before grpc_init", channel_before_grpc_init },
    { "check_peer without instance", check_without_instance },
    { "check_peer without verdict", check_without_verdict },
    { "check_peer with a short verdict", check_with_short_verdict },
    { "check_peer with no role", check_with_no_role },
    { "check_peer without pem", check_without_pem },
    { "peer_identity without context", identity_without_context },
    { "peer_identity without instance", identity_without_instance },
};

static void check_misuse(void **state)
{
    const struct misuse *misuse = *state;
    nk_error err = { .struct_size = sizeof(err) };
    nk_error short_err = { .struct_size = offsetof(nk_error, text) };
    assert_int_equal(misuse->call(&err), NK_E_USAGE);
    assert_int_equal(err.status, NK_E_USAGE);
    assert_true(strlen(err.text) > 0);
    assert_int_equal(misuse->call(NULL), NK_E_USAGE);
    assert_int_equal(misuse->call(&short_err), NK_E_USAGE);
    assert_int_equal(short_err.status, NK_OK);
}

static void null_may_be_released(void **state)
{
    (void)state;
    assert_int_equal(plugin->close(NULL, NULL), NK_OK);
    plugin->free_text(NULL);
    plugin->free_peer(NULL);
}

int main(void)
{
    ROWS_OF(misuses, check_misuse)
    ROWS_TEST(null_may_be_released);
    return ROWS_RUN("misuse", start, stop);
}
