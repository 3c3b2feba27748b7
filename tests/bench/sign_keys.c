/* SPDX-License-Identifier: Apache-2.0
 * On SoftHSM, by one thread and by two: nodekey, a key in memory, the rivals, the bare token. */
#include "base/auto.h"
#include "bench/sides/bare.h"
#include "bench/sides/pkcs11_provider.h"
#include "bench/sides/rival.h"
#include "bench/sign_side.h"
#include "fixtures/authority.h"
#include "fixtures/softhsm/softhsm.h"

enum key_side {
    BARE_1,
    NODEKEY_1,
    SOFTWARE_1,
    LIBP11_1,
    BARE_2,
    NODEKEY_2,
    SOFTWARE_2,
    LIBP11_2,
    PROVIDER_1, /* from here on where pkcs11-provider is installed */
    PROVIDER_2,
    KEY_SIDES
};

static double nodekey_rate(const double *us)
{
    return us[BARE_1] / us[NODEKEY_1];
}

static double software_rate(const double *us)
{
    return us[BARE_1] / us[SOFTWARE_1];
}

static double libp11_rate(const double *us)
{
    return us[BARE_1] / us[LIBP11_1];
}

static double beside_libp11(const double *us)
{
    return us[LIBP11_1] / us[NODEKEY_1];
}

static double provider_rate(const double *us)
{
    return us[BARE_1] / us[PROVIDER_1];
}

static double bare_scaling(const double *us)
{
    return us[BARE_1] / us[BARE_2];
}

static double nodekey_scaling(const double *us)
{
    return us[NODEKEY_1] / us[NODEKEY_2] / bare_scaling(us);
}

static double software_scaling(const double *us)
{
    return us[SOFTWARE_1] / us[SOFTWARE_2] / bare_scaling(us);
}

static double libp11_scaling(const double *us)
{
    return us[LIBP11_1] / us[LIBP11_2] / bare_scaling(us);
}

static double provider_scaling(const double *us)
{
    return us[PROVIDER_1] / us[PROVIDER_2] / bare_scaling(us);
}

static void key_figures(const struct bench_options *options, const struct key_contest *keys,
                        const struct contest_side sides[KEY_SIDES])
{
    static const struct stats_bound as_fast = { .side = STATS_AT_LEAST, .value = 1.00 };
    static const struct stats_bound scales = { .side = STATS_AT_LEAST, .value = 0.97 };
    const char *n = keys->name;
    const char *t = keys->type;
    const struct contest_figure figures[] = {
        { path_of("sign_%s", n), path_of("%s: rate of nodekey / bare token", t), "ratio",
          CONTEST_WALL_OR_CPU, &keys->least, nodekey_rate, NODEKEY_1, BARE_1 },
        { path_of("sign_%s_software", n), path_of("%s: rate of a key in memory / bare token", t),
          "ratio", CONTEST_WALL_OR_CPU, NULL, software_rate, SOFTWARE_1, BARE_1 },
        { path_of("sign_%s_libp11", n), path_of("%s: rate of libp11 / bare token", t), "ratio",
          CONTEST_WALL_OR_CPU, NULL, libp11_rate, LIBP11_1, BARE_1 },
        { path_of("sign_%s_beside_libp11", n), path_of("%s: rate of nodekey / libp11", t), "ratio",
          CONTEST_WALL_OR_CPU, keys->rival_signs ? &as_fast : NULL, beside_libp11, NODEKEY_1,
          LIBP11_1 },
        { path_of("sign_%s_bare_scaling", n), path_of("%s: bare token, two threads / one", t),
          "ratio", CONTEST_WALL, NULL, bare_scaling, BARE_2, BARE_1 },
        { path_of("sign_%s_scaling", n),
          path_of("%s, two threads: scaling of nodekey / of the bare token", t), "ratio",
          CONTEST_WALL, &scales, nodekey_scaling, NODEKEY_2, BARE_2 },
        { path_of("sign_%s_software_scaling", n),
          path_of("%s, two threads: scaling of keys in memory / bare token", t), "ratio",
          CONTEST_WALL, NULL, software_scaling, SOFTWARE_2, BARE_2 },
        { path_of("sign_%s_libp11_scaling", n),
          path_of("%s, two threads: scaling of libp11 / of the bare token", t), "ratio",
          CONTEST_WALL, NULL, libp11_scaling, LIBP11_2, BARE_2 },
        { path_of("sign_%s_provider", n), path_of("%s: rate of pkcs11-provider / bare token", t),
          "ratio", CONTEST_WALL_OR_CPU, NULL, provider_rate, PROVIDER_1, BARE_1 },
        { path_of("sign_%s_provider_scaling", n),
          path_of("%s, two threads: scaling of pkcs11-provider / bare token", t), "ratio",
          CONTEST_WALL, NULL, provider_scaling, PROVIDER_2, BARE_2 },
    };
    const size_t absent = pkcs11_provider_is_there() ? 0 : KEY_SIDES - PROVIDER_1;
    const struct contest contest = { path_of("sign_%s", n), t,       sides,
                                     KEY_SIDES - absent,    figures, ARRAY_LEN(figures) - absent };
    contest_run(options, &contest);
}

static void run_key(const struct bench_options *options, const struct key_contest *keys,
                    struct team *teams[], struct outpost *const rivals[], struct signer *ours)
{
    struct bare bare;
    struct signer software = signer_of(software_key(keys->type));
    size_t n = keys->operations;
    bare_open(&bare, SOFTHSM_MODULE, keys->name, OBJECT, keys->type, 2);
    struct side users[KEY_SIDES] = {
        [BARE_1] = { teams[1], NULL, 1, n, bare_sign, &bare },
        [NODEKEY_1] = { teams[1], NULL, 1, n, signer_sign, ours },
        [SOFTWARE_1] = { teams[1], NULL, 1, n, signer_sign, &software },
        [LIBP11_1] = { NULL, rivals[0], 1, n, NULL, NULL },
        [BARE_2] = { teams[2], NULL, 2, 2 * n, bare_sign, &bare },
        [NODEKEY_2] = { teams[2], NULL, 2, 2 * n, signer_sign, ours },
        [SOFTWARE_2] = { teams[2], NULL, 2, 2 * n, signer_sign, &software },
        [LIBP11_2] = { NULL, rivals[0], 2, 2 * n, NULL, NULL },
        [PROVIDER_1] = { NULL, rivals[1], 1, n, NULL, NULL },
        [PROVIDER_2] = { NULL, rivals[1], 2, 2 * n, NULL, NULL },
    };
    const struct contest_side sides[KEY_SIDES] = {
        { "1_bare", "bare token, one thread", sign_side_batch, &users[BARE_1] },
        { "1_nodekey", "nodekey, one thread", sign_side_batch, &users[NODEKEY_1] },
        { "1_software", "key in memory, one thread", sign_side_batch, &users[SOFTWARE_1] },
        { "1_libp11", "libp11, one thread", sign_side_batch, &users[LIBP11_1] },
        { "2_bare", "bare token, two threads", sign_side_batch, &users[BARE_2] },
        { "2_nodekey", "nodekey, two threads", sign_side_batch, &users[NODEKEY_2] },
        { "2_software", "key in memory, two threads", sign_side_batch, &users[SOFTWARE_2] },
        { "2_libp11", "libp11, two threads", sign_side_batch, &users[LIBP11_2] },
        { "1_provider", "pkcs11-provider, one thread", sign_side_batch, &users[PROVIDER_1] },
        { "2_provider", "pkcs11-provider, two threads", sign_side_batch, &users[PROVIDER_2] },
    };
    key_figures(options, keys, sides);
    EVP_PKEY_free(software.key);
}

void sign_keys(const struct bench_options *options, const struct key_contest *keys)
{
    rival_use(SOFTHSM_MODULE);
    EVP_PKEY *proof = keys->identity.public_key;
    struct outpost *rivals[] = { rival_start(keys->name, OBJECT, proof), NULL };
    if (pkcs11_provider_is_there()) {
        rivals[1] = pkcs11_provider_start(keys->name, OBJECT, proof);
    }
    rig_start(SOFTHSM_MODULE);
    struct hsm_key *key = sign_side_open(&keys->identity, 0);
    struct signer ours = sign_side_load(key, &keys->identity);
    struct team *teams[] = { NULL, team_new(1), team_new(2) };
    run_key(options, keys, teams, rivals, &ours);
    team_free(teams[1]);
    team_free(teams[2]);
    EVP_PKEY_free(ours.key);
    rig_shut(key);
    outpost_stop(rivals[1]); /* the later one holds the earlier one's channel */
    outpost_stop(rivals[0]);
}
