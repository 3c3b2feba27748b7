/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sides/empty_provider.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>

#include "base/auto.h"
#include "provider/provider_private.h"

#define NAME "nodekey-empty" /* sorts after "default", as ours does */
#define ROWS_MAX 16

static void die(const char *what)
{
    fprintf(stderr, "bench: empty provider: %s\n", what);
    abort();
}

/* --- what it consists of --- */

static void *give_back(void *ctx)
{
    return ctx;
}

static void drop(void *object)
{
    (void)object;
}

static int does_private_keys(void *ctx, int selection)
{
    (void)ctx;
    return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
}

static OSSL_FUNC_decoder_decode_fn pass_over;
static int pass_over(void *ctx, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *callback,
                     void *arg, OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg)
{
    (void)ctx, (void)in, (void)selection;
    (void)callback, (void)arg, (void)passphrase, (void)passphrase_arg;
    return 1;
}

static OSSL_FUNC_keymgmt_load_fn load_nothing;
static void *load_nothing(const void *reference, size_t size)
{
    (void)reference, (void)size;
    return NULL;
}

static OSSL_FUNC_keymgmt_has_fn has_nothing;
static int has_nothing(const void *key, int selection)
{
    (void)key, (void)selection;
    return 0;
}

static OSSL_FUNC_signature_newctx_fn new_signature;
static void *new_signature(void *ctx, const char *properties)
{
    (void)ctx, (void)properties;
    return NULL;
}

static OSSL_FUNC_signature_sign_init_fn sign_nothing_init;
static int sign_nothing_init(void *ctx, void *key, const OSSL_PARAM params[])
{
    (void)ctx, (void)key, (void)params;
    return 0;
}

static OSSL_FUNC_signature_sign_fn sign_nothing;
static int sign_nothing(void *ctx, unsigned char *signature, size_t *len, size_t room,
                        const unsigned char *input, size_t input_len)
{
    (void)ctx, (void)signature, (void)len, (void)room, (void)input, (void)input_len;
    return 0;
}

#define FN(id, fn)                                                                                 \
    {                                                                                              \
        id, (void (*)(void))(fn)                                                                   \
    }
static const OSSL_DISPATCH decoder[] = {
    FN(OSSL_FUNC_DECODER_NEWCTX, give_back),
    FN(OSSL_FUNC_DECODER_FREECTX, drop),
    FN(OSSL_FUNC_DECODER_DOES_SELECTION, does_private_keys),
    FN(OSSL_FUNC_DECODER_DECODE, pass_over),
    { 0, NULL },
};
static const OSSL_DISPATCH keymgmt[] = {
    FN(OSSL_FUNC_KEYMGMT_NEW, give_back),
    FN(OSSL_FUNC_KEYMGMT_FREE, drop),
    FN(OSSL_FUNC_KEYMGMT_LOAD, load_nothing),
    FN(OSSL_FUNC_KEYMGMT_HAS, has_nothing),
    { 0, NULL },
};
static const OSSL_DISPATCH signature[] = {
    FN(OSSL_FUNC_SIGNATURE_NEWCTX, new_signature),
    FN(OSSL_FUNC_SIGNATURE_FREECTX, drop),
    FN(OSSL_FUNC_SIGNATURE_SIGN_INIT, sign_nothing_init),
    FN(OSSL_FUNC_SIGNATURE_SIGN, sign_nothing),
    { 0, NULL },
};

/* --- its tables: ours, with these parts --- */

static struct operation {
    int number;
    const OSSL_DISPATCH *parts;
    OSSL_ALGORITHM rows[ROWS_MAX + 1];
} operations[] = {
    { .number = OSSL_OP_DECODER, .parts = decoder },
    { .number = OSSL_OP_KEYMGMT, .parts = keymgmt },
    { .number = OSSL_OP_SIGNATURE, .parts = signature },
};

static void copy_rows(struct operation *operation, const OSSL_ALGORITHM *rows, size_t most)
{
    for (size_t i = 0; rows != NULL && rows[i].algorithm_names != NULL && i < most; i++) {
        if (i == ROWS_MAX) {
            die("more algorithms than it has room for");
        }
        operation->rows[i] = rows[i];
        operation->rows[i].implementation = operation->parts;
    }
}

/* In a library context of its own: the program's own must not have met ours. */
static void copy_ours(enum empty_size size)
{
    static const char model[] = "nodekey-model";
    int no_cache = 0;
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
    if (ctx == NULL || OSSL_PROVIDER_add_builtin(ctx, model, provider_init_ec) != 1) {
        die("no library context");
    }
    OSSL_PROVIDER *ours = OSSL_PROVIDER_load(ctx, model);
    if (ours == NULL) {
        die("ours does not load");
    }
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        struct operation *operation = &operations[i];
        size_t most = size == EMPTY_AS_OURS                  ? ROWS_MAX + 1
                      : operation->number == OSSL_OP_DECODER ? 1
                                                             : 0;
        copy_rows(operation, OSSL_PROVIDER_query_operation(ours, operation->number, &no_cache),
                  most);
    }
    OSSL_PROVIDER_unload(ours);
    OSSL_LIB_CTX_free(ctx);
}

static OSSL_FUNC_provider_query_operation_fn query_operation;
static const OSSL_ALGORITHM *query_operation(void *ctx, int number, int *no_cache)
{
    (void)ctx;
    *no_cache = 0;
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (operations[i].number == number && operations[i].rows[0].algorithm_names != NULL) {
            return operations[i].rows;
        }
    }
    return NULL;
}

static OSSL_provider_init_fn start_empty;
static int start_empty(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
                       const OSSL_DISPATCH **out, void **ret_ctx)
{
    static const OSSL_DISPATCH table[] = {
        FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query_operation),
        { 0, NULL },
    };
    static int itself;
    (void)core, (void)in;
    *out = table;
    *ret_ctx = &itself;
    return 1;
}

void empty_provider_load(enum empty_size size)
{
    copy_ours(size);
    if (OSSL_PROVIDER_add_builtin(NULL, NAME, start_empty) != 1 ||
        OSSL_PROVIDER_try_load(NULL, NAME, 1) == NULL) {
        die("it does not load");
    }
}
