/* SPDX-License-Identifier: Apache-2.0
 * guest_child openssl-first|plugin-first CONFIG: a program that uses OpenSSL for itself, before,
 * during and after it is a node. Prints "<stage> same" or what differs; nothing here touches
 * OpenSSL before the stage that is first. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/guest_crypto.h"
#include "fixtures/plugin_host.h"
#include "fixtures/wire/rpc.h"

static bool all_same = true;

static void stage(const char *name)
{
    char *report = guest_crypto();
    bool same = strcmp(report, guest_crypto_expected) == 0;
    printf("%s %s\n", name, same ? "same" : report);
    all_same = all_same && same;
    free(report);
}

static void need(bool holds, const char *what)
{
    if (!holds) {
        printf("guest_child: %s\n", what);
        exit(1);
    }
}

struct storm {
    grpc_channel_credentials *credentials;
    const char *address;
    atomic_bool enough;
};

static void *dial(void *arg)
{
    struct storm *storm = arg;
    do {
        struct rpc_result result = rpc_dial(storm->credentials, storm->address, RPC_DEADLINE_MS);
        need(result.ok, result.details);
    } while (!storm->enough);
    return NULL;
}

int main(int argc, char **argv)
{
    nk_host host = recording_host(recorder_new());
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;
    grpc_server_credentials *server_credentials = NULL;
    struct storm storm = { .enough = false };
    pthread_t thread;

    need(argc == 3, "usage: guest_child ORDER CONFIG");
    if (strcmp(argv[1], "openssl-first") == 0) {
        stage("before");
    }
    grpc_init();
    const nk_plugin *plugin = plugin_load();
    need(plugin->open_file(&host, argv[2], &instance, &err) == NK_OK, err.text);
    stage("opened");
    need(plugin->server_credentials(instance, &server_credentials, &err) == NK_OK, err.text);
    need(plugin->channel_credentials(instance, &storm.credentials, &err) == NK_OK, err.text);
    struct rpc_server *server = rpc_server_start(server_credentials, 2, NULL, NULL);
    storm.address = rpc_server_address(server);
    need(pthread_create(&thread, NULL, dial, &storm) == 0, "pthread_create");
    stage("during");
    storm.enough = true;
    pthread_join(thread, NULL);
    rpc_server_stop(server);
    grpc_server_credentials_release(server_credentials);
    grpc_channel_credentials_release(storm.credentials);
    need(plugin->close(instance, &err) == NK_OK, err.text);
    stage("closed");
    rpc_shutdown();
    stage("after");
    return all_same ? 0 : 1;
}
