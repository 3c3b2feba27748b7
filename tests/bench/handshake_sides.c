/* SPDX-License-Identifier: Apache-2.0 */
#include "handshake_sides.h"

#include <stdio.h>
#include <stdlib.h>

#include "authority.h"
#include "bare.h"
#include "plain_tls.h"
#include "rival.h"
#include "rpc.h"
#include "softhsm.h"
#include "team.h"

#define SERVER_THREADS 4
#define PATIENCE_MS 20000

/* What a process dials with; `server` serves until it stops. */
struct self {
    struct ends *ends;
    struct rpc_server *server;
    grpc_channel_credentials *channel;
    struct team *teams[TEAM_MAX + 1];
    struct node nodes[2]; /* of nodekey_side */
    grpc_server_credentials *credentials;
};

/* --- an errand --- */

static bool dial(void *user, unsigned seat)
{
    const struct self *self = user;
    (void)seat;
    return rpc_dial(self->channel, rpc_server_address(self->server), PATIENCE_MS).ok;
}

static struct team *team_of(struct team *teams[], unsigned threads)
{
    if (teams[threads] == NULL) {
        teams[threads] = team_new(threads);
    }
    return teams[threads];
}

static struct contest_cost dial_many(void *user, const struct errand *errand)
{
    struct self *self = user;
    struct team *team = team_of(self->teams, errand->threads);
    return team_run(team, errand->operations, dial, self);
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

/* --- nodekey --- */

static bool start_nodekey(void *user, char *why, size_t room)
{
    struct self *self = user;
    grpc_init();
    node_open(&self->nodes[0], &self->ends->server, "{}");
    node_open(&self->nodes[1], &self->ends->client, "{}");
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
    struct self self = { .ends = ends };
    return outpost_start("nodekey", &work, &self);
}

/* --- without us --- */

static bool start_plain(struct self *self, const struct plain_tls *server,
                        const struct plain_tls *client, char *why, size_t room)
{
    grpc_init();
    self->credentials = plain_tls_server(server);
    self->server = rpc_server_start(self->credentials, SERVER_THREADS, NULL, NULL);
    self->channel = plain_tls_channel(client);
    return first_dial(self, why, room);
}

/* A member by its certificate; the key is in memory. Texts live until the process ends. */
static struct plain_tls software_end(const struct ends *ends, const char *label)
{
    const struct federation *federation = ends->federation;
    struct certificate_spec spec = member_spec(federation, label);
    EVP_PKEY *key = software_key(ends->key_type);
    X509 *leaf = authority_issue(&federation->intermediate, key, &spec);
    struct plain_tls end = {
        .key = pem_of_key(key),
        .chain = pem_of(leaf, federation->intermediate.certificate, NULL),
        .root = pem_of(federation->root.certificate, NULL),
    };
    X509_free(leaf);
    EVP_PKEY_free(key);
    return end;
}

static bool start_software(void *user, char *why, size_t room)
{
    struct self *self = user;
    const struct plain_tls server = software_end(self->ends, "server");
    const struct plain_tls client = software_end(self->ends, "client");
    return start_plain(self, &server, &client, why, room);
}

struct outpost *software_side(struct ends *ends)
{
    static const struct outpost_work work = { .start = start_software, .run = dial_many };
    struct self self = { .ends = ends };
    return outpost_start("keys in memory", &work, &self);
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
    rival_use(SOFTHSM_MODULE);
    return start_plain(self, &server, &client, why, room);
}

struct outpost *libp11_side(struct ends *ends)
{
    static const struct outpost_work work = { .start = start_libp11, .run = dial_many };
    struct self self = { .ends = ends };
    return outpost_start("libp11's engine", &work, &self);
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

static struct contest_cost sign_many(void *user, const struct errand *errand)
{
    struct bare_self *self = user;
    return team_run(self->alone, errand->operations, bare_sign, &self->bare);
}

struct outpost *bare_side(struct ends *ends)
{
    static const struct outpost_work work = { .start = start_bare, .run = sign_many };
    struct bare_self self = { .ends = ends };
    return outpost_start("bare token", &work, &self);
}
