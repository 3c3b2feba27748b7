/* SPDX-License-Identifier: Apache-2.0
 * What keys in a token cost in full mutual handshakes of gRPC: beside keys in memory, the rival,
 * and the two signatures that the token must make anyway. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "auto.h"
#include "bench.h"
#include "contest.h"
#include "handshake_load.h"
#include "handshake_sides.h"
#include "softhsm.h"

#define ROUNDS 61
#define DIALS 10 /* in one batch of one thread */
#define CROWD 8
#define CROWD_DIALS 32
#define COST_MAX 1.1 /* of two bare signatures */

static const char about[] =
    "Full mutual handshakes of gRPC, each a call on a channel of its own, with both keys in\n"
    "SoftHSM: through nodekey, through libp11's engine, and with keys in memory. Needs\n"
    "NODEKEY_MODULE and libengine-pkcs11-openssl.\n\n"
    "With --handshakes N [--threads T] [--key TYPE] [--json] it makes N of nodekey's from T "
    "threads\n"
    "instead, and ends with 0 only when none failed.\n";

enum side { BARE, NODEKEY_1, SOFTWARE_1, LIBP11_1, NODEKEY_8, SOFTWARE_8, LIBP11_8, SIDES };

static void die(const char *what)
{
    fprintf(stderr, "bench_handshake: %s\n", what);
    abort();
}

/* --- a side --- */

struct batch {
    struct outpost *outpost;
    struct errand errand;
    bool may_fail;
};

static bool send_batch(void *user, struct contest_cost *ret_cost)
{
    const struct batch *batch = user;
    bool sent = outpost_send(batch->outpost, &batch->errand, ret_cost);
    if (!batch->may_fail && (!sent || ret_cost->failed > 0)) {
        die("a handshake failed that only the rival may fail");
    }
    return sent;
}

/* --- figures --- */

static double cost(const double *us)
{
    return (us[NODEKEY_1] - us[SOFTWARE_1]) / (2 * us[BARE]);
}

static double libp11_cost(const double *us)
{
    return (us[LIBP11_1] - us[SOFTWARE_1]) / (2 * us[BARE]);
}

static double crowd_rate(const double *us)
{
    return us[SOFTWARE_8] / us[NODEKEY_8];
}

static double libp11_crowd_rate(const double *us)
{
    return us[SOFTWARE_8] / us[LIBP11_8];
}

static const struct stats_bound cost_most = { .side = STATS_AT_MOST, .value = COST_MAX };

static void compare(const struct bench_options *options, const char *name, const char *type,
                    const struct contest_side sides[SIDES])
{
    const struct contest_figure figures[] = {
        { path_of("handshake_%s_cost", name),
          path_of("%s handshake: added to keys in memory / two bare signatures", type), "ratio",
          CONTEST_WALL_OR_CPU, &cost_most, cost, NODEKEY_1, SOFTWARE_1 },
        { path_of("handshake_%s_cost_libp11", name),
          path_of("%s handshake: the same of libp11", type), "ratio", CONTEST_WALL_OR_CPU, NULL,
          libp11_cost, LIBP11_1, SOFTWARE_1 },
        { path_of("handshake_%s_8_rate", name),
          path_of("%s handshakes, 8 at a time: rate of nodekey / keys in memory", type), "ratio",
          CONTEST_WALL_OR_CPU, NULL, crowd_rate, NODEKEY_8, SOFTWARE_8 },
        { path_of("handshake_%s_8_rate_libp11", name),
          path_of("%s handshakes, 8 at a time: rate of libp11 / keys in memory", type), "ratio",
          CONTEST_WALL_OR_CPU, NULL, libp11_crowd_rate, LIBP11_8, SOFTWARE_8 },
    };
    const struct contest contest = { path_of("handshake_%s", name),
                                     path_of("%s handshakes", type),
                                     sides,
                                     SIDES,
                                     figures,
                                     ARRAY_LEN(figures) };
    contest_run(options, &contest);
}

static void run(const struct bench_options *options, const char *name, size_t signatures,
                struct ends *ends)
{
    /* One after the other: two that look for a token at once may find none. */
    struct outpost *bare = bare_side(ends);
    struct outpost *nodekey = nodekey_side(ends);
    struct outpost *software = software_side(ends);
    struct outpost *libp11 = libp11_side(ends);
    struct batch batches[SIDES] = {
        [BARE] = { bare, { 1, signatures }, false },
        [NODEKEY_1] = { nodekey, { 1, DIALS }, false },
        [SOFTWARE_1] = { software, { 1, DIALS }, false },
        [LIBP11_1] = { libp11, { 1, DIALS }, true },
        [NODEKEY_8] = { nodekey, { CROWD, CROWD_DIALS }, false },
        [SOFTWARE_8] = { software, { CROWD, CROWD_DIALS }, false },
        [LIBP11_8] = { libp11, { CROWD, CROWD_DIALS }, true },
    };
    const struct contest_side sides[SIDES] = {
        { "signature", "bare signatures", send_batch, &batches[BARE] },
        { "1_nodekey", "nodekey, one at a time", send_batch, &batches[NODEKEY_1] },
        { "1_software", "keys in memory, one at a time", send_batch, &batches[SOFTWARE_1] },
        { "1_libp11", "libp11, one at a time", send_batch, &batches[LIBP11_1] },
        { "8_nodekey", "nodekey, 8 at a time", send_batch, &batches[NODEKEY_8] },
        { "8_software", "keys in memory, 8 at a time", send_batch, &batches[SOFTWARE_8] },
        { "8_libp11", "libp11, 8 at a time", send_batch, &batches[LIBP11_8] },
    };
    compare(options, name, ends->key_type, sides);
    outpost_stop(libp11);
    outpost_stop(software);
    outpost_stop(nodekey);
    outpost_stop(bare);
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
    static const struct {
        const char *type;
        const char *name;
        size_t signatures; /* in one batch */
    } keys[] = { { "RSA-2048", "rsa2048", 48 },
                 { "P-256", "p256", 480 },
                 { "Ed25519", "ed25519", 160 } };
    if (asks_for_load(argc, argv)) {
        return handshake_load(argc, argv);
    }
    const struct bench_options options = bench_parse(argc, argv, about, ROUNDS);
    struct federation federation;
    softhsm_start();
    federation_make(&federation, "example.org");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct ends ends = { .key_type = keys[i].type, .federation = &federation };
        federation_enrol(&federation, &ends.server, path_of("server-%s", keys[i].name),
                         ends.key_type);
        federation_enrol(&federation, &ends.client, path_of("client-%s", keys[i].name),
                         ends.key_type);
        run(&options, keys[i].name, keys[i].signatures, &ends);
        member_free(&ends.server);
        member_free(&ends.client);
    }
    federation_free(&federation);
    return 0;
}
