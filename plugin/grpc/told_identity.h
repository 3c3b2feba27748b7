/* SPDX-License-Identifier: Apache-2.0
 * Our identity for cores that are told it: one provider for each role of ours, which all
 * credentials of that role share. No file, no thread; what is told is in force at the next
 * handshake. */
#ifndef NODEKEY_TOLD_IDENTITY_H
#define NODEKEY_TOLD_IDENTITY_H

#include "base/auto.h"
#include "grpc/core.h"
#include "nodekey/plugin.h"

struct told_identity;

struct hsm_key;

/* Touches no gRPC. `host` is copied. *ret_told is owned: told_identity_close, then
 * told_identity_free. */
MUST_USE nk_status told_identity_new(const nk_host *host, struct told_identity **ret_told,
                                     nk_error *err);
/* Frees memory, without a call to gRPC. NULL is allowed. */
void told_identity_free(struct told_identity *told);

/* From here on gRPC shows `pem` in our_role: certificates, and before them a reference to `key`
 * where the core takes one; borrowed, and proven by the caller. NK_E_IDENTITY: a key that gRPC on
 * BoringSSL has no scheme for; NK_E_NOMEM, NK_E_INTERNAL, or what nk_host.set_identity says: what
 * was shown stays. [any] */
MUST_USE nk_status told_identity_tell(struct told_identity *told, int our_role, struct hsm_key *key,
                                      const char *pem, nk_error *err);
/* The provider of our_role, after it was told. Made at the first call, and from then to
 * told_identity_close a grpc_init is held, so that the host's own grpc_shutdown may come first.
 * *ret_provider lives until told_identity_close. [any], after grpc_init */
MUST_USE nk_status told_identity_provider(struct told_identity *told, int our_role,
                                          grpc_tls_certificate_provider **ret_provider,
                                          nk_error *err);
/* Gives gRPC our server's signer once more after some handshakes of TLS 1.2, so that it makes its
 * TLS anew. BoringSSL's server remembers each session of TLS 1.2 without a ticket, also of peers
 * that were refused, with all certificates that they sent: 20,480 for each port. The former TLS,
 * with what it remembers, goes with its last connection. Tickets of the former one are not taken
 * any more. Other cores: nothing. To be called again and again. [any] */
void told_identity_drop_sessions(struct told_identity *told);
/* Gives the providers back; credentials keep what they share. Never in a forked child. */
void told_identity_close(struct told_identity *told);

#endif
