/* SPDX-License-Identifier: Apache-2.0
 * PKCS#11 return values: their names, and which rung of the recovery ladder each calls for. All of
 * it [any]. */
#ifndef NODEKEY_CKR_H
#define NODEKEY_CKR_H

#include <stdbool.h>

#include <p11-kit/pkcs11.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* Numbers of ours begin here; a module that answers one has said CKR_GENERAL_ERROR (cryptoki.c). */
#define CKR_NODEKEY (CKR_VENDOR_DEFINED | 0x4e4b0000UL)
#define CKR_NODEKEY_LEN 0x10000UL

/* Not the module's: the key found under the URI does not sign for the certificate. */
#define CKR_NODEKEY_KEY_MISMATCH (CKR_VENDOR_DEFINED | 0x4e4b0001UL)
/* Not the module's: the process is exiting, or the instance is closed. */
#define CKR_NODEKEY_SHUT (CKR_VENDOR_DEFINED | 0x4e4b0002UL)

/* Not the module's: the call has not come back in time, and goes on without its caller. */
#define CKR_NODEKEY_NO_ANSWER (CKR_VENDOR_DEFINED | 0x4e4b0003UL)
/* Not the module's, which was not asked, since it gave no answer or only errors of late. */
#define CKR_NODEKEY_AWAY (CKR_VENDOR_DEFINED | 0x4e4b0004UL)
/* Not the module's, which was not asked, since too many wait for it. */
#define CKR_NODEKEY_BUSY (CKR_VENDOR_DEFINED | 0x4e4b0005UL)
/* Not the module's, which was not asked, since this child of a fork would harm its parent by it. */
#define CKR_NODEKEY_FORKED (CKR_VENDOR_DEFINED | 0x4e4b0010UL)
/* Not the module's: the PIN was given to the parent of this process alone. */
#define CKR_NODEKEY_FORKED_PIN (CKR_VENDOR_DEFINED | 0x4e4b0011UL)
/* Not the module's: what a function answered cannot be. One for each function, which is added; the
 * name is the last sentence about it. */
#define CKR_NODEKEY_LIED (CKR_VENDOR_DEFINED | 0x4e4b0100UL)
#define CKR_LIARS_MAX 32
#define CKR_LIE_BYTES 160

/* The rungs of recovery, cheapest first. Each is tried once at most. */
enum rung {
    RUNG_NONE = 0, /* asking again gives the same answer */
    RUNG_SESSION,  /* another session */
    RUNG_FIND,     /* find the key again */
    RUNG_LOGIN,    /* log in, find the key again */
    RUNG_ATTACH,   /* look for the token again, all sessions and the login anew */
    RUNG_REINIT,   /* C_Finalize and C_Initialize */
};

#define CKR_NAME_BYTES 192 /* room for every name that ckr_name knows, and for a lie */

enum rung ckr_rung(CK_RV rv);
/* Keeps "NAME: TEXT" as what `function`, below CKR_LIARS_MAX, answered, and returns its
 * CKR_NODEKEY_LIED. Whichever thread reports it finds the sentence. `name` is kept. */
MUST_USE CK_RV ckr_lied(unsigned function, const char *name, const char text[CKR_LIE_BYTES]);
MUST_USE bool ckr_is_lie(CK_RV rv);
MUST_USE bool ckr_is_ours(CK_RV rv); /* CKR_NODEKEY_... */
/* C_Login's answers to a PIN that is not the right one. */
MUST_USE bool ckr_refuses_pin(CK_RV rv);
/* The name, such as "CKR_PIN_LOCKED", in `room`-byte `text`; of a vendor's own values and unknown
 * ones "CKR_VENDOR_DEFINED 0x80000383" and "CKR 0x2ff".
 * Returns `text`. */
const char *ckr_name(CK_RV rv, char *text, size_t room);
/* Reports "<what>: CKR_...", with rv as `native`; returns `status`. */
nk_status report_ckr(nk_error *err, nk_status status, CK_RV rv, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
