/* SPDX-License-Identifier: Apache-2.0
 * What nodekey costs the program that loads it: OpenSSL asks every provider, also for keys that are
 * none of its own. */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/auto.h"
#include "bench/harness/bench.h"
#include "bench/harness/contest.h"
#include "bench/program_work.h"
#include "bench/sides/empty_provider.h"
#include "bench/sides/outpost.h"
#include "fixtures/authority.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define ROUNDS 101
#define OPENSSL_3_5 0x30500000UL

static const char about[] =
    "The program's own OpenSSL, with keys in memory: reading a private key, reading a certificate\n"
    "with its public key, and a mutual TLS 1.3 handshake in memory; without nodekey, with nodekey\n"
    "and a key in SoftHSM, with an empty provider as large as nodekey's, and with one of a single\n"
    "decoder. Needs NODEKEY_MODULE.\n";

/* --- the sides --- */

enum side { WITHOUT, WITH, AS_LARGE, ONE_DECODER, SIDES };

struct self {
    enum side side;
    const struct program_papers *papers;
    const struct member *member;
    struct node node; /* of WITH */
    struct program *program;
};

/* gRPC runs in each: the program has its threads without us, too. */
static bool start(void *user, char *why, size_t room)
{
    struct self *self = user;
    (void)why, (void)room;
    grpc_init();
    switch (self->side) {
    case WITH:
        node_open(&self->node, self->member, "{}");
        break;
    case AS_LARGE:
        empty_provider_load(EMPTY_AS_OURS);
        break;
    case ONE_DECODER:
        empty_provider_load(EMPTY_ONE_DECODER);
        break;
    case WITHOUT:
    case SIDES:
        break;
    }
    self->program = program_new(self->papers);
    return true;
}

static struct contest_cost work(void *user, const struct bounded_call *bounded)
{
    const struct self *self = user;
    return program_work(self->program, bounded);
}

static struct outpost *side_start(enum side side, const struct program_papers *papers,
                                  const struct member *member)
{
    static const char *const names[SIDES] = {
        [WITHOUT] = "without nodekey",
        [WITH] = "with nodekey",
        [AS_LARGE] = "empty provider",
        [ONE_DECODER] = "empty provider, one decoder",
    };
    static const struct outpost_work provider = { .start = start, .run = work };
    struct self self = { .side = side, .papers = papers, .member = member };
    return outpost_start(names[side], &provider, &self);
}

/* --- the figures --- */

static double nodekey_cost(const double *us)
{
    return us[WITH] / us[WITHOUT];
}

static double empty_cost(const double *us)
{
    return us[AS_LARGE] / us[WITHOUT];
}

static double one_decoder_cost(const double *us)
{
    return us[ONE_DECODER] / us[WITHOUT];
}

static double nodekey_to_empty(const double *us)
{
    return us[WITH] / us[AS_LARGE];
}

static const struct operation {
    enum program_operation number;
    const char *name;
    const char *what;
    /* In one batch: some 25 ms of OpenSSL 3.0, and of 3.5. */
    size_t operations;
    size_t operations_3_5;
} operations[] = {
    { READ_P256, "key_p256", "own P-256 key read", 100, 1200 },
    { READ_RSA, "key_rsa2048", "own RSA-2048 key read", 100, 1200 },
    { READ_CERTIFICATE, "certificate", "certificate read", 250, 1500 },
    { HANDSHAKE, "handshake", "own TLS 1.3 handshake", 24, 24 },
};

static bool keeps_decoders(void)
{
    return OpenSSL_version_num() >= OPENSSL_3_5;
}

struct turn {
    struct outpost *outpost;
    const struct operation *operation;
};

static bool send_batch(void *user, struct contest_cost *ret_cost)
{
    const struct turn *turn = user;
    const struct operation *operation = turn->operation;
    const struct bounded_call bounded = {
        .threads = 1,
        .operations = keeps_decoders() ? operation->operations_3_5 : operation->operations,
        .what = (int)operation->number,
    };
    if (!outpost_send(turn->outpost, &bounded, ret_cost)) {
        abort();
    }
    return true;
}

/* Before 3.5, OpenSSL makes every decoder anew for each key that it reads: then the measure is what
 * any provider costs. */
static void compare(const struct bench_options *options, const struct operation *operation,
                    struct outpost *const at[SIDES])
{
    static const struct stats_bound hardly = { STATS_AT_MOST, 1.03, 0 };
    static const struct stats_bound as_empty = { STATS_AT_MOST, 1.1, 0 };
    struct turn turns[SIDES];
    struct contest_side sides[SIDES] = { 0 };
    for (size_t i = 0; i < SIDES; i++) {
        turns[i] = (struct turn){ at[i], operation };
        sides[i] = (struct contest_side){ .batch = send_batch, .user = &turns[i] };
    }
    const struct contest_figure figures[] = {
        { path_of("program_%s_cost", operation->name),
          path_of("%s: with nodekey / without", operation->what), "ratio", CONTEST_CPU,
          keeps_decoders() ? &hardly : NULL, nodekey_cost, WITH, WITHOUT },
        { path_of("program_%s_to_empty", operation->name),
          path_of("%s: with nodekey / empty provider as large", operation->what), "ratio",
          CONTEST_CPU, keeps_decoders() ? NULL : &as_empty, nodekey_to_empty, WITH, AS_LARGE },
        { path_of("program_%s_empty_cost", operation->name),
          path_of("%s: empty provider as large / without", operation->what), "ratio", CONTEST_CPU,
          NULL, empty_cost, AS_LARGE, WITHOUT },
        { path_of("program_%s_one_decoder_cost", operation->name),
          path_of("%s: empty provider, one decoder / without", operation->what), "ratio",
          CONTEST_CPU, NULL, one_decoder_cost, ONE_DECODER, WITHOUT },
    };
    const struct contest contest = { path_of("program_%s", operation->name),
                                     operation->what,
                                     sides,
                                     SIDES,
                                     figures,
                                     ARRAY_LEN(figures) };
    contest_run(options, &contest);
}

int main(int argc, char **argv)
{
    const struct bench_options options = bench_parse(argc, argv, about, ROUNDS);
    struct federation federation;
    struct member member;
    struct outpost *at[SIDES];
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &member, "node", "P-256");
    const struct program_papers *papers = program_papers_make();
    for (size_t i = 0; i < SIDES; i++) {
        at[i] = side_start((enum side)i, papers, &member);
    }
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        compare(&options, &operations[i], at);
    }
    for (size_t i = SIDES; i > 0; i--) { /* the later ones hold the earlier ones' channels */
        outpost_stop(at[i - 1]);
    }
    member_free(&member);
    federation_free(&federation);
    return 0;
}
