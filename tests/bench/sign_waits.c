/* SPDX-License-Identifier: Apache-2.0
 * Where a signature is waited for: with a deadline, and on a token that takes 5 ms. */
#include "base/auto.h"
#include "bench/sides/bare.h"
#include "bench/sides/rival.h"
#include "bench/sign_side.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"

#define TIMEOUT_MS 3000 /* as the TPM's example has it: never reached */
#define SLOW_THREADS 8
#define SLOW_OPERATIONS 80
#define ADDED_MAX_US 250.0
/* 5% of the bound: 5% of a small difference is next to nothing. */
#define ADDED_REACH_US (ADDED_MAX_US / 20)

/* --- with a deadline --- */

enum { DIRECT, DEADLINE, DEADLINE_SIDES };

static double added(const double *us)
{
    return us[DEADLINE] - us[DIRECT];
}

void sign_deadline(const struct bench_options *options, const struct key_contest *keys)
{
    static const struct stats_bound most = { STATS_AT_MOST, ADDED_MAX_US, ADDED_REACH_US };
    static const struct contest_figure figure = {
        .name = "sign_deadline_added",
        .what = "P-256: added to a signature by a deadline",
        .unit = "us",
        .measure = CONTEST_WALL,
        .bound = &most,
        .of = added,
        .side = DEADLINE,
        .beside = DIRECT,
    };
    struct hsm_key *opened[DEADLINE_SIDES];
    struct signer signers[DEADLINE_SIDES];
    struct side users[DEADLINE_SIDES];
    struct team *alone = team_new(1);
    rig_start(SOFTHSM_MODULE);
    for (int i = 0; i < DEADLINE_SIDES; i++) {
        opened[i] = sign_side_open(&keys->identity, i == DEADLINE ? TIMEOUT_MS : 0);
        signers[i] = sign_side_load(opened[i], &keys->identity);
        users[i] = (struct side){ alone, NULL, 1, keys->operations, signer_sign, &signers[i] };
    }
    const struct contest_side sides[] = {
        { "direct", "nodekey, direct", sign_side_batch, &users[DIRECT] },
        { "deadline", "nodekey, sign_timeout_ms set", sign_side_batch, &users[DEADLINE] },
    };
    const struct contest contest = { "sign_p256_1", keys->type, sides, DEADLINE_SIDES, &figure, 1 };
    contest_run(options, &contest);
    team_free(alone);
    for (int i = 0; i < DEADLINE_SIDES; i++) {
        EVP_PKEY_free(signers[i].key);
        rig_shut(opened[i]);
    }
}

/* --- a token of 5 ms --- */

enum { SLOW_BARE, SLOW_NODEKEY, SLOW_DEADLINE, SLOW_LIBP11, SLOW_SIDES };

static double slow_nodekey(const double *us)
{
    return us[SLOW_BARE] / us[SLOW_NODEKEY];
}

static double slow_deadline(const double *us)
{
    return us[SLOW_BARE] / us[SLOW_DEADLINE];
}

static double slow_libp11(const double *us)
{
    return us[SLOW_BARE] / us[SLOW_LIBP11];
}

static const struct stats_bound slow_least = { .side = STATS_AT_LEAST, .value = 0.97 };
static const struct contest_figure slow_figures[] = {
    { "sign_5ms", "5 ms token, 8 threads: rate of nodekey / bare token, 8 sessions", "ratio",
      CONTEST_WALL, &slow_least, slow_nodekey, SLOW_NODEKEY, SLOW_BARE },
    { "sign_5ms_deadline", "5 ms token, 8 threads: the same with sign_timeout_ms", "ratio",
      CONTEST_WALL, NULL, slow_deadline, SLOW_DEADLINE, SLOW_BARE },
    { "sign_5ms_libp11", "5 ms token, 8 threads: rate of libp11 / bare token", "ratio",
      CONTEST_WALL, NULL, slow_libp11, SLOW_LIBP11, SLOW_BARE },
};

static void run_slow(const struct bench_options *options, struct bare *bare, struct outpost *rival,
                     struct signer *direct, struct signer *deadline)
{
    struct team *team = team_new(SLOW_THREADS);
    struct side users[SLOW_SIDES] = {
        { team, NULL, SLOW_THREADS, SLOW_OPERATIONS, bare_sign, bare },
        { team, NULL, SLOW_THREADS, SLOW_OPERATIONS, signer_sign, direct },
        { team, NULL, SLOW_THREADS, SLOW_OPERATIONS, signer_sign, deadline },
        { NULL, rival, SLOW_THREADS, SLOW_OPERATIONS, NULL, NULL },
    };
    const struct contest_side sides[] = {
        { "bare", "bare token", sign_side_batch, &users[SLOW_BARE] },
        { "nodekey", "nodekey", sign_side_batch, &users[SLOW_NODEKEY] },
        { "deadline", "nodekey, sign_timeout_ms set", sign_side_batch, &users[SLOW_DEADLINE] },
        { "libp11", "libp11", sign_side_batch, &users[SLOW_LIBP11] },
    };
    const struct contest contest = { "sign_5ms_8", "5 ms token, 8 threads", sides, SLOW_SIDES,
                                     slow_figures, ARRAY_LEN(slow_figures) };
    contest_run(options, &contest);
    team_free(team);
}

void sign_slow(const struct bench_options *options, const struct key_contest *keys)
{
    struct bare bare;
    const char *module = faulty_start();
    rival_use(module);
    faulty_set("sign_ms=5\n");
    struct outpost *rival = rival_start(keys->name, OBJECT, keys->identity.public_key);
    rig_start(module);
    struct hsm_key *direct_key = sign_side_open(&keys->identity, 0);
    struct hsm_key *deadline_key = sign_side_open(&keys->identity, TIMEOUT_MS);
    struct signer direct = sign_side_load(direct_key, &keys->identity);
    struct signer deadline = sign_side_load(deadline_key, &keys->identity);
    bare_open(&bare, module, keys->name, OBJECT, keys->type, SLOW_THREADS);
    run_slow(options, &bare, rival, &direct, &deadline);
    EVP_PKEY_free(direct.key);
    EVP_PKEY_free(deadline.key);
    rig_shut(direct_key);
    rig_shut(deadline_key);
    outpost_stop(rival);
}
