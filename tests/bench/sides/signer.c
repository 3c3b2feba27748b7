/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sides/signer.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "bench/sides/team.h"

#define SIGNATURE_ROOM 1024

static const unsigned char message[BENCH_MESSAGE_BYTES] = "what is signed";

struct signer signer_of(EVP_PKEY *key)
{
    return (struct signer){
        .key = key,
        .digest = EVP_PKEY_is_a(key, "ED25519") == 1 ? NULL : EVP_sha256(),
        .pss = EVP_PKEY_is_a(key, "RSA") == 1,
    };
}

static bool pad_as_tls(const struct signer *signer, EVP_PKEY_CTX *options)
{
    return !signer->pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                            EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool sign(const struct signer *signer, unsigned char *signature, size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    bool ok = EVP_DigestSignInit(ctx, &options, signer->digest, NULL, signer->key) == 1 &&
              pad_as_tls(signer, options) &&
              EVP_DigestSign(ctx, signature, len, message, sizeof(message)) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool signer_proves(const struct signer *signer, EVP_PKEY *public_key)
{
    unsigned char signature[SIGNATURE_ROOM];
    size_t len = sizeof(signature);
    if (!sign(signer, signature, &len)) {
        ERR_print_errors_fp(stderr);
        return false;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    bool ok = EVP_DigestVerifyInit(ctx, &options, signer->digest, NULL, public_key) == 1 &&
              pad_as_tls(signer, options) &&
              EVP_DigestVerify(ctx, signature, len, message, sizeof(message)) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool signer_sign(void *user, unsigned seat)
{
    unsigned char signature[SIGNATURE_ROOM];
    size_t len = sizeof(signature);
    (void)seat;
    if (sign(user, signature, &len)) {
        return true;
    }
    ERR_clear_error();
    return false;
}
