/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sign_side.h"

#include <stdio.h>
#include <stdlib.h>

void sign_side_die(const char *what)
{
    fprintf(stderr, "bench_sign: %s\n", what);
    abort();
}

bool sign_side_batch(void *user, struct contest_cost *ret_cost)
{
    const struct side *side = user;
    if (side->team == NULL) {
        const struct bounded_call bounded = { side->threads, side->operations, 0 };
        return outpost_send(side->outpost, &bounded, ret_cost);
    }
    *ret_cost = team_run(side->team, side->operations, side->operation, side->user);
    if (ret_cost->failed > 0) { /* only the rival may fail */
        sign_side_die("a signature failed");
    }
    return true;
}

struct hsm_key *sign_side_open(const struct identity *identity, unsigned timeout_ms)
{
    const struct rig_terms terms = { .sign_timeout_ms = timeout_ms };
    struct hsm_key *key = NULL;
    nk_error err;
    rig_set_terms(&terms);
    if (identity_open(identity, &key, &err) != NK_OK) {
        sign_side_die(err.text);
    }
    return key;
}

struct signer sign_side_load(const struct hsm_key *key, const struct identity *identity)
{
    EVP_PKEY *loaded = rig_load(key);
    struct signer signer = { .key = loaded };
    if (loaded != NULL) {
        signer = signer_of(loaded);
    }
    if (loaded == NULL || !signer_proves(&signer, identity->public_key)) {
        sign_side_die("a key of nodekey's does not sign");
    }
    return signer;
}
