/* SPDX-License-Identifier: Apache-2.0
 * What is on the tokens of a module, each with a URI that can be pasted into a configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "admin.h"
#include "ckr.h"
#include "report.h"

#define CERTIFICATE_MAX_BYTES 16384
#define ID_MAX_BYTES 128

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);
typedef CK_OBJECT_HANDLE *handles_ptr;
DEFINE_AUTO(handles_ptr, free);

struct look { /* at one token */
    CK_FUNCTION_LIST *call;
    CK_SESSION_HANDLE session;
    const CK_TOKEN_INFO *info;
    bool namesakes; /* its label alone does not tell it from the others */
    struct hsm_token *token;
};

/* --- URIs --- */

/* For a terminal: whoever wrote to the token has not chosen its control sequences. */
static void show(char *text, size_t room, const unsigned char *bytes, size_t len)
{
    len = len < room ? len : room - 1;
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)(bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?');
    }
    text[len] = '\0';
}

/* A field of CK_TOKEN_INFO ends at its padding, which tpm2-pkcs11 makes of NULs. */
static void set_field(CK_UTF8CHAR *to, const CK_UTF8CHAR *from, size_t len)
{
    char text[65];

    token_field_copy(text, from, len);
    memset(to, ' ', len);
    memcpy(to, text, strlen(text));
}

static P11KitUri *uri_of_token(const CK_TOKEN_INFO *info, bool with_serial)
{
    P11KitUri *uri = p11_kit_uri_new();
    if (uri == NULL) {
        return NULL;
    }
    CK_TOKEN_INFO *wanted = p11_kit_uri_get_token_info(uri);
    if (info->label[0] != ' ' && info->label[0] != '\0') {
        set_field(wanted->label, info->label, sizeof(wanted->label));
    }
    if (with_serial || wanted->label[0] == '\0') {
        set_field(wanted->serialNumber, info->serialNumber, sizeof(wanted->serialNumber));
    }
    return uri;
}

/* Owned: free. NULL: no memory. */
static char *text_of(P11KitUri *uri)
{
    char *text = NULL;

    return uri != NULL && p11_kit_uri_format(uri, P11_KIT_URI_FOR_ANY, &text) == P11_KIT_URI_OK
               ? text
               : NULL;
}

static char *uri_of_object(const struct look *look, CK_OBJECT_CLASS object_class,
                           CK_ATTRIBUTE *label, CK_ATTRIBUTE *id)
{
    CK_ATTRIBUTE attribute = { CKA_CLASS, &object_class, sizeof(object_class) };
    AUTO(p11_kit_uri_free) P11KitUri *uri = uri_of_token(look->info, look->namesakes);

    if (uri == NULL || (label->ulValueLen == 0 && id->ulValueLen == 0) ||
        p11_kit_uri_set_attribute(uri, &attribute) != P11_KIT_URI_OK ||
        (label->ulValueLen > 0 && p11_kit_uri_set_attribute(uri, label) != P11_KIT_URI_OK) ||
        (id->ulValueLen > 0 && p11_kit_uri_set_attribute(uri, id) != P11_KIT_URI_OK)) {
        return NULL;
    }
    return text_of(uri);
}

/* --- one object --- */

static bool flag(const struct look *look, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE_TYPE type,
                 bool if_unknown)
{
    CK_BBOOL value = CK_FALSE;
    CK_ULONG len = 0;

    if (!admin_attribute(look->call, look->session, handle, type, &value, sizeof(value), &len) ||
        len != sizeof(value)) {
        return if_unknown;
    }
    return value != CK_FALSE;
}

static void describe_certificate(const struct look *look, CK_OBJECT_HANDLE handle,
                                 struct hsm_object *object)
{
    unsigned char der[CERTIFICATE_MAX_BYTES];
    const unsigned char *at = der;
    CK_ULONG len = 0;
    struct tm ends;

    if (!admin_attribute(look->call, look->session, handle, CKA_VALUE, der, sizeof(der), &len)) {
        return;
    }
    ERR_set_mark();
    AUTO(X509_free) X509 *certificate = d2i_X509(NULL, &at, (long)len);
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    if (certificate != NULL && bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        char *name = NULL;
        long name_len = BIO_get_mem_data(bio, &name);
        show(object->subject, sizeof(object->subject), (unsigned char *)name, (size_t)name_len);
    }
    if (certificate != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &ends) == 1) {
        strftime(object->not_after, sizeof(object->not_after), "%Y-%m-%dT%H:%M:%SZ", &ends);
    }
    EVP_PKEY *key = certificate != NULL ? X509_get0_pubkey(certificate) : NULL;
    if (key != NULL) {
        admin_type_of(key, object->type, sizeof(object->type));
    }
    ERR_pop_to_mark();
}

static void describe_key(const struct look *look, CK_OBJECT_HANDLE handle,
                         struct hsm_object *object)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *key = admin_public_of(look->call, look->session, handle);
    if (key != NULL) {
        admin_type_of(key, object->type, sizeof(object->type));
    }
    if (object->kind != HSM_PRIVATE_KEY) {
        return;
    }
    object->sensitive = flag(look, handle, CKA_SENSITIVE, false);
    object->extractable = flag(look, handle, CKA_EXTRACTABLE, true);
    object->born_here = flag(look, handle, CKA_LOCAL, false) &&
                        flag(look, handle, CKA_NEVER_EXTRACTABLE, false) &&
                        flag(look, handle, CKA_ALWAYS_SENSITIVE, false);
}

static void describe(const struct look *look, CK_OBJECT_CLASS object_class, CK_OBJECT_HANDLE handle,
                     struct hsm_object *object)
{
    unsigned char label[ADMIN_FIELD_BYTES];
    unsigned char id[ID_MAX_BYTES];
    CK_ATTRIBUTE label_at = { CKA_LABEL, label, 0 };
    CK_ATTRIBUTE id_at = { CKA_ID, id, 0 };

    if (!admin_attribute(look->call, look->session, handle, CKA_LABEL, label, sizeof(label),
                         &label_at.ulValueLen)) {
        label_at.ulValueLen = 0;
    }
    if (!admin_attribute(look->call, look->session, handle, CKA_ID, id, sizeof(id),
                         &id_at.ulValueLen)) {
        id_at.ulValueLen = 0;
    }
    show(object->label, sizeof(object->label), label, label_at.ulValueLen);
    for (CK_ULONG i = 0; i < id_at.ulValueLen && 2 * i + 2 < sizeof(object->id); i++) {
        snprintf(object->id + 2 * i, sizeof(object->id) - 2 * i, "%02x", id[i]);
    }
    object->uri = uri_of_object(look, object_class, &label_at, &id_at);
    if (object->kind == HSM_CERTIFICATE) {
        describe_certificate(look, handle, object);
    } else {
        describe_key(look, handle, object);
    }
}

/* --- one token --- */

/* A private key tells no EC point; its public half, which has the same id, does. */
static void borrow_types(struct hsm_token *token)
{
    for (size_t i = 0; i < token->len; i++) {
        struct hsm_object *object = &token->objects[i];
        for (size_t j = 0; object->type[0] == '\0' && j < token->len; j++) {
            const struct hsm_object *other = &token->objects[j];
            bool tied = object->id[0] != '\0' ? strcmp(object->id, other->id) == 0
                                              : strcmp(object->label, other->label) == 0;
            if (tied) {
                memcpy(object->type, other->type, sizeof(object->type));
            }
        }
    }
}

static CK_RV list_class(const struct look *look, enum hsm_object_kind kind,
                        CK_OBJECT_CLASS object_class)
{
    struct hsm_token *token = look->token;
    CK_ATTRIBUTE wanted = { CKA_CLASS, &object_class, sizeof(object_class) };
    AUTO(free) handles_ptr found = NULL;
    CK_ULONG len = 0;
    CK_RV rv = admin_find(look->call, look->session, &wanted, 1, &found, &len);
    if (rv != CKR_OK) {
        return rv;
    }
    struct hsm_object *objects = realloc(token->objects, (token->len + len + 1) * sizeof(*objects));
    if (objects == NULL) {
        return CKR_HOST_MEMORY;
    }
    token->objects = objects;
    for (CK_ULONG i = 0; i < len; i++) {
        struct hsm_object *object = &objects[token->len++];
        *object = (struct hsm_object){ .kind = kind };
        describe(look, object_class, found[i], object);
    }
    return CKR_OK;
}

static CK_RV list_objects(struct look *look, struct module *module, CK_SLOT_ID slot)
{
    CK_RV rv = admin_session(module, slot, 0, &look->session);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = list_class(look, HSM_PRIVATE_KEY, CKO_PRIVATE_KEY);
    if (rv == CKR_OK) {
        rv = list_class(look, HSM_PUBLIC_KEY, CKO_PUBLIC_KEY);
    }
    if (rv == CKR_OK) {
        rv = list_class(look, HSM_CERTIFICATE, CKO_CERTIFICATE);
    }
    admin_session_close(module, look->session);
    borrow_types(look->token);
    return rv;
}

static void describe_token(struct hsm_token *token, const CK_TOKEN_INFO *info, CK_FLAGS slot_flags)
{
    struct token_name name;

    token_name_of(info, &name);
    show(token->label, sizeof(token->label), (unsigned char *)name.label, strlen(name.label));
    show(token->manufacturer, sizeof(token->manufacturer), (unsigned char *)name.manufacturer,
         strlen(name.manufacturer));
    show(token->model, sizeof(token->model), (unsigned char *)name.model, strlen(name.model));
    show(token->serial, sizeof(token->serial), (unsigned char *)name.serial, strlen(name.serial));
    token->initialised = (info->flags & CKF_TOKEN_INITIALIZED) != 0;
    token->pin_set = (info->flags & CKF_USER_PIN_INITIALIZED) != 0;
    token->pin_locked = (info->flags & CKF_USER_PIN_LOCKED) != 0;
    token->pin_final_try = (info->flags & CKF_USER_PIN_FINAL_TRY) != 0;
    token->hardware = (slot_flags & CKF_HW_SLOT) != 0;
}

/* --- all tokens --- */

struct tour {
    struct module *module;
    const struct token_name *logged_in; /* NULL: nobody did */
    CK_SLOT_ID *slots;
    CK_TOKEN_INFO *infos; /* of the slots that answer, in their order */
    CK_ULONG len;
};

static bool has_namesake(const struct tour *tour, CK_ULONG i)
{
    bool found = false;

    for (CK_ULONG j = 0; j < tour->len; j++) {
        found |= j != i && memcmp(tour->infos[i].label, tour->infos[j].label,
                                  sizeof(tour->infos[i].label)) == 0;
    }
    return found;
}

static nk_status visit(const struct tour *tour, CK_ULONG i, struct hsm_token *token, nk_error *err)
{
    const CK_TOKEN_INFO *info = &tour->infos[i];
    CK_SLOT_INFO slot;
    struct token_name name;
    struct look look = {
        .call = tour->module->call, .info = info, .namesakes = has_namesake(tour, i), .token = token
    };

    CK_RV rv = look.call->C_GetSlotInfo(tour->slots[i], &slot);
    describe_token(token, info, rv == CKR_OK ? slot.flags : 0);
    if (!token->initialised) {
        return NK_OK;
    }
    token_name_of(info, &name);
    token->logged_in = tour->logged_in != NULL && token_name_equal(tour->logged_in, &name);
    AUTO(p11_kit_uri_free) P11KitUri *uri = uri_of_token(info, look.namesakes);
    token->uri = text_of(uri);
    if (token->uri == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    rv = list_objects(&look, tour->module, tour->slots[i]);
    return rv == CKR_OK
               ? NK_OK
               : report_ckr(err, NK_E_TOKEN, rv, "list the objects of token \"%s\"", token->label);
}

/* A slot that does not answer is left out, as open would pass it over. */
static CK_RV ask_slots(struct tour *tour)
{
    CK_ULONG len = 0;
    CK_RV rv = admin_slots(tour->module, &tour->slots, &len);
    if (rv != CKR_OK) {
        return rv;
    }
    tour->infos = calloc(len + 1, sizeof(*tour->infos));
    if (tour->infos == NULL) {
        return CKR_HOST_MEMORY;
    }
    for (CK_ULONG i = 0; i < len; i++) {
        if (tour->module->call->C_GetTokenInfo(tour->slots[i], &tour->infos[tour->len]) == CKR_OK) {
            tour->slots[tour->len++] = tour->slots[i];
        }
    }
    return CKR_OK;
}

static nk_status look_round(struct tour *tour, struct hsm_listing *listing, nk_error *err)
{
    CK_RV rv = ask_slots(tour);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "list the slots of %s", tour->module->path);
    }
    listing->tokens = calloc(tour->len + 1, sizeof(*listing->tokens));
    if (listing->tokens == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = NK_OK;
    for (CK_ULONG i = 0; i < tour->len && status == NK_OK; i++) {
        status = visit(tour, i, &listing->tokens[listing->len++], err);
    }
    return status;
}

static nk_status list_all(struct module *module, const struct token_name *logged_in,
                          struct hsm_listing *ret_listing, nk_error *err)
{
    struct tour tour = { .module = module, .logged_in = logged_in };
    struct hsm_listing listing = { .len = 0 };
    CK_RV rv = module_enter(module);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "enter %s", module->path);
    }
    nk_status status = look_round(&tour, &listing, err);
    module_leave(module);
    free(tour.slots);
    free(tour.infos);
    if (status == NK_OK) {
        *ret_listing = listing;
    } else {
        hsm_listing_clear(&listing);
    }
    return status;
}

static nk_status log_in(struct module *module, const struct hsm_list_request *request,
                        struct token_name *name, struct token **ret_token, nk_error *err)
{
    const struct token_terms terms = { .pin = &request->pin,
                                       .max_sessions = ADMIN_SESSIONS,
                                       .login_timeout_ms = ADMIN_LOGIN_MS,
                                       .host = request->host };
    P11KitUri *uri = NULL;
    nk_status status = request->uri != NULL ? uri_parse(request->uri, &uri, err) : NK_OK;
    if (status == NK_OK) {
        status = admin_pick(module, uri, request->label, name, err);
    }
    p11_kit_uri_free(uri);
    return status == NK_OK ? token_join(module, name, &terms, ret_token, err) : status;
}

nk_status hsm_list(const struct hsm_list_request *request, struct hsm_listing *ret_listing,
                   nk_error *err)
{
    struct module *module = NULL;
    struct token *token = NULL;
    struct token_name name;
    nk_status status = module_get(request->module, &module, err);
    if (status == NK_OK && request->pin.kind != HSM_PIN_ABSENT) {
        status = log_in(module, request, &name, &token, err);
    }
    if (status == NK_OK) {
        status = list_all(module, token != NULL ? &name : NULL, ret_listing, err);
    }
    if (token != NULL) {
        token_leave(token, false);
    }
    return status;
}

void hsm_listing_clear(struct hsm_listing *listing)
{
    for (size_t i = 0; i < listing->len; i++) {
        struct hsm_token *token = &listing->tokens[i];
        for (size_t j = 0; j < token->len; j++) {
            free(token->objects[j].uri);
        }
        free(token->objects);
        free(token->uri);
    }
    free(listing->tokens);
    *listing = (struct hsm_listing){ 0 };
}
