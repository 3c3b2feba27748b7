/* SPDX-License-Identifier: Apache-2.0 */
#include "persistent_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>

#include "authority.h"

#define DER_ROOM 4096
#define SIGNATURE_ROOM 1024

static void die(const char *what)
{
    fprintf(stderr, "persistent_rig: %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

const char *cnf_write(const char *name, const char *lines)
{
    const char *path = path_of("%s/%s.cnf", scratch_folder(), name);
    write_file(path,
               path_of("openssl_conf = main\n[main]\nproviders = list\n[list]\ndefault = on\n"
                       "nodekey = ours\n[on]\nactivate = 1\n[ours]\nmodule = %s\n%s\n"
                       "activate = 1\n[req]\ndistinguished_name = name\n[name]\n",
                       NODEKEY_PROVIDER_MODULE, lines),
               0600);
    return path;
}

OSSL_LIB_CTX *cnf_context(const char *path)
{
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
    if (ctx == NULL || OSSL_LIB_CTX_load_config(ctx, path) != 1 ||
        OSSL_PROVIDER_available(ctx, "nodekey") != 1) {
        die(path);
    }
    return ctx;
}

static unsigned char *put(unsigned char *at, int tag, const char *text, size_t len)
{
    ASN1_put_object(&at, 0, (int)len, tag, V_ASN1_UNIVERSAL);
    memcpy(at, text, len);
    return at + len;
}

const char *persistent_pem_as(const char *description, const char *uri, size_t uri_len, int more)
{
    unsigned char body[DER_ROOM];
    unsigned char der[DER_ROOM + 8];
    unsigned char *at = put(body, V_ASN1_VISIBLESTRING, description, strlen(description));
    at = put(at, V_ASN1_UTF8STRING, uri, uri_len);
    size_t body_len = (size_t)(at - body);
    at = der;
    ASN1_put_object(&at, 1, (int)body_len, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(at, body, body_len);
    at[body_len] = 0;
    long len = (long)(at - der) + (long)body_len + more;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio == NULL || PEM_write_bio(bio, "PKCS#11 PROVIDER URI", "", der, len) <= 0) {
        die("write a reference");
    }
    long text_len = BIO_get_mem_data(bio, &text);
    const char *pem = path_of("%.*s", (int)text_len, text);
    BIO_free(bio);
    return pem;
}

const char *persistent_pem(const char *uri)
{
    return persistent_pem_as("PKCS#11 Provider URI v1.0", uri, strlen(uri), 0);
}

EVP_PKEY *load_pem(OSSL_LIB_CTX *ctx, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, ctx, NULL);
    BIO_free(bio);
    return key;
}

EVP_PKEY *load_uri(OSSL_LIB_CTX *ctx, const char *uri)
{
    EVP_PKEY *key = NULL;
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, ctx, NULL, NULL, NULL, NULL, NULL, NULL);
    if (store == NULL) {
        return NULL;
    }
    while (key == NULL && OSSL_STORE_eof(store) == 0) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY) {
            key = OSSL_STORE_INFO_get1_PKEY(info);
        }
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return key;
}

bool signs_for(OSSL_LIB_CTX *ctx, EVP_PKEY *private_key, EVP_PKEY *public_key)
{
    static const unsigned char message[] = "what is signed";
    unsigned char signature[SIGNATURE_ROOM];
    size_t len = sizeof(signature);
    const char *digest = EVP_PKEY_is_a(private_key, "ED25519") ? NULL : "SHA256";
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = EVP_DigestSignInit_ex(md, NULL, digest, ctx, NULL, private_key, NULL) == 1 &&
              EVP_DigestSign(md, signature, &len, message, sizeof(message)) == 1;
    EVP_MD_CTX_free(md);
    if (!ok) {
        return false;
    }
    md = EVP_MD_CTX_new();
    ok = EVP_DigestVerifyInit_ex(md, NULL, digest, NULL, NULL, public_key, NULL) == 1 &&
         EVP_DigestVerify(md, signature, len, message, sizeof(message)) == 1;
    EVP_MD_CTX_free(md);
    if (!ok) {
        die("a wrong signature");
    }
    return true;
}

const char *queue_text(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    ERR_print_errors(bio);
    long len = BIO_get_mem_data(bio, &text);
    const char *kept = path_of("%.*s", (int)len, len > 0 ? text : "");
    BIO_free(bio);
    return kept;
}
