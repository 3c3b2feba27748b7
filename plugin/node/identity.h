/* SPDX-License-Identifier: Apache-2.0
 * Who we are in one role: certificate, intermediates and a proven key. */
#ifndef NODEKEY_IDENTITY_H
#define NODEKEY_IDENTITY_H

#include <openssl/x509.h>

#include "config/config.h"
#include "hsm.h"
#include "judge/own_chain.h"
#include "judge/policy.h"

struct identity {
    struct own_chain chain;
    struct hsm_key *key;
};

/* Reads the certificate file, judges the leaf as a peer of the federation would, then opens and
 * proves the key. `sibling` is the identity of the other role, or NULL. NK_E_IDENTITY,
 * NK_E_TRUST's kin for the certificate, and all of hsm_key_open. *ret_identity is owned:
 * identity_free after hsm_key_shut. */
MUST_USE nk_status identity_open(const struct config *config, int our_role, struct policy *policy,
                                 const nk_host *host, const struct identity *sibling,
                                 struct identity **ret_identity, nk_error *err);
void identity_free(struct identity *identity);

/* A certificate that is to replace ours, and by which policy. Borrowed. */
struct renewal {
    const struct config *config;
    int our_role;
    bool both_roles; /* one identity for both */
    struct policy *policy;
};
/* Takes over the certificates of the file if they are others, for the same key and good.
 * *ret_changed is true then, else untouched. NK_E_IDENTITY: nothing changed, the text says why. */
MUST_USE nk_status identity_renew(struct identity *identity, const struct renewal *renewal,
                                  const nk_host *host, bool *ret_changed, nk_error *err);
/* Leaf and intermediates in PEM. Owned: free. */
MUST_USE nk_status identity_chain(const struct identity *identity, char **ret_pem, nk_error *err);
/* Key reference, leaf, intermediates: what gRPC reads as key file and as certificate file. Owned:
 * free. */
MUST_USE nk_status identity_pem(const struct identity *identity, int our_role, char **ret_pem,
                                nk_error *err);

#endif
