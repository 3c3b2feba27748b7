/* SPDX-License-Identifier: Apache-2.0 */
#include "module/session.h"

#include "wait/bounded_call.h"

CK_RV session_open(struct module *module, CK_SLOT_ID slot, CK_FLAGS flags,
                   CK_SESSION_HANDLE *ret_session)
{
    bounded_call_step("a call of another thread");
    pthread_mutex_lock(&module->session_lock);
    CK_RV rv = cryptoki_open_session(module->call, slot, flags, ret_session);
    pthread_mutex_unlock(&module->session_lock);
    return rv;
}

void session_close(struct module *module, CK_SESSION_HANDLE session)
{
    bounded_call_step("a call of another thread");
    pthread_mutex_lock(&module->session_lock);
    cryptoki_close_session(module->call, session);
    pthread_mutex_unlock(&module->session_lock);
}

bool session_is_there(const struct module *module, CK_SLOT_ID slot, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info = { .slotID = slot };

    CK_RV rv = cryptoki_get_session_info(module->call, session, &info);
    return rv != CKR_SESSION_HANDLE_INVALID && rv != CKR_SESSION_CLOSED &&
           rv != CKR_CRYPTOKI_NOT_INITIALIZED && info.slotID == slot;
}

void session_close_if_there(struct module *module, CK_SLOT_ID slot, CK_SESSION_HANDLE session)
{
    if (session_is_there(module, slot, session)) {
        session_close(module, session);
    }
}
