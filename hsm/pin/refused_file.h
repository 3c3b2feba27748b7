/* SPDX-License-Identifier: Apache-2.0
 * The memory of refused PINs that outlives the process: one file per token in state_dir, held by
 * one process at a time while it logs in.
 *
 * What the file gives away. Whoever can read it, which is whoever could read a PIN file of ours,
 * can try PINs against its marks at the price of one scrypt each. That price makes a search of all
 * four-digit PINs cost an hour and not a blink; it does not save a short PIN from one who takes the
 * hour. He then knows a PIN that this token *refused*: never the right one, unless that is guessed
 * from the wrong one, or was set later. */
#ifndef NODEKEY_REFUSED_FILE_H
#define NODEKEY_REFUSED_FILE_H

#include <stdbool.h>

#include "pin/pin.h"

struct refused_file;

/* Waits at most `wait_ms` for another process that logs in to the same token. When it succeeds, a
 * refusal can be remembered: the room for it is on the disk. *ret_state is owned:
 * refused_file_close. Whatever fails, no PIN may be sent. NK_E_CONFIG: state_dir is not a folder of
 * ours, or we may not write there. NK_E_INTERNAL: its disk is full or ailing. NK_E_TOKEN: another
 * process holds the file. NK_E_PIN: the file is damaged, open to others, or full of marks, and the
 * operator must say which PIN is right. [any]; a state is of one thread. */
MUST_USE nk_status refused_file_open(const char *folder, const struct token_name *token,
                                     unsigned wait_ms, struct refused_file **ret_state,
                                     nk_error *err);
/* One scrypt, but none while no PIN was refused. */
MUST_USE nk_status refused_file_refuses(struct refused_file *state, const struct pin *pin,
                                        bool *ret_refuses, nk_error *err);
/* The mark is on the disk when it returns NK_OK; else it is lost. Once for each state. */
MUST_USE nk_status refused_file_remember(struct refused_file *state, const struct pin *pin,
                                         nk_error *err);
size_t refused_file_count(const struct refused_file *state);
/* Removes what is remembered of this token, damaged or not. *ret_forgot: there was something. */
MUST_USE nk_status refused_file_forget(const char *folder, const struct token_name *token,
                                       unsigned wait_ms, bool *ret_forgot, nk_error *err);
/* Borrowed, for texts. */
const char *refused_file_path(const struct refused_file *state);
/* NULL is allowed. */
void refused_file_close(struct refused_file *state);
DEFINE_AUTO(struct refused_file *, refused_file_close);

#endif
