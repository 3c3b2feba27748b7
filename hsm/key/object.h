/* SPDX-License-Identifier: Apache-2.0
 * Objects of a token: finding them and reading what they tell. The module is believed in nothing: a
 * count above what was asked for, a length above the room (CK_UNAVAILABLE_INFORMATION is above any)
 * and a search without end are errors. All inside a use of the module. */
#ifndef NODEKEY_OBJECT_H
#define NODEKEY_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include "base/auto.h"

/* No search goes on after so many: a token that never ends must not take all memory. */
#define OBJECTS_MAX 4096
#define OBJECT_FIELD_BYTES 2048 /* an RSA-8192 modulus has 1024 */

typedef CK_OBJECT_HANDLE *handles_ptr;
void handles_free(handles_ptr handles);
DEFINE_AUTO(handles_ptr, handles_free);

/* All objects that fit; *ret_found is owned: handles_free. */
MUST_USE CK_RV object_find(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                           CK_ATTRIBUTE *template, CK_ULONG template_len, handles_ptr *ret_found,
                           CK_ULONG *ret_len);
/* The same for all objects of a class, and for those of it that the URI names. */
MUST_USE CK_RV object_find_class(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                                 CK_OBJECT_CLASS object_class, handles_ptr *ret_found,
                                 CK_ULONG *ret_len);
MUST_USE CK_RV object_find_named(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, P11KitUri *uri,
                                 CK_OBJECT_CLASS object_class, handles_ptr *ret_found,
                                 CK_ULONG *ret_len);

/* The attribute's bytes. CKR_BUFFER_TOO_SMALL: longer than `room`; else what the module answers. */
MUST_USE CK_RV object_attribute(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                                CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *value,
                                CK_ULONG room, CK_ULONG *ret_len);
/* CKA_KEY_TYPE. CKR_ATTRIBUTE_VALUE_INVALID: it has not the size of one. */
MUST_USE CK_RV object_key_type(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                               CK_OBJECT_HANDLE object, CK_KEY_TYPE *ret_type);
/* A CK_BBOOL; `if_unknown` when the token does not tell it. */
MUST_USE bool object_flag(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool if_unknown);
/* Generated on the token, and has never been extractable: a private key of which no copy exists. */
MUST_USE bool object_is_born_here(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                                  CK_OBJECT_HANDLE object);
/* NULL: no certificate in DER, whole and of at most 64 KiB. Owned: X509_free. */
MUST_USE X509 *object_certificate(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                                  CK_OBJECT_HANDLE object);

/* Label and id of an object; a length is 0 when the token does not tell. */
struct object_name {
    unsigned char label[OBJECT_FIELD_BYTES];
    unsigned char id[OBJECT_FIELD_BYTES];
    CK_ULONG label_len;
    CK_ULONG id_len;
};
void object_name(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                 struct object_name *ret_name);

#endif
