/* SPDX-License-Identifier: Apache-2.0 */
#include "module/session.h"

#include "wait/bounded_call.h"

CK_RV session_open(struct module *module, CK_SLOT_ID slot, CK_FLAGS flags,
                   CK_SESSION_HANDLE *ret_session)
{
    bounded_call_step("C_OpenSession");
    pthread_mutex_lock(&module->session_lock);
    CK_RV rv =
        module->call->C_OpenSession(slot, CKF_SERIAL_SESSION | flags, NULL, NULL, ret_session);
    pthread_mutex_unlock(&module->session_lock);
    return rv;
}

void session_close(struct module *module, CK_SESSION_HANDLE session)
{
    bounded_call_step("C_CloseSession");
    pthread_mutex_lock(&module->session_lock);
    module->call->C_CloseSession(session);
    pthread_mutex_unlock(&module->session_lock);
}

bool session_is_there(const struct module *module, CK_SLOT_ID slot, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info = { .slotID = slot };

    bounded_call_step("C_GetSessionInfo");
    CK_RV rv = module->call->C_GetSessionInfo(session, &info);
    return rv != CKR_SESSION_HANDLE_INVALID && rv != CKR_SESSION_CLOSED &&
           rv != CKR_CRYPTOKI_NOT_INITIALIZED && info.slotID == slot;
}

void session_close_if_there(struct module *module, CK_SLOT_ID slot, CK_SESSION_HANDLE session)
{
    if (session_is_there(module, slot, session)) {
        session_close(module, session);
    }
}
