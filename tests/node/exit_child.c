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
#include "base/clock.h"
#include "fixtures/plugin_host.h"
#include "fixtures/wire/rpc.h"

#define CODE 7
#define HUNG_S 30
#define STORM_THREADS 8
#define STORM_MS 60
#define RSA_PKCS1_SHA256 0x0401 /* a TLS SignatureScheme */

static const nk_plugin *plugin;
static nk_instance *instance;
static grpc_server_credentials *server_credentials;
static grpc_channel_credentials *channel_credentials;
static struct rpc_server *server;
static char *server_address;

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
    server_address = strdup(rpc_server_address(server)); /* dialled after it has stopped, too */
    need(server_address != NULL, "strdup");
    struct rpc_result result = rpc_dial(channel_credentials, server_address, RPC_DEADLINE_MS);
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

static void wait_for_exit(void)
{
    for (;;) {
        pause();
    }
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
    wait_for_exit();
}

static struct {
    pthread_t threads[STORM_THREADS];
    atomic_bool enough;
} storm;

static void *dial_on(void *unused)
{
    while (!storm.enough) {
        rpc_dial(channel_credentials, server_address, RPC_DEADLINE_MS);
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

/* --- signatures that were started, in the queue and inside C_Sign --- */

#define STARTED 40
#define CANCEL_EACH 3

static nk_signer *signers[2];
static atomic_llong exit_began_ms; /* 0: how long it takes is not looked at */
static const uint8_t text[] = "what TLS 1.2 signs";

/* Refused where the instance is closed by now. */
static nk_signing *start_signature(nk_signer *signer, nk_sign_done *done)
{
    nk_signing *signing = NULL;

    (void)plugin->sign_start(signer, RSA_PKCS1_SHA256, text, sizeof(text), done, signer, &signing,
                             NULL);
    return signing;
}

static void ignore_answer(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    (void)arg, (void)signature, (void)len, (void)err;
}

static void take_signers(void)
{
    need(plugin->signer(instance, NK_PEER_IS_CLIENT, &signers[0], NULL) == NK_OK &&
             plugin->signer(instance, NK_PEER_IS_SERVER, &signers[1], NULL) == NK_OK,
         "signer");
}

/* Handles of the first half are kept, as by a handshake that waits. */
static void start_all(nk_sign_done *done)
{
    take_signers();
    for (int i = 0; i < STARTED; i++) {
        nk_signing *signing = start_signature(signers[i % 2], done);
        if (i > STARTED / 2) {
            plugin->signing_free(signing);
        }
    }
}

/* The plugin waits at most so long for who never leaves: here nobody is to be waited for. */
#define GIVEN_UP_MS 1900

static void look_at_exit(void)
{
    need(exit_began_ms == 0 || clock_now_ms() - exit_began_ms < GIVEN_UP_MS,
         "exit waited for a signature that nobody makes");
}

static void signatures_under_way(void)
{
    start_all(ignore_answer);
    exit_began_ms = clock_now_ms();
}

static void close_under_signatures(void)
{
    start_all(ignore_answer);
    close_instance();
}

static void shutdown_under_signatures(void)
{
    start_all(ignore_answer);
    shutdown_without_close();
}

static void shutdown_then_signatures(void)
{
    shutdown_without_close();
    start_all(ignore_answer);
}

static void exit_inside(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    static atomic_flag exits = ATOMIC_FLAG_INIT;

    (void)arg, (void)signature, (void)len, (void)err;
    if (!atomic_flag_test_and_set(&exits)) { /* two threads in exit at once are the host's fault */
        exit_began_ms = clock_now_ms();
        exit(CODE);
    }
}

static void exit_in_a_call_back(void)
{
    start_all(exit_inside);
    wait_for_exit();
}

static void exit_in_the_call_back_of_a_cancel(void)
{
    start_all(ignore_answer);
    plugin->sign_cancel(start_signature(signers[0], exit_inside));
    wait_for_exit();
}

static void start_next(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    (void)signature, (void)len, (void)err;
    plugin->signing_free(start_signature(arg, start_next));
}

static void call_backs_start_more(void)
{
    start_all(start_next);
    nanosleep(&(struct timespec){ .tv_nsec = STORM_MS * 1000000L }, NULL);
    exit_began_ms = clock_now_ms();
}

static void close_while_call_backs_start_more(void)
{
    call_backs_start_more();
    exit_began_ms = 0;
    close_instance();
}

static void exit_from_a_second_thread_while_call_backs_start_more(void)
{
    call_backs_start_more();
    exit_from_a_second_thread();
}

static void *start_and_cancel_on(void *signer)
{
    for (;;) {
        nk_signing *signing = start_signature(signer, ignore_answer);
        for (int i = 0; i < CANCEL_EACH; i++) {
            plugin->sign_cancel(signing);
        }
        plugin->signing_free(signing);
    }
    return NULL;
}

static void two_start_and_cancel(void)
{
    pthread_t threads[2];

    take_signers();
    for (int i = 0; i < 2; i++) {
        need(pthread_create(&threads[i], NULL, start_and_cancel_on, signers[i]) == 0,
             "pthread_create");
    }
    nanosleep(&(struct timespec){ .tv_nsec = STORM_MS * 1000000L }, NULL);
}

/* Of a token so slow that C_Sign runs on. */
static void server_stopped_while_it_signs(void)
{
    start_storm();
    shutdown_without_close();
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
    { "signatures-under-way", signatures_under_way },
    { "close-under-signatures", close_under_signatures },
    { "shutdown-under-signatures", shutdown_under_signatures },
    { "shutdown-then-signatures", shutdown_then_signatures },
    { "exit-in-a-call-back", exit_in_a_call_back },
    { "exit-in-the-call-back-of-a-cancel", exit_in_the_call_back_of_a_cancel },
    { "call-backs-start-more", call_backs_start_more },
    { "close-while-call-backs-start-more", close_while_call_backs_start_more },
    { "exit-from-a-second-thread-while-call-backs-start-more",
      exit_from_a_second_thread_while_call_backs_start_more },
    { "two-start-and-cancel", two_start_and_cancel },
    { "server-stopped-while-it-signs", server_stopped_while_it_signs },
};

int main(int argc, char **argv)
{
    alarm(HUNG_S);
    need(argc == 3, "usage: exit_child ORDER CONFIG");
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        if (strcmp(orders[i].name, argv[1]) == 0) {
            atexit(look_at_exit); /* before the plugin's, so that it runs after */
            start(argv[2]);
            orders[i].run();
            exit(CODE); /* not a return: the storm's threads go on */
        }
    }
    need(false, "no such order");
}
