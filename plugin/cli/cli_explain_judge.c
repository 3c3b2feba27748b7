/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/report.h"
#include "chain/reasons.h"
#include "cli/cli.h"
#include "config/config.h"
#include "judge/policy.h"
#include "peer/peer.h"

#define PEM_CURE                                                                                   \
    "; wanted are PEM certificates, leaf first, as `openssl s_client -showcerts' prints"

DEFINE_AUTO(json_t *, json_decref);

/* --- reading --- */

/* The one place that makes a policy: what a node reads at its start, less the token, and less its
 * state_dir: who explains must not write there, and the node itself refuses a list that is older
 * than one it has seen. */
static nk_status read_policy(const char *path, struct policy **ret_policy, nk_error *err)
{
    struct policy_memory memory;
    AUTO(config_free) struct config *config = NULL;
    nk_status status = config_read(path, &config, err);
    if (status == NK_OK) {
        status = policy_memory_open(NULL, &memory, err);
    }
    if (status != NK_OK) {
        return status;
    }
    status = policy_new(config, &memory, &cli_host, ret_policy, err);
    policy_memory_clear(&memory);
    return status;
}

static nk_status read_text(int fd, const char *name, char **ret_text, nk_error *err)
{
    size_t room = PEER_CHAIN_MAX_BYTES + 1; /* so that a text that is too long is seen, not cut */
    AUTO(free) char *text = calloc(1, room + 1);
    if (text == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    ssize_t len = file_read_fd(fd, text, room);
    if (len < 0) {
        return report(err, NK_E_PEER, "%s: %s" PEM_CURE, name, strerror(errno));
    }
    if ((size_t)len == room) {
        return report(err, NK_E_PEER,
                      "%s: is longer than %u bytes, which no peer may send" PEM_CURE, name,
                      PEER_CHAIN_MAX_BYTES);
    }
    if (strlen(text) != (size_t)len) {
        return report(err, NK_E_PEER, "%s: holds a NUL byte, so it is not PEM" PEM_CURE, name);
    }
    *ret_text = text;
    text = NULL;
    return NK_OK;
}

static const char *shown_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* Files of any owner are read, pipes included: a peer's certificates are claims, not settings. */
static nk_status read_peer_text(const char *path, char **ret_text, nk_error *err)
{
    if (strcmp(path, "-") == 0) {
        return read_text(STDIN_FILENO, shown_name(path), ret_text, err);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return report_errno(err, NK_E_PEER, "%s", path);
    }
    nk_status status = read_text(fd, path, ret_text, err);
    close(fd);
    return status;
}

/* --- judging --- */

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
static nk_status answer_question(struct policy *policy, struct peer *peer, nk_verdict *ret_verdict,
                                 json_t **ret_answer, nk_error *err)
{
    const bool names = policy_checks_call_host(policy) && peer->facts.target != NULL;
    struct opinion opinion;
    /* Without a name policy_judge would refuse a server for want of it, and hide what the rules
     * say. */
    AUTO(free) char *text = policy_explain(policy, peer, names, &opinion);
    *ret_verdict = opinion.verdict;
    AUTO(json_decref) json_t *document = text != NULL ? json_loads(text, 0, NULL) : NULL;
    AUTO(json_decref)
    json_t *more = json_pack("{s:s, s:b, s:s}", "meaning", meaning_of(ret_verdict->reason),
                             "checks_name", names, "note", note_on_name(policy, peer));
    if (document == NULL || more == NULL || json_object_update_missing(document, more) != 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_answer = document;
    document = NULL;
    return NK_OK;
}

/* A peer that cannot be read, as the node would refuse it. *ret_answer is owned: json_decref. */
static nk_status answer_malformed(uint32_t role, const char *target, const char *why,
                                  json_t **ret_answer, nk_error *err)
{
    const char *reason = reason_label(REASON_MALFORMED);

    *ret_answer = json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s?}, s:[], s:s, s:b, s:s}", "decision",
                            "deny", "rule", "", "reason", reason, "detail", why, "peer", "role",
                            role == NK_PEER_IS_CLIENT ? "client" : "server", "target", target,
                            "rules", "meaning", meaning_of(reason), "checks_name", 0, "note", "");
    return *ret_answer != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

static nk_status judge_role(struct policy *policy, const struct question *question, const char *pem,
                            uint32_t role, json_t *answers, bool *allowed, nk_error *err)
{
    AUTO(peer_free) struct peer *peer = NULL;
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    json_t *one = NULL;
    nk_error own = { .struct_size = sizeof(own) };

    const char *target = role == NK_PEER_IS_SERVER ? question->target : NULL;
    nk_status status = peer_read(role, target, pem, NULL, &peer, &own);
    if (status == NK_E_PEER && question->json) {
        status = answer_malformed(role, target, own.text, &one, err);
    } else if (status == NK_OK) {
        status = answer_question(policy, peer, &verdict, &one, err);
    } else {
        return report(err, status, "%s: %s; whoever shows this is refused" PEM_CURE,
                      shown_name(question->peer), own.text);
    }
    if (status == NK_OK &&
        (json_object_set_new(one, "policy_digest", json_string(policy_digest(policy))) != 0 ||
         json_array_append_new(answers, one) != 0)) {
        status = report(err, NK_E_NOMEM, "out of memory");
    }
    if (status == NK_OK) {
        *allowed = *allowed && verdict.decision == NK_ALLOW;
    }
    return status;
}

nk_status explain_judge(const struct question *question, json_t **ret_answers, bool *ret_allowed,
                        nk_error *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(free) char *pem = NULL;
    AUTO(json_decref) json_t *answers = json_array();
    bool allowed = true;

    nk_status status = read_policy(question->config, &policy, err);
    if (status == NK_OK) {
        status = read_peer_text(question->peer, &pem, err);
    }
    for (uint32_t role = NK_PEER_IS_CLIENT; status == NK_OK && role <= NK_PEER_IS_SERVER;
         role *= 2) {
        if ((question->roles & role) != 0) {
            status = judge_role(policy, question, pem, role, answers, &allowed, err);
        }
    }
    if (status != NK_OK) {
        return status;
    }
    *ret_answers = answers;
    answers = NULL;
    *ret_allowed = allowed;
    return NK_OK;
}
