/* SPDX-License-Identifier: Apache-2.0
 * Objects of a token: finding them and reading what they tell, of a module that is believed in
 * nothing (module/cryptoki.h). All inside a use of the module. */
#ifndef NODEKEY_OBJECT_H
#define NODEKEY_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include "base/auto.h"
#include "module/cryptoki.h"

/* No search goes on after so many: a token that never ends must not take all memory. Partitions of
 * HSMs hold thousands. */
#define OBJECTS_MAX 65536
#define OBJECT_FIELD_BYTES 2048 /* an RSA-8192 modulus has 1024 */

typedef CK_OBJECT_HANDLE *handles_ptr;
void handles_free(handles_ptr handles);
DEFINE_AUTO(handles_ptr, handles_free);

/* All objects that fit: a search that does not end after OBJECTS_MAX is a lie (ckr_is_lie).
 * *ret_found is owned: handles_free. */
MUST_USE CK_RV object_find(const struct cryptoki *call, CK_SESSION_HANDLE session,
                           CK_ATTRIBUTE *template, CK_ULONG template_len, handles_ptr *ret_found,
                           CK_ULONG *ret_len);
/* The same for all objects of a class, and for those of it that the URI names. */
MUST_USE CK_RV object_find_class(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                 CK_OBJECT_CLASS object_class, handles_ptr *ret_found,
                                 CK_ULONG *ret_len);
MUST_USE CK_RV object_find_named(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                 P11KitUri *uri, CK_OBJECT_CLASS object_class,
                                 handles_ptr *ret_found, CK_ULONG *ret_len);

/* A CK_ULONG such as CKA_KEY_TYPE. A lie also if it has not the size of one. */
MUST_USE CK_RV object_number(const struct cryptoki *call, CK_SESSION_HANDLE session,
                             CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG *ret_number);

/* The readers below answer CKR_OK unless the module lies: what a token does not tell is no error of
 * theirs. */

/* A CK_BBOOL; `if_unknown` when the token does not tell it. */
MUST_USE CK_RV object_flag(const struct cryptoki *call, CK_SESSION_HANDLE session,
                           CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool if_unknown,
                           bool *ret_flag);
/* Generated on the token, and has never been extractable: a private key of which no copy exists.
 * Not told: false, since the token does not say all of it, and denies none. */
MUST_USE CK_RV object_is_born_here(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                   CK_OBJECT_HANDLE object, bool *ret_born_here, bool *ret_told);
/* NULL: no certificate in DER, whole and of at most 64 KiB. Owned: X509_free. */
MUST_USE CK_RV object_certificate(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                  CK_OBJECT_HANDLE object, X509 **ret_certificate);

/* Label and id of an object; a length is 0 when the token does not tell. */
struct object_name {
    unsigned char label[OBJECT_FIELD_BYTES];
    unsigned char id[OBJECT_FIELD_BYTES];
    CK_ULONG label_len;
    CK_ULONG id_len;
};
MUST_USE CK_RV object_name(const struct cryptoki *call, CK_SESSION_HANDLE session,
                           CK_OBJECT_HANDLE object, struct object_name *ret_name);

/* A URI of the object's label and id, with the token attributes of `like`, to be pasted. Owned:
 * free. NULL: it tells no name, or lies about it. */
char *object_uri(const struct cryptoki *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                 P11KitUri *like);

#endif
