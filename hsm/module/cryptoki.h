/* SPDX-License-Identifier: Apache-2.0
 * A module's functions: the only way into a module. Each wrapper makes one call. The module is
 * believed in nothing that would lead out of a buffer: counts and lengths are at most what was
 * offered, handles are valid, and what the module has to write was not there before; else the call
 * answers CKR_NODEKEY_LIED (ckr.h). Each names itself to whoever waits for it (bounded_call_step).
 *
 * A module is code in this process: one that writes beyond a buffer whose length it was told is
 * beyond any check.
 *
 * All wrappers: [any], inside a use of the module; what C_X answers, unless something else is said.
 * Results are written on CKR_OK alone. */
#ifndef NODEKEY_CRYPTOKI_H
#define NODEKEY_CRYPTOKI_H

#include <p11-kit/pkcs11.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* ROW(function, at_load): at_load 0: only an operator's command calls it, so a module that is only
 * read from may lack it. C_GetInfo, C_GetSlotList and C_GetTokenInfo are pkcs11-helper's, too. */
#define CRYPTOKI_FUNCTIONS(ROW)                                                                    \
    ROW(C_Initialize, 1)                                                                           \
    ROW(C_Finalize, 1)                                                                             \
    ROW(C_GetInfo, 1)                                                                              \
    ROW(C_GetSlotList, 1)                                                                          \
    ROW(C_GetSlotInfo, 1)                                                                          \
    ROW(C_GetTokenInfo, 1)                                                                         \
    ROW(C_GetMechanismInfo, 1)                                                                     \
    ROW(C_OpenSession, 1)                                                                          \
    ROW(C_CloseSession, 1)                                                                         \
    ROW(C_GetSessionInfo, 1)                                                                       \
    ROW(C_Login, 1)                                                                                \
    ROW(C_Logout, 1)                                                                               \
    ROW(C_FindObjectsInit, 1)                                                                      \
    ROW(C_FindObjects, 1)                                                                          \
    ROW(C_FindObjectsFinal, 1)                                                                     \
    ROW(C_GetAttributeValue, 1)                                                                    \
    ROW(C_SignInit, 1)                                                                             \
    ROW(C_Sign, 1)                                                                                 \
    ROW(C_InitToken, 0)                                                                            \
    ROW(C_InitPIN, 0)                                                                              \
    ROW(C_SetPIN, 0)                                                                               \
    ROW(C_GenerateKeyPair, 0)                                                                      \
    ROW(C_DestroyObject, 0)

enum cryptoki_function {
#define CRYPTOKI_ID(function, at_load) CRYPTOKI_##function,
    CRYPTOKI_FUNCTIONS(CRYPTOKI_ID)
#undef CRYPTOKI_ID
        CRYPTOKI_LEN
};

struct cryptoki; /* constant, and lives as long as the process */

/* Takes a module's function list over, and copies it: what was checked is what is called. `path` is
 * for texts. NK_E_CONFIG: a version before 2.0, or a function that nodekey calls is not there.
 * NK_E_NOMEM. [any] */
MUST_USE nk_status cryptoki_take(const CK_FUNCTION_LIST *list, const char *path,
                                 const struct cryptoki **ret_call, nk_error *err);
/* For a command, before it begins: NK_E_CONFIG, the module lacks this function. [any] */
MUST_USE nk_status cryptoki_need(const struct cryptoki *call, enum cryptoki_function function,
                                 const char *path, nk_error *err);
/* For answers that only the caller can judge: logs the sentence, printf-like, as this function's,
 * and returns its CKR_NODEKEY_LIED. [any] */
MUST_USE CK_RV cryptoki_lied(enum cryptoki_function function, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

MUST_USE CK_RV cryptoki_initialize(const struct cryptoki *call, CK_C_INITIALIZE_ARGS *args);
MUST_USE CK_RV cryptoki_finalize(const struct cryptoki *call);
MUST_USE CK_RV cryptoki_get_info(const struct cryptoki *call, CK_INFO *ret_info);

/* --- slots and tokens --- */

/* Of slots that hold a token. `ids` NULL: only counts. *len: in, the room; out, the number. */
MUST_USE CK_RV cryptoki_get_slot_list(const struct cryptoki *call, CK_SLOT_ID *ids, CK_ULONG *len);
MUST_USE CK_RV cryptoki_get_slot_info(const struct cryptoki *call, CK_SLOT_ID slot,
                                      CK_SLOT_INFO *ret_info);
MUST_USE CK_RV cryptoki_get_token_info(const struct cryptoki *call, CK_SLOT_ID slot,
                                       CK_TOKEN_INFO *ret_info);
MUST_USE CK_RV cryptoki_get_mechanism_info(const struct cryptoki *call, CK_SLOT_ID slot,
                                           CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret_info);

/* --- sessions --- */

MUST_USE CK_RV cryptoki_open_session(const struct cryptoki *call, CK_SLOT_ID slot, CK_FLAGS flags,
                                     CK_SESSION_HANDLE *ret_session);
CK_RV cryptoki_close_session(const struct cryptoki *call, CK_SESSION_HANDLE session);
MUST_USE CK_RV cryptoki_get_session_info(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                         CK_SESSION_INFO *ret_info);
/* `pin` NULL: typed at the token. */
MUST_USE CK_RV cryptoki_login(const struct cryptoki *call, CK_SESSION_HANDLE session,
                              CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len);
CK_RV cryptoki_logout(const struct cryptoki *call, CK_SESSION_HANDLE session);

/* --- objects --- */

MUST_USE CK_RV cryptoki_find_objects_init(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                          CK_ATTRIBUTE *template, CK_ULONG len);
/* At most `room` handles; *ret_len 0: that was all. */
MUST_USE CK_RV cryptoki_find_objects(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                     CK_OBJECT_HANDLE *handles, CK_ULONG room, CK_ULONG *ret_len);
MUST_USE CK_RV cryptoki_find_objects_final(const struct cryptoki *call, CK_SESSION_HANDLE session);
/* Attribute of one object. CKR_ATTRIBUTE_TYPE_INVALID also if the module answers CKR_OK and the
 * length of an attribute that it does not tell, CK_UNAVAILABLE_INFORMATION: some do. */
MUST_USE CK_RV cryptoki_get_attribute(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                      CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *value,
                                      CK_ULONG room, CK_ULONG *ret_len);

/* --- signing --- */

MUST_USE CK_RV cryptoki_sign_init(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                  CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
/* *len: in, the room; out, the signature's length, which the caller knows better. */
MUST_USE CK_RV cryptoki_sign(const struct cryptoki *call, CK_SESSION_HANDLE session,
                             const unsigned char *data, CK_ULONG data_len, unsigned char *signature,
                             CK_ULONG *len);

/* --- what only commands do; cryptoki_need comes first --- */

struct cryptoki_template { /* attributes of an object that is made */
    CK_ATTRIBUTE *at;
    CK_ULONG len;
};
MUST_USE CK_RV cryptoki_init_token(const struct cryptoki *call, CK_SLOT_ID slot, CK_UTF8CHAR *pin,
                                   CK_ULONG len, CK_UTF8CHAR label[32]);
MUST_USE CK_RV cryptoki_init_pin(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                 CK_UTF8CHAR *pin, CK_ULONG len);
MUST_USE CK_RV cryptoki_set_pin(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                CK_UTF8CHAR *old, CK_ULONG old_len, CK_UTF8CHAR *next,
                                CK_ULONG next_len);
MUST_USE CK_RV cryptoki_generate_key_pair(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                          CK_MECHANISM *mechanism,
                                          const struct cryptoki_template *public_key,
                                          const struct cryptoki_template *private_key,
                                          CK_OBJECT_HANDLE *ret_public,
                                          CK_OBJECT_HANDLE *ret_private);
MUST_USE CK_RV cryptoki_destroy_object(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                       CK_OBJECT_HANDLE object);

#endif
