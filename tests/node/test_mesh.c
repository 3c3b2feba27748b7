/* SPDX-License-Identifier: Apache-2.0
 * Three nodes with guarded streams between all of them, and then one is revoked, by nothing but a
 * changed CRL file: all its streams end, it comes back by no road, and the other two notice nothing
 * under load. Prints how long it took. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc_stream.h"

#define NODES 3
#define REVOKED 2
#define RPCS_PER_SECOND 500
#define END_WAIT_MS 20000
#define STILL_OPEN_MS 500

static const nk_plugin *plugin;
static struct federation federation;
static const char *const labels[NODES] = { "alice", "bob", "carol" };
static struct member members[NODES];
static struct node nodes[NODES];
static struct rpc_server *servers[NODES];
static struct rpc_stream *streams[NODES][NODES]; /* from, to */
static grpc_channel *channels[NODES][NODES];

static void guard_inbound(void *user, grpc_call *call)
{
    struct node *node = user;
    if (plugin->guard_call(node->instance, NK_PEER_IS_CLIENT, call, NULL) != NK_OK) {
        print_error("a stream of an admitted peer could not be guarded\n");
    }
}

static void unguard_inbound(void *user, grpc_call *call)
{
    struct node *node = user;
    (void)!plugin->unguard_call(node->instance, call, NULL);
}

static void open_stream(int from, int to)
{
    struct rpc_result end;
    nk_error err = { .struct_size = sizeof(err) };

    channels[from][to] = rpc_channel(nodes[from].channel, rpc_server_address(servers[to]));
    streams[from][to] = rpc_stream_open(channels[from][to], &end);
    assert_non_null(streams[from][to]);
    if (plugin->guard_call(nodes[from].instance, NK_PEER_IS_SERVER,
                           rpc_stream_call(streams[from][to]), &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static void close_stream(int from, int to)
{
    (void)!plugin->unguard_call(nodes[from].instance, rpc_stream_call(streams[from][to]), NULL);
    rpc_stream_close(streams[from][to]);
    grpc_channel_destroy(channels[from][to]);
}

static void each_pair(void (*with)(int from, int to))
{
    for (int from = 0; from < NODES; from++) {
        for (int to = 0; to < NODES; to++) {
            if (from != to) {
                with(from, to);
            }
        }
    }
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_write_crls(&federation, 1, NULL);
    for (int i = 0; i < NODES; i++) {
        federation_enrol(&federation, &members[i], labels[i], "P-256");
        node_open(&nodes[i], &members[i], "{" FEDERATION_CRLS "}");
        servers[i] = rpc_server_start(nodes[i].server, 2, guard_inbound, &nodes[i]);
        rpc_server_on_end(servers[i], unguard_inbound);
    }
    each_pair(open_stream);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    each_pair(close_stream);
    for (int i = 0; i < NODES; i++) {
        rpc_server_stop(servers[i]);
        node_close(&nodes[i]);
        member_free(&members[i]);
    }
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

/* --- load between those who stay --- */

static struct load {
    pthread_t thread;
    int from;
    int to;
    grpc_channel *channel;
    unsigned long made;
    unsigned long failed;
} loads[2] = { { .from = 0, .to = 1 }, { .from = 1, .to = 0 } };
static atomic_bool stop_load;

static void *run_load(void *arg)
{
    struct load *load = arg;
    long long began = clock_now_ms();

    while (!stop_load) {
        load->failed += rpc_call(load->channel, RPC_DEADLINE_MS).ok ? 0 : 1;
        load->made++;
        long long due = began + (long long)load->made * 1000 / (RPCS_PER_SECOND / 2);
        long long now = clock_now_ms();
        if (due > now) {
            clock_sleep_ms((unsigned)(due - now));
        }
    }
    return NULL;
}

static void begin_load(void)
{
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        struct load *load = &loads[i];
        load->channel =
            rpc_channel(nodes[load->from].channel, rpc_server_address(servers[load->to]));
        assert_int_equal(pthread_create(&load->thread, NULL, run_load, load), 0);
    }
}

static unsigned long end_load(void)
{
    unsigned long failed = 0;
    unsigned long made = 0;

    stop_load = true;
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        pthread_join(loads[i].thread, NULL);
        grpc_channel_destroy(loads[i].channel);
        failed += loads[i].failed;
        made += loads[i].made;
    }
    print_message("between the two who stay: %lu RPCs, %lu failed\n", made, failed);
    return failed;
}

/* --- the revocation --- */

/* A fourth one, without gRPC, that keeps a TLS session to come back with. */
static struct tls_peer dave;
static SSL_SESSION *session;

static void wait_for_end(int from, int to, long long since)
{
    struct rpc_result end;

    assert_true(rpc_stream_wait(streams[from][to], END_WAIT_MS, &end));
    assert_int_not_equal(end.status, GRPC_STATUS_OK);
    print_message("stream %s -> %s ended after %lld ms, status %d\n", labels[from], labels[to],
                  clock_now_ms() - since, (int)end.status);
}

static void it_comes_back_by_no_road(void)
{
    for (int other = 0; other < REVOKED; other++) {
        assert_int_not_equal(rpc_call(channels[REVOKED][other], RPC_DEADLINE_MS).status,
                             GRPC_STATUS_OK);
        assert_int_not_equal(rpc_call(channels[other][REVOKED], RPC_DEADLINE_MS).status,
                             GRPC_STATUS_OK);
        assert_int_not_equal(
            rpc_dial(nodes[REVOKED].channel, rpc_server_address(servers[other]), RPC_DEADLINE_MS)
                .status,
            GRPC_STATUS_OK);
        assert_int_not_equal(
            rpc_dial(nodes[other].channel, rpc_server_address(servers[REVOKED]), RPC_DEADLINE_MS)
                .status,
            GRPC_STATUS_OK);
    }
    struct tls_result again = tls_peer_dial(&dave, rpc_server_port(servers[0]));
    assert_true(again.resumed && !again.accepted);
    assert_true(recorder_waits_for(nodes[0].log, ": revoked: ", END_WAIT_MS));
}

static void the_revoked_one_is_out_and_nobody_else(void **state)
{
    (void)state;
    dave = stranger_make(&federation);
    dave.session = &session;
    assert_true(tls_peer_dial(&dave, rpc_server_port(servers[0])).accepted);
    assert_non_null(session);
    begin_load();
    clock_sleep_ms(STILL_OPEN_MS);

    X509 *revoked[] = { members[REVOKED].leaf, dave.certificate, NULL };
    federation_write_crls(&federation, 2, revoked);
    long long since = clock_now_ms();
    for (int other = 0; other < REVOKED; other++) {
        wait_for_end(REVOKED, other, since);
        wait_for_end(other, REVOKED, since);
    }
    it_comes_back_by_no_road();

    struct rpc_result end;
    assert_false(rpc_stream_wait(streams[0][1], STILL_OPEN_MS, &end));
    assert_false(rpc_stream_wait(streams[1][0], STILL_OPEN_MS, &end));
    assert_int_equal(end_load(), 0);
    SSL_SESSION_free(session);
    stranger_free(&dave);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_revoked_one_is_out_and_nobody_else),
    };
    return cmocka_run_group_tests_name("mesh", tests, start, stop);
}
