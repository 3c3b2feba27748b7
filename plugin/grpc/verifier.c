/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/verifier.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "grpc/core.h"

struct verifier {
    grpc_tls_certificate_verifier_external external;
    struct verdicts *verdicts;       /* counted */
    struct publication *publication; /* counted */
    uint32_t role;
};

/* The text reaches the caller of our own RPC; a refused peer sees only a closed socket. gRPC frees
 * it with gpr_free. */
static void tell_refusal(const nk_verdict *verdict, grpc_status_code *status, char **details)
{
    char text[NK_REASON_BYTES + NK_DETAIL_BYTES + 32];

    snprintf(text, sizeof(text), "nodekey refused the peer: %s: %s", verdict->reason,
             verdict->detail);
    *status = GRPC_STATUS_UNAUTHENTICATED;
    *details = core()->gpr_strdup(text);
}

/* Non-zero: the verdict is in *status. gRPC 1.51 runs this on the thread that polls, under the
 * connection's lock, once per connection, also for resumed ones. The async form would leak a
 * handshake whose answer never comes, and abort the server's shutdown. */
static int verify_peer(void *user_data, grpc_tls_custom_verification_check_request *request,
                       grpc_tls_on_custom_verification_check_done_cb callback, void *callback_arg,
                       grpc_status_code *status, char **details)
{
    const struct verifier *verifier = user_data;
    nk_verdict verdict = { .struct_size = sizeof(verdict), .decision = NK_DENY };

    (void)callback, (void)callback_arg;
    *status = GRPC_STATUS_UNAUTHENTICATED; /* until somebody says otherwise */
    const struct showing showing = {
        .role = verifier->role,
        .target = request->target_name,
        .leaf_pem = request->peer_info.peer_cert,
        .chain_pem = request->peer_info.peer_cert_full_chain,
    };
    if (verifier->role == NK_PEER_IS_CLIENT) {
        unfinished_handshakes_judged(verdicts_unfinished(verifier->verdicts));
    }
    verdicts_judge(verifier->verdicts, &showing, &verdict);
    if (verdict.decision == NK_ALLOW) {
        *status = GRPC_STATUS_OK;
    } else {
        tell_refusal(&verdict, status, details);
    }
    return 1;
}

/* Never called by gRPC 1.51, but without a check for NULL. */
static void cancel_verify(void *user_data, grpc_tls_custom_verification_check_request *request)
{
    (void)user_data, (void)request;
}

static void destruct_verifier(void *user_data)
{
    struct verifier *verifier = user_data;

    publication_unref(verifier->publication);
    verdicts_unref(verifier->verdicts);
    free(verifier);
}

grpc_tls_certificate_verifier_external *verifier_new(struct verdicts *verdicts,
                                                     struct publication *publication, uint32_t role)
{
    struct verifier *verifier = calloc(1, sizeof(*verifier));

    if (verifier == NULL) {
        return NULL;
    }
    verifier->verdicts = verdicts_ref(verdicts);
    verifier->publication = publication_ref(publication);
    verifier->role = role;
    verifier->external = (grpc_tls_certificate_verifier_external){ .user_data = verifier,
                                                                   .verify = verify_peer,
                                                                   .cancel = cancel_verify,
                                                                   .destruct = destruct_verifier };
    return &verifier->external;
}

void verifier_free(grpc_tls_certificate_verifier_external *verifier)
{
    destruct_verifier(verifier->user_data);
}
