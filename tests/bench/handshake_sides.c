/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/handshake_sides.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/plain_tls.h"
#include "bench/sides/bare.h"
#include "bench/sides/rival.h"
#include "bench/sides/team.h"
#include "bench/swap_key.h"
#include "fixtures/authority.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define SERVER_THREADS 4
#define PATIENCE_MS 20000

/* What a process dials with; `server` serves until it stops. */
struct self {
    const char *name;
    atomic_bool failed; /* said why once */
    struct ends *ends;
    const char *patch; /* of nodekey_side */
    const char *how;   /* gRPC on BoringSSL gets signatures, as the log has it */
    struct rpc_server *server;
    grpc_channel_credentials *channel;
    struct team *teams[TEAM_MAX + 1];
    struct node nodes[2];                    /* of nodekey_side */
    nk_function (*symbol)(const char *name); /* theirs */
    grpc_server_credentials *credentials;
    struct bare bare; /* of software_side */
};

/* --- an errand --- */

static bool dial(void *user, unsigned seat)
{
    struct self *self = user;
    (void)seat;
    struct rpc_result result =
        rpc_dial(self->channel, rpc_server_address(self->server), PATIENCE_MS);
    if (!result.ok && !atomic_exchange(&self->failed, true)) {
        fprintf(stderr, "bench: %s: first failure: %d %s\n", self->name, result.status,
                result.details);
    }
    return result.ok;
}

static struct team *team_of(struct team *teams[], unsigned threads)
{
    if (teams[threads] == NULL) {
        teams[threads] = team_new(threads);
    }
    return teams[threads];
}

static struct contest_cost dial_many(void *user, const struct bounded_call *bounded)
{
    struct self *self = user;
    struct team *team = team_of(self->teams, bounded->threads);
    return team_run(team, bounded->operations, dial, self);
}

static bool first_dial(struct self *self, char *why, size_t room)
{
    struct rpc_result result =
        rpc_dial(self->channel, rpc_server_address(self->server), PATIENCE_MS);
    snprintf(why, room, "the first handshake: %.150s", result.details);
    return result.ok;
}

static void stop_dialling(struct self *self)
{
    for (size_t i = 0; i <= TEAM_MAX; i++) {
        team_free(self->teams[i]);
    }
    rpc_server_stop(self->server);
}

static struct plain_tls in_memory(const struct ends *ends, const char *label)
{
    return plain_tls_member(ends->federation, label, ends->key_type);
}

/* --- nodekey --- */

static bool start_nodekey(void *user, char *why, size_t room)
{
    struct self *self = user;
    grpc_init();
    for (size_t i = 0; i < 2; i++) {
        node_prepare(&self->nodes[i]);
        self->nodes[i].host.symbol = self->symbol;
    }
    node_open_with(&self->nodes[0], &self->ends->server, self->patch);
    node_open_with(&self->nodes[1], &self->ends->client, self->patch);
    for (size_t i = 0; i < 2 && BORINGSSL_CORE; i++) {
        if (!recorder_has(self->nodes[i].log, self->how)) {
            snprintf(why, room, "the log does not say: %s", self->how);
            return false;
        }
    }
    self->server = rpc_server_start(self->nodes[0].server, SERVER_THREADS, NULL, NULL);
    self->channel = self->nodes[1].channel;
    return first_dial(self, why, room);
}

static void stop_nodekey(void *user)
{
    struct self *self = user;
    stop_dialling(self);
    node_close(&self->nodes[0]);
    node_close(&self->nodes[1]);
    rpc_shutdown();
}

struct outpost *nodekey_side(struct ends *ends)
{
    static const struct outpost_work work = { start_nodekey, dial_many, stop_nodekey };
    struct self self = { .name = "nodekey",
                         .ends = ends,
                         .patch = "{}",
                         .how = "the server's at once, the client's at once" };
    return outpost_start(self.name, &work, &self);
}

struct outpost *deadline_side(struct ends *ends)
{
    static const struct outpost_work work = { start_nodekey, dial_many, stop_nodekey };
    struct self self = { .name = "nodekey, deadline",
                         .ends = ends,
                         .patch = "{\"token\": {\"sign_timeout_ms\": 3000}}",
                         .how = "the server's asynchronously, the client's asynchronously" };
    return outpost_start(self.name, &work, &self);
}

/* Both roles show one key and certificate: so they do with the token, as far as it costs. */
static bool start_software(void *user, char *why, size_t room)
{
    struct self *self = user;
    static struct plain_tls end;
    end = in_memory(self->ends, "software");
    const char *path =
        path_of("%s/software-%s.pem", self->ends->federation->folder, self->ends->key_type);
    write_file(path, path_of("%s%s", end.key, end.chain), 0600);
    swap_key_for(path, &end);
    self->symbol = swap_key_symbol;
    if (!start_nodekey(user, why, room)) {
        return false;
    }
    if (swap_key_count() < 2) { /* server's and channels': else it would be the token's key */
        snprintf(why, room, "gRPC was not given the key in memory");
        return false;
    }
    bare_open(&self->bare, SOFTHSM_MODULE, self->ends->client.label, "identity",
              self->ends->key_type, 1);
    return true;
}

static struct bench_time thread_now(void)
{
    struct timespec cpu;
    struct bench_time now = bench_now();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    now.cpu_us = (double)cpu.tv_sec * 1e6 + (double)cpu.tv_nsec / 1e3;
    return now;
}

/* One after each handshake; only the signature is what it cost. */
static struct contest_cost sign_between(struct self *self, size_t operations)
{
    struct contest_cost cost = { .done = 0 };
    for (size_t i = 0; i < operations; i++) {
        (void)dial(self, 0);
        struct bench_time start = thread_now();
        bool ok = bare_sign(&self->bare, 0);
        struct bench_time end = thread_now();
        cost.time.wall_us += end.wall_us - start.wall_us;
        cost.time.cpu_us += end.cpu_us - start.cpu_us;
        cost.done += ok ? 1 : 0;
        cost.failed += ok ? 0 : 1;
    }
    return cost;
}

static struct contest_cost dial_or_sign(void *user, const struct bounded_call *bounded)
{
    return bounded->what == SOFTWARE_DIALS_AND_SIGNS ? sign_between(user, bounded->operations)
                                                     : dial_many(user, bounded);
}

struct outpost *software_side(struct ends *ends)
{
    static const struct outpost_work work = { start_software, dial_or_sign, stop_nodekey };
    struct self self = { .name = "nodekey with keys in memory", .ends = ends, .patch = "{}" };
    return outpost_start(self.name, &work, &self);
}

/* --- without us --- */

static bool start_without_us(struct self *self, const struct plain_tls *server,
                             const struct plain_tls *client, char *why, size_t room)
{
    grpc_init();
    self->credentials = plain_tls_server(server);
    self->server = rpc_server_start(self->credentials, SERVER_THREADS, NULL, NULL);
    self->channel = plain_tls_channel(client);
    return first_dial(self, why, room);
}

/* A channel that stands till the process ends: without any, gRPC 1.51 can lose the certificates,
 * for good, when channels come and go fast. */
static bool keep_channel(const struct self *self, char *why, size_t room)
{
    grpc_channel *kept = rpc_channel(self->channel, rpc_server_address(self->server));
    struct rpc_result result = rpc_call(kept, PATIENCE_MS);
    snprintf(why, room, "the channel that stands: %.150s", result.details);
    return result.ok;
}

static bool start_plain_tls(void *user, char *why, size_t room)
{
    struct self *self = user;
    const struct plain_tls server = in_memory(self->ends, "server");
    const struct plain_tls client = in_memory(self->ends, "client");
    return start_without_us(self, &server, &client, why, room) && keep_channel(self, why, room);
}

struct outpost *plain_side(struct ends *ends)
{
    static const struct outpost_work work = { .start = start_plain_tls, .run = dial_many };
    struct self self = { .name = "gRPC's own TLS", .ends = ends };
    return outpost_start(self.name, &work, &self);
}

static struct plain_tls libp11_end(const struct member *member)
{
    const struct federation *federation = member->federation;
    return (struct plain_tls){
        .key = path_of("engine:pkcs11:%s", rival_uri(member->label, "identity")),
        .chain = pem_of(member->leaf, federation->intermediate.certificate, NULL),
        .root = pem_of(federation->root.certificate, NULL),
    };
}

static bool start_libp11(void *user, char *why, size_t room)
{
    struct self *self = user;
    const struct plain_tls server = libp11_end(&self->ends->server);
    const struct plain_tls client = libp11_end(&self->ends->client);
    rival_hush();
    rival_use(SOFTHSM_MODULE);
    return start_without_us(self, &server, &client, why, room);
}

struct outpost *libp11_side(struct ends *ends)
{
    static const struct outpost_work work = { .start = start_libp11, .run = dial_many };
    struct self self = { .name = "libp11's engine", .ends = ends };
    return outpost_start(self.name, &work, &self);
}

/* --- the token --- */

struct bare_self {
    struct ends *ends;
    struct bare bare;
    struct team *alone;
};

static bool start_bare(void *user, char *why, size_t room)
{
    struct bare_self *self = user;
    (void)why, (void)room;
    bare_open(&self->bare, SOFTHSM_MODULE, self->ends->client.label, "identity",
              self->ends->key_type, 1);
    self->alone = team_new(1);
    return true;
}

static struct contest_cost sign_many(void *user, const struct bounded_call *bounded)
{
    struct bare_self *self = user;
    return team_run(self->alone, bounded->operations, bare_sign, &self->bare);
}

struct outpost *bare_side(struct ends *ends)
{
    static const struct outpost_work work = { .start = start_bare, .run = sign_many };
    struct bare_self self = { .ends = ends };
    return outpost_start("bare token", &work, &self);
}
