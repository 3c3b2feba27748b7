/* SPDX-License-Identifier: Apache-2.0
 * What a signature costs through us, beside the bare token, a key in memory and the rival. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "authority.h"
#include "auto.h"
#include "bare.h"
#include "bench.h"
#include "faulty_rig.h"
#include "outpost.h"
#include "rival.h"
#include "signer.h"
#include "softhsm.h"
#include "team.h"
#include "token_rig.h"

#define ROUNDS 101
#define OBJECT "key"
#define TIMEOUT_MS 3000 /* as the TPM's example has it: never reached */
#define SLOW_THREADS 8
#define SLOW_OPERATIONS 80
#define SLOW_RIVAL_OPERATIONS 16 /* it takes its turns one after the other */
#define ADDED_MAX_US 250.0
#define ADDED_REACH_US                                                                             \
    (ADDED_MAX_US / 20) /* 5% of the bound: of next to nothing it means nothing */

static const char about[] =
    "EVP_DigestSign through nodekey beside bare C_SignInit and C_Sign on the same token, a key in\n"
    "memory, and libp11's engine: by one thread and by two, with a deadline, and by eight threads\n"
    "on a token that takes 5 ms. Needs libengine-pkcs11-openssl.\n";

static void die(const char *what)
{
    fprintf(stderr, "bench_sign: %s\n", what);
    abort();
}

/* --- a side --- */

struct side {
    struct team *team; /* NULL: at the outpost */
    struct outpost *outpost;
    unsigned threads;
    size_t operations; /* of one batch */
    team_operation operation;
    void *user;
};

static bool batch(void *user, struct contest_cost *ret_cost)
{
    const struct side *side = user;
    if (side->team == NULL) {
        const struct errand errand = { side->threads, side->operations, 0 };
        return outpost_send(side->outpost, &errand, ret_cost);
    }
    *ret_cost = team_run(side->team, side->operations, side->operation, side->user);
    if (ret_cost->failed > 0) { /* only the rival may fail */
        die("a signature failed");
    }
    return true;
}

/* --- keys --- */

static struct hsm_key *open_key(const struct identity *identity, unsigned timeout_ms)
{
    const struct rig_terms terms = { .sign_timeout_ms = timeout_ms };
    struct hsm_key *key = NULL;
    nk_error err;
    rig_set_terms(&terms);
    if (identity_open(identity, &key, &err) != NK_OK) {
        die(err.text);
    }
    return key;
}

static EVP_PKEY *load(const struct hsm_key *key, const struct identity *identity)
{
    EVP_PKEY *loaded = rig_load(key);
    if (loaded == NULL || !signer_proves(loaded, identity->public_key)) {
        die("a key of nodekey's does not sign");
    }
    return loaded;
}

/* --- SoftHSM, one thread and two --- */

struct key_contest {
    const char *type;
    const char *name;  /* and label of its token */
    size_t operations; /* of one thread's batch: some 25 ms */
    struct stats_bound least;
    struct identity identity;
};

enum key_side {
    BARE_1,
    NODEKEY_1,
    SOFTWARE_1,
    LIBP11_1,
    BARE_2,
    NODEKEY_2,
    SOFTWARE_2,
    LIBP11_2,
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

static void key_figures(const struct bench_options *options, const struct key_contest *keys,
                        const struct contest_side sides[KEY_SIDES])
{
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
    };
    const struct contest contest = { path_of("sign_%s", n), t, sides, KEY_SIDES, figures,
                                     ARRAY_LEN(figures) };
    contest_run(options, &contest);
}

static void run_key(const struct bench_options *options, const struct key_contest *keys,
                    struct team *teams[], struct outpost *rival, EVP_PKEY *ours)
{
    struct bare bare;
    EVP_PKEY *software = software_key(keys->type);
    size_t n = keys->operations;
    bare_open(&bare, SOFTHSM_MODULE, keys->name, OBJECT, keys->type, 2);
    struct side users[KEY_SIDES] = {
        [BARE_1] = { teams[1], NULL, 1, n, bare_sign, &bare },
        [NODEKEY_1] = { teams[1], NULL, 1, n, signer_sign, ours },
        [SOFTWARE_1] = { teams[1], NULL, 1, n, signer_sign, software },
        [LIBP11_1] = { NULL, rival, 1, n, NULL, NULL },
        [BARE_2] = { teams[2], NULL, 2, 2 * n, bare_sign, &bare },
        [NODEKEY_2] = { teams[2], NULL, 2, 2 * n, signer_sign, ours },
        [SOFTWARE_2] = { teams[2], NULL, 2, 2 * n, signer_sign, software },
        [LIBP11_2] = { NULL, rival, 2, 2 * n, NULL, NULL },
    };
    const struct contest_side sides[KEY_SIDES] = {
        { "1_bare", "bare token, one thread", batch, &users[BARE_1] },
        { "1_nodekey", "nodekey, one thread", batch, &users[NODEKEY_1] },
        { "1_software", "key in memory, one thread", batch, &users[SOFTWARE_1] },
        { "1_libp11", "libp11, one thread", batch, &users[LIBP11_1] },
        { "2_bare", "bare token, two threads", batch, &users[BARE_2] },
        { "2_nodekey", "nodekey, two threads", batch, &users[NODEKEY_2] },
        { "2_software", "key in memory, two threads", batch, &users[SOFTWARE_2] },
        { "2_libp11", "libp11, two threads", batch, &users[LIBP11_2] },
    };
    key_figures(options, keys, sides);
    EVP_PKEY_free(software);
}

/* In a process of its own. */
static void contest_key(const struct bench_options *options, const void *what)
{
    const struct key_contest *keys = what;
    rival_use(SOFTHSM_MODULE);
    struct outpost *rival = rival_start(keys->name, OBJECT, keys->identity.public_key);
    rig_start(SOFTHSM_MODULE);
    struct hsm_key *key = open_key(&keys->identity, 0);
    EVP_PKEY *ours = load(key, &keys->identity);
    struct team *teams[] = { NULL, team_new(1), team_new(2) };
    run_key(options, keys, teams, rival, ours);
    team_free(teams[1]);
    team_free(teams[2]);
    EVP_PKEY_free(ours);
    rig_shut(key);
    outpost_stop(rival);
}

/* --- with a deadline --- */

enum { DIRECT, DEADLINE, DEADLINE_SIDES };

static double added(const double *us)
{
    return us[DEADLINE] - us[DIRECT];
}

static void contest_deadline(const struct bench_options *options, const void *what)
{
    static const struct stats_bound most = { STATS_AT_MOST, ADDED_MAX_US, ADDED_REACH_US };
    static const struct contest_figure figure = { "sign_deadline_added",
                                                  "P-256: added to a signature by a deadline",
                                                  "us",
                                                  CONTEST_WALL,
                                                  &most,
                                                  added,
                                                  DEADLINE,
                                                  DIRECT };
    const struct key_contest *keys = what;
    struct hsm_key *opened[DEADLINE_SIDES];
    struct side users[DEADLINE_SIDES];
    struct team *alone = team_new(1);
    rig_start(SOFTHSM_MODULE);
    for (int i = 0; i < DEADLINE_SIDES; i++) {
        opened[i] = open_key(&keys->identity, i == DEADLINE ? TIMEOUT_MS : 0);
        users[i] = (struct side){ alone,       NULL,
                                  1,           keys->operations,
                                  signer_sign, load(opened[i], &keys->identity) };
    }
    const struct contest_side sides[] = {
        { "direct", "nodekey, direct", batch, &users[DIRECT] },
        { "deadline", "nodekey, sign_timeout_ms set", batch, &users[DEADLINE] },
    };
    const struct contest contest = { "sign_p256_1", keys->type, sides, DEADLINE_SIDES, &figure, 1 };
    contest_run(options, &contest);
    team_free(alone);
    for (int i = 0; i < DEADLINE_SIDES; i++) {
        EVP_PKEY_free(users[i].user);
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
                     EVP_PKEY *direct, EVP_PKEY *deadline)
{
    struct team *team = team_new(SLOW_THREADS);
    struct side users[SLOW_SIDES] = {
        { team, NULL, SLOW_THREADS, SLOW_OPERATIONS, bare_sign, bare },
        { team, NULL, SLOW_THREADS, SLOW_OPERATIONS, signer_sign, direct },
        { team, NULL, SLOW_THREADS, SLOW_OPERATIONS, signer_sign, deadline },
        { NULL, rival, SLOW_THREADS, SLOW_RIVAL_OPERATIONS, NULL, NULL },
    };
    const struct contest_side sides[] = {
        { "bare", "bare token", batch, &users[SLOW_BARE] },
        { "nodekey", "nodekey", batch, &users[SLOW_NODEKEY] },
        { "deadline", "nodekey, sign_timeout_ms set", batch, &users[SLOW_DEADLINE] },
        { "libp11", "libp11", batch, &users[SLOW_LIBP11] },
    };
    const struct contest contest = { "sign_5ms_8", "5 ms token, 8 threads", sides, SLOW_SIDES,
                                     slow_figures, ARRAY_LEN(slow_figures) };
    contest_run(options, &contest);
    team_free(team);
}

static void contest_slow(const struct bench_options *options, const void *what)
{
    const struct key_contest *keys = what;
    struct bare bare;
    const char *module = faulty_start();
    rival_use(module);
    faulty_set("sign_ms=5\n");
    struct outpost *rival = rival_start(keys->name, OBJECT, keys->identity.public_key);
    rig_start(module);
    struct hsm_key *direct_key = open_key(&keys->identity, 0);
    struct hsm_key *deadline_key = open_key(&keys->identity, TIMEOUT_MS);
    EVP_PKEY *direct = load(direct_key, &keys->identity);
    EVP_PKEY *deadline = load(deadline_key, &keys->identity);
    bare_open(&bare, module, keys->name, OBJECT, keys->type, SLOW_THREADS);
    run_slow(options, &bare, rival, direct, deadline);
    EVP_PKEY_free(direct);
    EVP_PKEY_free(deadline);
    rig_shut(direct_key);
    rig_shut(deadline_key);
    outpost_stop(rival);
}

/* --- all --- */

/* One after the other, each in a process that knows nothing of the last. */
static void apart(void (*contest)(const struct bench_options *options, const void *what),
                  const struct bench_options *options, const void *what)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        die("fork failed");
    }
    if (child == 0) {
        contest(options, what);
        exit(0);
    }
    if (waitpid(child, &status, 0) != child || status != 0) {
        die("a contest did not end well");
    }
}

int main(int argc, char **argv)
{
    const struct bench_options options = bench_parse(argc, argv, about, ROUNDS);
    enum { RSA, P256, ED25519, KEYS };
    struct key_contest keys[KEYS] = {
        [RSA] = { "RSA-2048", "rsa2048", 24, { STATS_AT_LEAST, 0.97, 0 }, { 0 } },
        [P256] = { "P-256", "p256", 240, { STATS_AT_LEAST, 0.85, 0 }, { 0 } },
        [ED25519] = { "Ed25519", "ed25519", 160, { STATS_AT_LEAST, 0.90, 0 }, { 0 } },
    };
    softhsm_start();
    for (int i = 0; i < KEYS;
         i++) { /* a token each: libp11 does without one that has an Ed25519 key */
        softhsm_token(keys[i].name);
        keys[i].identity = identity_make(keys[i].name, OBJECT, "01", keys[i].type);
    }
    for (int i = 0; i < KEYS; i++) {
        apart(contest_key, &options, &keys[i]);
    }
    apart(contest_deadline, &options, &keys[P256]);
    apart(contest_slow, &options, &keys[P256]);
    for (int i = 0; i < KEYS; i++) {
        identity_free(&keys[i].identity);
    }
    return 0;
}
