/* SPDX-License-Identifier: Apache-2.0
 * A signature that a signing worker makes: for a caller who waits (key_deadline.c), for one who is
 * called back (key_start.c), or for nobody, as a probe of a token that has stopped answering
 * (key_probe.c). */
#ifndef NODEKEY_SIGNING_H
#define NODEKEY_SIGNING_H

#include "key/key.h"
#include "wait/signers.h"

struct hsm_signing {
    struct job job; /* first: the workers know no more */
    struct hsm_key *key;
    struct signers *signers;
    unsigned ticket; /* of a probe; 0: a caller's signature */
    CK_RV told;      /* why the last probe failed, as it was logged */
    struct scheme scheme;
    struct to_sign what;
    CK_RV rv;
    CK_ULONG raw_len;
    unsigned char raw[SIGNATURE_MAX_BYTES];
    nk_error err;

    nk_sign_done *done; /* of a caller who is called back */
    void *arg;
    atomic_bool cancelled;
    unsigned forks; /* of the process that started it */

    size_t len;
    unsigned char input[]; /* a copy: the caller's is gone when the caller is */
};

/* NULL: out of memory, or no such scheme. Owned: signing_free, until the workers have it. */
struct hsm_signing *signing_new(struct hsm_key *key, struct signers *signers,
                                const struct scheme *scheme, const unsigned char *input,
                                size_t len);
void signing_free(struct hsm_signing *signing);
/* On a worker, inside the exit gate and a use of the key. */
void signing_make(struct hsm_signing *signing);
/* Why there is no signature, for an answer of the workers but SIGNERS_DONE; tells the breaker. */
MUST_USE CK_RV signing_report(struct hsm_key *key, struct signers *signers,
                              enum signers_answer answer, long long began_ms, nk_error *err);
/* Why none is asked for: the token has stopped answering. */
MUST_USE CK_RV signing_report_away(const struct hsm_key *key, nk_error *err);

/* --- key_probe.c --- */

/* The breaker learns from every call, also from one whose caller has left: a breaker waits for
 * calls that come back at all. The host's log is told when it opens and closes. */
void probe_teach_breaker(const struct hsm_signing *signing);
/* A good signature has come. */
void probe_hear(const struct hsm_key *key, struct signers *signers);
/* For a token whose breaker is open: a signature is asked for again and again, until the token
 * makes it; it is dropped. Nothing where a probe is under way. */
void probe_send(struct hsm_key *key, struct signers *signers, const struct scheme *scheme,
                const unsigned char *input, size_t len);
/* Says in the log that the breaker is open. */
void probe_tell_open(const struct hsm_key *key, const char *why);

#endif
