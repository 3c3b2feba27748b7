/* SPDX-License-Identifier: Apache-2.0
 * dump_child CONFIG MARKER: a node that signs in a loop, one handshake after the other with itself,
 * until its stdin ends. The heap holds the marker backwards: what a search of its core must find.
 * Prints "signing" once it has logged in twice and signed after both. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixtures/plugin_host.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"
#include "fixtures/wire/rpc.h"

static atomic_bool over;

static void need(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "dump_child: %s\n", what);
        exit(1);
    }
}

static void print_log(void *host_data, int32_t level, const char *line)
{
    (void)host_data;
    fprintf(stderr, "log %d: %s\n", (int)level, line);
}

static char *backwards(const char *text)
{
    size_t len = strlen(text);
    char *copy = calloc(1, len + 1);
    need(copy != NULL, "memory");
    for (size_t i = 0; i < len; i++) {
        copy[i] = text[len - 1 - i];
    }
    return copy;
}

/* Another user of the module logs all out, so that the PIN is read and sent again. */
static void log_out(void)
{
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, "alice", 0);
    need(softhsm->C_Logout(session) == CKR_OK, "C_Logout");
    softhsm->C_CloseSession(session);
}

static void *wait_for_end(void *unused)
{
    char nothing = 0;
    (void)!read(STDIN_FILENO, &nothing, sizeof(nothing));
    atomic_store(&over, true);
    return unused;
}

static bool dial(grpc_channel_credentials *credentials, const struct rpc_server *server)
{
    return rpc_dial(credentials, rpc_server_address(server), RPC_DEADLINE_MS).ok;
}

int main(int argc, char **argv)
{
    const nk_host host = { .struct_size = sizeof(host),
                           .grpc_version = grpc_version_string,
                           .log = print_log };
    const nk_plugin *plugin = plugin_load();
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;
    grpc_server_credentials *for_server = NULL;
    grpc_channel_credentials *for_channel = NULL;
    pthread_t waiter;

    need(argc == 3, "usage: dump_child CONFIG MARKER");
    char *marker = backwards(argv[2]);
    grpc_init();
    need(plugin->open_file(&host, argv[1], &instance, &err) == NK_OK &&
             plugin->server_credentials(instance, &for_server, &err) == NK_OK &&
             plugin->channel_credentials(instance, &for_channel, &err) == NK_OK,
         err.text);
    struct rpc_server *server = rpc_server_start(for_server, 2, NULL, NULL);
    need(dial(for_channel, server), "the first handshake");
    log_out();
    need(dial(for_channel, server), "the handshake after a logout");
    need(pthread_create(&waiter, NULL, wait_for_end, NULL) == 0, "thread");
    need(puts("signing") >= 0 && fflush(stdout) == 0, "stdout");
    while (!atomic_load(&over)) {
        (void)dial(for_channel, server); /* a debugger may stop one for longer than it may take */
    }
    pthread_join(waiter, NULL);
    rpc_server_stop(server);
    grpc_server_credentials_release(for_server);
    grpc_channel_credentials_release(for_channel);
    plugin->close(instance, &err);
    rpc_shutdown();
    free(marker);
    return 0;
}
