/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/answer.h"

#include <stdlib.h>
#include <string.h>

#include "answer/ends.h"
#include "base/report.h"
#include "chain/reasons.h"
#include "peer/peer.h"

DEFINE_AUTO(json_t *, json_decref);

static const char *meaning_of(const char *label)
{
#define REASON_ROW(constant, label, meaning) { (label), (meaning) },
    static const struct {
        const char *label, *meaning;
    } rows[] = { REASONS(REASON_ROW) };
#undef REASON_ROW
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].label, label) == 0) {
            return rows[i].meaning;
        }
    }
    return "";
}

static const char *note_on_name(const struct policy *policy, const struct peer *peer)
{
    if (peer->facts.role != NK_PEER_IS_SERVER) {
        return "";
    }
    if (!policy_checks_call_host(policy)) {
        return "federation.server_name is \"rule\": the dialled name is not checked, the rule says "
               "who the server is";
    }
    return peer->facts.target != NULL ? ""
                                      : "the name was not checked; --target NAME checks the one "
                                        "that you dial";
}

/* *ret_answer is owned: json_decref. */
static nk_status explain_peer(struct policy *policy, const struct peer *peer, json_t **ret_answer,
                              bool *ret_allowed, nk_error *err)
{
    const bool names = policy_checks_call_host(policy) && peer->facts.target != NULL;
    struct opinion opinion;
    /* Without a name policy_judge would refuse a server for want of it, and hide what the rules
     * say. */
    AUTO(free) char *text = policy_explain(policy, peer, names, &opinion);
    AUTO(json_decref) json_t *document = text != NULL ? json_loads(text, 0, NULL) : NULL;
    AUTO(json_decref)
    json_t *more = json_pack("{s:s, s:b, s:s}", "meaning", meaning_of(opinion.verdict.reason),
                             "checks_name", names, "note", note_on_name(policy, peer));
    if (document == NULL || more == NULL || json_object_update_missing(document, more) != 0 ||
        json_object_set_new(json_object_get(document, "peer"), "chain",
                            ends_of_chain(peer->leaf, peer->others)) != 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_answer = document;
    document = NULL;
    *ret_allowed = opinion.verdict.decision == NK_ALLOW;
    return NK_OK;
}

nk_status answer_make(struct policy *policy, const struct answer_question *question,
                      json_t **ret_answer, bool *ret_allowed, nk_error *err)
{
    AUTO(peer_free) struct peer *peer = NULL;
    nk_status status = peer_read(question->role, question->target, question->pem, NULL, &peer, err);

    return status == NK_OK ? explain_peer(policy, peer, ret_answer, ret_allowed, err) : status;
}

nk_status answer_malformed(const struct answer_question *question, const char *why,
                           json_t **ret_answer, nk_error *err)
{
    const char *reason = reason_label(REASON_MALFORMED);

    *ret_answer = json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s?}, s:[], s:s, s:b, s:s}", "decision",
                            "deny", "rule", "", "reason", reason, "detail", why, "peer", "role",
                            question->role == NK_PEER_IS_CLIENT ? "client" : "server", "target",
                            question->target, "rules", "meaning", meaning_of(reason), "checks_name",
                            0, "note", "");
    return *ret_answer != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}
