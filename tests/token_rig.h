/* SPDX-License-Identifier: Apache-2.0
 * Keys in tokens without gRPC and without a configuration: hsm/ as the plugin calls it.
 * softhsm_start comes first. Failures of the fixture abort. */
#ifndef NODEKEY_TESTS_TOKEN_RIG_H
#define NODEKEY_TESTS_TOKEN_RIG_H

#include <stdbool.h>

#include <p11-kit/pkcs11.h>

#include "hsm.h"
#include "plugin_host.h"

struct identity {
    const char *label; /* of the token */
    const char *uri;
    const char *pin_path;
    EVP_PKEY *public_key;
    const char *state_dir; /* NULL: none */
    bool protected;        /* the PIN is typed at the token */
};

/* The module that identity_open names; returns where the keys log. */
struct recorder *rig_start(const char *module);
/* Generates the key on a token that exists, and writes a PIN file for it. */
struct identity identity_make(const char *label, const char *object, const char *id,
                              const char *type);
void identity_free(struct identity *identity);
void identity_set_pin(const struct identity *identity, const char *pin);

/* What identity_open asks for besides: 0 as the rig's own default. */
struct rig_terms {
    unsigned sign_timeout_ms;
    unsigned max_sessions;
    unsigned max_waiting_inbound;
    unsigned login_timeout_ms;
    const char *module; /* other than rig_start's */
};
void rig_set_terms(const struct rig_terms *terms);

/* hsm_key_open for it; the error's text and native go to *err, which is reset first. */
nk_status identity_open(const struct identity *identity, struct hsm_key **ret_key, nk_error *err);
/* hsm_key_shut and hsm_key_unref. */
void rig_shut(struct hsm_key *key);
/* Through the PEM reference, as gRPC does; NULL when it does not load. Owned: EVP_PKEY_free. */
EVP_PKEY *rig_load(const struct hsm_key *key);
EVP_PKEY *rig_load_inbound(const struct hsm_key *key);
EVP_PKEY *rig_load_pem(const char *pem);
/* Signs a message and verifies the answer with the public key. A signature that does not verify
 * aborts: a wrong one must never come. */
bool rig_signs(EVP_PKEY *private_key, const struct identity *identity);
/* Does this thread's OpenSSL queue hold these words? Empties it. */
bool rig_queue_has(const char *piece);

/* SoftHSM itself, as another part of the program would load it: the same copy of the module. */
CK_FUNCTION_LIST *rig_other_user(const char *path);
CK_SLOT_ID rig_slot(CK_FUNCTION_LIST *p11, const char *label);
CK_SESSION_HANDLE rig_session(CK_FUNCTION_LIST *p11, const char *label, CK_FLAGS flags);

#endif
