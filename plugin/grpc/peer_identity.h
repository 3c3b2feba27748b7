/* SPDX-License-Identifier: Apache-2.0
 * From the auth context of a call to who is calling. */
#ifndef NODEKEY_PEER_IDENTITY_H
#define NODEKEY_PEER_IDENTITY_H

#include "judge/verdicts.h"

/* As nk_plugin.peer_identity. *ret is owned: peer_identity_free. */
MUST_USE nk_status peer_identity_read(struct verdicts *verdicts, uint32_t role,
                                      const struct grpc_auth_context *context, nk_peer **ret,
                                      nk_error *err);
void peer_identity_free(nk_peer *facts);

/* The peer of an auth context, not judged. NK_E_PEER: it is not mutual TLS of our credentials. */
MUST_USE nk_status peer_identity_peer(uint32_t role, const struct grpc_auth_context *context,
                                      struct peer **ret_peer, nk_error *err);
/* One property, or NULL; lives as long as the context. One that holds a NUL byte is none. */
const char *peer_identity_property(const struct grpc_auth_context *context, const char *name);
/* The leaf as it was shown, and its length; NULL: none was. Does not look into it. */
const char *peer_identity_leaf(const struct grpc_auth_context *context, size_t *ret_len);

#endif
