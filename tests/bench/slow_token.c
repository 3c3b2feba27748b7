/* SPDX-License-Identifier: Apache-2.0
 * A slow token under the gRPC that this was built with, so that the tables of two builds can be
 * laid side by side: peers dial all at once a node with one polling thread, and come back as gRPC's
 * channels do when they are refused; meanwhile calls are made on a connection that was there
 * before. Each round has a node of its own, since a core's pool of threads keeps what it grew. */
#include <argp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fault/figures.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer_ends.h"

#define PEERS 40
#define ROUNDS_MAX 32
#define SLOW "sign_ms=100\n"
#define HANGS "sign_hang=1\n"
#define HANG_MS 8000
#define CALL_EVERY_MS 5
#define IDLE_CALLS 200
#define CALL_DEADLINE_MS 60000
#define LENT "{\"token\": {\"max_sessions\": 34}, \"grpc\": {\"lent_threads\": 32}}"
/* Of gRPC's channels. */
#define BACKOFF_MS 1000.0
#define BACKOFF_GROWS 1.6
#define BACKOFF_JITTER 0.2

#define MANY_SESSIONS "{\"token\": {\"max_sessions\": 41}}" /* each of the peers', and ours */

static struct {
    unsigned rounds;
    bool hang;
    bool lend;
    bool more_sessions;
    bool wait;
} options = { .rounds = 3 };

static struct tls_peer peer;

static void die(const char *what)
{
    fprintf(stderr, "slow_token: %s\n", what);
    abort();
}

/* --- nodes, each in a process of its own --- */

struct node_seen { /* shared with its process */
    pid_t pid;
    atomic_int port;
    atomic_bool enough;
    atomic_ulong signing;
    atomic_ulong most_signing;
    atomic_ulong refused;
};

static const char *patch_of_options(void)
{
    return options.lend ? LENT : options.more_sessions ? MANY_SESSIONS : "{}";
}

static __typeof__(((nk_host *)NULL)->set_identity) set_identity; /* of the core's host */

static uint32_t is_quick(const nk_signer *signer)
{
    (void)signer;
    return 1;
}

/* gRPC waits for each signature, as if the token were quick. */
static nk_status set_identity_that_waits(void *host_data, const nk_plugin *plugin,
                                         grpc_tls_certificate_provider *provider, nk_signer *signer,
                                         const char *chain_pem)
{
    static nk_plugin waiting; /* for as long as gRPC has signers */

    waiting = *plugin;
    waiting.signer_is_quick = is_quick;
    return set_identity(host_data, &waiting, provider, signer, chain_pem);
}

static void open_node(struct node *node, const struct member *member)
{
    node_prepare(node);
    set_identity = node->host.set_identity;
    if (options.wait && set_identity == NULL) {
        die("this gRPC always waits for signatures");
    }
    node->host.set_identity = options.wait ? set_identity_that_waits : set_identity;
    node_open_with(node, member, patch_of_options());
}

static void look(struct node_seen *seen, const struct node *node)
{
    unsigned long signing = faulty_count()->signing_now;

    seen->signing = signing;
    seen->most_signing = signing > seen->most_signing ? signing : seen->most_signing;
    seen->refused =
        recorder_count(node->log, "peers are refused") + recorder_count(node->log, "no signature");
}

static void serve(struct node_seen *seen, const struct member *member)
{
    struct node node;
    grpc_init();
    open_node(&node, member);
    struct rpc_server *server = rpc_server_start(node.server, 1, NULL, NULL);
    seen->port = rpc_server_port(server);
    while (!seen->enough) {
        look(seen, &node);
        clock_sleep_ms(5);
    }
    rpc_server_stop(server);
    node_close(&node);
    (void)rpc_shuts_down(); /* refused peers may keep it for a while */
}

/* Before this process has threads. */
static struct node_seen *start_node(const struct member *member)
{
    struct node_seen *seen =
        mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seen == MAP_FAILED) {
        die("no memory");
    }
    pid_t pid = fork();
    if (pid < 0) {
        die("fork failed");
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(seen, member);
        _exit(0);
    }
    seen->pid = pid;
    while (seen->port == 0) {
        clock_sleep_ms(5);
    }
    return seen;
}

static void stop_node(struct node_seen *seen)
{
    int status = 0;
    seen->enough = true;
    if (waitpid(seen->pid, &status, 0) != seen->pid || status != 0) {
        die("a node did not end well");
    }
    munmap(seen, sizeof(*seen));
}

/* --- peers --- */

static struct {
    pthread_t threads[PEERS];
    int port;
    atomic_uint in;
    atomic_uint attempts;
    atomic_llong last_ms; /* when the last one was let in */
} wave;

static void *dial(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    double backoff_ms = BACKOFF_MS;
    SSL_CTX *context = tls_peer_context_kept(&peer);
    for (;;) {
        long long start_ms = clock_now_ms();
        wave.attempts++;
        if (tls_peer_dial_kept(&peer, context, wave.port).accepted) {
            break;
        }
        double jitter = BACKOFF_JITTER * (2.0 * rand_r(&seed) / RAND_MAX - 1);
        long long left_ms = start_ms + (long long)(backoff_ms * (1 + jitter)) - clock_now_ms();
        clock_sleep_ms(left_ms > 0 ? (unsigned)left_ms : 0);
        backoff_ms *= BACKOFF_GROWS;
    }
    wave.last_ms = clock_now_ms();
    wave.in++;
    SSL_CTX_free(context);
    return NULL;
}

static void start_wave(int port)
{
    wave.port = port;
    wave.in = wave.attempts = 0;
    for (uintptr_t i = 0; i < PEERS; i++) {
        if (pthread_create(&wave.threads[i], NULL, dial, (void *)i) != 0) {
            die("no thread");
        }
    }
}

static void join_wave(void)
{
    for (int i = 0; i < PEERS; i++) {
        pthread_join(wave.threads[i], NULL);
    }
}

/* --- the connection that was there --- */

struct caller {
    pthread_t thread;
    grpc_channel *channel;
    struct figures idle;
    struct figures busy;
};

/* Calls are due at fixed times: one that stalls makes the next ones late, too. */
static void call_at(struct caller *caller, double *due_ms, struct figures *figures)
{
    rest_ms(*due_ms - now_ms());
    struct rpc_result result = rpc_call(caller->channel, CALL_DEADLINE_MS);
    if (!result.ok) {
        die(result.details);
    }
    figures_add(figures, now_ms() - *due_ms);
    *due_ms += CALL_EVERY_MS;
}

static void call_idle(struct caller *caller)
{
    double due_ms = now_ms();
    for (int i = 0; i < IDLE_CALLS; i++) {
        call_at(caller, &due_ms, &caller->idle);
    }
}

static void *call(void *arg)
{
    struct caller *caller = arg;
    double due_ms = now_ms();
    while (wave.in < PEERS) {
        call_at(caller, &due_ms, &caller->busy);
    }
    return NULL;
}

/* --- rounds --- */

/* False: all peers are in before. */
static bool sleep_until(long long at_ms)
{
    while (clock_now_ms() < at_ms && wave.in < PEERS) {
        clock_sleep_ms(1);
    }
    return wave.in < PEERS;
}

static void print_round(const struct node_seen *seen, const unsigned long *signing,
                        long long took_ms, struct caller *caller)
{
    printf("%7lu %6lu %4lu %4lu %4lu %8lld %6u %8lu %8zu %6.1f %8.1f %8.1f %8.1f\n",
           (unsigned long)seen->most_signing, signing[0], signing[1], signing[2], signing[3],
           took_ms, (unsigned)wave.attempts, (unsigned long)seen->refused, caller->busy.len,
           figures_percentile(&caller->busy, 50), figures_p99(&caller->busy), caller->busy.longest,
           figures_p99(&caller->idle));
    fflush(stdout);
}

static void run_round(struct node_seen *seen, struct caller *caller)
{
    static const unsigned looks_ms[] = { 200, 1000, 2000, 4000 };
    unsigned long signing[ARRAY_LEN(looks_ms)] = { 0 };
    figures_clear(&caller->idle);
    figures_clear(&caller->busy);
    call_idle(caller);
    faulty_set(options.hang ? HANGS : SLOW);
    long long start_ms = clock_now_ms();
    start_wave(seen->port);
    if (pthread_create(&caller->thread, NULL, call, caller) != 0) {
        die("no thread");
    }
    for (size_t i = 0; i < ARRAY_LEN(looks_ms) && sleep_until(start_ms + looks_ms[i]); i++) {
        signing[i] = seen->signing;
    }
    if (options.hang && sleep_until(start_ms + HANG_MS)) {
        faulty_set("");
    }
    join_wave();
    long long took_ms = wave.last_ms - start_ms;
    pthread_join(caller->thread, NULL);
    print_round(seen, signing, took_ms, caller);
    faulty_set("");
}

static void print_head(void)
{
    printf("gRPC core %s, %ld cores, %d peers at once, token %s, %s lent threads, %d sessions%s\n",
           grpc_version_string(), sysconf(_SC_NPROCESSORS_CONF), PEERS,
           options.hang ? "hangs for 8 s" : "100 ms", options.lend ? "32" : "no",
           options.lend            ? 34
           : options.more_sessions ? 41
                                   : 16,
           options.wait ? ", gRPC waits for each signature" : "");
    printf("%7s %6s %4s %4s %4s %8s %6s %8s %8s %6s %8s %8s %8s\n", "signing", "at", "1s", "2s",
           "4s", "all in", "dials", "refused", "calls", "p50", "p99", "longest", "p99");
    printf("%7s %6s %14s %8s %6s %8s %8s %6s %8s %8s %8s\n", "most", "0.2s", "", "ms", "", "(told)",
           "", "ms", "ms", "ms", "idle");
}

static error_t take_option(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case 'r':
        options.rounds = (unsigned)strtoul(arg, NULL, 10);
        if (options.rounds < 1 || options.rounds > ROUNDS_MAX) {
            argp_error(state, "1 to %d rounds", ROUNDS_MAX);
        }
        return 0;
    case 'h':
        options.hang = true;
        return 0;
    case 'l':
        options.lend = true;
        return 0;
    case 's':
        options.more_sessions = true;
        return 0;
    case 'w':
        options.wait = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp_option known[] = {
        { "rounds", 'r', "N", 0, "each with a node of its own; 3", 0 },
        { "hang", 'h', NULL, 0, "the token hangs for 8 s, instead of 100 ms for each signature",
          0 },
        { "lend", 'l', NULL, 0, "with 32 grpc.lent_threads", 0 },
        { "sessions", 's', NULL, 0, "with token.max_sessions 41, one for each peer", 0 },
        { "wait", 'w', NULL, 0, "gRPC on BoringSSL waits, as it does for quick keys", 0 },
        { 0 },
    };
    const struct argp argp = { .options = known, .parser = take_option };
    struct node_seen *nodes[ROUNDS_MAX];
    static struct caller caller;
    struct federation federation;
    struct member server, client;
    struct node node;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each refused handshake */
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &server, "node", "P-256");
    federation_enrol(&federation, &client, "client", "P-256");
    server.module = faulty_start();
    peer = stranger_make(&federation);
    faulty_set(SLOW); /* so that `open` finds it slow */
    for (unsigned i = 0; i < options.rounds; i++) {
        nodes[i] = start_node(&server);
    }
    faulty_set("");
    grpc_init();
    node_open(&node, &client, "{}"); /* its own token is fast */
    print_head();
    for (unsigned i = 0; i < options.rounds; i++) {
        char address[32];
        snprintf(address, sizeof(address), "127.0.0.1:%d", (int)nodes[i]->port);
        caller.channel = rpc_channel(node.channel, address);
        if (!rpc_call_when_ready(caller.channel, RPC_DEADLINE_MS).ok) {
            die("a node does not answer");
        }
        run_round(nodes[i], &caller);
        grpc_channel_destroy(caller.channel);
        stop_node(nodes[i]);
    }
    node_close(&node);
    stranger_free(&peer);
    member_free(&server);
    member_free(&client);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}
