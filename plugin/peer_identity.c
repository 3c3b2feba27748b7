/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_identity.h"

#include <stddef.h>
#include <string.h>

#include <grpc/grpc_security_constants.h>
#include <openssl/err.h>

#include "report.h"

DEFINE_AUTO(struct peer *, peer_free);

/* Property values are NUL-terminated by gRPC; one that holds a NUL of its own is not what it seems.
 */
static const char *property(const grpc_auth_context *context, const char *name)
{
    grpc_auth_property_iterator at = grpc_auth_context_find_properties_by_name(context, name);
    const grpc_auth_property *found = grpc_auth_property_iterator_next(&at);

    return found != NULL && strlen(found->value) == found->value_length ? found->value : NULL;
}

nk_status peer_identity_read(struct core *core, uint32_t role, const grpc_auth_context *context,
                             nk_peer **ret, nk_error *err)
{
    const char *security = property(context, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
    const char *leaf = property(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);
    if (security == NULL || strcmp(security, GRPC_TLS_TRANSPORT_SECURITY_TYPE) != 0 ||
        leaf == NULL) {
        return report(err, NK_E_PEER, "the call does not come over mutual TLS of our credentials");
    }
    ERR_clear_error();
    AUTO(peer_free) struct peer *peer = NULL;
    nk_status status = peer_read(
        role, NULL, leaf, property(context, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME), &peer, err);
    if (status != NK_OK) {
        return status;
    }
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    policy_identify(core->policy, peer, &verdict);
    ERR_clear_error();
    if (verdict.decision != NK_ALLOW) {
        return report(err, NK_E_PEER, "the peer is not admitted any more: %s: %s", verdict.reason,
                      verdict.detail);
    }
    *ret = &peer->facts;
    peer = NULL;
    return NK_OK;
}

void peer_identity_free(nk_peer *facts)
{
    if (facts != NULL) {
        peer_free((struct peer *)((char *)facts - offsetof(struct peer, facts)));
    }
}
