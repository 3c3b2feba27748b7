/* SPDX-License-Identifier: Apache-2.0
 * Lent threads: they sign beside the node's own, take no signals, end with the instance, never keep
 * close from returning; and what `open` says about them. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define LENT 7
#define LENT_7 "\"grpc\": {\"lent_threads\": 7}"
#define PEERS 12
#define PATIENCE_MS 30000
#define LOOK_MS 300 /* for what must not happen */
#define CODE 7

static struct federation federation;
static struct member alice; /* on the faulty token */
static struct tls_peer stranger;

/* --- threads of ours, as the kernel sees them --- */

static bool is_lent(const char *task)
{
    char name[32] = "";
    FILE *comm = fopen(path_of("/proc/self/task/%s/comm", task), "r");
    if (comm != NULL) { /* else it has ended meanwhile */
        (void)!fgets(name, sizeof(name), comm);
        fclose(comm);
    }
    return strcmp(name, "nodekey-lent\n") == 0;
}

static unsigned long long blocked_signals(const char *task)
{
    char line[256] = "SigBlk:";
    FILE *status = fopen(path_of("/proc/self/task/%s/status", task), "r");
    assert_non_null(status);
    while (fgets(line, sizeof(line), status) != NULL && strncmp(line, "SigBlk:", 7) != 0) {
    }
    fclose(status);
    return strtoull(line + 7, NULL, 16);
}

/* How many there are; *ret_blocked: the signals that all of them block. */
static unsigned count_lent(unsigned long long *ret_blocked)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    *ret_blocked = ~0ULL;
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
        if (task->d_name[0] != '.' && is_lent(task->d_name)) {
            *ret_blocked &= blocked_signals(task->d_name);
            count++;
        }
    }
    closedir(tasks);
    return count;
}

/* A new thread bears its maker's name until it runs. */
static bool comes_to_be(unsigned wanted)
{
    unsigned long long blocked = 0;
    long long start = clock_now_ms();
    while (count_lent(&blocked) != wanted) {
        if (clock_now_ms() - start > PATIENCE_MS) {
            return false;
        }
        clock_sleep_ms(1);
    }
    return true;
}

static bool signing_reaches(unsigned long wanted, long long patience_ms)
{
    long long start = clock_now_ms();
    while (faulty_count()->signing_now < wanted) {
        if (clock_now_ms() - start > patience_ms) {
            return false;
        }
        clock_sleep_ms(1);
    }
    return true;
}

/* --- peers --- */

static struct {
    pthread_t threads[PEERS];
    int port;
    atomic_int admitted;
} peers;

static void *dial(void *unused)
{
    peers.admitted += tls_peer_dial(&stranger, peers.port).accepted ? 1 : 0;
    return unused;
}

static void start_dialling(int port)
{
    peers.port = port;
    peers.admitted = 0;
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(pthread_create(&peers.threads[i], NULL, dial, NULL), 0);
    }
}

static int stop_dialling(void)
{
    for (int i = 0; i < PEERS; i++) {
        pthread_join(peers.threads[i], NULL);
    }
    return peers.admitted;
}

static int at_once(const char *patch, unsigned long wanted)
{
    struct node node;
    node_open(&node, &alice, patch);
    struct rpc_server *server = rpc_server_start(node.server, 1, NULL, NULL);
    faulty_set("sign_hang=1\n");
    start_dialling(rpc_server_port(server));
    assert_true(signing_reaches(wanted, PATIENCE_MS));
    assert_false(signing_reaches(wanted + 1, LOOK_MS));
    faulty_set("");
    int admitted = stop_dialling();
    assert_int_equal(faulty_count()->session_shared, 0);
    rpc_server_stop(server);
    node_close(&node);
    return admitted;
}

static void one_polling_thread_signs_once(void **state)
{
    (void)state;
    assert_int_equal(at_once("{}", 1), PEERS);
}

static void lent_threads_sign_beside_it(void **state)
{
    (void)state;
    assert_int_equal(at_once("{" LENT_7 "}", LENT + 1), PEERS);
}

/* --- life --- */

static void they_live_from_credentials_to_close(void **state)
{
    (void)state;
    struct node node;
    nk_error err = { .struct_size = sizeof(err) };
    unsigned long long blocked = 0;
    char *config = member_config(&alice, "{" LENT_7 "}");
    node_prepare(&node);
    assert_int_equal(
        plugin_load()->open_text(&node.host, config, federation.folder, &node.instance, &err),
        NK_OK);
    assert_int_equal(count_lent(&blocked), 0);
    assert_int_equal(plugin_load()->channel_credentials(node.instance, &node.channel, &err), NK_OK);
    assert_int_equal(plugin_load()->server_credentials(node.instance, &node.server, &err), NK_OK);
    assert_true(comes_to_be(LENT));
    assert_int_equal(count_lent(&blocked), LENT);
    for (size_t i = 0; i < 5; i++) {
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGPROF };
        assert_true((blocked >> (signals[i] - 1) & 1) != 0);
    }
    assert_int_equal(plugin_load()->close(node.instance, &err), NK_OK);
    assert_int_equal(count_lent(&blocked), 0); /* joined */
    grpc_server_credentials_release(node.server);
    grpc_channel_credentials_release(node.channel);
    free(config);
}

static void a_token_that_hangs_does_not_keep_close(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &alice, "{\"token\": {\"login_timeout_ms\": 300}, " LENT_7 "}");
    struct rpc_server *server = rpc_server_start(node.server, 1, NULL, NULL);
    faulty_set("sign_hang=1\n");
    start_dialling(rpc_server_port(server));
    assert_true(signing_reaches(LENT + 1, PATIENCE_MS));
    assert_int_equal(plugin_load()->close(node.instance, NULL), NK_OK); /* or the test times out */
    node.instance = NULL;
    assert_true(recorder_has(node.log, "7 of grpc.lent_threads have not come back"));
    assert_true(comes_to_be(LENT));
    faulty_set("");
    assert_int_equal(stop_dialling(), 0); /* closed */
    assert_true(comes_to_be(0));
    rpc_server_stop(server);
    node_close(&node); /* that gRPC is given back, rpc_shutdown sees */
}

static void a_forked_child_has_none_to_wait_for(void **state)
{
    (void)state;
    struct node node;
    int status = 0;
    node_open(&node, &alice, "{" LENT_7 "}");
    assert_true(comes_to_be(LENT));
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_MS / 1000);
        _exit(plugin_load()->close(node.instance, NULL) == NK_OK ? CODE : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == CODE);
    struct rpc_server *server = rpc_server_start(node.server, 1, NULL, NULL);
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    rpc_server_stop(server);
    node_close(&node);
}

/* --- the host's own code on one of them --- */

static struct {
    nk_instance *instance;
    atomic_int answer; /* of close, called on a lent thread; -1: none was met yet */
} host_code;

static void close_if_lent(void *unused, grpc_auth_context *context, const grpc_metadata *metadata,
                          size_t metadata_len, grpc_process_auth_metadata_done_cb done,
                          void *user_data)
{
    char name[16] = "";
    (void)unused, (void)context, (void)metadata, (void)metadata_len;
    pthread_getname_np(pthread_self(), name, sizeof(name));
    if (strcmp(name, "nodekey-lent") == 0) {
        host_code.answer = plugin_load()->close(host_code.instance, NULL);
    }
    done(user_data, NULL, 0, NULL, 0, GRPC_STATUS_OK, NULL);
}

/* gRPC runs a host's hooks on whatever thread polls; close there would wait for that thread. */
static void none_of_them_closes(void **state)
{
    (void)state;
    struct node node;
    grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
    grpc_channel_credentials *channel = grpc_insecure_credentials_create();
    const grpc_auth_metadata_processor processor = { .process = close_if_lent };
    grpc_server_credentials_set_auth_metadata_processor(plain, processor);
    node_open(&node, &alice, "{" LENT_7 "}");
    host_code.instance = node.instance;
    host_code.answer = -1;
    struct rpc_server *server = rpc_server_start(plain, 1, NULL, NULL);
    long long start = clock_now_ms();
    while (host_code.answer < 0 && clock_now_ms() - start < PATIENCE_MS) {
        assert_true(rpc_dial(channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    }
    assert_int_equal(host_code.answer, NK_E_USAGE);
    rpc_server_stop(server);
    node_close(&node);
    grpc_server_credentials_release(plain);
    grpc_channel_credentials_release(channel);
}

static void another_number_takes_a_restart(void **state)
{
    (void)state;
    const char *path = path_of("%s/lent.json", federation.folder);
    struct recorder *log = recorder_new();
    nk_host host = recording_host(log);
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;
    char *before = member_config(&alice, "{" LENT_7 "}");
    char *after = member_config(&alice, "{\"grpc\": {\"lent_threads\": 8}}");
    write_file(path, before, 0644);
    assert_int_equal(plugin_load()->open_file(&host, path, &instance, &err), NK_OK);
    write_file(path, after, 0644);
    assert_int_equal(plugin_load()->reload(instance, &err), NK_E_UNSUPPORTED);
    assert_non_null(
        strstr(err.text, "a change of grpc.lent_threads takes effect at the next start"));
    assert_int_equal(plugin_load()->close(instance, NULL), NK_OK);
    free(before);
    free(after);
}

/* --- what `open` says; test_lent_advice has all of it --- */

static void open_recommends_them_for_a_slow_token(void **state)
{
    (void)state;
    struct node node;
    faulty_set("sign_ms=300\n");
    node_open(&node, &alice, "{}");
    faulty_set("");
    assert_true(
        recorder_has(node.log, "set grpc.lent_threads to 64, and token.max_sessions to 65"));
    node_close(&node);
}

static void none_are_lent_where_they_do_not_sign(void **state)
{
    (void)state;
    struct node node;
    unsigned long long blocked = 0;
    faulty_set("sign_ms=300\n");
    node_open(&node, &alice, "{" LENT_7 "}");
    faulty_set("");
    assert_true(recorder_has(node.log, "gRPC signs on threads of its own here, so none are lent"));
    assert_int_equal(recorder_count(node.log, "lent_threads"), 1);
    assert_int_equal(count_lent(&blocked), 0);
    node_close(&node);
}

static void open_warns_of_what_does_not_help(void **state)
{
    (void)state;
    struct node node;
    setenv("GRPC_POLL_STRATEGY", "poll", 1); /* gRPC has read it before */
    node_open(&node, &alice, "{\"token\": {\"max_sessions\": 7}, " LENT_7 "}");
    unsetenv("GRPC_POLL_STRATEGY");
    assert_true(recorder_has(node.log, "6 of 7 grpc.lent_threads can sign for peers at once"));
    assert_true(recorder_has(node.log, "GRPC_POLL_STRATEGY=poll: grpc.lent_threads help only"));
    node_close(&node);
}

static int start(void **state)
{
    (void)state;
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each refused handshake */
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    alice.module = faulty_start();
    stranger = stranger_make(&federation);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(&stranger);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

int main(void)
{
    if (LATER_CORE) { /* it signs on threads of its own */
        ROWS_TEST(none_are_lent_where_they_do_not_sign);
    } else {
        ROWS_TEST(one_polling_thread_signs_once);
        ROWS_TEST(lent_threads_sign_beside_it);
        ROWS_TEST(they_live_from_credentials_to_close);
        ROWS_TEST(a_token_that_hangs_does_not_keep_close);
        ROWS_TEST(a_forked_child_has_none_to_wait_for);
        ROWS_TEST(none_of_them_closes);
        ROWS_TEST(open_recommends_them_for_a_slow_token);
        ROWS_TEST(open_warns_of_what_does_not_help);
    }
    ROWS_TEST(another_number_takes_a_restart);
    return ROWS_RUN("lent", start, stop);
}
