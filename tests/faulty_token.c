/* SPDX-License-Identifier: Apache-2.0 */
#include "faulty_token.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "faulty_script.h"

#define EXPORT __attribute__((__visibility__("default")))
#define SESSIONS_MAX 256

static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST ours;
static struct faulty_counters counters;

static pthread_mutex_t busy_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards `busy` */
static CK_SESSION_HANDLE busy[SESSIONS_MAX];

static void enter(CK_SESSION_HANDLE session)
{
    size_t room = SESSIONS_MAX;
    pthread_mutex_lock(&busy_mutex);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (busy[i] == session) {
            counters.session_shared++;
        }
        if (busy[i] == 0) {
            room = i;
        }
    }
    if (room == SESSIONS_MAX) {
        fprintf(stderr, "faulty token: too many sessions at once\n");
        abort();
    }
    busy[room] = session;
    pthread_mutex_unlock(&busy_mutex);
}

static void leave(CK_SESSION_HANDLE session)
{
    pthread_mutex_lock(&busy_mutex);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (busy[i] == session) {
            busy[i] = 0;
            break;
        }
    }
    pthread_mutex_unlock(&busy_mutex);
}

static CK_RV initialize(void *args)
{
    counters.initialize++;
    static pid_t process;
    bool forked = process != 0 && process != getpid();
    process = getpid();
    if (script_now().notices_fork != 0 && forked) {
        real->C_Finalize(NULL);
    }
    return real->C_Initialize(args);
}

static CK_RV finalize(void *reserved)
{
    counters.finalize++;
    counters.finalize_inside += counters.signing_now > 0 ? 1 : 0;
    counters.sessions_now = 0;
    return real->C_Finalize(reserved);
}

static CK_RV get_info(CK_INFO *info)
{
    CK_RV rv = real->C_GetInfo(info);
    if (rv == CKR_OK && script_now().other_maker != 0) {
        memset(info->manufacturerID, '-', sizeof(info->manufacturerID));
    }
    return rv;
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_RV rv = real->C_GetTokenInfo(slot, info);
    if (rv == CKR_OK) {
        info->flags |= script_now().flags & ~CKF_HW_SLOT;
        info->flags &= script_now().no_login != 0 ? ~CKF_LOGIN_REQUIRED : ~(CK_FLAGS)0;
        info->label[0] = script_now().swapped != 0 ? '#' : info->label[0];
    }
    return rv;
}

static CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    CK_RV rv = real->C_GetSlotInfo(slot, info);
    if (rv == CKR_OK) {
        info->flags |= script_now().flags & CKF_HW_SLOT;
    }
    return rv;
}

static CK_RV get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *len)
{
    CK_RV rv = real->C_GetMechanismList(slot, list, len);
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

static CK_RV get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    return script_hides(type) ? CKR_MECHANISM_INVALID : real->C_GetMechanismInfo(slot, type, info);
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

static CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                 CK_ATTRIBUTE *attributes, CK_ULONG len)
{
    struct script now = script_now();
    CK_RV rv = CKR_OK;
    if (now.lies_len == 0) {
        return real->C_GetAttributeValue(session, object, attributes, len);
    }
    for (CK_ULONG i = 0; i < len; i++) {
        const struct lie *lie = script_lie(&now, attributes[i].type);
        CK_RV one = lie != NULL ? tell_lie(&attributes[i], lie)
                                : real->C_GetAttributeValue(session, object, &attributes[i], 1);
        rv = rv == CKR_OK ? one : rv;
    }
    return rv;
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                          CK_SESSION_HANDLE *session)
{
    unsigned long max = script_now().sessions_max;
    counters.open_session++;
    if (max != 0 && counters.sessions_now >= max) {
        return CKR_SESSION_COUNT;
    }
    CK_RV rv = real->C_OpenSession(slot, flags, application, notify, session);
    counters.sessions_now += rv == CKR_OK ? 1 : 0;
    return rv;
}

static CK_RV close_session(CK_SESSION_HANDLE session)
{
    counters.close_session++;
    enter(session);
    CK_RV rv = real->C_CloseSession(session);
    counters.sessions_now -= rv == CKR_OK ? 1 : 0;
    leave(session);
    return rv;
}

static void delay(unsigned long ms)
{
    struct timespec left = { .tv_sec = (time_t)(ms / 1000),
                             .tv_nsec = (long)(ms % 1000) * 1000000 };
    while (nanosleep(&left, &left) != 0) {
    }
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len)
{
    counters.login++;
    delay(script_now().login_ms);
    CK_RV rv = script_strike(FAULT_LOGIN);
    if (user == CKU_CONTEXT_SPECIFIC) {
        counters.context_login++;
    }
    const char *pad = getenv("FAULTY_PAD");
    if (pin == NULL && pad != NULL) {
        counters.pad_login++;
        pin = (CK_UTF8CHAR *)(uintptr_t)pad;
        len = strlen(pad);
    }
    if (rv == CKR_OK) {
        rv = real->C_Login(session, user, pin, len);
    }
    if (rv != CKR_OK) {
        counters.login_failed++;
    }
    return rv;
}

static CK_RV logout(CK_SESSION_HANDLE session)
{
    counters.logout++;
    return real->C_Logout(session);
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
        counters.bare_rsa++;
    }
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    counters.sign_init++;
    CK_RV rv = script_strike(FAULT_SIGN_INIT);
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
    enter(session);
    rv = real->C_SignInit(session, mechanism, key);
    leave(session);
    return rv;
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *signature,
                  CK_ULONG *signature_len)
{
    counters.sign++;
    counters.signing_now++;
    enter(session);
    delay(script_now().sign_ms);
    while (script_now().sign_hang != 0) {
        delay(1);
    }
    if (pss != NULL && memcmp(pss, &pss_before, sizeof(pss_before)) != 0) {
        counters.pss_changed++;
    }
    /* The real call ends the operation, whatever we answer. */
    CK_RV rv = real->C_Sign(session, data, data_len, signature, signature_len);
    CK_RV strike = script_strike(FAULT_SIGN);
    leave(session);
    counters.signing_now--;
    return strike != CKR_OK ? strike : rv;
}

static void load(void)
{
    const char *path = getenv("FAULTY_MODULE");
    void *module = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    CK_C_GetFunctionList get = NULL;
    if (module != NULL) {
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    }
    if (get == NULL || get(&real) != CKR_OK) {
        fprintf(stderr, "faulty token: FAULTY_MODULE names no module\n");
        abort();
    }
    ours = *real;
    ours.C_Initialize = initialize;
    ours.C_Finalize = finalize;
    ours.C_GetInfo = get_info;
    ours.C_GetTokenInfo = get_token_info;
    ours.C_GetSlotInfo = get_slot_info;
    ours.C_GetMechanismList = get_mechanism_list;
    ours.C_GetMechanismInfo = get_mechanism_info;
    ours.C_OpenSession = open_session;
    ours.C_CloseSession = close_session;
    ours.C_GetAttributeValue = get_attribute_value;
    ours.C_Login = login;
    ours.C_Logout = logout;
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
    return &counters;
}
