/* SPDX-License-Identifier: Apache-2.0
 * Handshake after handshake, both roles in this process, both keys in tokens: the node keeps
 * nothing of them, no session, no descriptor, and no more memory than gRPC's own TLS with keys in
 * memory, which runs in another process: --plain.
 *
 * By hand: test_footprint --handshakes 100000 [--deadline], where --deadline sets
 * token.sign_timeout_ms: another thread signs, and gRPC on BoringSSL does not wait for it. The
 * environment is that of CMakeLists.txt: caches of gRPC's threads fill up for 10,000 handshakes,
 * which are 4 MiB more, with keys in memory, too. */
#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "bench/plain_tls.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/resident.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define HANDSHAKES_DEFAULT 2000
#define FIRST_LOOK_MIN 500 /* until each thread has grown what it keeps for itself */
#define THREADS 8
#define ROUND (4 * THREADS)
/* Fewer than threads, so that soon all of them are open. */
#define MAX_SESSIONS "\"max_sessions\": 4"
/* Four to dial with, three to serve with (one is kept for dialling), and one per token that holds
 * the login. A node opens them as it needs them. */
#define SESSIONS_ALL 9
#define GROWTH_MAX_KIB 1024 /* beyond gRPC's own */
#define SETTLE_READS 20
#define SETTLE_STEP_MS 100
#define PROGRESS_STEPS 20
#define PATIENCE_MS 60000
#define GROWTH_TEXT " KiB ("
#ifdef NODEKEY_SANITIZED /* what was freed stays resident */
#define MEMORY_IS_MEASURED false
#else
#define MEMORY_IS_MEASURED true
#endif

static unsigned long handshakes = HANDSHAKES_DEFAULT;
static bool by_hand;
static bool plain;
static bool deadline;
static struct federation federation;
static struct member alice, bob;
static struct node alice_node, bob_node;
static grpc_server_credentials *plain_server;
static grpc_channel_credentials *channel;
static struct rpc_server *server;
static atomic_ulong errors; /* that a node logged */

static struct run {
    atomic_ulong begun;
    atomic_ulong failed;
    unsigned long until;
} run;

struct measure {
    long resident_kib;
    long in_use_kib; /* of it, what malloc has given out; the rest are gaps */
    size_t descriptors;
    unsigned long sessions;
};

static struct measure early, late;
static unsigned long first_look;

static void count_errors(void *host_data, int32_t level, const char *line)
{
    (void)host_data;
    if (level == NK_LOG_ERROR) {
        fprintf(stderr, "%s\n", line);
        errors++;
    }
}

static void *dial(void *arg)
{
    (void)arg;
    while (run.begun++ < run.until) {
        struct rpc_result result = rpc_dial(channel, rpc_server_address(server), PATIENCE_MS);
        if (!result.ok && run.failed++ == 0) {
            fprintf(stderr, "first failure: %d %s\n", result.status, result.details);
        }
    }
    return NULL;
}

static void dial_until(unsigned long until)
{
    pthread_t threads[THREADS];
    run.begun = run.until; /* each thread went one too far */
    run.until = until;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, dial, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static size_t count_descriptors(void)
{
    size_t len = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        len++;
    }
    closedir(folder);
    return len;
}

static long in_use_kib(void)
{
    struct mallinfo2 all = mallinfo2();
    return (long)((all.uordblks + all.hblkhd) / 1024);
}

/* The least of some looks: gRPC sees connections end a little later. */
static struct measure look(void)
{
    struct measure least = { resident_kib(), in_use_kib(), count_descriptors(),
                             plain ? 0 : faulty_count()->sessions_now };
    for (int i = 0; i < SETTLE_READS; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = SETTLE_STEP_MS * 1000000L }, NULL);
        long kib = resident_kib();
        long in_use = in_use_kib();
        size_t descriptors = count_descriptors();
        least.resident_kib = kib < least.resident_kib ? kib : least.resident_kib;
        least.in_use_kib = in_use < least.in_use_kib ? in_use : least.in_use_kib;
        least.descriptors = descriptors < least.descriptors ? descriptors : least.descriptors;
    }
    return least;
}

static void open_node(struct node *node, const struct member *member)
{
    node_prepare(node);
    node->host.log = count_errors; /* a log that is kept would grow */
    node_open_with(node, member,
                   deadline ? "{\"token\": {" MAX_SESSIONS ", \"sign_timeout_ms\": 3000}}"
                            : "{\"token\": {" MAX_SESSIONS "}}");
}

static void open_nodes(void)
{
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    alice.module = bob.module = faulty_start();
    open_node(&alice_node, &alice);
    open_node(&bob_node, &bob);
    server = rpc_server_start(bob_node.server, THREADS, NULL, NULL);
    channel = alice_node.channel;
}

static void open_plain(void)
{
    const struct plain_tls end = plain_tls_member(&federation, "both", "P-256");
    plain_server = plain_tls_server(&end);
    server = rpc_server_start(plain_server, THREADS, NULL, NULL);
    channel = plain_tls_channel(&end);
}

static void dial_all(void)
{
    unsigned long before = run.until;
    for (unsigned long step = 1; by_hand && step < PROGRESS_STEPS; step++) {
        dial_until(before + (handshakes - before) * step / PROGRESS_STEPS);
        fprintf(stderr, "after %lu of %lu: %ld KiB resident, %ld in use\n", run.until, handshakes,
                resident_kib(), in_use_kib());
    }
    dial_until(handshakes);
}

/* Else it is chance whether the last of them is open by the first look. */
static void open_all_sessions(void)
{
    faulty_set("sign_ms=20\n");
    while (faulty_count()->sessions_now < SESSIONS_ALL) {
        first_look += ROUND;
        handshakes += ROUND;
        dial_until(first_look);
    }
    faulty_set("");
}

/* Of gRPC's own TLS, which in 1.51 grows by 1 MiB, and in 1.83 by 2. */
static long plain_growth_kib(void)
{
    const char *const argv[] = { "/proc/self/exe", "--handshakes", path_of("%lu", handshakes),
                                 "--plain", NULL };
    const struct process process = { .argv = argv };
    struct process_end end = process_run(&process);
    const char *growth = strstr(end.out, GROWTH_TEXT);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0 && growth != NULL);
    long kib = strtol(growth + strlen(GROWTH_TEXT), NULL, 10);
    print_message("gRPC's own TLS: %+ld KiB\n", kib);
    free(end.out);
    return kib;
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    (plain ? open_plain : open_nodes)();
    first_look = handshakes / 10 > FIRST_LOOK_MIN ? handshakes / 10 : FIRST_LOOK_MIN;
    dial_until(first_look);
    if (!plain) {
        open_all_sessions();
    }
    early = look();
    dial_all();
    late = look();
    print_message("after %lu handshakes: %ld KiB resident, %ld in use, %zu descriptors, %lu "
                  "sessions; after %lu: %ld" GROWTH_TEXT "%+ld), %ld (%+ld), %zu, %lu\n",
                  first_look, early.resident_kib, early.in_use_kib, early.descriptors,
                  early.sessions, handshakes, late.resident_kib,
                  late.resident_kib - early.resident_kib, late.in_use_kib,
                  late.in_use_kib - early.in_use_kib, late.descriptors, late.sessions);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rpc_server_stop(server);
    if (plain) {
        grpc_server_credentials_release(plain_server);
        grpc_channel_credentials_release(channel);
    } else {
        node_close(&alice_node);
        node_close(&bob_node);
        member_free(&alice);
        member_free(&bob);
    }
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static void none_fails(void **state)
{
    (void)state;
    assert_int_equal(errors, 0);
    if (!plain) { /* gRPC's own loses one in a thousand */
        assert_int_equal(run.failed, 0);
        assert_int_equal(rpc_server_runs(server), handshakes);
    }
}

static void no_memory_is_kept(void **state)
{
    (void)state;
    if (MEMORY_IS_MEASURED && !plain) {
        assert_true(late.resident_kib - early.resident_kib <= plain_growth_kib() + GROWTH_MAX_KIB);
    }
}

static void no_session_and_no_descriptor_is_kept(void **state)
{
    (void)state;
    assert_int_equal(late.descriptors, early.descriptors);
    assert_int_equal(late.sessions, early.sessions);
    if (!plain) {
        assert_int_equal(faulty_count()->session_shared, 0);
    }
}

static void nor_where_none_waits_for_signatures(void **state)
{
    (void)state;
    const char *const argv[] = { "/proc/self/exe", "--handshakes", path_of("%lu", handshakes),
                                 "--deadline", NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv });
    print_message("%s", end.out);
    assert_true(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0);
    free(end.out);
}

int main(int argc, char **argv)
{
    by_hand = argc >= 3 && strcmp(argv[1], "--handshakes") == 0;
    plain = argc == 4 && strcmp(argv[3], "--plain") == 0;
    deadline = argc == 4 && strcmp(argv[3], "--deadline") == 0;
    handshakes = by_hand ? strtoul(argv[2], NULL, 10) : HANDSHAKES_DEFAULT;
    if ((argc > 1 && !by_hand) || (argc > 3 && !plain && !deadline) ||
        handshakes <= FIRST_LOOK_MIN) {
        fprintf(stderr, "usage: %s [--handshakes N (more than %d) [--plain | --deadline]]\n",
                argv[0], FIRST_LOOK_MIN);
        return 2;
    }
    ROWS_TEST(none_fails);
    ROWS_TEST(no_memory_is_kept);
    ROWS_TEST(no_session_and_no_descriptor_is_kept);
    if (BORINGSSL_CORE && !plain && !deadline) {
        ROWS_TEST(nor_where_none_waits_for_signatures);
    }
    return ROWS_RUN("footprint", start, stop);
}
