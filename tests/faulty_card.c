/* SPDX-License-Identifier: Apache-2.0
 * Where the faulty token's card is. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "faulty_private.h"
#include "faulty_script.h"

#define SLOTS_MAX 64
#define SESSIONS_MAX 256

static atomic_ulong opened_at[SESSIONS_MAX]; /* `moved` at that time, by session */

/* --- pulled: the sessions stay in the module --- */

static atomic_bool noticed;
static atomic_ulong pulled_under; /* sessions that were open when the card went and still are */

static bool is_pulled(void)
{
    unsigned long pulled = script_now().pulled;
    if (!atomic_exchange(&noticed, pulled != 0) && pulled != 0) {
        pulled_under = faulty_counts.sessions_now;
    }
    return pulled == 1;
}

CK_RV card_removed(void)
{
    return is_pulled() || pulled_under > 0 ? CKR_DEVICE_REMOVED : CKR_OK; /* in that order */
}

void card_forget(void)
{
    pulled_under = 0;
}

/* --- ejected: the module ends them --- */

static pthread_rwlock_t in_use = PTHREAD_RWLOCK_INITIALIZER; /* held while a session is */
static pthread_mutex_t eject_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool is_out; /* guarded by eject_mutex */

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

static bool is_ejected(void)
{
    bool ejected = script_now().ejected != 0;

    pthread_mutex_lock(&eject_mutex);
    if (ejected && !is_out) {
        end_sessions();
    }
    is_out = ejected;
    pthread_mutex_unlock(&eject_mutex);
    return ejected;
}

CK_RV card_enter(void)
{
    if (is_ejected()) {
        return CKR_DEVICE_REMOVED;
    }
    pthread_rwlock_rdlock(&in_use);
    return CKR_OK;
}

void card_leave(void)
{
    pthread_rwlock_unlock(&in_use);
}

void card_opened(CK_SESSION_HANDLE session)
{
    opened_at[session % SESSIONS_MAX] = script_now().moved;
    faulty_counts.sessions_now++;
}

void card_closed(void)
{
    faulty_counts.sessions_now -= faulty_counts.sessions_now > 0 ? 1 : 0;
    pulled_under -= pulled_under > 0 ? 1 : 0;
}

/* --- slots --- */

CK_RV card_slot(CK_SLOT_ID told, CK_SLOT_ID *ret_real)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG len = SLOTS_MAX;
    unsigned long moved = script_now().moved;

    CK_RV rv = faulty_real->C_GetSlotList(CK_FALSE, slots, &len);
    for (CK_ULONG i = 0; rv == CKR_OK && i < len; i++) {
        if (slots[i] + moved == told) {
            *ret_real = slots[i];
            return is_pulled() || is_ejected() ? CKR_TOKEN_NOT_PRESENT : CKR_OK;
        }
    }
    return rv == CKR_OK ? CKR_SLOT_ID_INVALID : rv;
}

CK_RV card_get_slot_list(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *len)
{
    session_hang_while(offsetof(struct script, slots_hang));
    CK_RV rv = script_strike(FAULT_SLOTS);
    if (rv != CKR_OK) {
        return rv;
    }
    bool away = is_pulled() || is_ejected();
    if ((away && present) || script_now().no_slots != 0) {
        *len = 0;
        return CKR_OK;
    }
    rv = faulty_real->C_GetSlotList(present, list, len);
    for (CK_ULONG i = 0; rv == CKR_OK && list != NULL && i < *len; i++) {
        list[i] += script_now().moved;
    }
    return rv;
}

CK_RV card_close_all_sessions(CK_SLOT_ID told)
{
    return faulty_real->C_CloseAllSessions(told - script_now().moved);
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
    info->slotID += rv == CKR_OK ? opened_at[session % SESSIONS_MAX] : 0;
    card_leave();
    return rv;
}
