/* SPDX-License-Identifier: Apache-2.0
 * The function list of a module: taken over once, and what is said of functions that lie. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/words.h"
#include "module/ckr.h"
#include "module/cryptoki_private.h"
#include "wait/bounded_call.h"

static const struct function {
    const char *name;
    size_t at; /* in the list */
    bool at_load;
} functions[CRYPTOKI_LEN] = {
#define ROW(function, at_load)                                                                     \
    [CRYPTOKI_##function] = { #function, offsetof(CK_FUNCTION_LIST, function), at_load },
    CRYPTOKI_FUNCTIONS(ROW)
#undef ROW
};

/* --- the list --- */

static bool lacks(const CK_FUNCTION_LIST *list, const struct function *function)
{
    void (*pointer)(void) = NULL;

    memcpy(&pointer, (const char *)list + function->at, sizeof(pointer));
    return pointer == NULL;
}

static nk_status refuse(const struct function *function, const char *path, nk_error *err)
{
    return report(err, NK_E_CONFIG,
                  "%s: %s lacks %s, which nodekey calls; a module has each function of PKCS#11, if "
                  "only to answer CKR_FUNCTION_NOT_SUPPORTED: name another one, or mend this",
                  words()->module, path, function->name);
}

nk_status cryptoki_take(const CK_FUNCTION_LIST *list, const char *path,
                        const struct cryptoki **ret_call, nk_error *err)
{
    if (list->version.major < 2) {
        return report(err, NK_E_CONFIG, "%s: %s speaks PKCS#11 %u.%u, nodekey needs 2.0 or later",
                      words()->module, path, list->version.major, list->version.minor);
    }
    for (size_t i = 0; i < CRYPTOKI_LEN; i++) {
        if (functions[i].at_load && lacks(list, &functions[i])) {
            return refuse(&functions[i], path, err);
        }
    }
    struct cryptoki *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    /* The list of PKCS#11 2.0 ends before C_WaitForSlotEvent. */
    memcpy(&call->list, list, offsetof(CK_FUNCTION_LIST, C_WaitForSlotEvent));
    *ret_call = call;
    return NK_OK;
}

nk_status cryptoki_need(const struct cryptoki *call, enum cryptoki_function function,
                        const char *path, nk_error *err)
{
    return lacks(&call->list, &functions[function]) ? refuse(&functions[function], path, err)
                                                    : NK_OK;
}

/* --- its functions --- */

CK_RV cryptoki_lied(enum cryptoki_function function, const char *fmt, ...)
{
    char text[CKR_LIE_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return ckr_lied(function, functions[function].name, text);
}

void cryptoki_begin(enum cryptoki_function function)
{
    bounded_call_step(functions[function].name);
}
