/* SPDX-License-Identifier: Apache-2.0
 * faulty_token.so wraps the PKCS#11 module named by $FAULTY_MODULE. The file $FAULTY_SCRIPT says
 * how it misbehaves; it is read again whenever it changes. One `key=value` a line:
 *
 *     flags=final_try,locked,count_low,hw_slot,pin_pad   token flags to add; a pin_pad types
 *                                                 $FAULTY_PAD
 *     no_login=1                                  the token asks for no login
 *     hide=0xd,0x3                                mechanisms that the token does not have
 *     refuse=0xd                                  listed, but C_SignInit refuses its parameters
 *     attribute=0x180=06052b81040022              what every object tells of this attribute; with
 *                                                 nothing after the second sign: it has no such
 *     sign_ms=100                                 each C_Sign takes that much longer
 *     sign_hang=1                                 C_Sign does not come back while this is set
 *     initialize_hang=1  slots_hang=1  login_hang=1  logout_hang=1  sign_init_hang=1
 *                                                 C_Initialize, C_GetSlotList, C_Login, C_Logout,
 *                                                 C_SignInit do not come back while this is set
 *     sessions_max=2                              more are refused with CKR_SESSION_COUNT
 *     login_ms=100                                each C_Login takes that much longer
 *     sign_error=0x30  sign_error_at=2            the 2nd C_Sign since the script was read fails;
 *                                                 without sign_error_at every one does. Likewise:
 *                                                 initialize, slots, token_info, open,
 *                                                 session_info, login, find, sign_init
 *     until_initialize=1                          what *_error says ends with the next C_Initialize
 *     sign_keeps=1                                a C_Sign that fails leaves its operation active
 *     sign_pipe=1                                 a C_Sign that fails writes to a broken pipe first
 *     no_slots=1                                  C_GetSlotList: CKR_OK, and none
 *     pulled=1                                    the card is out of its reader; sessions of before
 *                                                 answer CKR_DEVICE_REMOVED until all are closed
 *     pulled=2                                    likewise, but it is back at once
 *     ejected=1                                   the card is out, and when it is back its sessions
 *                                                 and its login are gone
 *     moved=7                                     each slot's number is that much higher
 *     find_instead=other                          a search for a label finds this one's objects
 *     open_race=1                                 C_OpenSession takes 1 ms; two at once get one
 *                                                 session
 *
 * Each C_Login adds a line to the file $FAULTY_LOG, if that is set.
 */
#ifndef NODEKEY_TESTS_FAULTY_TOKEN_H
#define NODEKEY_TESTS_FAULTY_TOKEN_H

#include <stdatomic.h>

/* Calls since the module was loaded. */
struct faulty_counters {
    atomic_ulong initialize;
    atomic_ulong finalize;
    atomic_ulong open_session;
    atomic_ulong close_session;
    atomic_ulong sessions_now;
    atomic_ulong login;
    atomic_ulong login_failed;
    atomic_ulong context_login; /* of those in `login` */
    atomic_ulong pad_login;     /* with a NULL PIN */
    atomic_ulong logout;
    atomic_ulong sign_init;
    atomic_ulong sign;
    atomic_ulong signing_now;
    atomic_ulong hanging_now;     /* other than in C_Sign */
    atomic_ulong bare_rsa;        /* C_SignInit with CKM_RSA_X_509 */
    atomic_ulong pss_changed;     /* PSS parameters that changed before C_Sign: must stay 0 */
    atomic_ulong finalize_inside; /* C_Finalize while a signature was under way: must stay 0 */
    atomic_ulong session_shared;  /* two threads inside one session: must stay 0 */
    atomic_ulong open_overlap;    /* C_OpenSession under another, with open_race: must stay 0 */
    atomic_ulong sign_cancelled;  /* C_SignFinal, or C_SignInit without a mechanism: must stay 0 */
    atomic_ulong no_locking;      /* C_Initialize without CKF_OS_LOCKING_OK: must stay 0 */
};

#define FAULTY_COUNTERS_SYMBOL "faulty_counters"
typedef const struct faulty_counters *(*faulty_counters_fn)(void);

#endif
