/* SPDX-License-Identifier: Apache-2.0 */
#include "module/slots.h"

#include <stdlib.h>

#include "wait/bounded_call.h"

CK_RV slots_refresh(const struct module *module, CK_ULONG *ret_len)
{
    *ret_len = 0;
    bounded_call_step("C_GetSlotList");
    return module->call->C_GetSlotList(CK_TRUE, NULL, ret_len);
}

CK_RV slots_list(const struct module *module, struct slots **ret_slots)
{
    CK_ULONG room = 0;
    CK_RV rv = slots_refresh(module, &room);
    if (rv != CKR_OK) {
        return rv;
    }
    room = room < SLOTS_MAX ? room : SLOTS_MAX;
    AUTO(slots_free)
    struct slots *slots = calloc(1, sizeof(*slots) + (room + 1) * sizeof(CK_SLOT_ID));
    if (slots == NULL) {
        return CKR_HOST_MEMORY;
    }
    slots->module = module;
    slots->len = room;
    rv = module->call->C_GetSlotList(CK_TRUE, slots->ids, &slots->len);
    if (rv == CKR_OK) {
        slots->len = slots->len < room ? slots->len : room; /* of a module that lies */
        bounded_call_step("C_GetTokenInfo");
        *ret_slots = slots;
        slots = NULL;
    }
    return rv;
}

bool slots_next(struct slots *slots, CK_SLOT_ID *ret_slot, CK_TOKEN_INFO *ret_info)
{
    while (slots->at < slots->len) {
        *ret_slot = slots->ids[slots->at++];
        if (slots->module->call->C_GetTokenInfo(*ret_slot, ret_info) == CKR_OK) {
            return true;
        }
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
    if (rv != CKR_OK) {
        return rv;
    }
    while (slots_next(slots, &slot, &info)) {
        token_name_of(&info, &seen);
        if (token_name_equal(&seen, name)) {
            *ret_slot = slot;
            return CKR_OK;
        }
    }
    return CKR_TOKEN_NOT_PRESENT;
}

CK_FLAGS slots_flags(const struct module *module, CK_SLOT_ID slot)
{
    CK_SLOT_INFO info;
    return module->call->C_GetSlotInfo(slot, &info) == CKR_OK ? info.flags : 0;
}
