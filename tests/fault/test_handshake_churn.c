/* SPDX-License-Identifier: Apache-2.0
 * Handshakes on a gRPC that carries BoringSSL, on a token slow enough that gRPC is called back: of
 * RPCs whose deadline is shorter than a signature, with peers that vanish while the server signs,
 * and servers that are stopped in the midst of all of them; then the nodes are closed, and opened
 * again. Each signature that gRPC starts is answered once, and it lets go of each handle and each
 * signer: the plugin's table as gRPC sees it counts.
 *
 * By hand: test_handshake_churn --handshakes 20000. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/resident.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define HANDSHAKES_DEFAULT 3000
#define ROUNDS 10
#define WARM_ROUNDS 4
#define GROWTH_MAX_KIB 1024 /* as in test_footprint: gRPC keeps some */
#define SERVERS 3           /* in each round, one after the other */
#define DIALLERS 8
#define POLLERS 4
#define SHORT_MAX_MS 25 /* of a deadline, and of a peer's patience */
#define SETTLE_READS 20
#define SETTLE_STEP_MS 50
#define PATIENCE_MS 60000
#define SLOW "sign_ms=5\n"
#define PATCH "{\"token\": {\"sign_timeout_ms\": 30000, \"max_sessions\": 5}}"

static struct federation federation;
static struct member alice, bob;
static struct node serves, dials;
static unsigned long handshakes = HANDSHAKES_DEFAULT;
static struct recorder *log_lines;

static struct {
    atomic_ulong inbound, outbound, at_once; /* starts, and what was signed while gRPC waited */
    atomic_ulong dones, twice, cancels, freed;
    atomic_long signers;
    atomic_ulong calls, cut, vanished;
} count;

/* --- the plugin's table, as gRPC sees it --- */

extern __typeof__(((nk_host *)NULL)->set_identity) const fixture_set_identity;

static nk_plugin counting;

#define ANSWERED 1u
#define FREED 2u

struct started {
    nk_sign_done *done;
    void *arg;
    nk_signing *signing;
    atomic_uint is; /* ANSWERED, FREED */
};

static void let_go(struct started *started, unsigned is)
{
    if (atomic_fetch_add(&started->is, is) + is == (ANSWERED | FREED)) {
        free(started);
    }
}

static void count_done(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    struct started *started = arg;

    atomic_fetch_add((atomic_load(&started->is) & ANSWERED) == 0 ? &count.dones : &count.twice, 1);
    started->done(started->arg, signature, len, err);
    let_go(started, ANSWERED);
}

static nk_status count_start(nk_signer *signer, uint32_t algorithm, const uint8_t *input,
                             size_t len, nk_sign_done *done, void *arg, nk_signing **ret_signing,
                             nk_error *err)
{
    struct started *started = calloc(1, sizeof(*started));
    bool inbound = len > 80 && input[64 + strlen("TLS 1.3, ")] == 's';

    *started = (struct started){ .done = done, .arg = arg };
    nk_status status = plugin_load()->sign_start(signer, algorithm, input, len, count_done, started,
                                                 &started->signing, err);
    if (status != NK_OK) {
        free(started);
        return status;
    }
    atomic_fetch_add(inbound ? &count.inbound : &count.outbound, 1);
    *ret_signing = (nk_signing *)started;
    return NK_OK;
}

static void count_cancel(nk_signing *signing)
{
    atomic_fetch_add(&count.cancels, 1);
    plugin_load()->sign_cancel(((struct started *)signing)->signing);
}

static void count_free(nk_signing *signing)
{
    struct started *started = (struct started *)signing;

    atomic_fetch_add(&count.freed, 1);
    plugin_load()->signing_free(started->signing);
    let_go(started, FREED);
}

static nk_status count_sign(nk_signer *signer, uint32_t algorithm, const uint8_t *input, size_t len,
                            uint8_t *signature, size_t room, size_t *ret_len, nk_error *err)
{
    atomic_fetch_add(&count.at_once, 1);
    return plugin_load()->sign(signer, algorithm, input, len, signature, room, ret_len, err);
}

static void count_signer_ref(nk_signer *signer)
{
    atomic_fetch_add(&count.signers, 1);
    plugin_load()->signer_ref(signer);
}

static void count_signer_free(nk_signer *signer)
{
    atomic_fetch_sub(&count.signers, 1);
    plugin_load()->signer_free(signer);
}

static nk_status set_counting_identity(void *host_data, const nk_plugin *plugin,
                                       struct grpc_tls_certificate_provider *provider,
                                       nk_signer *signer, const char *chain)
{
    (void)plugin;
    return fixture_set_identity(host_data, &counting, provider, signer, chain);
}

static void make_counting(void)
{
    counting = *plugin_load();
    counting.sign = count_sign;
    counting.sign_start = count_start;
    counting.sign_cancel = count_cancel;
    counting.signing_free = count_free;
    counting.signer_ref = count_signer_ref;
    counting.signer_free = count_signer_free;
}

/* --- who dials --- */

static struct {
    pthread_mutex_t lock; /* for the server's address */
    char address[32];
    int port;
    atomic_ulong begun;
    unsigned long until;
} round_ = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int copy_address(char address[static 32])
{
    pthread_mutex_lock(&round_.lock);
    snprintf(address, 32, "%s", round_.address);
    int port = round_.port;
    pthread_mutex_unlock(&round_.lock);
    return port;
}

static void send_hello(int fd, SSL_CTX *context)
{
    unsigned char hello[2048];
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());

    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    int len = BIO_read(out, hello, sizeof(hello));
    (void)!send(fd, hello, len > 0 ? (size_t)len : 0, MSG_NOSIGNAL);
    SSL_free(ssl);
}

/* By a reset, while the server signs or just before or after. */
static void say_hello_and_vanish(SSL_CTX *context, int port, unsigned ms)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct linger reset = { .l_onoff = 1 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0) {
        send_hello(fd, context);
        clock_sleep_ms(ms);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        atomic_fetch_add(&count.vanished, 1);
    }
    close(fd);
}

/* Without retries: where a server stops in the midst of a call, gRPC 1.85 tries that again at once,
 * over and over for seconds, and takes hundreds of MiB for it, with keys in memory, too. */
static struct rpc_result dial_once(const char *address, unsigned deadline_ms)
{
    grpc_arg args[] = {
        { .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1 },
        { .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0 },
        { .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ENABLE_RETRIES, .value.integer = 0 },
    };
    const grpc_channel_args all = { .num_args = ARRAY_LEN(args), .args = args };
    grpc_channel *channel = grpc_channel_create(address, dials.channel, &all);
    struct rpc_result result = rpc_call(channel, deadline_ms);

    grpc_channel_destroy(channel);
    return result;
}

static void *dial_on(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    unsigned long number = 0;

    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3);
    while ((number = atomic_fetch_add(&round_.begun, 1)) < round_.until) {
        char address[32];
        int port = copy_address(address);
        unsigned ms = 1 + (unsigned)rand_r(&seed) % SHORT_MAX_MS;
        if (number % 3 == 0) {
            say_hello_and_vanish(context, port, ms);
            continue;
        }
        bool whole = number % 3 == 1;
        struct rpc_result result = dial_once(address, whole ? RPC_DEADLINE_MS : ms);
        atomic_fetch_add(result.ok ? &count.calls : &count.cut, 1);
    }
    SSL_CTX_free(context);
    return NULL;
}

/* --- rounds --- */

static void open_node(struct node *node, const struct member *member)
{
    *node = (struct node){ .log = log_lines };
    node->host = recording_host(log_lines);
    node->host.set_identity = set_counting_identity;
    node_open_with(node, member, PATCH);
}

static struct rpc_server *start_server(void)
{
    struct rpc_server *server = rpc_server_start(serves.server, POLLERS, NULL, NULL);

    pthread_mutex_lock(&round_.lock);
    snprintf(round_.address, sizeof(round_.address), "%s", rpc_server_address(server));
    round_.port = rpc_server_port(server);
    pthread_mutex_unlock(&round_.lock);
    return server;
}

static void run_round(unsigned number)
{
    pthread_t threads[DIALLERS];
    unsigned seeds[DIALLERS];
    unsigned long share = handshakes / ROUNDS;

    open_node(&serves, &alice);
    open_node(&dials, &bob);
    struct rpc_server *server = start_server();
    round_.begun = 0;
    round_.until = share;
    for (unsigned i = 0; i < DIALLERS; i++) {
        seeds[i] = number * DIALLERS + i;
        assert_int_equal(pthread_create(&threads[i], NULL, dial_on, &seeds[i]), 0);
    }
    for (unsigned i = 1; i < SERVERS; i++) {
        while (atomic_load(&round_.begun) < share * i / SERVERS) {
            clock_sleep_ms(1);
        }
        struct rpc_server *next = start_server();
        rpc_server_stop(server); /* in the midst of handshakes */
        server = next;
    }
    while (atomic_load(&round_.begun) < share) {
        clock_sleep_ms(1);
    }
    rpc_server_stop(server); /* likewise */
    for (unsigned i = 0; i < DIALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    node_close(&serves);
    node_close(&dials);
    recorder_clear(log_lines);
}

static bool is_settled(void)
{
    unsigned long starts = count.inbound + count.outbound;
    return count.dones == starts && count.freed == starts && count.signers == 0;
}

/* gRPC ends its connections a little later, and looks that up again each time. */
static long settled_kib(void)
{
    for (int ms = 0; ms < PATIENCE_MS && !is_settled(); ms++) {
        clock_sleep_ms(1);
    }
    long least = resident_kib();
    for (int i = 0; i < SETTLE_READS; i++) {
        clock_sleep_ms(SETTLE_STEP_MS);
        long kib = resident_kib();
        least = kib < least ? kib : least;
    }
    return least;
}

/* --- tests --- */

static long resident[ROUNDS];

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    make_counting();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    alice.module = bob.module = faulty_start();
    faulty_set(SLOW);
    log_lines = recorder_new();
    for (unsigned round = 0; round < ROUNDS; round++) {
        run_round(round);
        resident[round] = settled_kib();
    }
    print_message("%lu handshakes: %lu calls, %lu cut, %lu vanished; started: %lu as server, %lu "
                  "as client; %lu done, %lu cancelled, %lu handles freed; %ld signers left\n",
                  handshakes, count.calls, count.cut, count.vanished, count.inbound, count.outbound,
                  count.dones, count.cancels, count.freed, count.signers);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    member_free(&bob);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static void each_start_is_answered_once(void **state)
{
    (void)state;
    assert_int_equal(count.inbound + count.outbound, count.dones);
    assert_int_equal(count.twice, 0);
}

static void no_handle_and_no_signer_is_left(void **state)
{
    (void)state;
    assert_int_equal(count.freed, count.dones);
    assert_int_equal(count.signers, 0);
    assert_int_equal(faulty_count()->session_shared, 0);
    assert_int_equal(faulty_count()->sessions_now, 0);
}

static void both_roles_were_called_back_and_cancelled(void **state)
{
    (void)state;
    assert_true(count.inbound > 0 && count.outbound > 0 && count.cancels > 0);
    assert_true(count.calls > 0 && count.cut > 0 && count.vanished > 0);
    assert_int_equal(count.at_once, 0);
}

static void no_memory_is_kept(void **state)
{
    (void)state;
    long most = 0;

    for (unsigned round = WARM_ROUNDS; round < ROUNDS; round++) {
        most = resident[round] > most ? resident[round] : most;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        print_message("%s%ld", round == 0 ? "resident, KiB: " : ", ", resident[round]);
    }
    print_message("\n");
#ifndef NODEKEY_SANITIZED /* what was freed stays resident */
    assert_true(getenv("MALLOC_ARENA_MAX") == NULL ||
                most - resident[WARM_ROUNDS - 1] <= GROWTH_MAX_KIB);
#endif
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_start_is_answered_once),
        cmocka_unit_test(no_handle_and_no_signer_is_left),
        cmocka_unit_test(both_roles_were_called_back_and_cancelled),
        cmocka_unit_test(no_memory_is_kept),
    };
    if (argc == 3 && strcmp(argv[1], "--handshakes") == 0) {
        handshakes = strtoul(argv[2], NULL, 10);
    }
    if ((argc != 1 && argc != 3) || handshakes < ROUNDS * DIALLERS) {
        fprintf(stderr, "usage: %s [--handshakes N]\n", argv[0]);
        return 2;
    }
    return cmocka_run_group_tests_name("handshake_churn", tests, start, stop);
}
