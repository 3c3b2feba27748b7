/* SPDX-License-Identifier: Apache-2.0 */
#include "module/ckr.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/fork.h"
#include "base/report.h"

#define ROW(value, rung)                                                                           \
    {                                                                                              \
        value, #value, rung                                                                        \
    }
static const struct row {
    CK_RV rv;
    const char *name;
    enum rung rung;
} rows[] = {
    ROW(CKR_HOST_MEMORY, RUNG_NONE),
    ROW(CKR_SLOT_ID_INVALID, RUNG_ATTACH),
    ROW(CKR_GENERAL_ERROR, RUNG_REINIT),
    ROW(CKR_FUNCTION_FAILED, RUNG_REINIT),
    ROW(CKR_ARGUMENTS_BAD, RUNG_NONE),
    ROW(CKR_ATTRIBUTE_TYPE_INVALID, RUNG_NONE),
    ROW(CKR_ATTRIBUTE_VALUE_INVALID, RUNG_NONE),
    ROW(CKR_DATA_INVALID, RUNG_NONE),
    ROW(CKR_DATA_LEN_RANGE, RUNG_NONE),
    ROW(CKR_DEVICE_ERROR, RUNG_REINIT),
    ROW(CKR_DEVICE_MEMORY, RUNG_REINIT),
    /* A card that is back wants its slots listed and every session of before closed. */
    ROW(CKR_DEVICE_REMOVED, RUNG_ATTACH),
    ROW(CKR_FUNCTION_CANCELED, RUNG_NONE),
    ROW(CKR_FUNCTION_NOT_SUPPORTED, RUNG_NONE),
    ROW(CKR_KEY_HANDLE_INVALID, RUNG_FIND),
    /* After a logout elsewhere SoftHSM answers the first, NSS the second. */
    ROW(CKR_OBJECT_HANDLE_INVALID, RUNG_FIND),
    ROW(CKR_KEY_TYPE_INCONSISTENT, RUNG_LOGIN),
    ROW(CKR_KEY_SIZE_RANGE, RUNG_NONE),
    ROW(CKR_KEY_FUNCTION_NOT_PERMITTED, RUNG_NONE),
    ROW(CKR_MECHANISM_INVALID, RUNG_NONE),
    ROW(CKR_MECHANISM_PARAM_INVALID, RUNG_NONE),
    ROW(CKR_OPERATION_ACTIVE, RUNG_SESSION),
    ROW(CKR_OPERATION_NOT_INITIALIZED, RUNG_SESSION),
    ROW(CKR_PIN_INCORRECT, RUNG_NONE),
    ROW(CKR_PIN_INVALID, RUNG_NONE),
    ROW(CKR_PIN_LEN_RANGE, RUNG_NONE),
    ROW(CKR_PIN_EXPIRED, RUNG_NONE),
    ROW(CKR_PIN_LOCKED, RUNG_NONE),
    ROW(CKR_SESSION_CLOSED, RUNG_SESSION),
    ROW(CKR_SESSION_COUNT, RUNG_NONE),
    ROW(CKR_SESSION_HANDLE_INVALID, RUNG_SESSION),
    ROW(CKR_TOKEN_NOT_PRESENT, RUNG_ATTACH),
    ROW(CKR_TOKEN_NOT_RECOGNIZED, RUNG_ATTACH),
    ROW(CKR_USER_ALREADY_LOGGED_IN, RUNG_NONE),
    ROW(CKR_USER_NOT_LOGGED_IN, RUNG_LOGIN),
    ROW(CKR_USER_PIN_NOT_INITIALIZED, RUNG_NONE),
    ROW(CKR_USER_TYPE_INVALID, RUNG_NONE),
    ROW(CKR_BUFFER_TOO_SMALL, RUNG_NONE),
    ROW(CKR_CRYPTOKI_NOT_INITIALIZED, RUNG_REINIT),
    ROW(CKR_CRYPTOKI_ALREADY_INITIALIZED, RUNG_NONE),
    /* By their names only: as with a vendor's own number, a fresh start is the honest cure. */
    ROW(CKR_ACTION_PROHIBITED, RUNG_REINIT),
    ROW(CKR_ATTRIBUTE_READ_ONLY, RUNG_REINIT),
    ROW(CKR_ATTRIBUTE_SENSITIVE, RUNG_REINIT),
    ROW(CKR_CANCEL, RUNG_REINIT),
    ROW(CKR_CANT_LOCK, RUNG_REINIT),
    ROW(CKR_CURVE_NOT_SUPPORTED, RUNG_REINIT),
    ROW(CKR_DOMAIN_PARAMS_INVALID, RUNG_REINIT),
    ROW(CKR_ENCRYPTED_DATA_INVALID, RUNG_REINIT),
    ROW(CKR_ENCRYPTED_DATA_LEN_RANGE, RUNG_REINIT),
    ROW(CKR_EXCEEDED_MAX_ITERATIONS, RUNG_REINIT),
    ROW(CKR_FIPS_SELF_TEST_FAILED, RUNG_REINIT),
    ROW(CKR_FUNCTION_NOT_PARALLEL, RUNG_REINIT),
    ROW(CKR_FUNCTION_REJECTED, RUNG_REINIT),
    ROW(CKR_INFORMATION_SENSITIVE, RUNG_REINIT),
    ROW(CKR_KEY_CHANGED, RUNG_REINIT),
    ROW(CKR_KEY_INDIGESTIBLE, RUNG_REINIT),
    ROW(CKR_KEY_NEEDED, RUNG_REINIT),
    ROW(CKR_KEY_NOT_NEEDED, RUNG_REINIT),
    ROW(CKR_KEY_NOT_WRAPPABLE, RUNG_REINIT),
    ROW(CKR_KEY_UNEXTRACTABLE, RUNG_REINIT),
    ROW(CKR_LIBRARY_LOAD_FAILED, RUNG_REINIT),
    ROW(CKR_MUTEX_BAD, RUNG_REINIT),
    ROW(CKR_MUTEX_NOT_LOCKED, RUNG_REINIT),
    ROW(CKR_NEED_TO_CREATE_THREADS, RUNG_REINIT),
    ROW(CKR_NEW_PIN_MODE, RUNG_REINIT),
    ROW(CKR_NEXT_OTP, RUNG_REINIT),
    ROW(CKR_NO_EVENT, RUNG_REINIT),
    ROW(CKR_PIN_TOO_WEAK, RUNG_REINIT),
    ROW(CKR_PUBLIC_KEY_INVALID, RUNG_REINIT),
    ROW(CKR_RANDOM_NO_RNG, RUNG_REINIT),
    ROW(CKR_RANDOM_SEED_NOT_SUPPORTED, RUNG_REINIT),
    ROW(CKR_SAVED_STATE_INVALID, RUNG_REINIT),
    ROW(CKR_SESSION_EXISTS, RUNG_REINIT),
    ROW(CKR_SESSION_PARALLEL_NOT_SUPPORTED, RUNG_REINIT),
    ROW(CKR_SESSION_READ_ONLY, RUNG_REINIT),
    ROW(CKR_SESSION_READ_ONLY_EXISTS, RUNG_REINIT),
    ROW(CKR_SESSION_READ_WRITE_SO_EXISTS, RUNG_REINIT),
    ROW(CKR_SIGNATURE_INVALID, RUNG_REINIT),
    ROW(CKR_SIGNATURE_LEN_RANGE, RUNG_REINIT),
    ROW(CKR_STATE_UNSAVEABLE, RUNG_REINIT),
    ROW(CKR_TEMPLATE_INCOMPLETE, RUNG_REINIT),
    ROW(CKR_TEMPLATE_INCONSISTENT, RUNG_REINIT),
    ROW(CKR_TOKEN_WRITE_PROTECTED, RUNG_REINIT),
    ROW(CKR_UNWRAPPING_KEY_HANDLE_INVALID, RUNG_REINIT),
    ROW(CKR_UNWRAPPING_KEY_SIZE_RANGE, RUNG_REINIT),
    ROW(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, RUNG_REINIT),
    ROW(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, RUNG_REINIT),
    ROW(CKR_USER_TOO_MANY_TYPES, RUNG_REINIT),
    ROW(CKR_WRAPPED_KEY_INVALID, RUNG_REINIT),
    ROW(CKR_WRAPPED_KEY_LEN_RANGE, RUNG_REINIT),
    ROW(CKR_WRAPPING_KEY_HANDLE_INVALID, RUNG_REINIT),
    ROW(CKR_WRAPPING_KEY_SIZE_RANGE, RUNG_REINIT),
    ROW(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, RUNG_REINIT),
    ROW(CKR_NODEKEY_KEY_MISMATCH, RUNG_NONE),
    ROW(CKR_NODEKEY_SHUT, RUNG_NONE),
    { CKR_NODEKEY_NO_ANSWER, "no answer within token.sign_timeout_ms", RUNG_NONE },
    { CKR_NODEKEY_AWAY, "not asked, it has stopped answering", RUNG_NONE },
    { CKR_NODEKEY_BUSY, "busy, too many wait for it", RUNG_NONE },
    { CKR_NODEKEY_FORKED,
      "not asked: this process was forked, and would break its parent's connection to the token; "
      "fork first and open the token in each process, or put a p11-kit server before it",
      RUNG_NONE },
    { CKR_NODEKEY_FORKED_PIN,
      "not asked: this process was forked, and the PIN is with its parent alone; use pin.file or "
      "pin.credential, or open the token in this process",
      RUNG_NONE },
};

/* --- lies --- */

static pthread_mutex_t lies_lock = PTHREAD_MUTEX_INITIALIZER; /* guards both below */
static const char *liars[CKR_LIARS_MAX];
static char lies[CKR_LIARS_MAX][CKR_LIE_BYTES];
FORK_PART(.lock = &lies_lock);

CK_RV ckr_lied(unsigned function, const char *name, const char text[CKR_LIE_BYTES])
{
    pthread_mutex_lock(&lies_lock);
    liars[function] = name;
    memcpy(lies[function], text, CKR_LIE_BYTES);
    pthread_mutex_unlock(&lies_lock);
    return CKR_NODEKEY_LIED + function;
}

bool ckr_is_lie(CK_RV rv)
{
    return rv >= CKR_NODEKEY_LIED && rv < CKR_NODEKEY_LIED + CKR_LIARS_MAX;
}

bool ckr_is_ours(CK_RV rv)
{
    return rv >= CKR_NODEKEY && rv < CKR_NODEKEY + CKR_NODEKEY_LEN;
}

bool ckr_refuses_pin(CK_RV rv)
{
    return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE;
}

static void quote_lie(CK_RV rv, char *text, size_t room)
{
    pthread_mutex_lock(&lies_lock);
    const char *name = liars[rv - CKR_NODEKEY_LIED];
    snprintf(text, room, "%s: %s", name != NULL ? name : "", lies[rv - CKR_NODEKEY_LIED]);
    pthread_mutex_unlock(&lies_lock);
}

/* --- all of them --- */

static const struct row *find_row(CK_RV rv)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].rv == rv) {
            return &rows[i];
        }
    }
    return NULL;
}

enum rung ckr_rung(CK_RV rv)
{
    const struct row *row = find_row(rv);

    if (ckr_is_lie(rv)) {
        return RUNG_NONE;
    }
    /* The meaning of a vendor's own number is unknown; a fresh start is the honest cure. */
    return row != NULL ? row->rung : RUNG_REINIT;
}

const char *ckr_name(CK_RV rv, char *text, size_t room)
{
    const struct row *row = find_row(rv);

    if (ckr_is_lie(rv)) {
        quote_lie(rv, text, room);
    } else if (row != NULL) {
        snprintf(text, room, "%s", row->name);
    } else {
        snprintf(text, room, "%s 0x%lx", rv >= CKR_VENDOR_DEFINED ? "CKR_VENDOR_DEFINED" : "CKR",
                 (unsigned long)rv);
    }
    return text;
}

nk_status report_ckr(nk_error *err, nk_status status, CK_RV rv, const char *fmt, ...)
{
    char what[NK_ERROR_TEXT_BYTES];
    char name[CKR_NAME_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    if (err != NULL && NK_HAS(nk_error, err, text) && err->status == NK_OK) {
        err->native_kind = NK_NATIVE_CKR;
        err->native = rv;
    }
    return report(err, status, "%s: %s", what, ckr_name(rv, name, sizeof(name)));
}
