/* SPDX-License-Identifier: Apache-2.0
 * What the files of faulty_token.so share: faulty_token.c, faulty_card.c, faulty_session.c. */
#ifndef NODEKEY_TESTS_FAULTY_PRIVATE_H
#define NODEKEY_TESTS_FAULTY_PRIVATE_H

#include <stddef.h>

#include <p11-kit/pkcs11.h>

#include "faulty_token.h"

/* Of the wrapped module. */
extern CK_FUNCTION_LIST *faulty_real;
extern struct faulty_counters faulty_counts;

/* --- where the card is: in its slot, in a slot of another number, pulled --- */

/* Around every call in a session. CKR_DEVICE_REMOVED: it is out, and nothing must be left. */
CK_RV card_enter(void);
void card_leave(void);
/* CKR_DEVICE_REMOVED: it was pulled, and not all sessions of before are closed. */
CK_RV card_removed(void);
void card_opened(CK_SESSION_HANDLE session);
void card_closed(void);
void card_forget(void); /* the module has closed all of them */

/* What the module is asked for when a caller names this slot; CKR_SLOT_ID_INVALID, or
 * CKR_TOKEN_NOT_PRESENT. */
CK_RV card_slot(CK_SLOT_ID told, CK_SLOT_ID *ret_real);

CK_RV card_get_slot_list(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *len);
CK_RV card_close_all_sessions(CK_SLOT_ID told);
CK_RV card_get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO *info);

/* --- sessions and logins --- */

/* One thread in a session at a time, or it is counted. */
void session_enter(CK_SESSION_HANDLE session);
void session_leave(CK_SESSION_HANDLE session);
void session_delay(unsigned long ms);
/* `which` is a member of the script: does not come back while it is set. */
void session_hang_while(size_t which);

CK_RV session_open(CK_SLOT_ID told, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                   CK_SESSION_HANDLE *session);
CK_RV session_close(CK_SESSION_HANDLE session);
CK_RV session_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len);
CK_RV session_logout(CK_SESSION_HANDLE session);
CK_RV session_find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG len);

#endif
