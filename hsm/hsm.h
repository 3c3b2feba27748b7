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
    HSM_PIN_PROTECTED,  /* typed at the token's own pad; never seen by us */
};

struct hsm_pin_source {
    enum hsm_pin_kind kind;
    const char *where;
    int fd;
};

/* Settings of a token: "token" of a configuration. The first key on a token decides for all of
 * them, but each has its own sign_timeout_ms. */
struct hsm_token_settings {
    unsigned max_sessions;
    unsigned max_waiting_inbound; /* 0: no bound */
    unsigned login_timeout_ms;
    unsigned sign_timeout_ms; /* 0: direct, calls go straight into the module */
};
enum { HSM_MAX_SESSIONS = 16, HSM_MAX_WAITING_INBOUND = 64, HSM_LOGIN_TIMEOUT_MS = 10000 };
/* Of a signature that is started, where sign_timeout_ms is 0. */
enum { HSM_START_TIMEOUT_MS = 3000 };
#define HSM_TOKEN_DEFAULTS                                                                         \
    ((struct hsm_token_settings){ .max_sessions = HSM_MAX_SESSIONS,                                \
                                  .max_waiting_inbound = HSM_MAX_WAITING_INBOUND,                  \
                                  .login_timeout_ms = HSM_LOGIN_TIMEOUT_MS })

/* Keys that are good enough. */
struct hsm_custody {
    bool allow_extractable;
    bool allow_imported;
    bool require_hardware;
};

struct hsm_key; /* counted: hsm_key_ref, hsm_key_unref */

/* The key to open, and how. Everything is borrowed for the call. */
struct hsm_key_request {
    const char *module; /* absolute path, or a bare name such as "softhsm" */
    const char *uri;    /* RFC 7512; of the private keys that fit, `leaf_public` tells which */
    struct hsm_pin_source pin;
    struct hsm_custody custody;
    struct hsm_token_settings token;
    /* The folder that remembers refused PINs, or NULL: this process alone does. */
    const char *state_dir;
    const nk_host *host; /* log and ask_pin; copied */
    /* A key of the same instance with the same PIN source, or NULL: on the same token, a PIN that
     * can be had only once (fd, prompt) is not asked for again. */
    struct hsm_key *sibling;
    const struct hsm_words *words; /* for texts, also of later signatures; NULL: a node's */
    /* hsm_admin_open sends one PIN at most, and leaves a change of it that was interrupted. */
    bool only_looks;
};

/* Whether OpenSSL is whole where we call it; before anything of it is called, and before a module
 * is loaded. NK_E_USAGE: the program, or a library in it, shows other functions of the same names,
 * to which some of our calls go, the text names both and the cure; or the C library is not the
 * program's own. NK_E_UNSUPPORTED: neither 3 nor 4. [any] */
MUST_USE nk_status hsm_check_crypto(nk_error *err);
/* After hsm_check_crypto. Whether our OpenSSL is what the program shows to all, so that every
 * shared library uses it, whichever it was linked with. [any] */
bool hsm_crypto_is_shown(void);
/* Function of that name, or NULL. */
typedef nk_function hsm_find_function(void *source, const char *name);
/* Says in which libcrypto keys are loaded, for the whole process; before hsm_provider_register:
 * that whose functions are found, or the one that we are linked with. NK_E_UNSUPPORTED: it is no
 * OpenSSL 3 or 4. NK_E_USAGE: another was said before. [any] */
MUST_USE nk_status hsm_use_crypto(hsm_find_function *find, void *source, nk_error *err);
MUST_USE nk_status hsm_use_own_crypto(nk_error *err);
/* Registers our provider for keys of the type of `key`, NULL: of every type, with OpenSSL's default
 * library context, once per process, for ever: unloading at exit crashes with keys alive. Programs
 * that have references to keys decoded call this function before hsm_key_open, which refuses a key
 * of a type that is none of ours. NK_E_USAGE: another copy of nodekey.so came first.
 * NK_E_INTERNAL: the provider does not load, or ordinary keys no longer come to the default
 * provider. [any] */
MUST_USE nk_status hsm_provider_register(const EVP_PKEY *key, nk_error *err);

/* Says how many threads make handshakes where these answer calls, too: inbound signatures are
 * refused while so many wait and the token does not answer. For the whole process. 0, as at first:
 * they are made on threads that may wait. [any] */
void hsm_share_threads(unsigned threads);
/* Whether a signature of the key may be waited for on one of those threads: another one is left
 * that does not wait, and the token has not kept one waiting for `patience_ms`. True where they are
 * not shared. [any] */
bool hsm_key_may_be_waited_for(struct hsm_key *key, unsigned patience_ms);

/* Opens a key: finds the token, logs in, checks the attributes of the key, compares it with
 * `leaf_public`, then makes and verifies one signature per TLS scheme. *ret_key is owned:
 * hsm_key_unref. The calls into the module are made by a thread of their own, but ask_pin on
 * this one. No call, nor waiting for those of others, may take longer than login_timeout_ms,
 * however many there are: a thread that hangs in one is left behind, and gives back all that it
 * holds should it return. NK_E_CONFIG: the URI or the module is at fault. NK_E_IDENTITY: no key,
 * or one that is not fit. NK_E_PIN: absent or refused. NK_E_TOKEN: the token is away, fails or
 * hangs. NK_E_USAGE: in a forked child that may not. [any] */
MUST_USE nk_status hsm_key_open(const struct hsm_key_request *request, EVP_PKEY *leaf_public,
                                struct hsm_key **ret_key, nk_error *err);
/* Reads the certificate that the URI names on a token, and its issuers that lie beside it: leaf
 * first, roots left out. No login. Bounded as hsm_key_open is, by `wait_ms`. *ret_chain is
 * owned: sk_X509_pop_free. NK_E_CONFIG, NK_E_TOKEN as hsm_key_open; NK_E_IDENTITY: no such
 * certificate, several, or none that can be read. [any] */
MUST_USE nk_status hsm_certificates(const char *module_name, const char *uri_text, unsigned wait_ms,
                                    STACK_OF(X509) **ret_chain, nk_error *err);
/* PEM text that the provider decodes into this key, in this process only. No PKCS#11 call is
 * made. *ret_pem is owned: free. NK_E_NOMEM or NK_E_INTERNAL. [any] */
MUST_USE nk_status hsm_key_reference(const struct hsm_key *key, char **ret_pem, nk_error *err);
/* The same for inbound handshakes: signatures through this reference never take the last
 * session, and at most max_waiting_inbound of them wait. [any] */
MUST_USE nk_status hsm_key_reference_inbound(const struct hsm_key *key, char **ret_pem,
                                             nk_error *err);
/* A message that TLS wants signed; borrowed for the call. */
struct hsm_message {
    uint16_t algorithm; /* TLS SignatureScheme, RFC 8446 section 4.2.3 */
    bool inbound;       /* for a peer who dialled us, as hsm_key_reference_inbound says */
    bool any_curve;     /* TLS 1.2, where a scheme names ECDSA and a digest alone */
    const uint8_t *data;
    size_t len;
};
/* Signs as TLS sends it: ECDSA in DER. Hashed here. NK_E_UNSUPPORTED: the key does not sign by that
 * algorithm; NK_E_TOKEN: module or token fails, or has not answered in time; NK_E_CLOSED: the key
 * is shut; NK_E_USAGE: in a forked child that may not. [any] */
MUST_USE nk_status hsm_key_sign(struct hsm_key *key, const struct hsm_message *message,
                                uint8_t signature[NK_SIGNATURE_BYTES], size_t *ret_len,
                                nk_error *err);
struct hsm_signing; /* a signature that was started; counted */
/* Likewise without a caller who waits: a signing worker signs, within the key's sign_timeout_ms, or
 * HSM_START_TIMEOUT_MS in direct mode. Refused at once with NK_E_TOKEN: the token is known to be
 * away, or max_waiting_inbound wait. *ret_signing is owned: hsm_signing_free. [any] */
MUST_USE nk_status hsm_key_start(struct hsm_key *key, const struct hsm_message *message,
                                 nk_sign_done *done, void *arg, struct hsm_signing **ret_signing,
                                 nk_error *err);
/* A signature that nobody wants any more: `done` comes soon, with NK_E_CLOSED if the signature has
 * not. Waits for nothing. [any] */
void hsm_signing_cancel(struct hsm_signing *signing);
/* Before or after `done`. NULL is allowed. [any] */
void hsm_signing_free(struct hsm_signing *signing);
/* Shuts the key: every use of it fails from here. Waits at most `wait_ms` for uses inside the
 * module, and for the token to be given back: the last user of a token logs out of it. Uses that
 * take longer are logged and left behind. [any], once */
void hsm_key_shut(struct hsm_key *key, unsigned wait_ms);
/* One more user of the key. [any] */
void hsm_key_ref(struct hsm_key *key);
/* Releases the key; NULL is allowed. No PKCS#11 call is made. [any] */
void hsm_key_unref(struct hsm_key *key);

/* Number of forks between the first process and this one. Keys that were opened under another
 * number are a parent's: they sign here, by sessions and a login of this process, and
 * hsm_key_shut gives back those alone. [any] */
unsigned hsm_forks(void);

/* One use of nodekey, between hsm_enter and hsm_leave; uses nest. While the process exits,
 * hsm_enter returns on the exiting thread alone. False: nothing may be done, on that thread, in
 * a child that was forked while a token hung, or from one of our callbacks. [any] */
MUST_USE bool hsm_enter(void);
void hsm_leave(void);

/* Custody as the token claims it: "software", or "hardware, as the module claims". [any] */
const char *hsm_key_custody(const struct hsm_key *key);
/* Whether the key signs by this TLS SignatureScheme. [any] */
bool hsm_key_signs(const struct hsm_key *key, uint16_t algorithm);
const char *hsm_key_token_label(const struct hsm_key *key);
#define HSM_UNMET_BYTES 320
/* Name of the digest by which the key signs what is no handshake; NULL for EdDSA, which takes none.
 * *ret_pss: RSA-PSS with a salt of the digest's length, where the key does not sign by PKCS#1 v1.5,
 * which every reader of certificates knows. [any] */
const char *hsm_key_digest(const struct hsm_key *key, bool *ret_pss);
/* Peers in the field that a key of this kind cannot talk to, one clause that begins with the kind,
 * and what to choose instead. False: none known. [any] */
bool hsm_key_unmet(const EVP_PKEY *public_key, char text[HSM_UNMET_BYTES]);
#define HSM_SCHEMES_BYTES 256
/* Names of the TLS schemes that the key signs, as the test signatures of hsm_key_open have shown,
 * with commas between. [any] */
void hsm_key_schemes(const struct hsm_key *key, char text[HSM_SCHEMES_BYTES]);
/* Whether signatures are made without a deadline, by their callers' threads. [any] */
bool hsm_key_is_direct(const struct hsm_key *key);
/* Time of the shortest test signature of hsm_key_open. [any] */
unsigned hsm_key_preflight_us(const struct hsm_key *key);
/* Number of inbound signatures so far, through the inbound reference, handed over in time. [any] */
unsigned long long hsm_key_inbound_signatures(const struct hsm_key *key);

#endif
