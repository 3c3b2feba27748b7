/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include <grpc/grpc.h>
#include <grpc/support/time.h>

#include "report.h"

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

nk_status keeper_start(grpc_server_credentials *credentials, const char *path,
                       struct keeper **ret_keeper, nk_error *err)
{
    char address[sizeof(((struct sockaddr_un *)NULL)->sun_path) + sizeof("unix:")];

    int len = snprintf(address, sizeof(address), "unix:%s", path);
    if (len >= (int)sizeof(address) - 1) {
        grpc_server_credentials_release(credentials);
        return report(err, NK_E_INTERNAL,
                      "%s is too long a name for a socket; set RUNTIME_DIRECTORY to a shorter one",
                      path);
    }
    struct keeper *keeper = make(credentials);
    if (keeper == NULL) {
        grpc_server_credentials_release(credentials);
        return report(err, NK_E_NOMEM, "out of memory");
    }
    if (grpc_server_add_http2_port(keeper->server, address, credentials) == 0) {
        keeper_stop(keeper);
        return report(err, NK_E_INTERNAL, "gRPC cannot listen on %s", path);
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
