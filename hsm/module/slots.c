/* SPDX-License-Identifier: Apache-2.0 */
#include "module/slots.h"

#include <stdlib.h>

#include "module/ckr.h"

/* With room for as many as the module counts now: PKCS#11 3.0, 5.5, lets the list change only with
 * a call that brings no buffer. */
static CK_RV list_once(const struct module *module, struct slots **ret_slots)
{
    CK_ULONG room = 0;
    CK_RV rv = cryptoki_get_slot_list(module->call, NULL, &room);
    if (rv != CKR_OK) {
        return rv;
    }
    if (room > SLOTS_MAX) {
        return cryptoki_lied(CRYPTOKI_C_GetSlotList, "the module says %lu slots, more than %d",
                             room, SLOTS_MAX);
    }
    AUTO(slots_free)
    struct slots *slots = calloc(1, sizeof(*slots) + (room + 1) * sizeof(CK_SLOT_ID));
    if (slots == NULL) {
        return CKR_HOST_MEMORY;
    }
    slots->module = module;
    slots->len = room;
    rv = cryptoki_get_slot_list(module->call, slots->ids, &slots->len);
    if (rv == CKR_OK) {
        *ret_slots = slots;
        slots = NULL;
    }
    return rv;
}

/* PKCS#11 3.0, 5.5: who is told CKR_BUFFER_TOO_SMALL begins again. Some modules say CKR_OK and
 * the new number instead. */
CK_RV slots_list(const struct module *module, struct slots **ret_slots)
{
    CK_RV rv = list_once(module, ret_slots);

    for (int i = 1; i < SLOTS_LOOKS && (rv == CKR_BUFFER_TOO_SMALL || ckr_is_lie(rv)); i++) {
        rv = list_once(module, ret_slots);
    }
    return rv != CKR_BUFFER_TOO_SMALL
               ? rv
               : cryptoki_lied(CRYPTOKI_C_GetSlotList,
                               "the module has more slots than it counted, %d times in a row",
                               SLOTS_LOOKS);
}

bool slots_next(struct slots *slots, CK_SLOT_ID *ret_slot, CK_TOKEN_INFO *ret_info)
{
    while (slots->at < slots->len) {
        *ret_slot = slots->ids[slots->at++];
        CK_RV rv = cryptoki_get_token_info(slots->module->call, *ret_slot, ret_info);
        if (rv == CKR_OK) {
            return true;
        }
        slots->rv = ckr_is_lie(rv) ? rv : slots->rv;
    }
    return false;
}

void slots_free(struct slots *slots)
{
    free(slots);
}

CK_RV slots_find(const struct module *module, const struct token_name *name, CK_SLOT_ID *ret_slot)
{
    AUTO(slots_free) struct slots *slots = NULL;
    CK_SLOT_ID slot = 0;
    CK_TOKEN_INFO info;
    struct token_name seen;
    CK_RV rv = slots_list(module, &slots);
    if (slots == NULL) {
        return rv;
    }
    while (slots_next(slots, &slot, &info)) {
        token_name_of(&info, &seen);
        if (token_name_equal(&seen, name)) {
            *ret_slot = slot;
            return CKR_OK;
        }
    }
    return slots->rv != CKR_OK ? slots->rv : CKR_TOKEN_NOT_PRESENT;
}

CK_FLAGS slots_flags(const struct module *module, CK_SLOT_ID slot)
{
    CK_SLOT_INFO info;
    return cryptoki_get_slot_info(module->call, slot, &info) == CKR_OK ? info.flags : 0;
}
