/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer/answer.h"
#include "base/file.h"
#include "base/report.h"
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

static nk_status judge_role(struct policy *policy, const struct question *question, const char *pem,
                            uint32_t role, json_t *answers, bool *allowed, nk_error *err)
{
    const struct answer_question showing = {
        .role = role,
        .target = role == NK_PEER_IS_SERVER ? question->target : NULL,
        .pem = pem,
    };
    json_t *one = NULL;
    bool let_in = false;
    nk_error own = { .struct_size = sizeof(own) };

    nk_status status = answer_make(policy, &showing, &one, &let_in, &own);
    if (status == NK_E_PEER && question->json) {
        status = answer_malformed(&showing, own.text, &one, err);
    } else if (status != NK_OK) {
        return report(err, status, "%s: %s; whoever shows this is refused" PEM_CURE,
                      shown_name(question->peer), own.text);
    }
    if (status == NK_OK &&
        (json_object_set_new(one, "policy_digest", json_string(policy_digest(policy))) != 0 ||
         json_array_append_new(answers, one) != 0)) {
        status = report(err, NK_E_NOMEM, "out of memory");
    }
    if (status == NK_OK) {
        *allowed = *allowed && let_in;
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
