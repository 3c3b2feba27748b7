/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/watch_keepalive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>

#include "base/report.h"
#include "grpc/core.h"

#define ADDRESS_BYTES 160 /* a scheme and sun_path */
#define ABSTRACT_BYTES 64 /* "/nodekey-PID-XXXXXX/watch" and more */

struct keepalive {
    grpc_server *server;
    grpc_completion_queue *queue;
    grpc_server_credentials *credentials;
};

static struct keepalive *make_keepalive(grpc_server_credentials *credentials)
{
    struct keepalive *keepalive = calloc(1, sizeof(*keepalive));

    if (keepalive == NULL) {
        return NULL;
    }
    core()->grpc_init();
    keepalive->credentials = credentials;
    keepalive->queue = core()->grpc_completion_queue_create_for_pluck(NULL);
    keepalive->server = core()->grpc_server_create(NULL, NULL);
    core()->grpc_server_register_completion_queue(keepalive->server, keepalive->queue, NULL);
    return keepalive;
}

/* A path that does not fit gives way to an abstract name, its end: that has the folder's random
 * part. Anybody may then connect, but nothing ever accepts. */
static void name_socket(const char *path, char *address, size_t room)
{
    if (path == NULL) {
        uint64_t name[2] = { 0 };
        (void)!getrandom(name, sizeof(name), 0); /* one that is taken fails to listen */
        snprintf(address, room, "unix-abstract:nodekey-%016" PRIx64 "%016" PRIx64, name[0],
                 name[1]);
        return;
    }
    size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    size_t len = strlen(path);

    if (len <= longest) {
        snprintf(address, room, "unix:%s", path);
    } else {
        snprintf(address, room, "unix-abstract:%s", path + len - ABSTRACT_BYTES);
    }
}

nk_status watch_keepalive_start(grpc_server_credentials *credentials, const char *path,
                                struct keepalive **ret_keepalive, nk_error *err)
{
    char address[ADDRESS_BYTES];

    name_socket(path, address, sizeof(address));
    struct keepalive *keepalive = make_keepalive(credentials);
    if (keepalive == NULL) {
        core()->grpc_server_credentials_release(credentials);
        return report(err, NK_E_NOMEM, "out of memory");
    }
    if (core()->grpc_server_add_http2_port(keepalive->server, address, credentials) == 0) {
        watch_keepalive_stop(keepalive);
        return report(err, NK_E_INTERNAL, "gRPC cannot listen on %s", address);
    }
    *ret_keepalive = keepalive;
    return NK_OK;
}

void watch_keepalive_stop(struct keepalive *keepalive)
{
    if (keepalive == NULL) {
        return;
    }
    core()->grpc_server_shutdown_and_notify(keepalive->server, keepalive->queue, keepalive);
    (void)core()->grpc_completion_queue_pluck(keepalive->queue, keepalive,
                                              core()->gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    core()->grpc_server_destroy(keepalive->server);
    core()->grpc_completion_queue_shutdown(keepalive->queue);
    core()->grpc_completion_queue_destroy(keepalive->queue);
    core()->grpc_server_credentials_release(keepalive->credentials);
    free(keepalive);
    core()->grpc_shutdown();
}
