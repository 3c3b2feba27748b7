/* SPDX-License-Identifier: Apache-2.0 */
#include "key/object.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "module/uri.h"
#include "wait/bounded_call.h"

#define FIND_AT_ONCE 16
#define CERTIFICATE_MAX_BYTES ((CK_ULONG)64 * 1024)

DEFINE_AUTO(X509 *, X509_free);

/* --- finding --- */

void handles_free(handles_ptr handles)
{
    free(handles);
}

/* Until nothing comes: a module may give fewer than asked for before the end. */
static CK_RV collect_handles(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, handles_ptr *found,
                             CK_ULONG *len)
{
    for (;;) {
        CK_ULONG got = 0;
        CK_OBJECT_HANDLE *more = realloc(*found, (*len + FIND_AT_ONCE) * sizeof(**found));
        if (more == NULL) {
            return CKR_HOST_MEMORY;
        }
        *found = more;
        CK_RV rv = call->C_FindObjects(session, more + *len, FIND_AT_ONCE, &got);
        if (rv != CKR_OK || got == 0 || got > FIND_AT_ONCE) {
            return rv;
        }
        *len += got;
        if (*len >= OBJECTS_MAX) {
            return CKR_OK;
        }
    }
}

CK_RV object_find(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
                  CK_ULONG template_len, handles_ptr *ret_found, CK_ULONG *ret_len)
{
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;

    bounded_call_step("C_FindObjects");
    CK_RV rv = call->C_FindObjectsInit(session, template, template_len);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = collect_handles(call, session, &found, &len);
    CK_RV final_rv = call->C_FindObjectsFinal(session);
    rv = rv != CKR_OK ? rv : final_rv;
    if (rv == CKR_OK) {
        *ret_found = found;
        *ret_len = len;
        found = NULL;
    }
    return rv;
}

CK_RV object_find_class(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                        CK_OBJECT_CLASS object_class, handles_ptr *ret_found, CK_ULONG *ret_len)
{
    CK_ATTRIBUTE wanted = { CKA_CLASS, &object_class, sizeof(object_class) };

    return object_find(call, session, &wanted, 1, ret_found, ret_len);
}

CK_RV object_find_named(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, P11KitUri *uri,
                        CK_OBJECT_CLASS object_class, handles_ptr *ret_found, CK_ULONG *ret_len)
{
    CK_OBJECT_CLASS wanted;
    CK_ATTRIBUTE template[URI_TEMPLATE_MAX];
    CK_ULONG len = uri_template(uri, &wanted, template);

    wanted = object_class;
    return object_find(call, session, template, len, ret_found, ret_len);
}

/* --- reading --- */

CK_RV object_attribute(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                       CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG room, CK_ULONG *ret_len)
{
    CK_ATTRIBUTE wanted = { type, value, room };

    bounded_call_step("C_GetAttributeValue");
    CK_RV rv = call->C_GetAttributeValue(session, object, &wanted, 1);
    if (rv == CKR_OK && wanted.ulValueLen > room) {
        rv = CKR_BUFFER_TOO_SMALL;
    }
    if (rv == CKR_OK) {
        *ret_len = wanted.ulValueLen;
    }
    return rv;
}

CK_RV object_key_type(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                      CK_KEY_TYPE *ret_type)
{
    CK_ULONG len = 0;
    CK_RV rv =
        object_attribute(call, session, object, CKA_KEY_TYPE, ret_type, sizeof(*ret_type), &len);

    return rv == CKR_OK && len != sizeof(*ret_type) ? CKR_ATTRIBUTE_VALUE_INVALID : rv;
}

bool object_flag(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                 CK_ATTRIBUTE_TYPE type, bool if_unknown)
{
    CK_BBOOL value = CK_FALSE;
    CK_ULONG len = 0;
    CK_RV rv = object_attribute(call, session, object, type, &value, sizeof(value), &len);

    return rv == CKR_OK && len == sizeof(value) ? value != CK_FALSE : if_unknown;
}

bool object_is_born_here(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    return object_flag(call, session, object, CKA_LOCAL, false) &&
           object_flag(call, session, object, CKA_NEVER_EXTRACTABLE, false) &&
           object_flag(call, session, object, CKA_ALWAYS_SENSITIVE, false);
}

X509 *object_certificate(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    CK_ULONG len = 0;
    AUTO(free) void *value = malloc(CERTIFICATE_MAX_BYTES);
    if (value == NULL || object_attribute(call, session, object, CKA_VALUE, value,
                                          CERTIFICATE_MAX_BYTES, &len) != CKR_OK) {
        return NULL;
    }
    const unsigned char *at = value;
    ERR_set_mark();
    AUTO(X509_free) X509 *certificate = d2i_X509(NULL, &at, (long)len);
    ERR_pop_to_mark();
    if (certificate == NULL || at != (unsigned char *)value + len) {
        return NULL;
    }
    X509 *owned = certificate;
    certificate = NULL;
    return owned;
}

static CK_ULONG read_field(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                           CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                           unsigned char field[OBJECT_FIELD_BYTES])
{
    CK_ULONG len = 0;
    CK_RV rv = object_attribute(call, session, object, type, field, OBJECT_FIELD_BYTES, &len);

    return rv == CKR_OK ? len : 0;
}

void object_name(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                 struct object_name *ret_name)
{
    ret_name->label_len = read_field(call, session, object, CKA_LABEL, ret_name->label);
    ret_name->id_len = read_field(call, session, object, CKA_ID, ret_name->id);
}
