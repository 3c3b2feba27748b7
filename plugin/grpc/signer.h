/* SPDX-License-Identifier: Apache-2.0
 * A key of ours for who asks for signatures by the TLS number of their scheme, and what we show
 * with it: nk_signer. The functions without other words are those of nk_plugin. */
#ifndef NODEKEY_SIGNER_H
#define NODEKEY_SIGNER_H

#include "base/auto.h"
#include "hsm.h"

/* The table that hosts get with a signer; before the first one. Borrowed for ever. [any] */
void signer_set_plugin(const nk_plugin *plugin);
const nk_plugin *signer_plugin(void);
/* Keeps `key`; `chain` is copied. *ret_signer is owned: signer_free. NK_E_NOMEM. [any] */
MUST_USE nk_status signer_new(struct hsm_key *key, int our_role, const char *chain,
                              nk_signer **ret_signer, nk_error *err);
/* The answer of signer_is_quick for a signer of `key`, while its token answers. [any] */
bool key_is_quick(const struct hsm_key *key);
/* Handshakes of TLS 1.2 for which it was asked to sign. [any] */
unsigned long long signer_tls_12(const nk_signer *signer);

const char *signer_chain(const nk_signer *signer);
uint32_t signer_is_quick(const nk_signer *signer);
nk_status signer_sign(nk_signer *signer, uint32_t algorithm, const uint8_t *input, size_t len,
                      uint8_t *signature, size_t room, size_t *ret_len, nk_error *err);
nk_status signer_start(nk_signer *signer, uint32_t algorithm, const uint8_t *input, size_t len,
                       nk_sign_done *done, void *arg, nk_signing **ret_signing, nk_error *err);
void signer_cancel(nk_signing *signing);
void signer_free_signing(nk_signing *signing);
void signer_ref(nk_signer *signer);
void signer_free(nk_signer *signer);

#endif
