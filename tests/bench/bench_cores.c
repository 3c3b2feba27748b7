/* SPDX-License-Identifier: Apache-2.0
 * What keys in a token cost under the gRPC that this was built with, whichever way it gets its
 * signatures, so that the tables of builds with several cores can be laid side by side. */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "bench/handshake_sides.h"
#include "bench/harness/bench.h"
#include "bench/harness/contest.h"
#include "fixtures/authority.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define ROUNDS 61
#define DIALS 30 /* in one batch */

#if BORINGSSL_CORE
#define DIRECT "signed while gRPC waits"
#define WORKER "gRPC is called back"
#else
#define DIRECT "direct"
#define WORKER "sign_timeout_ms"
#endif

static const char about[] =
    "CPU time of full mutual handshakes of gRPC, both ends, each with a call on a channel of its\n"
    "own: with both keys in SoftHSM, signed at once and by a worker, and gRPC's own TLS with keys\n"
    "in memory. Under gRPC on BoringSSL, which is called back by the worker, and under others,\n"
    "which wait for it. Needs NODEKEY_MODULE.\n";

enum side { AT_ONCE, BY_WORKER, PLAIN, SIDES };

static const struct key {
    const char *type;
    const char *name;
} keys[] = { { "P-256", "p256" }, { "RSA-2048", "rsa2048" } };

static bool send_batch(void *user, struct contest_cost *ret_cost)
{
    const struct bounded_call bounded = { .threads = 1, .operations = DIALS };
    if (!outpost_send(user, &bounded, ret_cost) || ret_cost->failed > 0) {
        fprintf(stderr, "bench_cores: a handshake failed\n");
        abort();
    }
    return true;
}

static double at_once(const double *us)
{
    return us[AT_ONCE] / us[PLAIN];
}

static double by_worker(const double *us)
{
    return us[BY_WORKER] / us[PLAIN];
}

static double at_once_more(const double *us)
{
    return us[AT_ONCE] - us[PLAIN];
}

static double by_worker_more(const double *us)
{
    return us[BY_WORKER] - us[PLAIN];
}

static void compare(const struct bench_options *options, const struct key *key,
                    struct outpost *const at[SIDES])
{
    const struct contest_side sides[SIDES] = {
        [AT_ONCE] = { "direct", "nodekey, " DIRECT, send_batch, at[AT_ONCE] },
        [BY_WORKER] = { "worker", "nodekey, " WORKER, send_batch, at[BY_WORKER] },
        [PLAIN] = { "plain", "gRPC's own TLS, keys in memory", send_batch, at[PLAIN] },
    };
    const struct contest_figure figures[] = {
        { path_of("cores_%s_direct_cost", key->name),
          path_of("%s: " DIRECT " / gRPC's own TLS", key->type), "ratio", CONTEST_CPU, NULL,
          at_once, AT_ONCE, PLAIN },
        { path_of("cores_%s_worker_cost", key->name),
          path_of("%s: " WORKER " / gRPC's own TLS", key->type), "ratio", CONTEST_CPU, NULL,
          by_worker, BY_WORKER, PLAIN },
        { path_of("cores_%s_direct_more", key->name),
          path_of("%s: " DIRECT " - gRPC's own TLS", key->type), "us", CONTEST_CPU, NULL,
          at_once_more, AT_ONCE, PLAIN },
        { path_of("cores_%s_worker_more", key->name),
          path_of("%s: " WORKER " - gRPC's own TLS", key->type), "us", CONTEST_CPU, NULL,
          by_worker_more, BY_WORKER, PLAIN },
    };
    const struct contest contest = { path_of("cores_%s", key->name),
                                     path_of("%s handshakes", key->type),
                                     sides,
                                     SIDES,
                                     figures,
                                     ARRAY_LEN(figures) };
    contest_run(options, &contest);
}

static void run(const struct bench_options *options, const struct key *key, struct ends *ends)
{
    /* Sides in turn: two that look for a token at once may find none. */
    struct outpost *at[SIDES] = { [AT_ONCE] = nodekey_side(ends) };
    at[BY_WORKER] = deadline_side(ends);
    at[PLAIN] = plain_side(ends);
    compare(options, key, at);
    for (size_t i = SIDES; i > 0; i--) { /* the later ones hold the earlier ones' channels */
        outpost_stop(at[i - 1]);
    }
}

int main(int argc, char **argv)
{
    const struct bench_options options = bench_parse(argc, argv, about, ROUNDS);
    struct federation federation;
    softhsm_start();
    federation_make(&federation, "example.org");
    fprintf(stderr, "gRPC core %s%s\n", grpc_version_string(), BORINGSSL_CORE ? ", BoringSSL" : "");
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
