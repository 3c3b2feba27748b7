/* SPDX-License-Identifier: Apache-2.0
 * Private references, as gRPC hands them to OpenSSL: PEM text that our decoder takes apart. One key
 * is known, without a token; a text that is not exactly its reference must not give it. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/x509.h>

#include "fuzz/fuzz.h"
#include "key/key.h"
#include "provider/reference.h"
#include "scheme/key_kinds.h"

/* Fixed, so that a seed can be its reference. */
static const char handle[] = "fuzz-reference-1";
static const char public_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEg2B0o4WgswZY083/CBaMOijZvQU4\n"
    "P5t5ApxiJkZKvvU1JMSJHsjVXIfdBEiw2jQuLb+hQscvcG8C3+jtWZgsYQ==\n"
    "-----END PUBLIC KEY-----\n";

static struct hsm_key known = { .refs = 1 };
static unsigned char *spki;
static int spki_len;

static EVP_PKEY *load(EVP_PKEY *(*read)(BIO *, EVP_PKEY **, pem_password_cb *, void *),
                      const void *pem, size_t len)
{
    static char no_passphrase[] = "";
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    fuzz_require(bio != NULL, "memory");
    EVP_PKEY *key = read(bio, NULL, NULL, no_passphrase);
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static bool is_ours(EVP_PKEY *key)
{
    const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(key);
    return provider != NULL && strstr(OSSL_PROVIDER_get0_name(provider), "nodekey") != NULL;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    nk_error err = { .struct_size = sizeof(err) };
    (void)argc;
    (void)argv;
    fuzz_require(hsm_provider_register(NULL, &err) == NK_OK, err.text);
    known.public_key = load(PEM_read_bio_PUBKEY, public_pem, strlen(public_pem));
    fuzz_require(known.public_key != NULL, "the public key");
    known.kind = key_kind_of(known.public_key);
    fuzz_require(known.kind != NULL && key_digest_public(&known, &err) == NK_OK, "the digest");
    spki_len = i2d_PUBKEY(known.public_key, &spki);
    memcpy(known.handle, handle, KEY_HANDLE_BYTES);
    key_register(&known);
    return 0;
}

static void check_der(const uint8_t *data, size_t len)
{
    struct hsm_key *found = NULL;

    if (reference_resolve(data, len, &found) == REFERENCE_FOUND) {
        fuzz_require(found == &known, "another key");
        fuzz_require(memmem(data, len, handle, KEY_HANDLE_BYTES) != NULL, "without its handle");
        fuzz_require(len > (size_t)spki_len &&
                         memcmp(data + len - spki_len, spki, (size_t)spki_len) == 0,
                     "its public key is not what it ends with");
        hsm_key_unref(found);
    }
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > 0 && data[0] == 0x30) {
        check_der(data, len);
        return 0;
    }
    EVP_PKEY *key = load(PEM_read_bio_PrivateKey, data, len);
    if (key != NULL && is_ours(key)) {
        fuzz_require(EVP_PKEY_eq(key, known.public_key) == 1, "a key of ours that nobody opened");
    }
    EVP_PKEY_free(key);
    fuzz_require(atomic_load(&known.refs) == 1, "a reference to the key is left");
    return 0;
}
