/* SPDX-License-Identifier: Apache-2.0
 * DECODER: PEM of our label to a key object, at once or by way of DER. Input that is not ours is
 * passed over in silence; a reference of ours that fails raises and stops. OpenSSL 3.0 makes every
 * decoder anew for each key that the program reads, so there are few, and they hold nothing. */
#include <string.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>

#include "base/exit_gate.h"
#include "provider/provider_context.h"

#define DER_MAX_BYTES 4096 /* a reference with an RSA-8192 key is 1.1 kB */
#define LINE_BYTES 255     /* as PEM_read_bio reads them */
#define PEM_BEGIN "-----BEGIN "
#define PEM_DASHES "-----"

struct pem_block {
    char *name;
    char *header;
    unsigned char *data;
    long len;
};

static OSSL_FUNC_decoder_newctx_fn new_ctx;
static void *new_ctx(void *provider)
{
    return provider;
}

static OSSL_FUNC_decoder_freectx_fn free_ctx;
static void free_ctx(void *ctx)
{
    (void)ctx;
}

static OSSL_FUNC_decoder_does_selection_fn does_selection;
static int does_selection(void *ctx, int selection)
{
    (void)ctx;
    return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
}

static int give_der(const struct provider *provider, const struct pem_block *block,
                    OSSL_CALLBACK *callback, void *arg)
{
    int type = OSSL_OBJECT_PKEY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE,
                                         (char *)(uintptr_t)provider->format->structure, 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, block->data, (size_t)block->len),
        OSSL_PARAM_END,
    };
    return callback(params, arg);
}

static int pass_block_on(struct provider *provider, const struct pem_block *block,
                         OSSL_CALLBACK *callback, void *arg)
{
    const struct reference_format *format = provider->format;
    struct hsm_key *key = NULL;

    if (format->resolve(provider, block->data, (size_t)block->len, true, &key) != REFERENCE_FOUND) {
        return 0;
    }
    if (format->type != NULL && strcmp(format->type, key->kind->type) != 0) {
        hsm_key_unref(key); /* the provider of its type comes, too */
        return 1;
    }
    if (format->structure == NULL) {
        return provider_give_key(provider, key, callback, arg);
    }
    /* Resolved already: the next decoder never sees DER that is damaged, so that no reason would
     * be raised. */
    int ok = give_der(provider, block, callback, arg);
    hsm_key_unref(key); /* held so far, so that the next one finds the same key */
    return ok;
}

/* The exit gate comes first: threads whose references are shut load them, too, and must be
 * parked. */
static int pass_exit_gate(struct provider *provider, const struct pem_block *block,
                          OSSL_CALLBACK *callback, void *arg)
{
    if (!exit_gate_enter()) {
        return raise_error(provider, RAISE_INTERNAL, PROVIDER_NO_ENTRY);
    }
    int ok = pass_block_on(provider, block, callback, arg);
    exit_gate_leave();
    return ok;
}

static bool is_label(const char *at, const char *label)
{
    size_t len = strlen(label);
    return strncmp(at, label, len) == 0 &&
           strncmp(at + len, PEM_DASHES, sizeof(PEM_DASHES) - 1) == 0;
}

/* Whether the next PEM block has our label. Of others only the first line is read, and nothing is
 * allocated: OpenSSL may show us the program's own key before it shows it to anybody else. */
static bool is_next_ours(const struct provider *provider, OSSL_CORE_BIO *core_bio)
{
    const size_t begin_len = sizeof(PEM_BEGIN) - 1;
    char line[LINE_BYTES];
    bool begun = false;
    int from = provider->control_bio(core_bio, BIO_C_FILE_TELL, 0, NULL);

    while (!begun && provider->read_line(core_bio, line, sizeof(line)) > 0) {
        begun = strncmp(line, PEM_BEGIN, begin_len) == 0 &&
                strstr(line + begin_len, PEM_DASHES) != NULL;
    }
    bool ours = begun && is_label(line + begin_len, provider->format->pem_label) &&
                provider->control_bio(core_bio, BIO_C_FILE_SEEK, from, NULL) >= 0;
    OPENSSL_cleanse(line, sizeof(line)); /* may have been the rest of a software key */
    return ours;
}

static OSSL_FUNC_decoder_decode_fn decode_pem;
static int decode_pem(void *ctx, OSSL_CORE_BIO *core_bio, int selection, OSSL_CALLBACK *callback,
                      void *arg, OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg)
{
    struct provider *provider = ctx;
    struct pem_block block = { 0 };
    int ok = 1;

    (void)selection, (void)passphrase, (void)passphrase_arg;
    if (!is_next_ours(provider, core_bio)) {
        return 1;
    }
    BIO *bio = BIO_new_from_core_bio(provider->libctx, core_bio);
    if (bio == NULL) {
        return raise_error(provider, RAISE_INTERNAL, "no BIO");
    }
    ERR_set_mark();
    int read = PEM_read_bio(bio, &block.name, &block.header, &block.data, &block.len);
    ERR_pop_to_mark();
    if (read == 1 && strcmp(block.name, provider->format->pem_label) == 0) {
        ok = pass_exit_gate(provider, &block, callback, arg);
    }
    OPENSSL_free(block.name);
    OPENSSL_free(block.header);
    OPENSSL_clear_free(block.data, read == 1 ? (size_t)block.len : 0); /* may be a software key */
    BIO_free(bio);
    return ok;
}

/* The whole input, if it is short enough to be ours; 0 otherwise. Without a BIO of our own: this is
 * also for ordinary keys. */
static size_t read_der(const struct provider *provider, OSSL_CORE_BIO *core_bio,
                       unsigned char der[DER_MAX_BYTES])
{
    size_t len = 0;
    size_t n = 0;

    while (len < DER_MAX_BYTES &&
           provider->read_bio(core_bio, der + len, DER_MAX_BYTES - len, &n) == 1 && n > 0) {
        len += n;
    }
    return len < DER_MAX_BYTES ? len : 0;
}

static int decode_der(struct provider *provider, OSSL_CORE_BIO *core_bio, const char *type,
                      OSSL_CALLBACK *callback, void *arg)
{
    unsigned char der[DER_MAX_BYTES];
    struct hsm_key *key = NULL;

    size_t len = read_der(provider, core_bio, der);
    enum reference_answer answer =
        len > 0 ? provider->format->resolve(provider, der, len, false, &key) : REFERENCE_FOREIGN;
    OPENSSL_cleanse(der, sizeof(der)); /* ordinary private keys are shown to every decoder */
    if (answer != REFERENCE_FOUND) {
        return answer == REFERENCE_FOREIGN;
    }
    if (strcmp(key->kind->type, type) != 0) {
        hsm_key_unref(key); /* the decoder of its type comes, too, if the program wants that */
        return 1;
    }
    return provider_give_key(provider, key, callback, arg);
}

#define FN(id, fn)                                                                                 \
    {                                                                                              \
        id, (void (*)(void))(fn)                                                                   \
    }
#define DECODER(id)                                                                                \
    const OSSL_DISPATCH decoder_##id[] = {                                                         \
        FN(OSSL_FUNC_DECODER_NEWCTX, new_ctx),                                                     \
        FN(OSSL_FUNC_DECODER_FREECTX, free_ctx),                                                   \
        FN(OSSL_FUNC_DECODER_DOES_SELECTION, does_selection),                                      \
        FN(OSSL_FUNC_DECODER_DECODE, decode_##id),                                                 \
        { 0, NULL },                                                                               \
    };
#define DECODER_OF_TYPE(id, type, ...)                                                             \
    static OSSL_FUNC_decoder_decode_fn decode_##id;                                                \
    static int decode_##id(void *ctx, OSSL_CORE_BIO *bio, int selection, OSSL_CALLBACK *callback,  \
                           void *arg, OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg)  \
    {                                                                                              \
        (void)selection, (void)passphrase, (void)passphrase_arg;                                   \
        return decode_der(ctx, bio, type, callback, arg);                                          \
    }                                                                                              \
    DECODER(id)

DECODER(pem)
KEY_TYPES(DECODER_OF_TYPE)
