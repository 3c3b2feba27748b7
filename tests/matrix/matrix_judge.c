/* SPDX-License-Identifier: Apache-2.0
 * The validator alone: configuration, policy and peer, without gRPC and without a token. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "judge/policy.h"
#include "matrix/matrix.h"
#include "peer/peer.h"

#define CHAIN_BYTES ((size_t)64 * 1024)

static const nk_host silent = { .struct_size = sizeof(silent) };

struct matrix_judge {
    struct policy_memory memory;
    struct policy *policy;
};

static void die(const char *why)
{
    fprintf(stderr, "matrix judge: %s\n", why);
    abort();
}

/* As the plugin does at open: from then on the pool knows our own intermediate. */
static void check_ours(struct matrix_judge *judge, const struct member *member)
{
    nk_error err = { .struct_size = sizeof(err) };
    STACK_OF(X509) *others = sk_X509_new_null();
    if (others == NULL || sk_X509_push(others, member->federation->intermediate.certificate) == 0 ||
        policy_check_ours(judge->policy, OUR_SERVER, member->leaf, others, &silent, &err) !=
            NK_OK) {
        die(err.text);
    }
    sk_X509_free(others);
}

struct matrix_judge *matrix_judge_open(const struct member *member, const char *patch)
{
    struct matrix_judge *judge = calloc(1, sizeof(*judge));
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    char *text = member_config(member, patch);

    if (judge == NULL || config_parse(text, member->federation->folder, &config, &err) != NK_OK ||
        policy_memory_open(NULL, &judge->memory, &err) != NK_OK ||
        policy_new(config, &judge->memory, &silent, &judge->policy, &err) != NK_OK) {
        die(err.text);
    }
    check_ours(judge, member);
    config_free(config);
    free(text);
    return judge;
}

void matrix_judge_close(struct matrix_judge *judge)
{
    policy_unref(judge->policy);
    policy_memory_clear(&judge->memory);
    free(judge);
}

/* As gRPC hands it over: the leaf, and the chain that begins with it. Owned: free. */
static char *chain_of(const struct tls_peer *peer, const char *leaf)
{
    char *chain = calloc(1, CHAIN_BYTES);
    size_t used = chain != NULL ? (size_t)snprintf(chain, CHAIN_BYTES, "%s", leaf) : 0;
    for (size_t i = 0; i < TLS_PEER_ISSUERS && peer->issuers[i] != NULL; i++) {
        char *pem = pem_of(peer->issuers[i], NULL);
        used += (size_t)snprintf(chain + used, CHAIN_BYTES - used, "%s", pem);
        free(pem);
    }
    if (used == 0 || used >= CHAIN_BYTES) {
        die("chain");
    }
    return chain;
}

static void tell(const struct opinion *opinion, struct matrix_verdict *verdict)
{
    const nk_verdict *from = &opinion->verdict;

    if (from->decision == NK_ALLOW) {
        snprintf(verdict->text, sizeof(verdict->text), "+%s", from->rule);
    } else {
        snprintf(verdict->text, sizeof(verdict->text), "-%s%s%s", from->reason,
                 from->rule[0] != '\0' ? " " : "", from->rule);
    }
    snprintf(verdict->detail, sizeof(verdict->detail), "%s", from->detail);
    snprintf(verdict->candidate, sizeof(verdict->candidate), "%s",
             opinion->has_candidate ? opinion->candidate : "(none)");
}

void matrix_judge_ask(struct matrix_judge *judge, const struct tls_peer *peer, bool inbound,
                      const char *target, struct matrix_verdict *ret_verdict)
{
    struct opinion opinion;
    struct peer *shown = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    char *leaf = pem_of(peer->certificate, NULL);
    char *chain = chain_of(peer, leaf);

    memset(ret_verdict, 0, sizeof(*ret_verdict));
    if (peer_read(inbound ? NK_PEER_IS_CLIENT : NK_PEER_IS_SERVER, inbound ? NULL : target, leaf,
                  chain, &shown, &err) == NK_OK) {
        memset(&opinion, 0xff, sizeof(opinion)); /* all of it must be written */
        policy_judge(judge->policy, shown, &opinion);
        tell(&opinion, ret_verdict);
        peer_free(shown);
    } else {
        snprintf(ret_verdict->text, sizeof(ret_verdict->text), "-malformed");
        snprintf(ret_verdict->detail, sizeof(ret_verdict->detail), "%s", err.text);
        snprintf(ret_verdict->candidate, sizeof(ret_verdict->candidate), "(none)");
    }
    free(leaf);
    free(chain);
}
