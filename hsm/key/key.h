/* SPDX-License-Identifier: Apache-2.0
 * A private key in a token: proven when opened, found again and proven again whenever the handle
 * became void, and closed to all at once. */
#ifndef NODEKEY_KEY_H
#define NODEKEY_KEY_H

#include <pthread.h>
#include <stdatomic.h>

#include <openssl/sha.h>

#include "base/report.h"
#include "hsm.h"
#include "module/uri.h"
#include "scheme/scheme.h"
#include "token/token.h"
#include "wait/rundown.h"

#define KEY_HANDLE_BYTES 16

struct hsm_key {
    atomic_uint refs;
    struct rundown uses; /* signatures under way */
    atomic_bool shut;

    const struct key_kind *kind; /* NULL until `open` has refused it: none of ours */
    EVP_PKEY *public_key;        /* the leaf's */
    P11KitUri *uri;
    char *uri_text;
    struct hsm_custody custody;
    bool hardware;
    atomic_bool always_authenticate;      /* as told when the object was found last */
    enum scheme_way ways[KEY_KIND_NEEDS]; /* settled by `open`, for each of the kind's needs */
    nk_host host;
    struct log_budget log_budget; /* of signatures: strangers ask for them */
    const struct hsm_words *words;
    unsigned preflight_us;    /* settled by `open`: the shortest test signature */
    atomic_ullong signatures; /* handed over to callers */
    struct token *token;      /* until shut */
    unsigned sign_timeout_ms; /* 0: direct mode */
    struct signers *signers;  /* the token's */
    bool inbound;             /* makes inbound signatures */
    struct hsm_key
        *inbound_key; /* owned: the same key for inbound signatures, with a handle of its own */
    char label[33];
    unsigned char handle[KEY_HANDLE_BYTES];          /* name of the key in references; random */
    unsigned char spki_sha256[SHA256_DIGEST_LENGTH]; /* references must carry this public key */
    struct hsm_key *next;                            /* in the registry of references */

    pthread_mutex_t lock; /* guards the object */
    CK_OBJECT_HANDLE object;
    unsigned generation; /* of the login under which `object` is valid; 0: never found */
};

/* A key in a forked child: the threads that used it are not here, and may have held its host's
 * locks, so the key logs nothing. The next signature finds and proves it anew. */
void key_renew(struct hsm_key *key);

/* End of a use that was counted in `uses`. */
void key_end_use(struct hsm_key *key);
/* How long a signature may take that a signing worker makes. */
static inline unsigned key_patience_ms(const struct hsm_key *key)
{
    return key->sign_timeout_ms > 0 ? key->sign_timeout_ms : HSM_START_TIMEOUT_MS;
}

/* Gives a proven key its inbound key: the same one with a handle of its own, since gRPC loads
 * server and client credentials from references of their own, and the handle then tells for whom a
 * signature is. key->inbound_key is there to be shut and released also after a failure. */
MUST_USE nk_status key_make_inbound(struct hsm_key *key, nk_error *err);

/* Settles spki_sha256, before the first reference to the key and before its inbound key. */
MUST_USE nk_status key_digest_public(struct hsm_key *key, nk_error *err);
/* The registry of keys that references name: those that this process has opened and not shut. */
void key_register(struct hsm_key *key);
void key_unregister(struct hsm_key *key);
/* A new reference, or NULL. Never touches the token. [any] */
struct hsm_key *key_by_handle(const unsigned char handle[KEY_HANDLE_BYTES]);

#endif
