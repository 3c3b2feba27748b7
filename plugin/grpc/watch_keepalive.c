/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/watch_keepalive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <grpc/grpc.h>
#include <grpc/support/time.h>

#include "base/report.h"

#define ADDRESS_BYTES 160 /* a scheme and sun_path */
#define ABSTRACT_BYTES 64 /* "/nodekey-PID-XXXXXX/watch" and more */

struct keeper {
    grpc_server *server;
    grpc_completion_queue *queue;
    grpc_server_credentials *credentials;
};

static struct keeper *make(grpc_server_credentials *credentials)
{
    struct keeper *keeper = calloc(1, sizeof(*keeper));

    if (keeper == NULL) {
        return NULL;
    }
    grpc_init();
    keeper->credentials = credentials;
    keeper->queue = grpc_completion_queue_create_for_pluck(NULL);
    keeper->server = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(keeper->server, keeper->queue, NULL);
    return keeper;
}

/* A path that does not fit gives way to an abstract name, its end: that has the folder's random
 * part. Anybody may then connect, but nothing ever accepts. */
static void name_socket(const char *path, char *address, size_t room)
{
    size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    size_t len = strlen(path);

    if (len <= longest) {
        snprintf(address, room, "unix:%s", path);
    } else {
        snprintf(address, room, "unix-abstract:%s", path + len - ABSTRACT_BYTES);
    }
}

nk_status keeper_start(grpc_server_credentials *credentials, const char *path,
                       struct keeper **ret_keeper, nk_error *err)
{
    char address[ADDRESS_BYTES];

    name_socket(path, address, sizeof(address));
    struct keeper *keeper = make(credentials);
    if (keeper == NULL) {
        grpc_server_credentials_release(credentials);
        return report(err, NK_E_NOMEM, "out of memory");
    }
    if (grpc_server_add_http2_port(keeper->server, address, credentials) == 0) {
        keeper_stop(keeper);
        return report(err, NK_E_INTERNAL, "gRPC cannot listen on %s", address);
    }
    *ret_keeper = keeper;
    return NK_OK;
}

void keeper_stop(struct keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    grpc_server_shutdown_and_notify(keeper->server, keeper->queue, keeper);
    (void)grpc_completion_queue_pluck(keeper->queue, keeper, gpr_inf_future(GPR_CLOCK_REALTIME),
                                      NULL);
    grpc_server_destroy(keeper->server);
    grpc_completion_queue_shutdown(keeper->queue);
    grpc_completion_queue_destroy(keeper->queue);
    grpc_server_credentials_release(keeper->credentials);
    free(keeper);
    grpc_shutdown();
}
