/* SPDX-License-Identifier: Apache-2.0
 * The file of a PIN while the PIN is changed, and FILE.next beside it.
 *
 * A change may be killed, or lose its power, between any two of its steps; at each moment the PIN
 * that the token takes is in one of both files, whole and on the disk:
 *  1. FILE.next is written aside with owner, mode and time of FILE, synced, renamed to its name,
 *     and the folder is synced (pin_place_write_next);
 *  2. C_SetPIN: the token takes that of FILE, then that of FILE.next;
 *  3. a login proves the latter;
 *  4. FILE.next is renamed to FILE, and the folder is synced (pin_place_finish).
 * A login that is refused with FILE's goes on with FILE.next's (pin_take_other), and after that
 * worked does step 4. */
#ifndef NODEKEY_PIN_PLACE_H
#define NODEKEY_PIN_PLACE_H

#include <limits.h>

#include "pin/pin.h"

#define PIN_NEXT_SUFFIX ".next"

struct pin_place {
    const char *path; /* of FILE; borrowed */
    const char *name; /* the last part of it */
    char next[NAME_MAX + 1];
    int folder; /* owned, and locked against other changes; -1: neither */
};

/* Waits at most `wait_ms` for a change that is under way. pin_place_unlock, whatever the status.
 * NK_E_CONFIG: the folder cannot be opened or locked, or a change is under way: errno EWOULDBLOCK
 * as err->native. All [any]; a place is of one thread. */
MUST_USE nk_status pin_place_lock(const char *path, unsigned wait_ms, struct pin_place *ret_place,
                                  nk_error *err);
void pin_place_unlock(struct pin_place *place);
/* Step 1. NK_E_CONFIG: FILE is not a regular file, or FILE.next cannot be written or be given
 * FILE's owner; nothing has changed then. */
MUST_USE nk_status pin_place_write_next(const struct pin_place *place, const struct pin *next,
                                        nk_error *err);
/* Step 4. NK_E_CONFIG: FILE.next cannot take FILE's place. */
MUST_USE nk_status pin_place_finish(const struct pin_place *place, nk_error *err);
/* Removes a FILE.next that the token does not take. */
void pin_place_drop_next(const struct pin_place *place);

/* Whether FILE.next is there, written for FILE as it is. */
bool pin_place_is_left(const char *path);

#endif
