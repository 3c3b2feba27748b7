/* SPDX-License-Identifier: Apache-2.0
 * exit_child ORDER CONFIG: a node that has served itself one call ends in this order, with code 7.
 * Whatever goes wrong before is code 1; a hang is SIGALRM. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/auto.h"
#include "fixtures/plugin_host.h"
#include "fixtures/wire/rpc.h"

#define CODE 7
#define HUNG_S 30
#define STORM_THREADS 8
#define STORM_MS 60

static const nk_plugin *plugin;
static nk_instance *instance;
static grpc_server_credentials *server_credentials;
static grpc_channel_credentials *channel_credentials;
static struct rpc_server *server;

static void need(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "exit_child: %s\n", what);
        _exit(1);
    }
}

static void start(const char *config)
{
    static nk_host host;
    nk_error err = { .struct_size = sizeof(err) };
    grpc_init();
    plugin = plugin_load();
    host = recording_host(recorder_new());
    need(plugin->open_file(&host, config, &instance, &err) == NK_OK, err.text);
    need(plugin->server_credentials(instance, &server_credentials, &err) == NK_OK, err.text);
    need(plugin->channel_credentials(instance, &channel_credentials, &err) == NK_OK, err.text);
    server = rpc_server_start(server_credentials, STORM_THREADS, NULL, NULL);
    struct rpc_result result =
        rpc_dial(channel_credentials, rpc_server_address(server), RPC_DEADLINE_MS);
    need(result.ok, result.details);
}

static void release(void)
{
    grpc_server_credentials_release(server_credentials);
    grpc_channel_credentials_release(channel_credentials);
}

static void close_instance(void)
{
    nk_error err = { .struct_size = sizeof(err) };
    need(plugin->close(instance, &err) == NK_OK, err.text);
}

static void close_then_shutdown(void)
{
    rpc_server_stop(server);
    release();
    close_instance();
    grpc_shutdown();
}

static void shutdown_then_close(void)
{
    rpc_server_stop(server);
    release();
    grpc_shutdown();
    close_instance();
}

static void shutdown_and_wait_then_close(void)
{
    rpc_server_stop(server);
    release();
    grpc_shutdown_blocking();
    close_instance();
}

static void close_without_shutdown(void)
{
    rpc_server_stop(server);
    release();
    close_instance();
}

static void shutdown_without_close(void)
{
    rpc_server_stop(server);
    release();
    grpc_shutdown();
}

static void nothing_at_all(void)
{
}

static void close_under_a_running_server(void)
{
    close_instance();
}

static void credentials_alive(void)
{
    rpc_server_stop(server);
    close_instance();
    grpc_shutdown();
}

static void release_after_close_and_shutdown(void)
{
    rpc_server_stop(server);
    close_instance();
    grpc_shutdown();
    release();
}

static void *exit_here(void *unused)
{
    (void)unused;
    exit(CODE);
}

static void exit_from_a_second_thread(void)
{
    pthread_t thread;
    need(pthread_create(&thread, NULL, exit_here, NULL) == 0, "pthread_create");
    for (;;) {
        pause();
    }
}

static struct {
    pthread_t threads[STORM_THREADS];
    atomic_bool enough;
} storm;

static void *dial_on(void *unused)
{
    while (!storm.enough) {
        rpc_dial(channel_credentials, rpc_server_address(server), RPC_DEADLINE_MS);
    }
    return unused;
}

/* Both ends of each handshake sign here: the pollers and the dialling threads are in C_Sign. */
static void start_storm(void)
{
    for (int i = 0; i < STORM_THREADS; i++) {
        need(pthread_create(&storm.threads[i], NULL, dial_on, NULL) == 0, "pthread_create");
    }
    nanosleep(&(struct timespec){ .tv_nsec = STORM_MS * 1000000L }, NULL);
}

static void eight_threads_signing(void)
{
    start_storm();
}

static void close_under_eight_threads_signing(void)
{
    start_storm();
    close_instance();
    storm.enough = true;
    for (int i = 0; i < STORM_THREADS; i++) {
        pthread_join(storm.threads[i], NULL);
    }
}

/* With keys in files a gRPC that goes on through OpenSSL's cleanup crashes in one run of five. */
static void close_while_eight_dial_on(void)
{
    start_storm();
    close_instance();
}

static void exit_from_a_second_thread_while_eight_sign(void)
{
    start_storm();
    exit_from_a_second_thread();
}

/* gRPC's threads use OpenSSL until the end. Version 4 cleans up nothing at exit. */
#if OPENSSL_VERSION_MAJOR < 4
static void cleaned_up(void)
{
    need(false, "OpenSSL was cleaned up under gRPC");
}

static void openssl_is_kept(void)
{
    need(OPENSSL_atexit(cleaned_up) == 1, "OPENSSL_atexit");
}
#else
static void openssl_is_kept(void)
{
}
#endif

static const struct order {
    const char *name;
    void (*run)(void);
} orders[] = {
    { "close-then-shutdown", close_then_shutdown },
    { "shutdown-then-close", shutdown_then_close },
    { "shutdown-and-wait-then-close", shutdown_and_wait_then_close },
    { "close-without-shutdown", close_without_shutdown },
    { "shutdown-without-close", shutdown_without_close },
    { "nothing-at-all", nothing_at_all },
    { "close-under-a-running-server", close_under_a_running_server },
    { "credentials-alive", credentials_alive },
    { "release-after-close-and-shutdown", release_after_close_and_shutdown },
    { "exit-from-a-second-thread", exit_from_a_second_thread },
    { "eight-threads-signing", eight_threads_signing },
    { "close-under-eight-threads-signing", close_under_eight_threads_signing },
    { "close-while-eight-dial-on", close_while_eight_dial_on },
    { "openssl-is-kept", openssl_is_kept },
    { "exit-from-a-second-thread-while-eight-sign", exit_from_a_second_thread_while_eight_sign },
};

int main(int argc, char **argv)
{
    alarm(HUNG_S);
    need(argc == 3, "usage: exit_child ORDER CONFIG");
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        if (strcmp(orders[i].name, argv[1]) == 0) {
            start(argv[2]);
            orders[i].run();
            exit(CODE); /* not a return: the storm's threads go on */
        }
    }
    need(false, "no such order");
}
