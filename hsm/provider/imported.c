/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/imported.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/params.h>

#include "base/auto.h"

DEFINE_AUTO(EVP_PKEY_CTX *, EVP_PKEY_CTX_free);

struct imported {
    const char *type; /* a constant of this library's */
    OSSL_PARAM *parts;
    EVP_PKEY *key;
};

void imported_free(struct imported *imported)
{
    if (imported == NULL) {
        return;
    }
    OSSL_PARAM_free(imported->parts);
    EVP_PKEY_free(imported->key);
    free(imported);
}

/* Values that lie elsewhere are not compared: they may change. */
static bool is_same_part(const OSSL_PARAM *a, const OSSL_PARAM *b)
{
    return strcmp(a->key, b->key) == 0 && a->data_type == b->data_type &&
           a->data_type != OSSL_PARAM_UTF8_PTR && a->data_type != OSSL_PARAM_OCTET_PTR &&
           a->data_size == b->data_size &&
           (a->data_size == 0 || memcmp(a->data, b->data, a->data_size) == 0);
}

static bool is_of(const struct imported *imported, const char *type, const OSSL_PARAM *parts)
{
    if (imported == NULL || strcmp(imported->type, type) != 0) {
        return false;
    }
    const OSSL_PARAM *have = imported->parts;
    for (; have->key != NULL && parts->key != NULL; have++, parts++) {
        if (!is_same_part(have, parts)) {
            return false;
        }
    }
    return have->key == NULL && parts->key == NULL;
}

static EVP_PKEY *make_key(OSSL_LIB_CTX *libctx, const char *type, const OSSL_PARAM parts[])
{
    EVP_PKEY *key = NULL;
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(libctx, type, NULL);

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)parts) != 1) {
        return NULL;
    }
    return key;
}

/* NULL without memory: then the next one is made of its parts again. */
static struct imported *keep(const char *type, const OSSL_PARAM parts[], EVP_PKEY *key)
{
    struct imported *made = calloc(1, sizeof(*made));

    if (made == NULL || (made->parts = OSSL_PARAM_dup(parts)) == NULL) {
        free(made);
        return NULL;
    }
    made->type = type;
    EVP_PKEY_up_ref(key);
    made->key = key;
    return made;
}

/* Taken out of its place while it is looked at: there is no lock, which a child could find held. */
EVP_PKEY *imported_key(imported_place *place, OSSL_LIB_CTX *libctx, const char *type,
                       const OSSL_PARAM parts[])
{
    struct imported *last = atomic_exchange(place, NULL);
    EVP_PKEY *key = NULL;

    if (is_of(last, type, parts)) {
        key = last->key;
        EVP_PKEY_up_ref(key);
    } else if ((key = make_key(libctx, type, parts)) != NULL) {
        imported_free(last);
        last = keep(type, parts, key);
    }
    imported_free(atomic_exchange(place, last));
    return key;
}
