/* SPDX-License-Identifier: Apache-2.0
 * One token or object in words, with a URI that can be pasted into a configuration. */
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "admin/admin.h"
#include "base/text.h"
#include "key/object_public.h"
#include "scheme/key_kinds.h"

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);

/* --- texts --- */

/* Text for a terminal: the writer of a token must not choose its control sequences. */
static void show_text(char *text, size_t room, const unsigned char *bytes, size_t len)
{
    len = len < room ? len : room - 1;
    memcpy(text, bytes, len);
    text[len] = '\0';
    text_flatten(text, len, TEXT_ONE_LINE);
}

/* Owned: free. NULL: no memory. */
static char *copy_text(const unsigned char *bytes, size_t len)
{
    char *text = malloc(len + 1);
    if (text != NULL) {
        show_text(text, len + 1, bytes, len);
    }
    return text;
}

static char *copy_hex(const unsigned char *bytes, size_t len)
{
    char *text = malloc(TEXT_HEX_BYTES(len));
    if (text != NULL) {
        text_hex(text, bytes, len);
    }
    return text;
}

static char *copy_uri(const struct admin_look *look, CK_OBJECT_CLASS object_class,
                      struct object_name *name)
{
    struct uri_object object = { .object_class = object_class,
                                 .label = name->label,
                                 .label_len = name->label_len,
                                 .id = name->id,
                                 .id_len = name->id_len };
    struct token_name token;

    token_name_of(look->info, &token);
    return uri_of_object(&token, look->namesakes, &object);
}

/* --- one object --- */

static CK_RV describe_certificate(const struct admin_look *look, CK_OBJECT_HANDLE handle,
                                  struct hsm_object *object)
{
    AUTO(X509_free) X509 *certificate = NULL;
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    CK_RV rv = object_certificate(look->call, look->session, handle, &certificate);
    object->not_after = -1;
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
    object->not_after = text_read_time(X509_get0_notAfter(certificate));
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
    return rv == CKR_OK ? object_is_born_here(look->call, look->session, handle, &object->born_here,
                                              &object->birth_told)
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
    object->label = copy_text(name.label, name.label_len);
    object->id = copy_hex(name.id, name.id_len);
    object->uri = copy_uri(look, object_class, &name);
    if (object->label == NULL || object->id == NULL) {
        return CKR_HOST_MEMORY;
    }
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
