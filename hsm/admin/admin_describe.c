/* SPDX-License-Identifier: Apache-2.0
 * One token or object in words, with a URI that can be pasted into a configuration. */
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "admin/admin.h"
#include "base/text.h"
#include "key/key_kinds.h"
#include "key/object_public.h"

#define ID_SHOWN_BYTES 32

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);

/* --- URIs --- */

/* Text for a terminal: the writer of a token must not choose its control sequences. */
static void show_text(char *text, size_t room, const unsigned char *bytes, size_t len)
{
    len = len < room ? len : room - 1;
    memcpy(text, bytes, len);
    text[len] = '\0';
    text_flatten(text, len, TEXT_PRINTABLE);
}

/* A field of CK_TOKEN_INFO ends at its padding, which tpm2-pkcs11 makes of NULs. */
static void set_field(CK_UTF8CHAR *to, const CK_UTF8CHAR *from, size_t len)
{
    char text[65];

    token_field_copy(text, from, len);
    memset(to, ' ', len);
    for (size_t i = 0; text[i] != '\0'; i++) {
        to[i] = (CK_UTF8CHAR)text[i];
    }
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
static char *format_uri(P11KitUri *uri)
{
    char *text = NULL;

    return uri != NULL && p11_kit_uri_format(uri, P11_KIT_URI_FOR_ANY, &text) == P11_KIT_URI_OK
               ? text
               : NULL;
}

char *admin_uri_of_token(const CK_TOKEN_INFO *info, bool with_serial)
{
    AUTO(p11_kit_uri_free) P11KitUri *uri = uri_of_token(info, with_serial);

    return format_uri(uri);
}

static char *uri_of_object(const struct admin_look *look, CK_OBJECT_CLASS object_class,
                           struct object_name *name)
{
    CK_ATTRIBUTE attribute = { CKA_CLASS, &object_class, sizeof(object_class) };
    CK_ATTRIBUTE label = { CKA_LABEL, name->label, name->label_len };
    CK_ATTRIBUTE id = { CKA_ID, name->id, name->id_len };
    AUTO(p11_kit_uri_free) P11KitUri *uri = uri_of_token(look->info, look->namesakes);

    if (uri == NULL || (name->label_len == 0 && name->id_len == 0) ||
        p11_kit_uri_set_attribute(uri, &attribute) != P11_KIT_URI_OK ||
        (name->label_len > 0 && p11_kit_uri_set_attribute(uri, &label) != P11_KIT_URI_OK) ||
        (name->id_len > 0 && p11_kit_uri_set_attribute(uri, &id) != P11_KIT_URI_OK)) {
        return NULL;
    }
    return format_uri(uri);
}

/* --- one object --- */

static CK_RV describe_certificate(const struct admin_look *look, CK_OBJECT_HANDLE handle,
                                  struct hsm_object *object)
{
    AUTO(X509_free) X509 *certificate = NULL;
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    CK_RV rv = object_certificate(look->call, look->session, handle, &certificate);
    if (certificate == NULL) {
        return rv;
    }
    ERR_set_mark();
    if (bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        char *name = NULL;
        long name_len = BIO_get_mem_data(bio, &name);
        show_text(object->subject, sizeof(object->subject), (unsigned char *)name,
                  (size_t)name_len);
    }
    text_time(object->not_after, text_read_time(X509_get0_notAfter(certificate)));
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    if (key != NULL) {
        key_kind_print(key, object->type);
    }
    ERR_pop_to_mark();
    return CKR_OK;
}

static CK_RV describe_custody(const struct admin_look *look, CK_OBJECT_HANDLE handle,
                              struct hsm_object *object)
{
    CK_RV rv =
        object_flag(look->call, look->session, handle, CKA_SENSITIVE, false, &object->sensitive);
    if (rv == CKR_OK) {
        rv = object_flag(look->call, look->session, handle, CKA_EXTRACTABLE, true,
                         &object->extractable);
    }
    return rv == CKR_OK ? object_is_born_here(look->call, look->session, handle, &object->born_here)
                        : rv;
}

static CK_RV describe_key(const struct admin_look *look, CK_OBJECT_HANDLE handle,
                          struct hsm_object *object)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    CK_RV rv = object_public_key(look->call, look->session, handle, &key);

    if (key != NULL) {
        key_kind_print(key, object->type);
    }
    return rv == CKR_OK && object->kind == HSM_PRIVATE_KEY ? describe_custody(look, handle, object)
                                                           : rv;
}

CK_RV admin_describe_object(const struct admin_look *look, CK_OBJECT_CLASS object_class,
                            CK_OBJECT_HANDLE handle, struct hsm_object *object)
{
    struct object_name name;

    CK_RV rv = object_name(look->call, look->session, handle, &name);
    if (rv != CKR_OK) {
        return rv;
    }
    show_text(object->label, sizeof(object->label), name.label, name.label_len);
    text_hex(object->id, name.id, name.id_len < ID_SHOWN_BYTES ? name.id_len : ID_SHOWN_BYTES);
    object->uri = uri_of_object(look, object_class, &name);
    return object->kind == HSM_CERTIFICATE ? describe_certificate(look, handle, object)
                                           : describe_key(look, handle, object);
}

/* --- one token --- */

void admin_describe_token(struct hsm_token *token, const CK_TOKEN_INFO *info, CK_FLAGS slot_flags)
{
    struct token_name name;

    token_name_of(info, &name);
    show_text(token->label, sizeof(token->label), (unsigned char *)name.label, strlen(name.label));
    show_text(token->manufacturer, sizeof(token->manufacturer), (unsigned char *)name.manufacturer,
              strlen(name.manufacturer));
    show_text(token->model, sizeof(token->model), (unsigned char *)name.model, strlen(name.model));
    show_text(token->serial, sizeof(token->serial), (unsigned char *)name.serial,
              strlen(name.serial));
    token->initialised = (info->flags & CKF_TOKEN_INITIALIZED) != 0;
    token->pin_set = (info->flags & CKF_USER_PIN_INITIALIZED) != 0;
    token->pin_locked = (info->flags & CKF_USER_PIN_LOCKED) != 0;
    token->pin_final_try = (info->flags & CKF_USER_PIN_FINAL_TRY) != 0;
    token->hardware = (slot_flags & CKF_HW_SLOT) != 0;
}
