/* SPDX-License-Identifier: Apache-2.0
 * nodekey-provider.so's PEM and URIs, as any program hands them to OpenSSL. The module that the
 * section of openssl.cnf names is not there, so every URI that can be read ends at it. No PIN of a
 * URI is in an error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>

#include "fixtures/authority.h"
#include "fuzz/fuzz.h"
#include "module/uri.h"
#include "provider/provider.h"

#define PIN "4711-spruce" /* seeds have it where a PIN would be */

static const char section[] = "openssl_conf = top\n"
                              "[top]\nproviders = all\n"
                              "[all]\ndefault = plain\nnodekey = ours\n"
                              "[plain]\nactivate = 1\n"
                              "[ours]\nactivate = 1\npkcs11-module = /nonexistent/module.so\n"
                              "pin-file = /nonexistent/pin\n";

static OSSL_LIB_CTX *ctx;

static OSSL_provider_init_fn init_module;
static int init_module(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
                       const OSSL_DISPATCH **out, void **ret_ctx)
{
    return provider_module_init(core, in, out, ret_ctx, NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *path = path_of("%s/openssl.cnf", scratch_folder());
    (void)argc;
    (void)argv;
    write_file(path, section, 0644);
    ctx = OSSL_LIB_CTX_new();
    fuzz_require(ctx != NULL, "the context");
    fuzz_require(OSSL_PROVIDER_add_builtin(ctx, PROVIDER_MODULE_NAME, init_module) == 1,
                 "built in");
    fuzz_require(OSSL_LIB_CTX_load_config(ctx, path) == 1, "the configuration");
    fuzz_require(OSSL_PROVIDER_available(ctx, PROVIDER_MODULE_NAME) == 1, "the provider");
    return 0;
}

static int append_line(const char *line, size_t len, void *unused)
{
    (void)unused;
    fuzz_require(memmem(line, len, PIN, strlen(PIN)) == NULL, "a PIN is in an error");
    return 1;
}

static bool is_ours(const EVP_PKEY *key)
{
    const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(key);
    return provider != NULL && strcmp(OSSL_PROVIDER_get0_name(provider), PROVIDER_MODULE_NAME) == 0;
}

static void read_pem(const void *pem, size_t len)
{
    static char no_passphrase[] = "";
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    fuzz_require(bio != NULL, "memory");
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, no_passphrase, ctx, NULL);
    fuzz_require(key == NULL || !is_ours(key), "a key of a module that is not there");
    EVP_PKEY_free(key);
    BIO_free(bio);
}

static void read_uri(const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, ctx, NULL, NULL, NULL, NULL, NULL, NULL);
    while (store != NULL && OSSL_STORE_eof(store) == 0) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        fuzz_require(info == NULL, "something of a module that is not there");
    }
    OSSL_STORE_close(store);
}

static void parse_uri(const char *text)
{
    static const struct {
        nk_status (*parse)(const char *text, P11KitUri **ret_uri, nk_error *err);
    } uses[] = { { uri_parse }, { uri_parse_certificate } };

    for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
        nk_error err = { .struct_size = sizeof(err) };
        P11KitUri *uri = NULL;
        nk_status status = uses[i].parse(text, &uri, &err);
        if (status != NK_OK) {
            fuzz_check_error(&err, status, 1u << NK_E_CONFIG);
            fuzz_require(strcasestr(text, "pin-value=" PIN) == NULL ||
                             strstr(err.text, PIN) == NULL,
                         "a PIN is in an error");
        }
        p11_kit_uri_free(uri);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = fuzz_text(data, len);

    if (strncasecmp(text, "pkcs11:", strlen("pkcs11:")) == 0) {
        parse_uri(text);
        read_uri(text);
    } else {
        read_pem(data, len);
    }
    if (strstr(text, "pin-value=" PIN) != NULL) {
        ERR_print_errors_cb(append_line, NULL);
    }
    ERR_clear_error();
    free(text);
    return 0;
}
