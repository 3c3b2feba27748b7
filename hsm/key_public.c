/* SPDX-License-Identifier: Apache-2.0 */
#include "key_public.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>

#include "admin.h"
#include "report.h"
#include "token_find.h"

#define TIE_MAX_BYTES 256
#define CERTIFICATE_MAX_BYTES ((CK_ULONG)64 * 1024)

typedef CK_OBJECT_HANDLE *handles_ptr;
typedef unsigned char *bytes_ptr;
DEFINE_AUTO(handles_ptr, free);

static void free_bytes(unsigned char *bytes)
{
    free(bytes);
}
DEFINE_AUTO(bytes_ptr, free_bytes);
DEFINE_AUTO(X509 *, X509_free);

static EVP_PKEY *of_certificate(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                                CK_OBJECT_HANDLE object)
{
    CK_ULONG len = 0;
    AUTO(free_bytes) bytes_ptr value = malloc(CERTIFICATE_MAX_BYTES);
    if (value == NULL ||
        !admin_attribute(call, session, object, CKA_VALUE, value, CERTIFICATE_MAX_BYTES, &len)) {
        return NULL;
    }
    const unsigned char *at = value;
    AUTO(X509_free) X509 *certificate = d2i_X509(NULL, &at, (long)len);
    return certificate != NULL ? X509_get_pubkey(certificate) : NULL;
}

/* Objects of a token belong together by their id, without one by their label. */
static const struct tie {
    CK_ATTRIBUTE_TYPE by;
    CK_OBJECT_CLASS to;
    EVP_PKEY *(*read)(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);
} ties[] = {
    { CKA_ID, CKO_PUBLIC_KEY, admin_public_of },
    { CKA_ID, CKO_CERTIFICATE, of_certificate },
    { CKA_LABEL, CKO_PUBLIC_KEY, admin_public_of },
};

static EVP_PKEY *follow(const struct tie *tie, CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                        CK_OBJECT_HANDLE key)
{
    unsigned char value[TIE_MAX_BYTES];
    CK_OBJECT_CLASS object_class = tie->to;
    CK_ULONG value_len = 0;
    CK_ULONG len = 0;
    EVP_PKEY *public_key = NULL;
    AUTO(free) handles_ptr found = NULL;

    if (!admin_attribute(call, session, key, tie->by, value, sizeof(value), &value_len) ||
        value_len == 0) {
        return NULL;
    }
    CK_ATTRIBUTE wanted[] = { { CKA_CLASS, &object_class, sizeof(object_class) },
                              { tie->by, value, value_len } };
    if (admin_find(call, session, wanted, ARRAY_LEN(wanted), &found, &len) != CKR_OK) {
        return NULL;
    }
    for (CK_ULONG i = 0; i < len && public_key == NULL; i++) {
        public_key = tie->read(call, session, found[i]);
    }
    return public_key;
}

/* Inside a lease. */
static EVP_PKEY *public_of(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    EVP_PKEY *public_key = admin_public_of(call, session, key);

    for (size_t i = 0; i < ARRAY_LEN(ties) && public_key == NULL; i++) {
        public_key = follow(&ties[i], call, session, key);
    }
    return public_key;
}

static CK_RV look_once(struct hsm_key *key, EVP_PKEY **ret_public, nk_error *err)
{
    struct lease lease;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;

    CK_RV rv = token_take(key->token, &lease, err);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = key_locate(key, lease.session, &object, err);
    if (rv == CKR_OK) {
        *ret_public = public_of(token_module(key->token)->call, lease.session, object);
    }
    token_give(key->token, &lease, rv == CKR_OK);
    return rv;
}

static nk_status look(struct hsm_key *key, EVP_PKEY **ret_public, nk_error *err)
{
    nk_error first = { .struct_size = sizeof(first) };
    EVP_PKEY *public_key = NULL;
    unsigned epoch = token_epoch(key->token);

    CK_RV rv = look_once(key, &public_key, &first);
    if (rv != CKR_OK && ckr_rung(rv) == RUNG_REINIT &&
        token_recover(key->token, RUNG_REINIT, 0, epoch, &first) == CKR_OK) {
        first = (nk_error){ .struct_size = sizeof(first) };
        rv = look_once(key, &public_key, &first);
    }
    if (rv != CKR_OK) {
        report_ckr(&first, NK_E_TOKEN, rv, "token \"%s\"", key->label);
        return report_copy(err, &first);
    }
    if (public_key == NULL) {
        return report(err, NK_E_IDENTITY,
                      "token \"%s\" does not tell the public half of %s: write its certificate or "
                      "public key there, with the id of the private key (pkcs11-tool "
                      "--write-object)",
                      key->label, key->uri_text);
    }
    *ret_public = public_key;
    return NK_OK;
}

static nk_status join(const struct hsm_key_request *request, struct hsm_key *key, nk_error *err)
{
    const struct token_terms terms = { .pin = &request->pin,
                                       .max_sessions = request->max_sessions,
                                       .max_waiting_inbound = request->max_waiting_inbound,
                                       .login_timeout_ms = request->login_timeout_ms,
                                       .state_dir = request->state_dir,
                                       .host = request->host };
    struct module *module = NULL;
    struct token_name name;

    nk_status status = module_get(request->module, &module, err);
    if (status == NK_OK) {
        status = token_find(module, key->uri, key->uri_text, "node.key", &name, err);
    }
    if (status != NK_OK) {
        return status;
    }
    memcpy(key->label, name.label, sizeof(key->label));
    return token_join(module, &name, &terms, &key->token, err);
}

nk_status key_public_open(const struct hsm_key_request *request, struct token **ret_token,
                          EVP_PKEY **ret_public, nk_error *err)
{
    AUTO(p11_kit_uri_free) P11KitUri *uri = NULL;
    nk_status status = uri_parse(request->uri, &uri, err);
    struct hsm_key sought = { .uri = uri, .uri_text = (char *)(uintptr_t)request->uri };
    if (status == NK_OK) {
        status = join(request, &sought, err);
    }
    if (status != NK_OK) {
        return status;
    }
    status = look(&sought, ret_public, err);
    if (status != NK_OK) {
        token_leave(sought.token);
        return status;
    }
    *ret_token = sought.token;
    return NK_OK;
}

EVP_PKEY *key_public_now(struct hsm_key *key)
{
    EVP_PKEY *public_key = NULL;
    nk_error ignored = { .struct_size = sizeof(ignored) };

    return look(key, &public_key, &ignored) == NK_OK ? public_key : NULL;
}
