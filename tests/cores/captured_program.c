/* SPDX-License-Identifier: Apache-2.0
 * captured_program LIBRARY: a program that shows all functions of a library to everyone and, with
 * an OpenSSL that it shows to nobody, loads nodekey-provider.so. Prints "loaded", or what is on
 * OpenSSL's queue. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/provider.h>

#define OPENSSL_FUNCTION(library, name)                                                            \
    __typeof__(&(name)) name##_found = NULL;                                                       \
    *(void **)&name##_found = dlsym(library, #name);                                               \
    if (name##_found == NULL) {                                                                    \
        return 2;                                                                                  \
    }

int main(int argc, char **argv)
{
    void *crypto = dlopen(LIBCRYPTO, RTLD_NOW | RTLD_LOCAL); /* first: its own calls are its own */
    void *shown = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
    const char *data = NULL;
    int flags = 0;

    if (shown == NULL || crypto == NULL || setenv("OPENSSL_MODULES", MODULES, 1) != 0) {
        return 2;
    }
    OPENSSL_FUNCTION(crypto, OSSL_PROVIDER_load)
    OPENSSL_FUNCTION(crypto, OSSL_PROVIDER_unload)
    OPENSSL_FUNCTION(crypto, ERR_get_error_all)
    OSSL_PROVIDER *provider = OSSL_PROVIDER_load_found(NULL, "nodekey-provider");
    if (provider != NULL) {
        printf("program: loaded\n");
        OSSL_PROVIDER_unload_found(provider);
        return 0;
    }
    while (ERR_get_error_all_found(NULL, NULL, NULL, &data, &flags) != 0) {
        printf("program: %s\n", data);
    }
    return 0;
}
