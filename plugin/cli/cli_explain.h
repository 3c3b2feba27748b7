/* SPDX-License-Identifier: Apache-2.0
 * The parts of `nodekey explain`: the question and its answers. */
#ifndef NODEKEY_CLI_EXPLAIN_H
#define NODEKEY_CLI_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

struct question { /* points into argv */
    const char *config;
    const char *peer;   /* a file; "-": stdin */
    const char *target; /* NULL: which name is dialled is not asked */
    uint32_t roles;     /* mask of NK_PEER_IS_* */
    bool json;
};

/* *ret_answers is owned, json_decref: the array that --json prints. Per role, client first, the
 * document of policy_explain and in it "meaning", "checks_name", "note" and "policy_digest".
 * *ret_allowed: in every role asked about. */
MUST_USE nk_status explain_judge(const struct question *question, json_t **ret_answers,
                                 bool *ret_allowed, nk_error *err);

#endif
