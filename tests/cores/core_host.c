/* SPDX-License-Identifier: Apache-2.0
 * core_host CONFIG CALLS: a program that is linked with gRPC in one of the ways that there are. It
 * serves and dials itself, each call on a connection of its own, and prints "CORE: CALLS talked",
 * or what nodekey says. Ends by exit(), without close, if $CORE_HOST_LEAVES is set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>

#include "fixtures/wire/rpc.h"
#include "nodekey/load.h"
#ifdef CORE_IS_STATIC
#include "nodekey/core.h"
#endif

#define CALL_MS 20000

static void print_line(void *data, int32_t level, const char *line)
{
    (void)data;
    if (level <= NK_LOG_WARNING) {
        fprintf(stderr, "%s\n", line);
    }
}

static int say(const nk_error *err)
{
    printf("refused %d %s\n", (int)err->status, err->text);
    return 3;
}

static int talk(grpc_server_credentials *inbound, grpc_channel_credentials *outbound, int calls)
{
    struct rpc_server *server = rpc_server_start(inbound, 2, NULL, NULL);
    int done = 0;

    while (done < calls) {
        grpc_channel *channel = rpc_channel(outbound, rpc_server_address(server));
        struct rpc_result result = rpc_call(channel, CALL_MS);
        grpc_channel_destroy(channel);
        if (!result.ok) {
            printf("call %d: %d %s\n", done, (int)result.status, result.details);
            break;
        }
        done++;
    }
    rpc_server_stop(server);
    printf("%s: %d talked\n", grpc_version_string(), done);
    return done == calls ? 0 : 1;
}

int main(int argc, char **argv)
{
    nk_error err = { .struct_size = sizeof(err) };
    const nk_plugin *nk = nk_load(getenv("NODEKEY_MODULE"), &err);
    nk_host host = { .struct_size = sizeof(host),
                     .grpc_version = grpc_version_string,
                     .log = print_line };
    nk_instance *node = NULL;
    grpc_server_credentials *inbound = NULL;
    grpc_channel_credentials *outbound = NULL;

#ifdef CORE_IS_STATIC
    host.symbol = nk_core_symbol;
#endif
    grpc_init();
    if (argc != 3 || nk == NULL || nk->open_file(&host, argv[1], &node, &err) != NK_OK ||
        nk->server_credentials(node, &inbound, &err) != NK_OK ||
        nk->channel_credentials(node, &outbound, &err) != NK_OK) {
        return say(&err);
    }
    int end = talk(inbound, outbound, atoi(argv[2]));
    if (getenv("CORE_HOST_LEAVES") != NULL) {
        exit(end);
    }
    grpc_server_credentials_release(inbound);
    grpc_channel_credentials_release(outbound);
    nk->close(node, NULL);
    grpc_shutdown();
    return end;
}
