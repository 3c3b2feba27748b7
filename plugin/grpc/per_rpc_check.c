/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/per_rpc_check.h"

#include <string.h>

#include "grpc/core.h"
#include "grpc/peer_identity.h"
#include "grpc/refusal.h"

#define CREDENTIALS_TYPE "nodekey"

static const char *refusal(const struct verdicts *verdicts)
{
    return verdicts_closed(verdicts) ? CLOSED : REFUSED;
}

static bool is_still_admitted(struct verdicts *verdicts, uint32_t role,
                              const grpc_auth_context *context)
{
    size_t leaf_len = 0;
    const char *leaf = peer_identity_leaf(context, &leaf_len);
    bool allowed = false;

    if (leaf == NULL || verdicts_remember(verdicts, role, leaf, leaf_len, &allowed)) {
        return allowed;
    }
    const struct showing showing = {
        .role = role,
        .leaf_pem = peer_identity_property(context, GRPC_X509_PEM_CERT_PROPERTY_NAME),
        .chain_pem = peer_identity_property(context, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME),
    };
    return verdicts_still_admit(verdicts, &showing, "rpc");
}

static void release_verdicts(void *state)
{
    verdicts_unref(state);
}

/* --- inbound --- */

static void check_inbound(void *state, grpc_auth_context *context, const grpc_metadata *metadata,
                          size_t metadata_len, grpc_process_auth_metadata_done_cb done,
                          void *user_data)
{
    (void)metadata, (void)metadata_len;
    if (is_still_admitted(state, NK_PEER_IS_CLIENT, context)) {
        done(user_data, NULL, 0, NULL, 0, GRPC_STATUS_OK, NULL);
    } else {
        done(user_data, NULL, 0, NULL, 0, GRPC_STATUS_UNAUTHENTICATED, refusal(state));
    }
}

void per_rpc_check_server(struct verdicts *verdicts, grpc_server_credentials *credentials)
{
    const grpc_auth_metadata_processor processor = { .process = check_inbound,
                                                     .destroy = release_verdicts,
                                                     .state = verdicts_ref(verdicts) };
    core()->grpc_server_credentials_set_auth_metadata_processor(credentials, processor);
}

/* --- outbound --- */

static int check_outbound(void *state, grpc_auth_metadata_context context,
                          grpc_credentials_plugin_metadata_cb done, void *user_data,
                          grpc_metadata metadata[GRPC_METADATA_CREDENTIALS_PLUGIN_SYNC_MAX],
                          size_t *metadata_len, grpc_status_code *status, const char **details)
{
    (void)done, (void)user_data, (void)metadata;
    *metadata_len = 0;
    *details = NULL;
    *status = GRPC_STATUS_OK;
    if (context.channel_auth_context == NULL ||
        !is_still_admitted(state, NK_PEER_IS_SERVER, context.channel_auth_context)) {
        *status = GRPC_STATUS_UNAUTHENTICATED;
        *details = core()->gpr_strdup(refusal(state));
    }
    return 1; /* answered at once */
}

static char *describe_check(void *state)
{
    (void)state;
    return core()->gpr_strdup("nodekey: is the peer still admitted?");
}

grpc_call_credentials *per_rpc_check_channel(struct verdicts *verdicts)
{
    const grpc_metadata_credentials_plugin plugin = {
        .get_metadata = check_outbound,
        .debug_string = describe_check,
        .destroy = release_verdicts,
        .state = verdicts_ref(verdicts),
        .type = CREDENTIALS_TYPE,
    };
    return core()->grpc_metadata_credentials_create_from_plugin(plugin, GRPC_PRIVACY_AND_INTEGRITY,
                                                                NULL);
}
