/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/peer_identity.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "grpc/core.h"
#include "grpc/refusal.h"

/* An answer to the host: it has the facts, and gives them back to peer_identity_free. */
struct answer {
    nk_peer facts; /* those of `peer`, and `rule` */
    struct peer *peer;
    char rule[NK_RULE_NAME_BYTES];
};

static void answer_free(struct answer *answer)
{
    peer_free(answer->peer);
    free(answer);
}
DEFINE_AUTO(struct answer *, answer_free);

static const grpc_auth_property *find_property(const grpc_auth_context *context, const char *name)
{
    grpc_auth_property_iterator at =
        core()->grpc_auth_context_find_properties_by_name(context, name);
    return core()->grpc_auth_property_iterator_next(&at);
}

/* Property values are NUL-terminated by gRPC, so a value with a NUL of its own is cut short. */
const char *peer_identity_property(const grpc_auth_context *context, const char *name)
{
    const grpc_auth_property *found = find_property(context, name);

    return found != NULL && strlen(found->value) == found->value_length ? found->value : NULL;
}

const char *peer_identity_leaf(const grpc_auth_context *context, size_t *ret_len)
{
    const grpc_auth_property *found = find_property(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);

    *ret_len = found != NULL ? found->value_length : 0;
    return found != NULL ? found->value : NULL;
}

nk_status peer_identity_peer(uint32_t role, const grpc_auth_context *context,
                             struct peer **ret_peer, nk_error *err)
{
    const char *security =
        peer_identity_property(context, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
    const char *leaf = peer_identity_property(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);

    if (security == NULL || strcmp(security, GRPC_TLS_TRANSPORT_SECURITY_TYPE) != 0 ||
        leaf == NULL) {
        return report(err, NK_E_PEER, "the call does not come over mutual TLS of our credentials");
    }
    return peer_read(role, NULL, leaf,
                     peer_identity_property(context, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME),
                     ret_peer, err);
}

nk_status peer_identity_read(struct verdicts *verdicts, uint32_t role,
                             const grpc_auth_context *context, nk_peer **ret, nk_error *err)
{
    if (!core_is_bound()) {
        return report(err, NK_E_USAGE, NO_CREDENTIALS);
    }
    struct opinion opinion;
    AUTO(answer_free) struct answer *answer = calloc(1, sizeof(*answer));
    AUTO(policy_unref) struct policy *policy = verdicts_policy(verdicts);
    if (answer == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = peer_identity_peer(role, context, &answer->peer, err);
    if (status != NK_OK) {
        return status;
    }
    policy_identify(policy, answer->peer, &opinion);
    if (opinion.verdict.decision != NK_ALLOW) {
        return report(err, NK_E_PEER, "the peer is not admitted any more: %s: %s",
                      opinion.verdict.reason, opinion.verdict.detail);
    }
    answer->facts = answer->peer->facts;
    snprintf(answer->rule, sizeof(answer->rule), "%s", opinion.verdict.rule);
    answer->facts.rule = answer->rule;
    *ret = &answer->facts;
    answer = NULL;
    return NK_OK;
}

void peer_identity_free(nk_peer *facts)
{
    if (facts != NULL) {
        answer_free((struct answer *)((char *)facts - offsetof(struct answer, facts)));
    }
}
