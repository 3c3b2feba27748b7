/* SPDX-License-Identifier: Apache-2.0
 * All that plugin/ may know of the token side. Neither gRPC nor PKCS#11 types appear here. */
#ifndef NODEKEY_HSM_H
#define NODEKEY_HSM_H

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/auto.h"
#include "base/words.h"
#include "nodekey/plugin.h"

enum hsm_pin_kind {
    HSM_PIN_ABSENT = 0,
    HSM_PIN_FILE,       /* `where`: absolute path */
    HSM_PIN_CREDENTIAL, /* `where`: a name in $CREDENTIALS_DIRECTORY */
    HSM_PIN_FD,         /* `fd`: read to its end once, then closed */
    HSM_PIN_PROMPT,     /* host->ask_pin */
    HSM_PIN_PROTECTED,  /* typed at the token's own pad; we never see it */
};

struct hsm_pin_source {
    enum hsm_pin_kind kind;
    const char *where;
    int fd;
};

/* How a token is used: "token" of a configuration. The first key on a token decides for all of
 * them, but each has its own sign_timeout_ms. */
struct hsm_token_settings {
    unsigned max_sessions;
    unsigned max_waiting_inbound; /* 0: no bound */
    unsigned login_timeout_ms;
    unsigned sign_timeout_ms; /* 0: direct, calls go straight into the module */
};
enum { HSM_MAX_SESSIONS = 16, HSM_MAX_WAITING_INBOUND = 64, HSM_LOGIN_TIMEOUT_MS = 10000 };
#define HSM_TOKEN_DEFAULTS                                                                         \
    ((struct hsm_token_settings){ .max_sessions = HSM_MAX_SESSIONS,                                \
                                  .max_waiting_inbound = HSM_MAX_WAITING_INBOUND,                  \
                                  .login_timeout_ms = HSM_LOGIN_TIMEOUT_MS })

/* Which keys are good enough. */
struct hsm_custody {
    bool allow_extractable;
    bool allow_imported;
    bool require_hardware;
};

struct hsm_key; /* counted */

/* What to open. Everything is borrowed for the call. */
struct hsm_key_request {
    const char *module; /* absolute path, or a bare name such as "softhsm" */
    const char *uri;    /* RFC 7512; must name exactly one private key */
    struct hsm_pin_source pin;
    struct hsm_custody custody;
    struct hsm_token_settings token;
    const char *state_dir; /* refused PINs are remembered there, or NULL: by this process only */
    const nk_host *host;   /* log and ask_pin; copied */
    /* A key of the same instance with the same PIN source, or NULL: on the same token, a PIN that
     * can be had only once (fd, prompt) is not asked for again. */
    struct hsm_key *sibling;
    const struct hsm_words *words; /* for texts, also of later signatures; NULL: a node's */
};

/* Makes our provider known to OpenSSL's default library context, once per process, for ever:
 * unloading at exit crashes with keys alive. Whoever has references to keys decoded calls it before
 * hsm_key_open. Ordinary keys stay with the default provider, and this is checked: NK_E_INTERNAL
 * otherwise. [any] */
MUST_USE nk_status hsm_provider_register(nk_error *err);

/* Finds, logs in, checks attributes, compares with `leaf_public`, then makes and verifies one
 * signature per TLS scheme. *ret_key is owned: hsm_key_unref.
 * The calls into the module are made by a thread of their own, but ask_pin on this one. None of
 * them, nor waiting for those of others, may take longer than login_timeout_ms, however many there
 * are: NK_E_TOKEN names the one that hangs and its module, and its thread is left behind; should it
 * come back, all that it holds is given back. [any] */
MUST_USE nk_status hsm_key_open(const struct hsm_key_request *request, EVP_PKEY *leaf_public,
                                struct hsm_key **ret_key, nk_error *err);
/* The certificate that the URI names on a token, and the issuers of it that lie beside it, leaf
 * first, roots left out. Nothing is logged in to. Bounded as hsm_key_open is, by `wait_ms`.
 * *ret_chain is owned: sk_X509_pop_free. [any] */
MUST_USE nk_status hsm_certificates(const char *module_name, const char *uri_text, unsigned wait_ms,
                                    STACK_OF(X509) **ret_chain, nk_error *err);
/* PEM text that the provider decodes into this key, in this process only. Makes no PKCS#11 call.
 * *ret_pem is owned: free. [any] */
MUST_USE nk_status hsm_key_reference(const struct hsm_key *key, char **ret_pem, nk_error *err);
/* Likewise, for the handshakes of strangers who dial us: what is signed through it never takes the
 * last session, and at most max_waiting_inbound wait. */
MUST_USE nk_status hsm_key_reference_inbound(const struct hsm_key *key, char **ret_pem,
                                             nk_error *err);
/* From here every use of the key fails. Waits at most `wait_ms` for uses inside the module, and for
 * the token to be given back: the last user of a token logs out of it. What takes longer is logged
 * and left behind. [any], once */
void hsm_key_shut(struct hsm_key *key, unsigned wait_ms);
/* One more user of the key. [any] */
void hsm_key_ref(struct hsm_key *key);
/* Makes no PKCS#11 call. NULL is allowed. [any] */
void hsm_key_unref(struct hsm_key *key);

/* Grows in each forked child. What another count opened is a parent's: its keys sign here, by
 * sessions and a login of this process, and hsm_key_shut gives back those alone. [any] */
unsigned hsm_forks(void);

/* A stay in nodekey. While the process exits, hsm_enter does not return, but on the exiting thread,
 * where it is false and nothing must be done; so it is in a child that was forked while a token
 * hung, or from one of our callbacks. Stays nest. [any] */
MUST_USE bool hsm_enter(void);
void hsm_leave(void);

/* "software", or "hardware, as the module claims": what the token says of itself. */
const char *hsm_key_custody(const struct hsm_key *key);
const char *hsm_key_token_label(const struct hsm_key *key);
/* How long the shortest of the test signatures of `open` took. */
unsigned hsm_key_preflight_us(const struct hsm_key *key);
/* Signatures made for strangers who dialled us, so far: handed over in time, through the inbound
 * reference. Never goes back. [any] */
unsigned long long hsm_key_inbound_signatures(const struct hsm_key *key);

#endif
