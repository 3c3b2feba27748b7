/* SPDX-License-Identifier: Apache-2.0
 * By which mechanism a key signs each scheme that TLS may ask for: a token lacks some, and a key
 * may be bound to some (CKA_ALLOWED_MECHANISMS, PKCS#11 3.0 section 4.9). What modules say of that
 * is a hint; a test signature decides. */
#ifndef NODEKEY_KEY_WAYS_H
#define NODEKEY_KEY_WAYS_H

#include "key/key.h"

/* The way that `open` has settled; for a scheme that TLS does not ask for that of its like. */
enum scheme_way key_way(const struct hsm_key *key, const struct scheme *scheme);
/* scheme_prepare by the key's way; `input` is the message where key_way says so. */
MUST_USE bool key_prepare(const struct hsm_key *key, const struct scheme *scheme,
                          const unsigned char *input, size_t len, struct to_sign *ret_to_sign);
/* Any of the settled ways wants whole messages. */
bool key_wants_messages(const struct hsm_key *key);
/* False: the key is bound to schemes of other digests. libssl asks so before it chooses one. */
bool key_takes_digest(const struct hsm_key *key, int digest_nid);

/* Proves the key by each scheme that TLS may ask for and settles its ways: the first way that
 * works. CKR_MECHANISM_INVALID with a sentence: none works for TLS 1.3. Inside a lease. */
MUST_USE CK_RV key_settle_ways(struct hsm_key *key, CK_SESSION_HANDLE session,
                               CK_OBJECT_HANDLE object, nk_error *err);
/* Proof by a settled way, of a key that was found anew. Inside a lease. */
MUST_USE CK_RV key_prove_again(struct hsm_key *key, CK_SESSION_HANDLE session,
                               CK_OBJECT_HANDLE object, nk_error *err);
/* Proof by whatever scheme and way works: CKR_MECHANISM_INVALID if none does. Settles nothing.
 * Inside a lease. */
MUST_USE CK_RV key_prove_at_all(struct hsm_key *key, CK_SESSION_HANDLE session,
                                CK_OBJECT_HANDLE object, nk_error *err);
/* Logs what the key does not sign, if anything. [one] */
void key_tell_ways(const struct hsm_key *key);

#endif
