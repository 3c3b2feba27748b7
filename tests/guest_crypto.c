/* SPDX-License-Identifier: Apache-2.0 */
#include "guest_crypto.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#include "authority.h"
#include "base/auto.h"

#define REPORT_BYTES 4096
#define STEPS_MAX 20

#define KEY_EXPECTED(type)                                                                         \
    type ": made by default, signs by default, verifies\n" type                                    \
         ": PEM comes back to default\n" type ": TLSv1.3 with itself\n"
const char guest_crypto_expected[] =
    "queue: empty\n"
    "sha256: 84983c60f7daadc1cb8698621f802c0d9f9a3c3c295c810748fb048115c186ec\n"
    "providers: legacy and default\n"
    "fetch: default default default default\n" KEY_EXPECTED("RSA-2048") KEY_EXPECTED("P-256")
        KEY_EXPECTED("Ed25519") "queue: empty\n";

static char report[REPORT_BYTES];

static void tell(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void tell(const char *fmt, ...)
{
    size_t used = strlen(report);
    va_list args;
    va_start(args, fmt);
    vsnprintf(report + used, sizeof(report) - used, fmt, args);
    va_end(args);
}

static void tell_queue(void)
{
    tell("queue: %s\n", ERR_peek_error() == 0 ? "empty" : ERR_reason_error_string(ERR_get_error()));
}

static const char *name_of(const OSSL_PROVIDER *provider)
{
    return provider != NULL ? OSSL_PROVIDER_get0_name(provider) : "none";
}

static void hash(void)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len = 0;
    int done = EVP_Q_digest(NULL, "SHA256", NULL, "guest", 5, digest, &len);
    tell("sha256: ");
    for (size_t i = 0; done == 1 && i < len; i++) {
        tell("%02x", digest[i]);
    }
    tell("\n");
}

static void fetch(void)
{
    EVP_KEYMGMT *rsa = EVP_KEYMGMT_fetch(NULL, "RSA", NULL);
    EVP_KEYMGMT *ec = EVP_KEYMGMT_fetch(NULL, "EC", NULL);
    EVP_SIGNATURE *ecdsa = EVP_SIGNATURE_fetch(NULL, "ECDSA", NULL);
    EVP_SIGNATURE *eddsa = EVP_SIGNATURE_fetch(NULL, "ED25519", NULL);
    tell("fetch: %s %s %s %s\n", name_of(EVP_KEYMGMT_get0_provider(rsa)),
         name_of(EVP_KEYMGMT_get0_provider(ec)), name_of(EVP_SIGNATURE_get0_provider(ecdsa)),
         name_of(EVP_SIGNATURE_get0_provider(eddsa)));
    EVP_KEYMGMT_free(rsa);
    EVP_KEYMGMT_free(ec);
    EVP_SIGNATURE_free(ecdsa);
    EVP_SIGNATURE_free(eddsa);
}

/* A search for a provider sorts the list of all by name: whoever then comes first answers plain
 * fetches. */
static void search_providers(void)
{
    OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(NULL, "legacy");
    tell("providers: %s and default\n",
         legacy != NULL && OSSL_PROVIDER_available(NULL, "default") == 1 ? "legacy" : "no legacy");
    EVP_set_default_properties(NULL, ""); /* as absent, but nothing fetched so far is remembered */
    OSSL_PROVIDER_unload(legacy);
}

static void sign(const char *type, EVP_PKEY *key)
{
    const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") == 1 ? NULL : EVP_sha256();
    unsigned char signature[512];
    size_t len = sizeof(signature);
    EVP_PKEY_CTX *used = NULL; /* the context's own */
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const char *signer = "nobody";
    bool verified = false;
    if (EVP_DigestSignInit(context, &used, md, NULL, key) == 1 &&
        EVP_DigestSign(context, signature, &len, (const unsigned char *)type, strlen(type)) == 1) {
        signer = name_of(EVP_PKEY_CTX_get0_provider(used));
    }
    EVP_MD_CTX_free(context);
    context = EVP_MD_CTX_new();
    verified =
        EVP_DigestVerifyInit(context, NULL, md, NULL, key) == 1 &&
        EVP_DigestVerify(context, signature, len, (const unsigned char *)type, strlen(type)) == 1;
    EVP_MD_CTX_free(context);
    tell("%s: made by %s, signs by %s, %s\n", type, name_of(EVP_PKEY_get0_provider(key)), signer,
         verified ? "verifies" : "does not verify");
}

static void store(const char *type, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *back = NULL;
    if (PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        back = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    }
    tell("%s: PEM comes back to %s\n", type,
         back != NULL && EVP_PKEY_eq(key, back) == 1 ? name_of(EVP_PKEY_get0_provider(back))
                                                     : "nothing");
    EVP_PKEY_free(back);
    BIO_free(bio);
}

static SSL *end_of(SSL_CTX *context, BIO *bio, bool server)
{
    SSL *ssl = SSL_new(context);
    SSL_set_bio(ssl, bio, bio);
    if (server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
    }
    return ssl;
}

static void speak(const char *type, EVP_PKEY *key)
{
    X509 *certificate = authority_issue(NULL, key, NULL);
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    BIO *one = NULL;
    BIO *other = NULL;
    bool ready = SSL_CTX_use_certificate(context, certificate) == 1 &&
                 SSL_CTX_use_PrivateKey(context, key) == 1 &&
                 BIO_new_bio_pair(&one, 0, &other, 0) == 1;
    SSL *server = end_of(context, one, true);
    SSL *client = end_of(context, other, false);
    int done = 0;
    for (int i = 0; ready && done != 2 && i < STEPS_MAX; i++) {
        done = (SSL_do_handshake(client) == 1 ? 1 : 0) + (SSL_do_handshake(server) == 1 ? 1 : 0);
    }
    tell("%s: %s with itself\n", type, done == 2 ? SSL_get_version(client) : "no handshake");
    SSL_free(server);
    SSL_free(client);
    SSL_CTX_free(context);
    X509_free(certificate);
}

char *guest_crypto(void)
{
    static const char *const types[] = { "RSA-2048", "P-256", "Ed25519" };
    report[0] = '\0';
    tell_queue();
    hash();
    search_providers();
    fetch();
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        EVP_PKEY *key = software_key(types[i]);
        sign(types[i], key);
        store(types[i], key);
        speak(types[i], key);
        EVP_PKEY_free(key);
    }
    tell_queue();
    return strdup(report);
}
