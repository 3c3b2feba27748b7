/* SPDX-License-Identifier: Apache-2.0
 * A way of signing, as a side of a contest; and the contests of bench_sign. */
#ifndef NODEKEY_BENCH_SIGN_SIDE_H
#define NODEKEY_BENCH_SIGN_SIDE_H

#include "bench/harness/contest.h"
#include "bench/sides/outpost.h"
#include "bench/sides/signer.h"
#include "bench/sides/team.h"
#include "fixtures/token_rig.h"

#define OBJECT "key"

struct key_contest {
    const char *type;
    const char *name;  /* and label of its token */
    size_t operations; /* of one thread's batch: some 25 ms */
    struct stats_bound least;
    bool rival_signs; /* libp11: and no faster than nodekey */
    struct identity identity;
};

/* Each in a process that knows nothing of the others. */
void sign_keys(const struct bench_options *options, const struct key_contest *keys);
void sign_deadline(const struct bench_options *options, const struct key_contest *keys);
void sign_slow(const struct bench_options *options, const struct key_contest *keys);

struct side {
    struct team *team; /* NULL: at the outpost */
    struct outpost *outpost;
    unsigned threads;
    size_t operations; /* of one batch */
    team_operation operation;
    void *user;
};

/* Of a contest_side; `user` is the struct side. */
bool sign_side_batch(void *user, struct contest_cost *ret_cost);

/* Through nodekey; `timeout_ms` 0: directly. Owned: rig_shut, EVP_PKEY_free of the signer's key. */
struct hsm_key *sign_side_open(const struct identity *identity, unsigned timeout_ms);
struct signer sign_side_load(const struct hsm_key *key, const struct identity *identity);

void sign_side_die(const char *what);

#endif
