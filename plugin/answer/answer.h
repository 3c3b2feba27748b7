/* SPDX-License-Identifier: Apache-2.0
 * What a policy says of certificates that a peer showed: the answers of `nodekey explain`. */
#ifndef NODEKEY_ANSWER_H
#define NODEKEY_ANSWER_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "judge/policy.h"

/* Certificates as a peer in one role shows them. Borrowed. */
struct answer_question {
    uint32_t role;      /* NK_PEER_IS_... */
    const char *target; /* the host that is dialled, without port; NULL: it is not asked about */
    const char *pem;    /* leaf first */
};
/* *ret_answer is owned, json_decref: the document of policy_explain and in it "meaning",
 * "checks_name", "note" and the "chain" of the "peer" (ends_of_chain). NK_E_PEER: the certificates
 * cannot be read, and such a peer is refused; the text says why, and answer_malformed makes a
 * document of it. NK_E_NOMEM. [any] */
MUST_USE nk_status answer_make(struct policy *policy, const struct answer_question *question,
                               json_t **ret_answer, bool *ret_allowed, nk_error *err);
/* The answer about a peer that cannot be read, as the node would refuse it. *ret_answer is owned:
 * json_decref. NK_E_NOMEM. [any] */
MUST_USE nk_status answer_malformed(const struct answer_question *question, const char *why,
                                    json_t **ret_answer, nk_error *err);
/* An array of answers about one peer, as text. [any] */
void answer_print(FILE *out, const json_t *answers);

#endif
