/* SPDX-License-Identifier: Apache-2.0
 * Where the faulty token's card is. */
#include "faulty_private.h"

#include <pthread.h>
#include <stdbool.h>

#include "faulty_script.h"

#define SLOTS_MAX 64

static pthread_rwlock_t in_use = PTHREAD_RWLOCK_INITIALIZER; /* held while a session is */
static pthread_mutex_t pull_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool is_out; /* guarded by pull_mutex */

static void end_sessions(void)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG len = SLOTS_MAX;

    if (faulty_real->C_GetSlotList(CK_TRUE, slots, &len) != CKR_OK) {
        return; /* not initialised: there are none */
    }
    pthread_rwlock_wrlock(&in_use);
    for (CK_ULONG i = 0; i < len; i++) {
        faulty_real->C_CloseAllSessions(slots[i]);
    }
    faulty_counts.sessions_now = 0;
    pthread_rwlock_unlock(&in_use);
}

static bool look(void)
{
    bool pulled = script_now().pulled != 0;

    pthread_mutex_lock(&pull_mutex);
    if (pulled && !is_out) {
        end_sessions();
    }
    is_out = pulled;
    pthread_mutex_unlock(&pull_mutex);
    return pulled;
}

CK_RV card_enter(void)
{
    if (look()) {
        return CKR_DEVICE_REMOVED;
    }
    pthread_rwlock_rdlock(&in_use);
    return CKR_OK;
}

void card_leave(void)
{
    pthread_rwlock_unlock(&in_use);
}

CK_SLOT_ID card_slot_told(CK_SLOT_ID its)
{
    return its + script_now().slot_shift;
}

CK_RV card_slot(CK_SLOT_ID told, CK_SLOT_ID *ret_real)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG len = SLOTS_MAX;

    CK_RV rv = faulty_real->C_GetSlotList(CK_FALSE, slots, &len);
    for (CK_ULONG i = 0; rv == CKR_OK && i < len; i++) {
        if (card_slot_told(slots[i]) == told) {
            *ret_real = slots[i];
            return look() ? CKR_TOKEN_NOT_PRESENT : CKR_OK;
        }
    }
    return rv == CKR_OK ? CKR_SLOT_ID_INVALID : rv;
}

CK_RV card_get_slot_list(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *len)
{
    CK_RV rv = script_strike(FAULT_SLOTS);
    if (rv != CKR_OK) {
        return rv;
    }
    if (look() || script_now().no_slots != 0) {
        *len = 0;
        return CKR_OK;
    }
    rv = faulty_real->C_GetSlotList(present, list, len);
    for (CK_ULONG i = 0; rv == CKR_OK && list != NULL && i < *len; i++) {
        list[i] = card_slot_told(list[i]);
    }
    return rv;
}

CK_RV card_get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
    CK_RV rv = script_strike(FAULT_SESSION_INFO);
    if (rv == CKR_OK) {
        rv = card_enter();
    }
    if (rv != CKR_OK) {
        return rv;
    }
    rv = faulty_real->C_GetSessionInfo(session, info);
    if (rv == CKR_OK) {
        info->slotID = card_slot_told(info->slotID);
    }
    card_leave();
    return rv;
}
