/* SPDX-License-Identifier: Apache-2.0 */
#include "faulty_token.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faulty_private.h"
#include "faulty_script.h"

#define EXPORT __attribute__((__visibility__("default")))

CK_FUNCTION_LIST *faulty_real;
struct faulty_counters faulty_counts;
static CK_FUNCTION_LIST ours;

static CK_RV initialize(void *args)
{
    const CK_C_INITIALIZE_ARGS *given = args;

    faulty_counts.initialize++;
    session_hang_while(offsetof(struct script, initialize_hang));
    CK_RV rv = script_strike(FAULT_INITIALIZE);
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
        return rv;
    }
    CK_RV real_rv = faulty_real->C_Initialize(args); /* an answer that it is must be true */
    if (real_rv == CKR_OK) { /* pkcs11-helper's own comes after ours, and is told so */
        bool locks = given != NULL && (given->flags & CKF_OS_LOCKING_OK) != 0;
        faulty_counts.no_locking += locks ? 0 : 1;
        script_initialized();
    }
    return rv == CKR_OK ? real_rv : rv;
}

static CK_RV finalize(void *reserved)
{
    faulty_counts.finalize++;
    faulty_counts.finalize_inside += faulty_counts.signing_now > 0 ? 1 : 0;
    faulty_counts.sessions_now = 0;
    card_forget();
    return faulty_real->C_Finalize(reserved);
}

static CK_RV get_token_info(CK_SLOT_ID told, CK_TOKEN_INFO *info)
{
    CK_SLOT_ID slot = 0;
    CK_RV rv = script_strike(FAULT_TOKEN_INFO);
    if (rv == CKR_OK) {
        rv = card_slot(told, &slot);
    }
    if (rv == CKR_OK) {
        rv = faulty_real->C_GetTokenInfo(slot, info);
    }
    if (rv == CKR_OK) {
        info->flags |= script_now().flags & ~CKF_HW_SLOT;
        info->flags &= script_now().no_login != 0 ? ~CKF_LOGIN_REQUIRED : ~(CK_FLAGS)0;
        info->label[0] = script_now().swapped != 0 ? '#' : info->label[0];
    }
    return rv;
}

static CK_RV get_slot_info(CK_SLOT_ID told, CK_SLOT_INFO *info)
{
    CK_SLOT_ID slot = 0;
    CK_RV rv = card_slot(told, &slot);
    if (rv == CKR_OK || rv == CKR_TOKEN_NOT_PRESENT) {
        rv = faulty_real->C_GetSlotInfo(slot, info);
    }
    if (rv == CKR_OK) {
        info->flags |= script_now().flags & CKF_HW_SLOT;
    }
    return rv;
}

static CK_RV get_mechanism_list(CK_SLOT_ID told, CK_MECHANISM_TYPE *list, CK_ULONG *len)
{
    CK_SLOT_ID slot = 0;
    CK_RV rv = card_slot(told, &slot);
    if (rv == CKR_OK) {
        rv = faulty_real->C_GetMechanismList(slot, list, len);
    }
    if (rv != CKR_OK || list == NULL) {
        return rv;
    }
    CK_ULONG kept = 0;
    for (CK_ULONG i = 0; i < *len; i++) {
        if (!script_hides(list[i])) {
            list[kept++] = list[i];
        }
    }
    *len = kept;
    return CKR_OK;
}

static CK_RV get_mechanism_info(CK_SLOT_ID told, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    CK_SLOT_ID slot = 0;
    CK_RV rv = card_slot(told, &slot);
    if (rv != CKR_OK) {
        return rv;
    }
    return script_hides(type) ? CKR_MECHANISM_INVALID
                              : faulty_real->C_GetMechanismInfo(slot, type, info);
}

static CK_RV tell_lie(CK_ATTRIBUTE *attribute, const struct lie *lie)
{
    CK_ULONG room = attribute->ulValueLen;

    attribute->ulValueLen = lie->len > 0 ? lie->len : CK_UNAVAILABLE_INFORMATION;
    if (lie->len == 0) {
        return CKR_ATTRIBUTE_TYPE_INVALID;
    }
    if (attribute->pValue != NULL && room < lie->len) {
        return CKR_BUFFER_TOO_SMALL;
    }
    if (attribute->pValue != NULL) {
        memcpy(attribute->pValue, lie->value, lie->len);
    }
    return CKR_OK;
}

static CK_RV tell_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                             CK_ATTRIBUTE *attributes, CK_ULONG len)
{
    struct script now = script_now();
    CK_RV rv = CKR_OK;
    if (now.lies_len == 0) {
        return faulty_real->C_GetAttributeValue(session, object, attributes, len);
    }
    for (CK_ULONG i = 0; i < len; i++) {
        const struct lie *lie = script_lie(&now, attributes[i].type);
        CK_RV one = lie != NULL
                        ? tell_lie(&attributes[i], lie)
                        : faulty_real->C_GetAttributeValue(session, object, &attributes[i], 1);
        rv = rv == CKR_OK ? one : rv;
    }
    return rv;
}

static CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                 CK_ATTRIBUTE *attributes, CK_ULONG len)
{
    CK_RV rv = card_enter();
    if (rv == CKR_OK) {
        rv = tell_attributes(session, object, attributes, len);
        card_leave();
    }
    return rv;
}

/* tpm2-pkcs11 reads the caller's parameters again in C_Sign, on the thread that began. */
static __thread const CK_RSA_PKCS_PSS_PARAMS *pss;
static __thread CK_RSA_PKCS_PSS_PARAMS pss_before;

static void note_mechanism(const CK_MECHANISM *mechanism)
{
    pss = mechanism->mechanism == CKM_RSA_PKCS_PSS ? mechanism->pParameter : NULL;
    if (pss != NULL) {
        pss_before = *pss;
    }
    if (mechanism->mechanism == CKM_RSA_X_509) {
        faulty_counts.bare_rsa++;
    }
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    faulty_counts.sign_init++;
    session_hang_while(offsetof(struct script, sign_init_hang));
    if (mechanism == NULL) { /* no module takes that for a cancellation */
        faulty_counts.sign_cancelled++;
        return CKR_ARGUMENTS_BAD;
    }
    CK_RV rv = script_strike(FAULT_SIGN_INIT);
    rv = rv == CKR_OK ? card_removed() : rv;
    if (rv != CKR_OK) {
        return rv;
    }
    if (script_hides(mechanism->mechanism)) {
        return CKR_MECHANISM_INVALID;
    }
    if (mechanism->mechanism == script_now().refused) {
        return CKR_MECHANISM_PARAM_INVALID;
    }
    note_mechanism(mechanism);
    rv = card_enter();
    if (rv != CKR_OK) {
        return rv;
    }
    session_enter(session);
    rv = faulty_real->C_SignInit(session, mechanism, key);
    session_leave(session);
    card_leave();
    return rv;
}

/* What a client of a dead server does: SIGPIPE, unless somebody sees to that. */
static void write_to_nobody(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == 0) {
        close(ends[0]);
        ssize_t ignored = write(ends[1], "", 1);
        (void)ignored;
        close(ends[1]);
    }
}

static CK_RV sign_in(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len,
                     CK_BYTE *signature, CK_ULONG *signature_len)
{
    CK_RV strike = script_strike(FAULT_SIGN);

    if (strike != CKR_OK && script_now().sign_pipe != 0) {
        write_to_nobody();
    }
    if (strike != CKR_OK && script_now().sign_keeps != 0) {
        return strike;
    }
    /* The real call ends the operation, whatever we answer. */
    CK_RV rv = faulty_real->C_Sign(session, data, data_len, signature, signature_len);
    strike = strike == CKR_OK ? card_removed() : strike;
    return strike != CKR_OK ? strike : rv;
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *signature,
                  CK_ULONG *signature_len)
{
    faulty_counts.sign++;
    faulty_counts.signing_now++;
    session_enter(session);
    session_delay(script_now().sign_ms);
    while (script_now().sign_hang != 0) {
        session_delay(1);
    }
    if (pss != NULL && memcmp(pss, &pss_before, sizeof(pss_before)) != 0) {
        faulty_counts.pss_changed++;
    }
    CK_RV rv = card_enter();
    if (rv == CKR_OK) {
        rv = sign_in(session, data, data_len, signature, signature_len);
        card_leave();
    }
    session_leave(session);
    faulty_counts.signing_now--;
    return rv;
}

/* tpm2-pkcs11 crashes in it after C_SignInit alone: it is no way to cancel. */
static CK_RV sign_final(CK_SESSION_HANDLE session, CK_BYTE *signature, CK_ULONG *len)
{
    faulty_counts.sign_cancelled++;
    return faulty_real->C_SignFinal(session, signature, len);
}

static void load(void)
{
    const char *path = getenv("FAULTY_MODULE");
    void *module = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    CK_C_GetFunctionList get = NULL;
    if (module != NULL) {
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    }
    if (get == NULL || get(&faulty_real) != CKR_OK) {
        fprintf(stderr, "faulty token: FAULTY_MODULE names no module\n");
        abort();
    }
    ours = *faulty_real;
    ours.C_Initialize = initialize;
    ours.C_Finalize = finalize;
    ours.C_GetSlotList = card_get_slot_list;
    ours.C_GetSessionInfo = card_get_session_info;
    ours.C_CloseAllSessions = card_close_all_sessions;
    ours.C_FindObjectsInit = session_find_init;
    ours.C_SignFinal = sign_final;
    ours.C_GetTokenInfo = get_token_info;
    ours.C_GetSlotInfo = get_slot_info;
    ours.C_GetMechanismList = get_mechanism_list;
    ours.C_GetMechanismInfo = get_mechanism_info;
    ours.C_OpenSession = session_open;
    ours.C_CloseSession = session_close;
    ours.C_GetAttributeValue = get_attribute_value;
    ours.C_Login = session_login;
    ours.C_Logout = session_logout;
    ours.C_SignInit = sign_init;
    ours.C_Sign = sign;
}

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    *list = &ours;
    return CKR_OK;
}

EXPORT const struct faulty_counters *faulty_counters(void);
const struct faulty_counters *faulty_counters(void)
{
    return &faulty_counts;
}
