/* SPDX-License-Identifier: Apache-2.0
 * The walk of a module's slots. All of it inside a use of the module. */
#ifndef NODEKEY_SLOTS_H
#define NODEKEY_SLOTS_H

#include "module/module.h"
#include "module/token_name.h"

#define SLOTS_MAX 65536 /* a module that says it has more is not believed */
#define SLOTS_LOOKS 5   /* at a list that grows */

struct slots {
    const struct module *module;
    CK_ULONG len;
    CK_ULONG at;
    CK_RV rv; /* the last lie about a token, for those who miss one; of a blank it may be no lie */
    CK_SLOT_ID ids[];
};

/* The slots that hold a token; a list that grew since it was counted is asked for again. CKR_OK,
 * CKR_HOST_MEMORY, or what the module answers, the last time. *ret_slots is owned: slots_free.
 * [any] */
MUST_USE CK_RV slots_list(const struct module *module, struct slots **ret_slots);
/* The next slot whose token answers; a slot that does not, or lies, must not hide the token behind
 * it. False: there are no more. [any] */
MUST_USE bool slots_next(struct slots *slots, CK_SLOT_ID *ret_slot, CK_TOKEN_INFO *ret_info);
/* NULL is allowed. */
void slots_free(struct slots *slots);
DEFINE_AUTO(struct slots *, slots_free);

/* The slot of the token of this name; slots behind it are not asked. CKR_TOKEN_NOT_PRESENT: no slot
 * holds it; else as slots_list. [any] */
MUST_USE CK_RV slots_find(const struct module *module, const struct token_name *name,
                          CK_SLOT_ID *ret_slot);
/* CKF_REMOVABLE_DEVICE, CKF_HW_SLOT; 0 if the slot does not answer. [any] */
CK_FLAGS slots_flags(const struct module *module, CK_SLOT_ID slot);

#endif
