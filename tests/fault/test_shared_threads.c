/* SPDX-License-Identifier: Apache-2.0
 * A token that hangs under a core whose own threads make handshakes and answer calls: they wait for
 * it but for one, which refuses the peers that still dial, and answers calls. Under a core whose
 * pollers do both, and for a token that is merely slow, no peer is refused. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define DIALLERS 40
#define CALLS 20
/* gRPC on BoringSSL need not wait, so it is the breaker that refuses. */
#define REFUSED (BORINGSSL_CORE ? "signatures fail at once" : "so further peers are refused")
#define DIAL_PAUSE_MS 100
#define PATIENCE_MS 30000

static struct federation federation;
static struct member server; /* on the faulty token */
static struct member client;
static struct tls_peer stranger;

/* --- those who dial --- */

static struct {
    pthread_t threads[DIALLERS];
    int port;
    bool come_back; /* until they are admitted */
    atomic_int admitted;
} diallers;

static void *dial(void *unused)
{
    bool admitted = tls_peer_dial(&stranger, diallers.port).accepted;
    while (!admitted && diallers.come_back) {
        clock_sleep_ms(DIAL_PAUSE_MS);
        admitted = tls_peer_dial(&stranger, diallers.port).accepted;
    }
    diallers.admitted += admitted ? 1 : 0;
    return unused;
}

static void start_diallers(int port, bool come_back)
{
    diallers.port = port;
    diallers.come_back = come_back;
    diallers.admitted = 0;
    for (int i = 0; i < DIALLERS; i++) {
        assert_int_equal(pthread_create(&diallers.threads[i], NULL, dial, NULL), 0);
    }
}

static int join_diallers(void)
{
    for (int i = 0; i < DIALLERS; i++) {
        pthread_join(diallers.threads[i], NULL);
    }
    return diallers.admitted;
}

/* --- a node with one polling thread, and one who has been connected to it --- */

struct scene {
    struct node node, caller;
    struct rpc_server *server;
    grpc_channel *channel;
};

static void open_scene(struct scene *scene)
{
    node_open(&scene->node, &server, "{}");
    node_open(&scene->caller, &client, "{}");
    scene->server = rpc_server_start(scene->node.server, 1, NULL, NULL);
    scene->channel = rpc_channel(scene->caller.channel, rpc_server_address(scene->server));
    assert_true(rpc_call_when_ready(scene->channel, RPC_DEADLINE_MS).ok);
}

static void close_scene(struct scene *scene)
{
    grpc_channel_destroy(scene->channel);
    rpc_server_stop(scene->server);
    node_close(&scene->caller);
    node_close(&scene->node);
}

static bool signing_reaches(unsigned long wanted)
{
    long long start_ms = clock_now_ms();
    while (faulty_count()->signing_now < wanted) {
        if (clock_now_ms() - start_ms > PATIENCE_MS) {
            return false;
        }
        clock_sleep_ms(1);
    }
    return true;
}

/* Each is answered, or the test fails at its deadline. */
static void call(grpc_channel *channel)
{
    for (int i = 0; i < CALLS; i++) {
        struct rpc_result result = rpc_call(channel, RPC_DEADLINE_MS);
        if (!result.ok) {
            fail_msg("call %d: %d %s", i, result.status, result.details);
        }
    }
}

static unsigned count_own_threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
        char name[32] = "";
        FILE *comm = fopen(path_of("/proc/self/task/%s/comm", task->d_name), "r");
        if (comm != NULL) { /* else it has ended meanwhile */
            (void)!fgets(name, sizeof(name), comm);
            fclose(comm);
        }
        count += strcmp(name, "event_engine\n") == 0 ? 1 : 0;
    }
    closedir(tasks);
    return count;
}

/* --- tests --- */

/* The number that plugin/grpc/own_threads.c reckons with. */
static void grpc_begins_with_a_thread_for_each_core(void **state)
{
    (void)state;
    struct scene scene;
    long cores = sysconf(_SC_NPROCESSORS_CONF);
    long wanted = cores < 4 ? 4 : cores > 16 ? 16 : cores;
    open_scene(&scene);
    assert_in_range(count_own_threads(), wanted, wanted + 2);
    close_scene(&scene);
}

static void a_hung_token_leaves_a_thread_for_calls(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    faulty_set("sign_hang=1\n");
    start_diallers(rpc_server_port(scene.server), true);
    assert_true(signing_reaches(2));
    call(scene.channel);
    assert_true(recorder_waits_for(scene.node.log, REFUSED, PATIENCE_MS));
    call(scene.channel);
    assert_int_equal(diallers.admitted, 0);
    assert_true(faulty_count()->signing_now < DIALLERS / 2); /* not one more each second */
    faulty_set("");
    assert_int_equal(join_diallers(), DIALLERS);
    close_scene(&scene);
}

static void a_burst_at_a_slow_token_is_not_refused(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    faulty_set("sign_ms=100\n"); /* for more than a second of them */
    start_diallers(rpc_server_port(scene.server), false);
    assert_int_equal(join_diallers(), DIALLERS);
    assert_false(recorder_has(scene.node.log, REFUSED));
    faulty_set("");
    close_scene(&scene);
}

static void a_poller_that_hangs_refuses_nobody(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    faulty_set("sign_hang=1\n");
    start_diallers(rpc_server_port(scene.server), false);
    assert_true(signing_reaches(1));
    clock_sleep_ms(2000); /* longer than a pool's threads may all wait */
    faulty_set("");
    assert_int_equal(join_diallers(), DIALLERS);
    assert_false(recorder_has(scene.node.log, REFUSED));
    close_scene(&scene);
}

static int start(void **state)
{
    (void)state;
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each refused handshake */
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &server, "server", "P-256");
    federation_enrol(&federation, &client, "client", "P-256");
    server.module = faulty_start();
    stranger = stranger_make(&federation);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(&stranger);
    member_free(&server);
    member_free(&client);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

int main(void)
{
    if (LATER_CORE) {
        ROWS_TEST(grpc_begins_with_a_thread_for_each_core);
        ROWS_TEST(a_hung_token_leaves_a_thread_for_calls);
    } else {
        ROWS_TEST(a_poller_that_hangs_refuses_nobody);
    }
    ROWS_TEST(a_burst_at_a_slow_token_is_not_refused);
    return ROWS_RUN("fault_threads", start, stop);
}
