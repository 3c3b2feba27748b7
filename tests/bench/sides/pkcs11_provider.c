/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sides/pkcs11_provider.h"

#include <stdlib.h>
#include <unistd.h>

#include <openssl/asn1.h>
#include <openssl/pem.h>

#include "bench/sides/rival.h"
#include "fixtures/authority.h"
#include "fixtures/softhsm/softhsm.h"

bool pkcs11_provider_is_there(void)
{
    return access(path_of("%s/pkcs11.so", OPENSSL_info(OPENSSL_INFO_MODULES_DIR)), R_OK) == 0;
}

/* As provider-pkcs11(7) has it, with the two settings that make it fail least. */
bool pkcs11_provider_use(const char *module)
{
    const char *path = path_of("%s/pkcs11-provider.cnf", scratch_folder());
    write_file(path,
               path_of("openssl_conf = openssl_init\n"
                       "[openssl_init]\nproviders = providers\n"
                       "[providers]\ndefault = default_settings\npkcs11 = pkcs11_settings\n"
                       "[default_settings]\nactivate = 1\n"
                       "[pkcs11_settings]\npkcs11-module-path = %s\n"
                       "pkcs11-module-load-behavior = early\npkcs11-module-cache-pins = cache\n"
                       "activate = 1\n",
                       module),
               0600);
    return OSSL_LIB_CTX_load_config(NULL, path) == 1;
}

static ASN1_TYPE *text_value(int tag, const char *text)
{
    ASN1_STRING *string = ASN1_STRING_type_new(tag);
    ASN1_TYPE *value = ASN1_TYPE_new();
    if (string == NULL || value == NULL || ASN1_STRING_set(string, text, -1) != 1) {
        abort();
    }
    ASN1_TYPE_set(value, tag, string);
    return value;
}

/* A sequence of the format's name and the URI. */
const char *pkcs11_provider_pem(const char *uri)
{
    ASN1_SEQUENCE_ANY *parts = sk_ASN1_TYPE_new_null();
    BIO *out = BIO_new(BIO_s_mem());
    unsigned char *der = NULL;
    char *pem = NULL;
    sk_ASN1_TYPE_push(parts, text_value(V_ASN1_VISIBLESTRING, "PKCS#11 Provider URI v1.0"));
    sk_ASN1_TYPE_push(parts, text_value(V_ASN1_UTF8STRING, uri));
    int len = i2d_ASN1_SEQUENCE_ANY(parts, &der);
    if (len <= 0 || PEM_write_bio(out, "PKCS#11 PROVIDER URI", "", der, len) <= 0) {
        abort();
    }
    long pem_len = BIO_get_mem_data(out, &pem);
    const char *kept = path_of("%.*s", (int)pem_len, pem);
    sk_ASN1_TYPE_pop_free(parts, ASN1_TYPE_free);
    OPENSSL_free(der);
    BIO_free(out);
    return kept;
}

static EVP_PKEY *load_by_provider(const char *uri)
{
    BIO *in = BIO_new_mem_buf(pkcs11_provider_pem(uri), -1);
    EVP_PKEY *key =
        pkcs11_provider_use(SOFTHSM_MODULE) ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    return key;
}

struct outpost *pkcs11_provider_start(const char *label, const char *object, EVP_PKEY *public_key)
{
    return rival_start_by(load_by_provider, "pkcs11-provider", rival_uri(label, object),
                          public_key);
}
