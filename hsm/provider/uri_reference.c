/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/uri_reference.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/asn1t.h>
#include <openssl/err.h>

#include "provider/provider_private.h"
#include "provider/store.h"
#include "provider/uri_keys.h"

typedef struct uri_reference_st {
    ASN1_VISIBLESTRING *description;
    ASN1_UTF8STRING *uri;
} URI_REFERENCE;

DECLARE_ASN1_FUNCTIONS(URI_REFERENCE)
ASN1_SEQUENCE(URI_REFERENCE) = {
    ASN1_SIMPLE(URI_REFERENCE, description, ASN1_VISIBLESTRING),
    ASN1_SIMPLE(URI_REFERENCE, uri, ASN1_UTF8STRING),
} ASN1_SEQUENCE_END(URI_REFERENCE)
IMPLEMENT_ASN1_FUNCTIONS(URI_REFERENCE)

DEFINE_AUTO(URI_REFERENCE *, URI_REFERENCE_free);

/* References are told by their first bytes: parsing an ordinary private key would leave parts of
 * it on the heap. */
static bool looks_like_one(const unsigned char *der, size_t len)
{
    static const char description[] = URI_REFERENCE_DESCRIPTION;
    const size_t description_len = sizeof(description) - 1;
    const unsigned char *at = der;
    long body_len = 0;
    int tag = 0;
    int tag_class = 0;

    return ASN1_get_object(&at, &body_len, &tag, &tag_class, (long)len) == V_ASN1_CONSTRUCTED &&
           tag == V_ASN1_SEQUENCE && body_len > (long)description_len + 2 &&
           at[0] == V_ASN1_VISIBLESTRING && at[1] == description_len &&
           memcmp(at + 2, description, description_len) == 0;
}

/* NULL: damaged. Owned: free. */
static char *uri_in(const unsigned char *der, size_t len)
{
    const unsigned char *at = der;
    AUTO(URI_REFERENCE_free) URI_REFERENCE *reference = d2i_URI_REFERENCE(NULL, &at, (long)len);

    if (reference == NULL || at != der + len) {
        return NULL;
    }
    const char *uri = (const char *)ASN1_STRING_get0_data(reference->uri);
    size_t uri_len = (size_t)ASN1_STRING_length(reference->uri);
    return memchr(uri, '\0', uri_len) == NULL ? strndup(uri, uri_len) : NULL;
}

static enum reference_answer refuse_damaged(struct provider *provider)
{
    raise_error(provider, RAISE_KEY_NOT_OPENED,
                "this PEM is no reference that says \"" URI_REFERENCE_DESCRIPTION
                "\" and a URI; write it again");
    return REFERENCE_UNKNOWN;
}

static enum reference_answer resolve_uri(struct provider *provider, const unsigned char *der,
                                         size_t len, bool labelled, struct hsm_key **ret_key)
{
    ERR_set_mark();
    bool ours = looks_like_one(der, len);
    AUTO(free) char *uri = ours ? uri_in(der, len) : NULL;
    ERR_pop_to_mark();
    if (!ours && !labelled) {
        return REFERENCE_FOREIGN;
    }
    if (uri == NULL) {
        return refuse_damaged(provider);
    }
    /* The decoder of PEM has looked for it; DER alone comes from that. */
    *ret_key = uri_key(provider, uri, labelled);
    return *ret_key != NULL ? REFERENCE_FOUND : REFERENCE_UNKNOWN;
}

/* Decoders for each type, though one could make keys of all: a program that says which type it
 * wants is shown the decoders of that name only, and must get no other key from them. */
#define DECODER_ROW(id, type, ...)                                                                 \
    { type, PROVIDER_FROM_US ",input=der,structure=" URI_REFERENCE_STRUCTURE, decoder_##id, NULL },
static const OSSL_ALGORITHM decoders[] = {
    { "DER", PROVIDER_FROM_US ",input=pem", decoder_pem, NULL },
    KEY_TYPES(DECODER_ROW){ NULL, NULL, NULL, NULL },
};
static const OSSL_ALGORITHM stores[] = {
    { "pkcs11", PROVIDER_FROM_US, store_pkcs11, "keys in PKCS#11 tokens, by URI" },
    { NULL, NULL, NULL, NULL },
};
const struct reference_format uri_references = { .pem_label = URI_REFERENCE_PEM_LABEL,
                                                 .structure = URI_REFERENCE_STRUCTURE,
                                                 .keymgmts = provider_keymgmts,
                                                 .signatures = provider_signatures,
                                                 .decoders = decoders,
                                                 .stores = stores,
                                                 .resolve = resolve_uri,
                                                 .raise_why = uri_raise_failure };

int provider_module_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **ret_ctx,
                         provider_terms_reader *read_terms)
{
    return provider_start(core, in, out, ret_ctx, &uri_references, read_terms);
}
