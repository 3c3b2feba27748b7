/* SPDX-License-Identifier: Apache-2.0
 * Shared by the parts of the provider: its context, its key object, its errors. */
#ifndef NODEKEY_PROVIDER_CONTEXT_H
#define NODEKEY_PROVIDER_CONTEXT_H

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "key/key.h"
#include "provider/imported.h"
#include "provider/reference.h"

struct provider;
struct provider_terms;

/* A product's way to name keys: the references that gRPC's plugin issues, or the URIs that
 * operators write for the module; and the algorithms that take it. */
struct reference_format {
    const char *pem_label;
    const char *type; /* of the only keys that there are, as in KEY_TYPES; NULL: of all */
    /* Name of its DER between two decoders: OpenSSL's file store asks decoders that give DER, and
     * no others. NULL: one decoder goes from PEM to the key. */
    const char *structure;
    const OSSL_ALGORITHM *keymgmts;
    const OSSL_ALGORITHM *signatures;
    const OSSL_ALGORITHM *decoders;
    const OSSL_ALGORITHM *stores; /* NULL: none */
    /* `labelled`: it came in PEM of our label, so DER that is not ours is an error. Has raised when
     * it answers REFERENCE_UNKNOWN; *ret_key is a new reference when found. */
    enum reference_answer (*resolve)(struct provider *provider, const unsigned char *der,
                                     size_t len, bool labelled, struct hsm_key **ret_key);
    /* Raises why this thread's signature failed, when no host has a log that says it; or NULL. */
    void (*raise_why)(const struct provider *provider);
};

#define PROVIDER_DIGESTS 3 /* those that TLS signs by */

struct provider {
    const OSSL_CORE_HANDLE *core;
    OSSL_FUNC_core_get_params_fn *get_params; /* our section of openssl.cnf */
    OSSL_FUNC_core_new_error_fn *new_error;
    OSSL_FUNC_core_vset_error_fn *set_error;
    OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
    OSSL_FUNC_BIO_read_ex_fn *read_bio; /* this one and the next two: every OpenSSL 3 and 4 has */
    OSSL_FUNC_BIO_gets_fn *read_line;
    OSSL_FUNC_BIO_ctrl_fn *control_bio;
    /* A library context of our own with only "default" in it: what we hash and compare there can
     * never come back to us. */
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *basics; /* that "default" */
    EVP_MD *digests[PROVIDER_DIGESTS];
    imported_place imported;
    const struct reference_format *format;
    /* As in provider.h; NULL: this product names no such file. */
    nk_status (*read_terms)(const char *path, const char *uri, struct provider_terms *terms,
                            nk_error *err);
};

/* The provider's key object: what EVP_PKEY holds. */
struct provider_key {
    struct provider *provider;
    EVP_PKEY *public_key;
    struct hsm_key *key; /* NULL: only the public half (imported to compare with) */
};

/* Fetches what provider_digest hands out from `libctx`; of those that are not there nothing is said
 * before somebody asks for them. */
void provider_fetch_digests(struct provider *provider);
void provider_free_digests(struct provider *provider);
/* The digest of that name, or NULL: there is none. Owned: EVP_MD_free. [any] */
EVP_MD *provider_digest(const struct provider *provider, const char *name);

void provider_key_free(struct provider_key *key);
DEFINE_AUTO(struct provider_key *, provider_key_free);
/* Takes over `key`; NULL on failure, then `key` is released. */
struct provider_key *provider_key_new(struct provider *provider, struct hsm_key *key);

/* Hands `key` to OpenSSL, which may leave it; the reference is taken over. Returns what the
 * callback answers. */
int provider_give_key(struct provider *provider, struct hsm_key *key, OSSL_CALLBACK *callback,
                      void *arg);

enum raise_reason {
    RAISE_REFERENCE_UNKNOWN = 1,
    RAISE_SIGNATURE_FAILED,
    RAISE_PARAMETER,
    RAISE_PUBLIC_ONLY,
    RAISE_INTERNAL,
    RAISE_KEY_NOT_OPENED,
};
extern const OSSL_ITEM raise_reasons[];

/* Reason where the exit gate does not open. */
#define PROVIDER_NO_ENTRY                                                                          \
    "this process is about to end, or was forked from one that had a token open"
#define PROVIDER_FROM_US "provider=nodekey"

/* Puts an error on the core's queue, so that the program's own report shows it. Always 0. */
int raise_error(const struct provider *provider, enum raise_reason reason, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
