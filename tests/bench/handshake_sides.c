/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/handshake_sides.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/plain_tls.h"
#include "bench/sides/bare.h"
#include "bench/sides/pkcs11_provider.h"
#include "bench/sides/rival.h"
#include "bench/sides/team.h"
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
    const char *patches[2]; /* of nodekey_side: the server's, the client's */
    const char *how;        /* gRPC on BoringSSL gets signatures, as the log has it */
    struct rpc_server *server;
    grpc_channel_credentials *channel;
    struct team *teams[TEAM_MAX + 1];
    struct node nodes[2]; /* of nodekey_side */
    grpc_server_credentials *credentials;
    struct bare bare; /* of between_side */
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

#define AT_ONCE "the server's at once, the client's at once"

static bool start_nodekey(void *user, char *why, size_t room)
{
    struct self *self = user;
    grpc_init();
    for (size_t i = 0; i < 2; i++) {
        node_open(&self->nodes[i], i == 0 ? &self->ends->server : &self->ends->client,
                  self->patches[i]);
    }
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

static struct outpost *start_node(struct ends *ends, const char *name, const char *how,
                                  const char *server, const char *client)
{
    static const struct outpost_work work = { start_nodekey, dial_many, stop_nodekey };
    struct self self = { .name = name, .ends = ends, .patches = { server, client }, .how = how };
    return outpost_start(name, &work, &self);
}

struct outpost *nodekey_side(struct ends *ends)
{
    return start_node(ends, "nodekey", AT_ONCE, "{}", "{}");
}

struct outpost *deadline_side(struct ends *ends)
{
    static const char patch[] = "{\"token\": {\"sign_timeout_ms\": 3000}}";
    return start_node(ends, "nodekey, deadline",
                      "the server's asynchronously, the client's asynchronously", patch, patch);
}

/* A line for each handshake, none held back. */
static const char *watched(const char *role)
{
    return path_of("{\"audit\": {\"file\": \"%s.audit\", \"per_peer_per_minute\": 1000000},"
                   " \"admit_candidate\": [{\"name\": \"next\", \"cn\": [\"*-next\"]},"
                   " {\"name\": \"members\", \"uri\": [\"spiffe://example.org/node/*\"]}]}",
                   role);
}

struct outpost *watched_side(struct ends *ends)
{
    return start_node(ends, "nodekey, watched", AT_ONCE, watched("server"), watched("client"));
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

/* Keys in memory, and the token beside them. */
static bool start_between(void *user, char *why, size_t room)
{
    struct self *self = user;
    bare_open(&self->bare, SOFTHSM_MODULE, self->ends->client.label, "identity",
              self->ends->key_type, 1);
    return start_plain_tls(user, why, room);
}

static struct bench_time thread_now(void)
{
    struct timespec cpu;
    struct bench_time now = bench_now();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    now.cpu_us = (double)cpu.tv_sec * 1e6 + (double)cpu.tv_nsec / 1e3;
    return now;
}

/* Signatures, one after each handshake; the handshakes are not what they cost. */
static struct contest_cost sign_between(void *user, const struct bounded_call *bounded)
{
    struct self *self = user;
    struct contest_cost cost = { .done = 0 };
    for (size_t i = 0; i < bounded->operations; i++) {
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

struct outpost *between_side(struct ends *ends)
{
    static const struct outpost_work work = { .start = start_between, .run = sign_between };
    struct self self = { .name = "bare token between handshakes", .ends = ends };
    return outpost_start(self.name, &work, &self);
}

static struct plain_tls rival_end(const struct member *member, const char *key)
{
    const struct federation *federation = member->federation;
    return (struct plain_tls){
        .key = key,
        .chain = pem_of(member->leaf, federation->intermediate.certificate, NULL),
        .root = pem_of(federation->root.certificate, NULL),
    };
}

static struct plain_tls libp11_end(const struct member *member)
{
    return rival_end(member, path_of("engine:pkcs11:%s", rival_uri(member->label, "identity")));
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

static struct plain_tls pkcs11_provider_end(const struct member *member)
{
    return rival_end(member, pkcs11_provider_pem(rival_uri(member->label, "identity")));
}

/* Without a channel that stands 5% to 30% fail: its key's handle is invalid. */
static bool start_pkcs11_provider(void *user, char *why, size_t room)
{
    struct self *self = user;
    const struct plain_tls server = pkcs11_provider_end(&self->ends->server);
    const struct plain_tls client = pkcs11_provider_end(&self->ends->client);
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each failure */
    snprintf(why, room, "OpenSSL does not load it");
    return pkcs11_provider_use(SOFTHSM_MODULE) &&
           start_without_us(self, &server, &client, why, room) && keep_channel(self, why, room);
}

struct outpost *pkcs11_provider_side(struct ends *ends)
{
    static const struct outpost_work work = { .start = start_pkcs11_provider, .run = dial_many };
    struct self self = { .name = "pkcs11-provider", .ends = ends };
    return outpost_start(self.name, &work, &self);
}
