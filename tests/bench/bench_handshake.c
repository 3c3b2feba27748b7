/* SPDX-License-Identifier: Apache-2.0
 * What keys in a token and a strict judge cost in full mutual handshakes of gRPC with peers that
 * are known: beside gRPC's own TLS and the two signatures that the token must make anyway, and
 * beside the rivals. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/opensslv.h>

#include "base/auto.h"
#include "bench/handshake_load.h"
#include "bench/handshake_sides.h"
#include "bench/harness/bench.h"
#include "bench/harness/contest.h"
#include "bench/sides/pkcs11_provider.h"
#include "fixtures/authority.h"
#include "fixtures/softhsm/softhsm.h"

#define ROUNDS 61
#define CROWD 8
#define CROWD_DIALS 32

/* OpenSSL 3.0's decoders cost what the room is made of, and libp11's engine switches them off. */
#define LATER_OPENSSL (OPENSSL_VERSION_NUMBER >= 0x30500000L)
#define PRICE_MAX (LATER_OPENSSL ? 1.00 : 1.03)
#define WATCHED_MAX (LATER_OPENSSL ? 1.03 : 1.06)
#define RSA_MAX 0.95
#define RIVAL_MAX 1.05

static const char about[] =
    "CPU time of full mutual handshakes of gRPC, both ends, each with a call on a channel of its\n"
    "own, one and eight at a time: both keys in SoftHSM, through nodekey, libp11's engine and,\n"
    "where it is installed, pkcs11-provider; and gRPC's own TLS with keys in memory. \"Watched\"\n"
    "is nodekey with an audit line for each handshake and candidate rules. \"Two signatures\" are\n"
    "bare calls into the token, made between handshakes. Needs NODEKEY_MODULE and\n"
    "libengine-pkcs11-openssl.\n\n"
    "With --handshakes N [--threads T] [--key TYPE] [--plain] [--json] it makes N of nodekey's\n"
    "from T threads instead, or of gRPC's own TLS, and ends with 0 only when none failed.\n";

enum side {
    SIGNATURE,
    NODEKEY_1,
    WATCHED_1,
    PLAIN_1,
    LIBP11_1,
    NODEKEY_8,
    WATCHED_8,
    PLAIN_8,
    LIBP11_8,
    PROVIDER_1, /* from here on where pkcs11-provider is installed */
    PROVIDER_8,
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
    double price_max;
    double watched_max;
    bool rival_signs; /* libp11 */
} keys[] = {
    { "P-256", "p256", PRICE_MAX, WATCHED_MAX, true },
    { "Ed25519", "ed25519", PRICE_MAX, WATCHED_MAX, false },
    { "RSA-2048", "rsa2048", RSA_MAX, WATCHED_MAX, true },
};

#define DIALS 30 /* in one batch of one thread */

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

/* By CPU time: SoftHSM does not wait, and whoever else waits for a processor is not what a
 * handshake costs. */
static double price(const double *us, enum side side, enum side plain)
{
    return us[side] / (us[plain] + 2 * us[SIGNATURE]);
}

static double price_1(const double *us)
{
    return price(us, NODEKEY_1, PLAIN_1);
}

static double price_8(const double *us)
{
    return price(us, NODEKEY_8, PLAIN_8);
}

static double watched_1(const double *us)
{
    return price(us, WATCHED_1, PLAIN_1);
}

static double watched_8(const double *us)
{
    return price(us, WATCHED_8, PLAIN_8);
}

static double beside_libp11_1(const double *us)
{
    return us[NODEKEY_1] / us[LIBP11_1];
}

static double beside_libp11_8(const double *us)
{
    return us[NODEKEY_8] / us[LIBP11_8];
}

static double beside_plain(const double *us)
{
    return us[NODEKEY_1] / us[PLAIN_1];
}

static double libp11_beside_plain(const double *us)
{
    return us[LIBP11_1] / us[PLAIN_1];
}

static double beside_provider_1(const double *us)
{
    return us[NODEKEY_1] / us[PROVIDER_1];
}

static double beside_provider_8(const double *us)
{
    return us[NODEKEY_8] / us[PROVIDER_8];
}

static const struct stats_bound rival_bound = { STATS_AT_MOST, RIVAL_MAX, 0 };

static void compare(const struct bench_options *options, const struct key *key,
                    const struct contest_side sides[SIDES])
{
    const char *name = key->name;
    const char *type = key->type;
    const struct stats_bound price_most = { STATS_AT_MOST, key->price_max, 0 };
    const struct stats_bound watched_most = { STATS_AT_MOST, key->watched_max, 0 };
    const struct stats_bound *rival_most = LATER_OPENSSL && key->rival_signs ? &rival_bound : NULL;
    const size_t absent = pkcs11_provider_is_there() ? 0 : SIDES - PROVIDER_1; /* sides, figures */
    const struct contest_figure figures[] = {
        { path_of("handshake_%s_price", name),
          path_of("%s: nodekey / (gRPC's own TLS + two signatures)", type), "ratio", CONTEST_CPU,
          &price_most, price_1, NODEKEY_1, PLAIN_1 },
        { path_of("handshake_%s_price_8", name),
          path_of("%s, 8 at a time: nodekey / (gRPC's own TLS + two signatures)", type), "ratio",
          CONTEST_CPU, &price_most, price_8, NODEKEY_8, PLAIN_8 },
        { path_of("handshake_%s_watched", name),
          path_of("%s: watched / (gRPC's own TLS + two signatures)", type), "ratio", CONTEST_CPU,
          &watched_most, watched_1, WATCHED_1, PLAIN_1 },
        { path_of("handshake_%s_watched_8", name),
          path_of("%s, 8 at a time: watched / (gRPC's own TLS + two signatures)", type), "ratio",
          CONTEST_CPU, &watched_most, watched_8, WATCHED_8, PLAIN_8 },
        { path_of("handshake_%s_beside_libp11", name), path_of("%s: nodekey / libp11", type),
          "ratio", CONTEST_CPU, rival_most, beside_libp11_1, NODEKEY_1, LIBP11_1 },
        { path_of("handshake_%s_beside_libp11_8", name),
          path_of("%s, 8 at a time: nodekey / libp11", type), "ratio", CONTEST_CPU, rival_most,
          beside_libp11_8, NODEKEY_8, LIBP11_8 },
        { path_of("handshake_%s_beside_plain", name), path_of("%s: nodekey / gRPC's own TLS", type),
          "ratio", CONTEST_CPU, NULL, beside_plain, NODEKEY_1, PLAIN_1 },
        { path_of("handshake_%s_libp11_beside_plain", name),
          path_of("%s: libp11 / gRPC's own TLS", type), "ratio", CONTEST_CPU, NULL,
          libp11_beside_plain, LIBP11_1, PLAIN_1 },
        { path_of("handshake_%s_beside_provider", name),
          path_of("%s: nodekey / pkcs11-provider", type), "ratio", CONTEST_CPU, NULL,
          beside_provider_1, NODEKEY_1, PROVIDER_1 },
        { path_of("handshake_%s_beside_provider_8", name),
          path_of("%s, 8 at a time: nodekey / pkcs11-provider", type), "ratio", CONTEST_CPU, NULL,
          beside_provider_8, NODEKEY_8, PROVIDER_8 },
    };
    const struct contest contest = { path_of("handshake_%s", name),
                                     path_of("%s handshakes", type),
                                     sides,
                                     SIDES - absent,
                                     figures,
                                     ARRAY_LEN(figures) - absent };
    contest_run(options, &contest);
}

struct outposts {
    struct outpost *between;
    struct outpost *nodekey;
    struct outpost *watched;
    struct outpost *plain;
    struct outpost *libp11;
    struct outpost *provider;
};

static void run_with(const struct bench_options *options, const struct key *key,
                     const struct outposts *at)
{
    static const struct bounded_call one = { .threads = 1, .operations = DIALS };
    static const struct bounded_call crowd = { .threads = CROWD, .operations = CROWD_DIALS };
    struct batch batches[SIDES] = {
        [SIGNATURE] = { at->between, one, false },    [NODEKEY_1] = { at->nodekey, one, false },
        [WATCHED_1] = { at->watched, one, false },    [PLAIN_1] = { at->plain, one, true },
        [LIBP11_1] = { at->libp11, one, true },       [NODEKEY_8] = { at->nodekey, crowd, false },
        [WATCHED_8] = { at->watched, crowd, false },  [PLAIN_8] = { at->plain, crowd, true },
        [LIBP11_8] = { at->libp11, crowd, true },     [PROVIDER_1] = { at->provider, one, true },
        [PROVIDER_8] = { at->provider, crowd, true },
    };
    const struct contest_side sides[SIDES] = {
        { "signature", "a bare signature between them", send_batch, &batches[SIGNATURE] },
        { "1_nodekey", "nodekey", send_batch, &batches[NODEKEY_1] },
        { "1_watched", "nodekey, watched", send_batch, &batches[WATCHED_1] },
        { "1_plain", "gRPC's own TLS, keys in memory", send_batch, &batches[PLAIN_1] },
        { "1_libp11", "libp11", send_batch, &batches[LIBP11_1] },
        { "8_nodekey", "nodekey, 8 at a time", send_batch, &batches[NODEKEY_8] },
        { "8_watched", "nodekey, watched, 8 at a time", send_batch, &batches[WATCHED_8] },
        { "8_plain", "gRPC's own TLS, 8 at a time", send_batch, &batches[PLAIN_8] },
        { "8_libp11", "libp11, 8 at a time", send_batch, &batches[LIBP11_8] },
        { "1_provider", "pkcs11-provider", send_batch, &batches[PROVIDER_1] },
        { "8_provider", "pkcs11-provider, 8 at a time", send_batch, &batches[PROVIDER_8] },
    };
    compare(options, key, sides);
}

static void run(const struct bench_options *options, const struct key *key, struct ends *ends)
{
    /* Sides in turn: two that look for a token at once may find none. */
    struct outposts at = { .between = between_side(ends) };
    at.nodekey = nodekey_side(ends);
    at.watched = watched_side(ends);
    at.plain = plain_side(ends);
    at.libp11 = libp11_side(ends);
    at.provider = pkcs11_provider_is_there() ? pkcs11_provider_side(ends) : NULL;
    run_with(options, key, &at);
    outpost_stop(at.provider);
    outpost_stop(at.libp11);
    outpost_stop(at.plain);
    outpost_stop(at.watched);
    outpost_stop(at.nodekey);
    outpost_stop(at.between);
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
