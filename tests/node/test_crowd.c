/* SPDX-License-Identifier: Apache-2.0
 * Many different peers at one node, then all of them again on resumed sessions: no honest one is
 * refused, and the node keeps nothing of them. The peers live in a process of their own, which is
 * plain OpenSSL, so that what they keep is not taken for what the node keeps.
 *
 * By hand: test_crowd --peers 10000 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/resident.h"
#include "fixtures/revocation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

#define PEERS_DEFAULT 300
#define SITES 4
#define DIALLERS 6
#define SERVER_THREADS 4
#define GROWTH_MAX_KIB 2048
#define LEAVES_INTERMEDIATE_OUT 3 /* every third peer, once all sites are known */
#define SETTLE_READS 15
#define SETTLE_STEP_MS 100
#define PROGRESS_STEPS 10
#define WARM_HANDSHAKES 300 /* until each thread has grown what it keeps for itself */

static size_t peers_len = PEERS_DEFAULT;
static bool by_hand;
static struct federation federation;
static struct member alice;
static struct authority sites[SITES];

/* --- the peers' process --- */

struct order { /* dial from the peer of this number to before that one */
    int port;
    size_t from;
    size_t to;
};

struct tally {
    size_t refused;
    size_t resumed;
    char why[256]; /* of the last that was refused */
};

struct guest {
    struct tls_peer peer;
    SSL_SESSION *session;
};

static struct crowd {
    struct guest *guests;
    EVP_PKEY *key; /* one for all: their certificates differ */
    struct order order;
    atomic_size_t next;
    pthread_mutex_t lock; /* guards the tally */
    struct tally tally;
} crowd = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void make_guest(size_t i)
{
    char label[32];
    char san[96];
    const struct authority *site = &sites[i % SITES];
    struct guest *guest = &crowd.guests[i];
    snprintf(label, sizeof(label), "guest-%zu", i);
    snprintf(san, sizeof(san), "URI:spiffe://%s/node/%s", federation.name, label);
    struct certificate_spec spec = { .cn = label, .san = san };
    bool leaf_alone = i >= peers_len / 10 && i % LEAVES_INTERMEDIATE_OUT == 0;
    guest->peer = (struct tls_peer){
        .key = crowd.key,
        .certificate = authority_issue(site, crowd.key, &spec),
        .issuers = { leaf_alone ? NULL : site->certificate },
        .root = federation.root.certificate,
        .session = &guest->session,
    };
}

static void tell_progress(size_t done)
{
    size_t all = crowd.order.to - crowd.order.from;
    if (by_hand && all >= PROGRESS_STEPS && done % (all / PROGRESS_STEPS) == 0) {
        fprintf(stderr, "dialled %zu of %zu\n", done, all);
    }
}

static void *dial_some(void *arg)
{
    (void)arg;
    for (size_t i = 0; (i = crowd.next++) < crowd.order.to;) {
        struct tls_result result = tls_peer_dial(&crowd.guests[i].peer, crowd.order.port);
        pthread_mutex_lock(&crowd.lock);
        crowd.tally.resumed += result.resumed ? 1 : 0;
        if (!result.accepted) {
            crowd.tally.refused++;
            memcpy(crowd.tally.why, result.why, sizeof(result.why));
        }
        tell_progress(i + 1 - crowd.order.from);
        pthread_mutex_unlock(&crowd.lock);
    }
    return NULL;
}

static void carry_out(const struct order *order)
{
    pthread_t threads[DIALLERS];
    crowd.order = *order;
    crowd.next = order->from;
    crowd.tally = (struct tally){ 0 };
    for (size_t i = 0; i < DIALLERS; i++) {
        if (pthread_create(&threads[i], NULL, dial_some, NULL) != 0) {
            abort();
        }
    }
    for (size_t i = 0; i < DIALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void free_guests(void)
{
    for (size_t i = 0; i < peers_len; i++) {
        SSL_SESSION_free(crowd.guests[i].session);
        X509_free(crowd.guests[i].peer.certificate);
    }
    free(crowd.guests);
    EVP_PKEY_free(crowd.key);
}

/* Ends when the other side does. */
static void be_the_peers(int orders)
{
    struct order order;
    crowd.guests = calloc(peers_len, sizeof(*crowd.guests));
    crowd.key = software_key("P-256");
    if (crowd.guests == NULL) {
        abort();
    }
    for (size_t i = 0; i < peers_len; i++) {
        make_guest(i);
    }
    while (recv(orders, &order, sizeof(order), MSG_WAITALL) == (ssize_t)sizeof(order)) {
        carry_out(&order);
        if (send(orders, &crowd.tally, sizeof(crowd.tally), MSG_NOSIGNAL) !=
            (ssize_t)sizeof(crowd.tally)) {
            abort();
        }
    }
    free_guests();
}

/* --- the node's process --- */

struct measure {
    long resident_kib;
    size_t descriptors;
};

static struct node node;
static struct rpc_server *server;
static atomic_size_t refusals; /* that the node logged */
static pid_t peers_pid;
static int peers_fd;
static struct {
    struct tally first_tenth;
    struct tally warming;
    struct tally others;
    struct tally again;
    struct measure early;
    struct measure middle;
    struct measure late;
    size_t dialled;
    size_t served;
} seen;

static size_t count_descriptors(void)
{
    size_t len = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) {
        len++;
    }
    closedir(folder);
    return len;
}

/* The least of some looks: gRPC sees connections end a little later. */
static struct measure measure_node(void)
{
    struct measure least = { resident_kib(), count_descriptors() };
    for (int i = 0; i < SETTLE_READS; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = SETTLE_STEP_MS * 1000000L }, NULL);
        long kib = resident_kib();
        size_t descriptors = count_descriptors();
        least.resident_kib = kib < least.resident_kib ? kib : least.resident_kib;
        least.descriptors = descriptors < least.descriptors ? descriptors : least.descriptors;
    }
    return least;
}

static void count_refusals(void *host_data, int32_t level, const char *line)
{
    (void)host_data, (void)level;
    if (strncmp(line, "refused ", 8) == 0) {
        fprintf(stderr, "%s\n", line);
        refusals++;
    }
}

static struct tally let_dial(size_t from, size_t to)
{
    struct tally tally = { 0 };
    struct order order = { rpc_server_port(server), from, to };
    if (send(peers_fd, &order, sizeof(order), MSG_NOSIGNAL) != (ssize_t)sizeof(order) ||
        recv(peers_fd, &tally, sizeof(tally), MSG_WAITALL) != (ssize_t)sizeof(tally)) {
        fail_msg("the peers' process has ended");
    }
    seen.dialled += to - from;
    return tally;
}

static void write_lists(void)
{
    const struct crl_spec root = { .issuer = &federation.root, .number = 1 };
    crl_write(path_of("%s/root.crl", federation.folder), &root);
    for (size_t i = 0; i < SITES; i++) {
        const struct crl_spec site = { .issuer = &sites[i], .number = 1 };
        crl_write(path_of("%s/site-%zu.crl", federation.folder, i), &site);
    }
    const struct crl_spec own = { .issuer = &federation.intermediate, .number = 1 };
    crl_write(path_of("%s/intermediate.crl", federation.folder), &own);
}

/* Before gRPC and the plugin: neither survives a fork. */
static void start_peers(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        abort();
    }
    peers_pid = fork();
    if (peers_pid == 0) {
        close(ends[0]);
        be_the_peers(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    peers_fd = ends[0];
}

static void print_seen(size_t early_handshakes)
{
    print_message(
        "%zu peers, full and resumed: %zu dialled, %zu served, %zu refused, %zu resumed\n",
        peers_len, seen.dialled, seen.served,
        seen.first_tenth.refused + seen.warming.refused + seen.others.refused + seen.again.refused,
        seen.again.resumed);
    print_message("resident: %ld KiB after %zu, %ld KiB after all full, %ld KiB after all resumed "
                  "handshakes; descriptors: %zu, then %zu\n",
                  seen.early.resident_kib, early_handshakes, seen.middle.resident_kib,
                  seen.late.resident_kib, seen.early.descriptors, seen.late.descriptors);
}

static void watch(void)
{
    size_t tenth = peers_len / 10;
    seen.first_tenth = let_dial(0, tenth);
    while (seen.dialled < WARM_HANDSHAKES) {
        struct tally warming = let_dial(0, tenth);
        seen.warming.refused += warming.refused;
    }
    size_t early_handshakes = seen.dialled;
    seen.early = measure_node();
    seen.others = let_dial(tenth, peers_len);
    seen.middle = measure_node();
    seen.again = let_dial(0, peers_len);
    seen.late = measure_node();
    seen.served = rpc_server_runs(server);
    print_seen(early_handshakes);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    for (size_t i = 0; i < SITES; i++) {
        sites[i] = authority_make(&federation.root, path_of("site %zu", i), NULL);
    }
    write_lists();
    start_peers();
    grpc_init();
    node_prepare(&node);
    node.host.log = count_refusals; /* a log that is kept would grow */
    node_open_with(
        &node, &alice,
        "{\"federation\": {\"crls\": [\"root.crl\", \"intermediate.crl\", \"site-0.crl\", "
        "\"site-1.crl\", \"site-2.crl\", \"site-3.crl\"]}}");
    server = rpc_server_start(node.server, SERVER_THREADS, NULL, NULL);
    watch();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    close(peers_fd);
    int status = -1;
    waitpid(peers_pid, &status, 0);
    rpc_server_stop(server);
    node_close(&node);
    for (size_t i = 0; i < SITES; i++) {
        authority_free(&sites[i]);
    }
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return status;
}

static void no_honest_peer_is_refused(void **state)
{
    (void)state;
    const struct tally *const tallies[] = { &seen.first_tenth, &seen.warming, &seen.others,
                                            &seen.again };
    for (size_t i = 0; i < ARRAY_LEN(tallies); i++) {
        if (tallies[i]->refused > 0) {
            fail_msg("%zu were refused, the last: %s", tallies[i]->refused, tallies[i]->why);
        }
    }
    assert_int_equal(refusals, 0);
    assert_int_equal(seen.served, seen.dialled);
}

static void each_is_new_and_then_resumes(void **state)
{
    (void)state;
    assert_int_equal(seen.first_tenth.resumed, 0);
    assert_int_equal(seen.others.resumed, 0);
    assert_int_equal(seen.again.resumed, peers_len);
}

static void the_node_keeps_nothing_of_them(void **state)
{
    (void)state;
    assert_int_equal(seen.late.descriptors, seen.early.descriptors);
#ifndef NODEKEY_SANITIZED /* under which what was freed stays resident */
    assert_true(seen.late.resident_kib - seen.early.resident_kib <= GROWTH_MAX_KIB);
#endif
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_honest_peer_is_refused),
        cmocka_unit_test(each_is_new_and_then_resumes),
        cmocka_unit_test(the_node_keeps_nothing_of_them),
    };
    by_hand = argc == 3 && strcmp(argv[1], "--peers") == 0;
    if (argc > 1 && !by_hand) {
        fprintf(stderr, "usage: %s [--peers N]\n", argv[0]);
        return 2;
    }
    peers_len = by_hand ? strtoul(argv[2], NULL, 10) : PEERS_DEFAULT;
    return peers_len >= 10 ? cmocka_run_group_tests_name("crowd", tests, start, stop) : 2;
}
