/* SPDX-License-Identifier: Apache-2.0 */
#include "key/object.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "module/ckr.h"
#include "module/uri.h"

#define FIND_AT_ONCE 16
#define CERTIFICATE_MAX_BYTES ((CK_ULONG)64 * 1024)

DEFINE_AUTO(X509 *, X509_free);

/* --- finding --- */

void handles_free(handles_ptr handles)
{
    free(handles);
}

/* Until nothing comes: a module may give fewer than asked for before the end. */
static CK_RV collect_handles(const struct cryptoki *call, CK_SESSION_HANDLE session,
                             handles_ptr *found, CK_ULONG *len)
{
    for (;;) {
        CK_ULONG got = 0;
        CK_OBJECT_HANDLE *more = realloc(*found, (*len + FIND_AT_ONCE) * sizeof(**found));
        if (more == NULL) {
            return CKR_HOST_MEMORY;
        }
        *found = more;
        CK_RV rv = cryptoki_find_objects(call, session, more + *len, FIND_AT_ONCE, &got);
        if (rv != CKR_OK || got == 0) {
            return rv;
        }
        *len += got;
        if (*len > OBJECTS_MAX) {
            return cryptoki_lied(CRYPTOKI_C_FindObjects,
                                 "the module goes on after %d objects, and no more are read",
                                 OBJECTS_MAX);
        }
    }
}

CK_RV object_find(const struct cryptoki *call, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
                  CK_ULONG template_len, handles_ptr *ret_found, CK_ULONG *ret_len)
{
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;

    CK_RV rv = cryptoki_find_objects_init(call, session, template, template_len);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = collect_handles(call, session, &found, &len);
    CK_RV final_rv = cryptoki_find_objects_final(call, session);
    rv = rv != CKR_OK ? rv : final_rv;
    if (rv == CKR_OK) {
        *ret_found = found;
        *ret_len = len;
        found = NULL;
    }
    return rv;
}

CK_RV object_find_class(const struct cryptoki *call, CK_SESSION_HANDLE session,
                        CK_OBJECT_CLASS object_class, handles_ptr *ret_found, CK_ULONG *ret_len)
{
    CK_ATTRIBUTE wanted = { CKA_CLASS, &object_class, sizeof(object_class) };

    return object_find(call, session, &wanted, 1, ret_found, ret_len);
}

CK_RV object_find_named(const struct cryptoki *call, CK_SESSION_HANDLE session, P11KitUri *uri,
                        CK_OBJECT_CLASS object_class, handles_ptr *ret_found, CK_ULONG *ret_len)
{
    CK_OBJECT_CLASS wanted;
    CK_ATTRIBUTE template[URI_TEMPLATE_MAX];
    CK_ULONG len = uri_template(uri, &wanted, template);

    wanted = object_class;
    return object_find(call, session, template, len, ret_found, ret_len);
}

/* --- reading --- */

CK_RV object_number(const struct cryptoki *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                    CK_ATTRIBUTE_TYPE type, CK_ULONG *ret_number)
{
    CK_ULONG number = 0;
    CK_ULONG len = 0;
    CK_RV rv = cryptoki_get_attribute(call, session, object, type, &number, sizeof(number), &len);
    if (rv == CKR_OK && len != sizeof(number)) {
        rv = cryptoki_lied(CRYPTOKI_C_GetAttributeValue,
                           "the module says %lu bytes where attribute 0x%lx has %zu", len, type,
                           sizeof(number));
    }
    if (rv == CKR_OK) {
        *ret_number = number;
    }
    return rv;
}

static CK_RV only_lies(CK_RV rv)
{
    return ckr_is_lie(rv) ? rv : CKR_OK;
}

CK_RV object_flag(const struct cryptoki *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                  CK_ATTRIBUTE_TYPE type, bool if_unknown, bool *ret_flag)
{
    CK_BBOOL value = CK_FALSE;
    CK_ULONG len = 0;
    CK_RV rv = cryptoki_get_attribute(call, session, object, type, &value, sizeof(value), &len);

    *ret_flag = rv == CKR_OK && len == sizeof(value) ? value != CK_FALSE : if_unknown;
    return only_lies(rv);
}

CK_RV object_is_born_here(const struct cryptoki *call, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE object, bool *ret_born_here, bool *ret_told)
{
    static const CK_ATTRIBUTE_TYPE signs[] = { CKA_LOCAL, CKA_NEVER_EXTRACTABLE,
                                               CKA_ALWAYS_SENSITIVE };
    CK_RV rv = CKR_OK;
    bool untold = false; /* of one of them, whose others do not deny it */
    bool may_be = true;

    for (size_t i = 0; i < ARRAY_LEN(signs) && may_be && rv == CKR_OK; i++) {
        bool is = false;
        rv = object_flag(call, session, object, signs[i], false, &is);
        if (rv == CKR_OK && !is) {
            rv = object_flag(call, session, object, signs[i], true, &may_be);
            untold |= may_be;
        }
    }
    *ret_born_here = may_be && !untold;
    *ret_told = !may_be || !untold;
    return rv;
}

static X509 *parse_whole(const unsigned char *der, CK_ULONG len)
{
    const unsigned char *at = der;

    ERR_set_mark();
    AUTO(X509_free) X509 *certificate = d2i_X509(NULL, &at, (long)len);
    ERR_pop_to_mark();
    if (certificate == NULL || at != der + len) {
        return NULL;
    }
    X509 *owned = certificate;
    certificate = NULL;
    return owned;
}

CK_RV object_certificate(const struct cryptoki *call, CK_SESSION_HANDLE session,
                         CK_OBJECT_HANDLE object, X509 **ret_certificate)
{
    CK_ULONG len = 0;
    AUTO(free) void *value = malloc(CERTIFICATE_MAX_BYTES);
    CK_RV rv = value == NULL ? CKR_HOST_MEMORY
                             : cryptoki_get_attribute(call, session, object, CKA_VALUE, value,
                                                      CERTIFICATE_MAX_BYTES, &len);

    *ret_certificate = rv == CKR_OK ? parse_whole(value, len) : NULL;
    return only_lies(rv);
}

static CK_RV read_field(const struct cryptoki *call, CK_SESSION_HANDLE session,
                        CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                        unsigned char field[OBJECT_FIELD_BYTES], CK_ULONG *ret_len)
{
    *ret_len = 0;
    return only_lies(
        cryptoki_get_attribute(call, session, object, type, field, OBJECT_FIELD_BYTES, ret_len));
}

CK_RV object_name(const struct cryptoki *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                  struct object_name *ret_name)
{
    CK_RV rv = read_field(call, session, object, CKA_LABEL, ret_name->label, &ret_name->label_len);
    CK_RV id_rv = read_field(call, session, object, CKA_ID, ret_name->id, &ret_name->id_len);

    return rv != CKR_OK ? rv : id_rv;
}

char *object_uri(const struct cryptoki *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                 P11KitUri *like)
{
    AUTO(p11_kit_uri_free) P11KitUri *uri = p11_kit_uri_new();
    struct object_name name;
    char *text = NULL;

    if (uri == NULL || object_name(call, session, object, &name) != CKR_OK) {
        return NULL;
    }
    CK_ATTRIBUTE label = { CKA_LABEL, name.label, name.label_len };
    CK_ATTRIBUTE id = { CKA_ID, name.id, name.id_len };
    *p11_kit_uri_get_token_info(uri) = *p11_kit_uri_get_token_info(like);
    if ((name.label_len == 0 && name.id_len == 0) ||
        (name.label_len > 0 && p11_kit_uri_set_attribute(uri, &label) != P11_KIT_URI_OK) ||
        (name.id_len > 0 && p11_kit_uri_set_attribute(uri, &id) != P11_KIT_URI_OK)) {
        return NULL;
    }
    return p11_kit_uri_format(uri, P11_KIT_URI_FOR_ANY, &text) == P11_KIT_URI_OK ? text : NULL;
}
