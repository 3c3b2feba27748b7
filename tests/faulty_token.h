/* SPDX-License-Identifier: Apache-2.0
 * faulty_token.so wraps the PKCS#11 module named by $FAULTY_MODULE. The file $FAULTY_SCRIPT says
 * how it misbehaves; it is read again whenever it changes. One `key=value` a line:
 *
 *     flags=final_try,locked,count_low,hw_slot   token flags to add
 *     hide=0xd,0x3                                mechanisms that the token does not have
 *     sign_ms=100                                 each C_Sign takes that much longer
 *     sign_hang=1                                 C_Sign does not come back until a script without
 * it sessions_max=2                              more are refused with CKR_SESSION_COUNT
 *     sign_error=0x30  sign_error_at=2            the 2nd C_Sign since the script was read fails;
 *                                                 without sign_error_at every one does
 *     sign_init_error=0x30  sign_init_error_at=1  likewise for C_SignInit
 *     login_error=0xa4                            each C_Login
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
    atomic_ulong logout;
    atomic_ulong sign_init;
    atomic_ulong sign;
    atomic_ulong signing_now;
    atomic_ulong finalize_inside; /* C_Finalize while a signature was under way: must stay 0 */
    atomic_ulong session_shared;  /* two threads inside one session: must stay 0 */
};

#define FAULTY_COUNTERS_SYMBOL "faulty_counters"
typedef const struct faulty_counters *(*faulty_counters_fn)(void);

#endif
