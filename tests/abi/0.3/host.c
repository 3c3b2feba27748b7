/* SPDX-License-Identifier: Apache-2.0
 * host CONFIG LEAF: a program of ABI 0.3, kept as it was with the plugin.h beside it. It serves
 * itself one call, asks all that the table has of 0.3, and prints a line for each answer. Neither
 * this file nor that header is changed any more: what fails here breaks programs that exist. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "fixtures/wire/rpc.h"
#include "plugin.h"

#define PEM_BYTES 65536

static const nk_plugin *nk;
static nk_instance *node;

static void log_line(void *data, int32_t level, const char *line)
{
    (void)data;
    if (level <= NK_LOG_ERROR) {
        printf("log: %s\n", line);
    }
}

static nk_status allow(void *data, const nk_peer *peer, nk_verdict *verdict)
{
    ++*(int *)data;
    verdict->decision = NK_HAS(nk_peer, peer, rule) && peer->names_len > 0 ? NK_ALLOW : NK_DENY;
    return NK_OK;
}

static void count_event(void *data, const char *name, const char *json)
{
    (void)data;
    if (name[0] == '\0' || json[0] != '{') {
        printf("event: \"%s\" %s\n", name, json);
    }
}

static void need(nk_status status, const char *what, const nk_error *err)
{
    if (status != NK_OK) {
        printf("%s: %d %s\n", what, (int)status, err->text);
        exit(1);
    }
}

/* In the server's handler: who calls, and a guard for as long as the call lasts. */
static void meet_peer(void *user, grpc_call *call)
{
    nk_error err = { .struct_size = sizeof(err) };
    grpc_auth_context *context = grpc_call_auth_context(call);
    nk_peer *peer = NULL;

    (void)user;
    need(nk->peer_identity(node, NK_PEER_IS_CLIENT, context, &peer, &err), "peer_identity", &err);
    grpc_auth_context_release(context);
    printf("peer: %s, admitted by %s, %zu names\n", peer->names[0].text, peer->rule,
           peer->names_len);
    printf("claims: %d %d\n", (int)nk->check_claim(peer, "127.0.0.1:7000", NULL),
           (int)nk->check_claim(peer, "10.1.2.3", NULL));
    nk->free_peer(peer);
    need(nk->guard_call(node, NK_PEER_IS_CLIENT, call, &err), "guard_call", &err);
    need(nk->unguard_call(node, call, &err), "unguard_call", &err);
    printf("guarded\n");
}

static void serve_itself(void)
{
    nk_error err = { .struct_size = sizeof(err) };
    grpc_server_credentials *inbound = NULL;
    grpc_channel_credentials *outbound = NULL;

    need(nk->server_credentials(node, &inbound, &err), "server_credentials", &err);
    need(nk->channel_credentials(node, &outbound, &err), "channel_credentials", &err);
    struct rpc_server *server = rpc_server_start(inbound, 2, meet_peer, NULL);
    struct rpc_result result = rpc_dial(outbound, rpc_server_address(server), RPC_DEADLINE_MS);
    printf("call: %s\n", result.ok ? "ok" : result.details);
    rpc_server_stop(server);
    grpc_server_credentials_release(inbound);
    grpc_channel_credentials_release(outbound);
}

static void judge(const char *path)
{
    static char pem[PEM_BYTES];
    nk_error err = { .struct_size = sizeof(err) };
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    char *json = NULL;
    FILE *file = fopen(path, "r");
    size_t len = file != NULL ? fread(pem, 1, sizeof(pem), file) : 0;

    need(nk->check_peer(node, NK_PEER_IS_SERVER, "127.0.0.1", pem, len, &verdict, &json, &err),
         "check_peer", &err);
    printf("verdict: %u by %s, explained: %d\n", verdict.decision, verdict.rule,
           json != NULL && json[0] == '{');
    nk->free_text(json);
    need(nk->check_peer(node, NK_PEER_IS_SERVER, "10.1.2.3", pem, len, &verdict, NULL, &err),
         "check_peer", &err);
    printf("verdict: %u, %s\n", verdict.decision, verdict.reason);
    if (file != NULL) {
        fclose(file);
    }
}

static const nk_plugin *load(void)
{
    void *module = dlopen(getenv("NODEKEY_MODULE"), RTLD_NOW | RTLD_LOCAL);
    nk_entry_fn entry = NULL;

    if (module != NULL) {
        *(void **)&entry = dlsym(module, NK_ENTRY_SYMBOL);
    }
    const nk_plugin *table = entry != NULL ? entry() : NULL;
    return table != NULL && table->abi_major == NK_ABI_MAJOR && table->abi_minor >= NK_ABI_MINOR &&
                   NK_HAS(nk_plugin, table, check_claim)
               ? table
               : NULL;
}

int main(int argc, char **argv)
{
    nk_error err = { .struct_size = sizeof(err) };
    int asked = 0;
    nk_host host = { .struct_size = sizeof(host),
                     .host_data = &asked,
                     .grpc_version = grpc_version_string,
                     .log = log_line,
                     .verify_peer = allow,
                     .event = count_event };

    nk = load();
    if (argc != 3 || nk == NULL) {
        printf("no plugin of this ABI\n");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    grpc_init();
    printf("absent: %d\n", (int)nk->open_file(&host, "/nonexistent", &node, NULL));
    need(nk->open_file(&host, argv[1], &node, &err), "open_file", &err);
    serve_itself();
    judge(argv[2]);
    need(nk->reload(node, &err), "reload", &err);
    printf("asked: %s\n", asked >= 2 ? "both ends" : "not both ends");
    need(nk->close(node, &err), "close", &err);
    grpc_shutdown();
    printf("closed\n");
    return 0;
}
