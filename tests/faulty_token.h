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
 *     sessions_max=2                              more are refused with CKR_SESSION_COUNT
 *     login_ms=100                                each C_Login takes that much longer
 *     sign_error=0x30  sign_error_at=2            the 2nd C_Sign since the script was read fails;
 *                                                 without sign_error_at every one does
 *     sign_init_error=0x30  sign_init_error_at=1  likewise for C_SignInit
 *     login_error=0xa4                            each C_Login
 *     other_maker=1                               C_GetInfo does not say who made the real module
 *     notices_fork=1                              C_Initialize begins anew in a forked child
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
    atomic_ulong bare_rsa;        /* C_SignInit with CKM_RSA_X_509 */
    atomic_ulong pss_changed;     /* PSS parameters that changed before C_Sign: must stay 0 */
    atomic_ulong finalize_inside; /* C_Finalize while a signature was under way: must stay 0 */
    atomic_ulong session_shared;  /* two threads inside one session: must stay 0 */
};

#define FAULTY_COUNTERS_SYMBOL "faulty_counters"
typedef const struct faulty_counters *(*faulty_counters_fn)(void);

#endif
