/* SPDX-License-Identifier: Apache-2.0
 * The wrappers, a call each. */
#include <stdbool.h>
#include <string.h>

#include "module/ckr.h"
#include "module/cryptoki_private.h"

/* A byte that no module writes all through: a buffer that holds nothing else is as it was. */
#define UNTOUCHED 0xa5

/* --- lies --- */

static CK_RV said_too_many(enum cryptoki_function function, CK_ULONG said, const char *what,
                           CK_ULONG room, const char *offered)
{
    return cryptoki_lied(function, "the module says %lu %s, more than the %lu that were %s", said,
                         what, room, offered);
}

static CK_RV wrote_nothing(enum cryptoki_function function)
{
    return cryptoki_lied(function, "the module says CKR_OK, and has written nothing");
}

static bool is_untouched(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    while (len > 0 && *at == UNTOUCHED) {
        at++;
        len--;
    }
    return len == 0;
}

static bool is_zero(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    while (len > 0 && *at == 0) {
        at++;
        len--;
    }
    return len == 0;
}

/* A number of ours would say what only nodekey knows: that the module was not asked, or lied. */
static CK_RV answer(CK_RV rv)
{
    return ckr_is_ours(rv) ? CKR_GENERAL_ERROR : rv;
}

/* --- the module --- */

CK_RV cryptoki_initialize(const struct cryptoki *call, CK_C_INITIALIZE_ARGS *args)
{
    cryptoki_begin(CRYPTOKI_C_Initialize);
    return answer(call->list.C_Initialize(args));
}

CK_RV cryptoki_finalize(const struct cryptoki *call)
{
    cryptoki_begin(CRYPTOKI_C_Finalize);
    return answer(call->list.C_Finalize(NULL));
}

/* Zeroed structs: a module that fills them in part leaves no bytes of ours in a text. */
CK_RV cryptoki_get_info(const struct cryptoki *call, CK_INFO *ret_info)
{
    CK_INFO info = { .flags = 0 };

    cryptoki_begin(CRYPTOKI_C_GetInfo);
    CK_RV rv = answer(call->list.C_GetInfo(&info));
    if (rv == CKR_OK) {
        *ret_info = info;
    }
    return rv;
}

/* --- slots and tokens --- */

CK_RV cryptoki_get_slot_list(const struct cryptoki *call, CK_SLOT_ID *ids, CK_ULONG *len)
{
    CK_ULONG room = ids != NULL ? *len : 0;
    CK_ULONG said = room;

    for (CK_ULONG i = 0; i < room; i++) {
        ids[i] = CK_UNAVAILABLE_INFORMATION;
    }
    cryptoki_begin(CRYPTOKI_C_GetSlotList);
    CK_RV rv = answer(call->list.C_GetSlotList(CK_TRUE, ids, &said));
    if (rv != CKR_OK) {
        return rv;
    }
    if (ids != NULL && said > room) {
        return said_too_many(CRYPTOKI_C_GetSlotList, said, "slots", room, "asked for");
    }
    for (CK_ULONG i = 0; ids != NULL && i < said; i++) {
        if (ids[i] == CK_UNAVAILABLE_INFORMATION) {
            return cryptoki_lied(CRYPTOKI_C_GetSlotList,
                                 "the module says %lu slots, and has written %lu", said, i);
        }
    }
    *len = said;
    return CKR_OK;
}

CK_RV cryptoki_get_slot_info(const struct cryptoki *call, CK_SLOT_ID slot, CK_SLOT_INFO *ret_info)
{
    CK_SLOT_INFO info = { .flags = 0 };

    cryptoki_begin(CRYPTOKI_C_GetSlotInfo);
    CK_RV rv = answer(call->list.C_GetSlotInfo(slot, &info));
    if (rv == CKR_OK) {
        *ret_info = info;
    }
    return rv;
}

CK_RV cryptoki_get_token_info(const struct cryptoki *call, CK_SLOT_ID slot, CK_TOKEN_INFO *ret_info)
{
    CK_TOKEN_INFO info = { .flags = 0 };

    cryptoki_begin(CRYPTOKI_C_GetTokenInfo);
    CK_RV rv = answer(call->list.C_GetTokenInfo(slot, &info));
    if (rv == CKR_OK && is_zero(&info, sizeof(info))) {
        return wrote_nothing(CRYPTOKI_C_GetTokenInfo);
    }
    if (rv == CKR_OK) {
        *ret_info = info;
    }
    return rv;
}

CK_RV cryptoki_get_mechanism_info(const struct cryptoki *call, CK_SLOT_ID slot,
                                  CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret_info)
{
    CK_MECHANISM_INFO info;

    memset(&info, UNTOUCHED, sizeof(info));
    cryptoki_begin(CRYPTOKI_C_GetMechanismInfo);
    CK_RV rv = answer(call->list.C_GetMechanismInfo(slot, type, &info));
    if (rv == CKR_OK && is_untouched(&info, sizeof(info))) {
        return wrote_nothing(CRYPTOKI_C_GetMechanismInfo);
    }
    if (rv == CKR_OK) {
        *ret_info = info;
    }
    return rv;
}

/* --- sessions --- */

CK_RV cryptoki_open_session(const struct cryptoki *call, CK_SLOT_ID slot, CK_FLAGS flags,
                            CK_SESSION_HANDLE *ret_session)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;

    cryptoki_begin(CRYPTOKI_C_OpenSession);
    CK_RV rv =
        answer(call->list.C_OpenSession(slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &session));
    if (rv == CKR_OK && session == CK_INVALID_HANDLE) {
        return cryptoki_lied(CRYPTOKI_C_OpenSession,
                             "the module says CKR_OK, and gives no session");
    }
    if (rv == CKR_OK) {
        *ret_session = session;
    }
    return rv;
}

CK_RV cryptoki_close_session(const struct cryptoki *call, CK_SESSION_HANDLE session)
{
    cryptoki_begin(CRYPTOKI_C_CloseSession);
    return answer(call->list.C_CloseSession(session));
}

CK_RV cryptoki_get_session_info(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                CK_SESSION_INFO *ret_info)
{
    CK_SESSION_INFO info;

    memset(&info, UNTOUCHED, sizeof(info));
    cryptoki_begin(CRYPTOKI_C_GetSessionInfo);
    CK_RV rv = answer(call->list.C_GetSessionInfo(session, &info));
    if (rv == CKR_OK && is_untouched(&info, sizeof(info))) {
        return wrote_nothing(CRYPTOKI_C_GetSessionInfo);
    }
    if (rv == CKR_OK && info.state > CKS_RW_SO_FUNCTIONS) {
        return cryptoki_lied(CRYPTOKI_C_GetSessionInfo,
                             "the module says state %lu, and a session has none above %lu",
                             info.state, (CK_ULONG)CKS_RW_SO_FUNCTIONS);
    }
    if (rv == CKR_OK) {
        *ret_info = info;
    }
    return rv;
}

CK_RV cryptoki_login(const struct cryptoki *call, CK_SESSION_HANDLE session, CK_USER_TYPE user,
                     CK_UTF8CHAR *pin, CK_ULONG len)
{
    cryptoki_begin(CRYPTOKI_C_Login);
    return answer(call->list.C_Login(session, user, pin, len));
}

CK_RV cryptoki_logout(const struct cryptoki *call, CK_SESSION_HANDLE session)
{
    cryptoki_begin(CRYPTOKI_C_Logout);
    return answer(call->list.C_Logout(session));
}

/* --- objects --- */

CK_RV cryptoki_find_objects_init(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                 CK_ATTRIBUTE *template, CK_ULONG len)
{
    cryptoki_begin(CRYPTOKI_C_FindObjectsInit);
    return answer(call->list.C_FindObjectsInit(session, template, len));
}

CK_RV cryptoki_find_objects(const struct cryptoki *call, CK_SESSION_HANDLE session,
                            CK_OBJECT_HANDLE *handles, CK_ULONG room, CK_ULONG *ret_len)
{
    CK_ULONG said = 0;

    memset(handles, 0, room * sizeof(*handles)); /* CK_INVALID_HANDLE */
    cryptoki_begin(CRYPTOKI_C_FindObjects);
    CK_RV rv = answer(call->list.C_FindObjects(session, handles, room, &said));
    if (rv != CKR_OK) {
        return rv;
    }
    if (said > room) {
        return said_too_many(CRYPTOKI_C_FindObjects, said, "objects", room, "asked for");
    }
    for (CK_ULONG i = 0; i < said; i++) {
        if (handles[i] == CK_INVALID_HANDLE) {
            return cryptoki_lied(CRYPTOKI_C_FindObjects,
                                 "the module says %lu objects, and number %lu is none", said,
                                 i + 1);
        }
    }
    *ret_len = said;
    return CKR_OK;
}

CK_RV cryptoki_find_objects_final(const struct cryptoki *call, CK_SESSION_HANDLE session)
{
    cryptoki_begin(CRYPTOKI_C_FindObjectsFinal);
    return answer(call->list.C_FindObjectsFinal(session));
}

CK_RV cryptoki_get_attribute(const struct cryptoki *call, CK_SESSION_HANDLE session,
                             CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *value,
                             CK_ULONG room, CK_ULONG *ret_len)
{
    CK_ATTRIBUTE wanted = { type, value, room };

    memset(value, UNTOUCHED, room);
    cryptoki_begin(CRYPTOKI_C_GetAttributeValue);
    CK_RV rv = answer(call->list.C_GetAttributeValue(session, object, &wanted, 1));
    if (rv != CKR_OK) {
        return rv;
    }
    if (wanted.ulValueLen == CK_UNAVAILABLE_INFORMATION) {
        return CKR_ATTRIBUTE_TYPE_INVALID;
    }
    if (wanted.ulValueLen > room) {
        return said_too_many(CRYPTOKI_C_GetAttributeValue, wanted.ulValueLen, "bytes", room,
                             "offered");
    }
    if (wanted.ulValueLen == room && is_untouched(value, room)) {
        return wrote_nothing(CRYPTOKI_C_GetAttributeValue);
    }
    *ret_len = wanted.ulValueLen;
    return CKR_OK;
}

/* --- signing --- */

CK_RV cryptoki_sign_init(const struct cryptoki *call, CK_SESSION_HANDLE session,
                         CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    cryptoki_begin(CRYPTOKI_C_SignInit);
    return answer(call->list.C_SignInit(session, mechanism, key));
}

CK_RV cryptoki_sign(const struct cryptoki *call, CK_SESSION_HANDLE session,
                    const unsigned char *data, CK_ULONG data_len, unsigned char *signature,
                    CK_ULONG *len)
{
    CK_ULONG room = *len;
    CK_ULONG said = room;

    memset(signature, 0, room);
    cryptoki_begin(CRYPTOKI_C_Sign);
    CK_RV rv =
        answer(call->list.C_Sign(session, (CK_BYTE *)(uintptr_t)data, data_len, signature, &said));
    if (rv == CKR_OK && said > room) {
        return said_too_many(CRYPTOKI_C_Sign, said, "bytes", room, "offered");
    }
    if (rv == CKR_OK) {
        *len = said;
    }
    return rv;
}

/* --- what only commands do --- */

CK_RV cryptoki_init_token(const struct cryptoki *call, CK_SLOT_ID slot, CK_UTF8CHAR *pin,
                          CK_ULONG len, CK_UTF8CHAR label[32])
{
    cryptoki_begin(CRYPTOKI_C_InitToken);
    return answer(call->list.C_InitToken(slot, pin, len, label));
}

CK_RV cryptoki_init_pin(const struct cryptoki *call, CK_SESSION_HANDLE session, CK_UTF8CHAR *pin,
                        CK_ULONG len)
{
    cryptoki_begin(CRYPTOKI_C_InitPIN);
    return answer(call->list.C_InitPIN(session, pin, len));
}

CK_RV cryptoki_set_pin(const struct cryptoki *call, CK_SESSION_HANDLE session, CK_UTF8CHAR *old,
                       CK_ULONG old_len, CK_UTF8CHAR *next, CK_ULONG next_len)
{
    cryptoki_begin(CRYPTOKI_C_SetPIN);
    return answer(call->list.C_SetPIN(session, old, old_len, next, next_len));
}

CK_RV cryptoki_generate_key_pair(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                 CK_MECHANISM *mechanism,
                                 const struct cryptoki_template *public_key,
                                 const struct cryptoki_template *private_key,
                                 CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private)
{
    CK_OBJECT_HANDLE made[2] = { CK_INVALID_HANDLE, CK_INVALID_HANDLE };

    cryptoki_begin(CRYPTOKI_C_GenerateKeyPair);
    CK_RV rv =
        answer(call->list.C_GenerateKeyPair(session, mechanism, public_key->at, public_key->len,
                                            private_key->at, private_key->len, &made[0], &made[1]));
    if (rv != CKR_OK) {
        return rv;
    }
    /* Where but one of the two is there, the caller removes it. */
    *ret_public = made[0];
    *ret_private = made[1];
    if (made[0] == CK_INVALID_HANDLE || made[1] == CK_INVALID_HANDLE) {
        return cryptoki_lied(CRYPTOKI_C_GenerateKeyPair,
                             "the module says CKR_OK, and does not give both keys");
    }
    return CKR_OK;
}

CK_RV cryptoki_destroy_object(const struct cryptoki *call, CK_SESSION_HANDLE session,
                              CK_OBJECT_HANDLE object)
{
    cryptoki_begin(CRYPTOKI_C_DestroyObject);
    return answer(call->list.C_DestroyObject(session, object));
}
