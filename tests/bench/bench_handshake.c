/* SPDX-License-Identifier: Apache-2.0
 * What keys in a token cost in full mutual handshakes of gRPC: beside keys in memory, the rival,
 * and the two signatures that the token must make anyway. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "bench/handshake_load.h"
#include "bench/handshake_sides.h"
#include "bench/harness/bench.h"
#include "bench/harness/contest.h"
#include "fixtures/authority.h"
#include "fixtures/softhsm/softhsm.h"

#define ROUNDS 61
#define CROWD 8
#define CROWD_DIALS 32
#define COST_MAX 1.1 /* of two bare signatures */
/* 10% of the bound: a difference between two costs that are each many times as large. */
#define COST_REACH (COST_MAX / 10)
#define FEW_DIALS 10 /* where no bound asks for precision */

static const char about[] =
    "Full mutual handshakes of gRPC, each a call on a channel of its own, with both keys in\n"
    "SoftHSM: through nodekey, through libp11's engine, and with keys in memory. Needs\n"
    "NODEKEY_MODULE and libengine-pkcs11-openssl.\n\n"
    "With --handshakes N [--threads T] [--key TYPE] [--json] it makes N of nodekey's from T "
    "threads\n"
    "instead, and ends with 0 only when none failed.\n";

enum side {
    BARE,
    BARE_BETWEEN,
    NODEKEY_1,
    SOFTWARE_1,
    PLAIN_1,
    LIBP11_1,
    NODEKEY_8,
    SOFTWARE_8,
    PLAIN_8,
    LIBP11_8,
    SIDES
};

static void die(const char *what)
{
    fprintf(stderr, "bench_handshake: %s\n", what);
    abort();
}

static const struct key {
    const char *type;
    const char *name;
    size_t signatures; /* in one batch */
    size_t dials;      /* in one batch of one thread */
} keys[] = {
    { "RSA-2048", "rsa2048", 48, 20 },
    { "P-256", "p256", 480, 60 }, /* the figure is a small part of a handshake */
    { "Ed25519", "ed25519", 160, 30 },
};

/* --- a side --- */

struct batch {
    struct outpost *outpost;
    struct bounded_call bounded;
    bool may_fail;
};

static bool send_batch(void *user, struct contest_cost *ret_cost)
{
    const struct batch *batch = user;
    bool sent = outpost_send(batch->outpost, &batch->bounded, ret_cost);
    if (!batch->may_fail && (!sent || ret_cost->failed > 0)) {
        die("a handshake of nodekey's failed");
    }
    return sent;
}

/* --- figures --- */

/* By CPU time, of both ends: SoftHSM does not wait, and whoever else waits for a processor is not
 * what a handshake costs. */
static double signatures(const double *us, double more)
{
    return more / (2 * us[BARE]);
}

static double cost(const double *us)
{
    return signatures(us, us[NODEKEY_1] - us[SOFTWARE_1]);
}

static double cost_between(const double *us)
{
    return (us[NODEKEY_1] - us[SOFTWARE_1]) / (2 * us[BARE_BETWEEN]);
}

static double cost_with_judging(const double *us)
{
    return signatures(us, us[NODEKEY_1] - us[PLAIN_1]);
}

static double cost_of_libp11(const double *us)
{
    return signatures(us, us[LIBP11_1] - us[PLAIN_1]);
}

static double crowd_rate(const double *us)
{
    return us[SOFTWARE_8] / us[NODEKEY_8];
}

static double crowd_rate_of_libp11(const double *us)
{
    return us[PLAIN_8] / us[LIBP11_8];
}

static const struct stats_bound cost_most = { STATS_AT_MOST, COST_MAX, COST_REACH };

static void compare(const struct bench_options *options, const char *name, const char *type,
                    const struct contest_side sides[SIDES])
{
    const struct contest_figure figures[] = {
        { path_of("handshake_%s_cost", name),
          path_of("%s handshake: over keys in memory / two bare signatures", type), "ratio",
          CONTEST_CPU, &cost_most, cost, NODEKEY_1, SOFTWARE_1 },
        { path_of("handshake_%s_cost_cold", name),
          path_of("%s handshake: the same / two signatures between handshakes", type), "ratio",
          CONTEST_CPU, &cost_most, cost_between, NODEKEY_1, SOFTWARE_1 },
        { path_of("handshake_%s_cost_with_judging", name),
          path_of("%s handshake: over gRPC's own TLS, judging included", type), "ratio",
          CONTEST_CPU, NULL, cost_with_judging, NODEKEY_1, PLAIN_1 },
        { path_of("handshake_%s_cost_libp11", name),
          path_of("%s handshake: of libp11 over gRPC's own TLS", type), "ratio", CONTEST_CPU, NULL,
          cost_of_libp11, LIBP11_1, PLAIN_1 },
        { path_of("handshake_%s_8_rate", name),
          path_of("%s handshakes, 8 at a time: nodekey / keys in memory", type), "ratio",
          CONTEST_WALL_OR_CPU, NULL, crowd_rate, NODEKEY_8, SOFTWARE_8 },
        { path_of("handshake_%s_8_rate_libp11", name),
          path_of("%s handshakes, 8 at a time: libp11 / gRPC's own TLS", type), "ratio",
          CONTEST_WALL_OR_CPU, NULL, crowd_rate_of_libp11, LIBP11_8, PLAIN_8 },
    };
    const struct contest contest = { path_of("handshake_%s", name),
                                     path_of("%s handshakes", type),
                                     sides,
                                     SIDES,
                                     figures,
                                     ARRAY_LEN(figures) };
    contest_run(options, &contest);
}

struct outposts {
    struct outpost *bare;
    struct outpost *nodekey;
    struct outpost *software;
    struct outpost *plain;
    struct outpost *libp11;
};

static void run_with(const struct bench_options *options, const struct key *key,
                     const struct outposts *at)
{
    struct batch batches[SIDES] = {
        [BARE] = { at->bare, { 1, key->signatures, 0 }, false },
        [BARE_BETWEEN] = { at->software, { 1, FEW_DIALS, SOFTWARE_DIALS_AND_SIGNS }, false },
        [NODEKEY_1] = { at->nodekey, { 1, key->dials, 0 }, false },
        [SOFTWARE_1] = { at->software, { 1, key->dials, 0 }, false },
        [PLAIN_1] = { at->plain, { 1, FEW_DIALS, 0 }, true },
        [LIBP11_1] = { at->libp11, { 1, FEW_DIALS, 0 }, true },
        [NODEKEY_8] = { at->nodekey, { CROWD, CROWD_DIALS, 0 }, false },
        [SOFTWARE_8] = { at->software, { CROWD, CROWD_DIALS, 0 }, false },
        [PLAIN_8] = { at->plain, { CROWD, CROWD_DIALS, 0 }, true },
        [LIBP11_8] = { at->libp11, { CROWD, CROWD_DIALS, 0 }, true },
    };
    const struct contest_side sides[SIDES] = {
        { "signature", "bare signatures in a row", send_batch, &batches[BARE] },
        { "signature_cold", "bare signatures between handshakes", send_batch,
          &batches[BARE_BETWEEN] },
        { "1_nodekey", "nodekey", send_batch, &batches[NODEKEY_1] },
        { "1_software", "nodekey with keys in memory", send_batch, &batches[SOFTWARE_1] },
        { "1_plain", "gRPC's own TLS, keys in memory", send_batch, &batches[PLAIN_1] },
        { "1_libp11", "libp11", send_batch, &batches[LIBP11_1] },
        { "8_nodekey", "nodekey, 8 at a time", send_batch, &batches[NODEKEY_8] },
        { "8_software", "with keys in memory, 8 at a time", send_batch, &batches[SOFTWARE_8] },
        { "8_plain", "gRPC's own TLS, 8 at a time", send_batch, &batches[PLAIN_8] },
        { "8_libp11", "libp11, 8 at a time", send_batch, &batches[LIBP11_8] },
    };
    compare(options, key->name, key->type, sides);
}

static void run(const struct bench_options *options, const struct key *key, struct ends *ends)
{
    /* Sides in turn: two that look for a token at once may find none. */
    struct outposts at = { .bare = bare_side(ends) };
    at.nodekey = nodekey_side(ends);
    at.software = software_side(ends);
    at.plain = plain_side(ends);
    at.libp11 = libp11_side(ends);
    run_with(options, key, &at);
    outpost_stop(at.libp11);
    outpost_stop(at.plain);
    outpost_stop(at.software);
    outpost_stop(at.nodekey);
    outpost_stop(at.bare);
}

static bool asks_for_load(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--handshakes", 12) == 0 || strncmp(argv[i], "--threads", 9) == 0 ||
            strncmp(argv[i], "--key", 5) == 0) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    if (asks_for_load(argc, argv)) {
        return handshake_load(argc, argv);
    }
    const struct bench_options options = bench_parse(argc, argv, about, ROUNDS);
    struct federation federation;
    softhsm_start();
    federation_make(&federation, "example.org");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct key *key = &keys[i];
        struct ends ends = { .key_type = key->type, .federation = &federation };
        federation_enrol(&federation, &ends.server, path_of("server-%s", key->name), key->type);
        federation_enrol(&federation, &ends.client, path_of("client-%s", key->name), key->type);
        run(&options, key, &ends);
        member_free(&ends.server);
        member_free(&ends.client);
    }
    federation_free(&federation);
    return 0;
}
