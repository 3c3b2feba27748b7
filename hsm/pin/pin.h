/* SPDX-License-Identifier: Apache-2.0
 * PINs: read from where the configuration says into one page that is locked in memory, left out of
 * core dumps and empty in children; and the memory of refused ones. */
#ifndef NODEKEY_PIN_H
#define NODEKEY_PIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "hsm.h"
#include "module/token_name.h"

#define PIN_MAX_BYTES 255

struct pin; /* one page; used by one thread at a time, which holds its token's lock */

/* Reads the PIN. `file` and `credential` are read anew by each pin_refresh; `fd` and `prompt` are
 * asked here only. NK_E_PIN names the source and the cure. A warning to the host's log when
 * pin_has_outer_blank, but not of a PIN that was typed. *ret_pin is owned: pin_free. [any] Calls
 * the host: never under a lock of ours. */
MUST_USE nk_status pin_open(const struct hsm_pin_source *source, const char *token_label,
                            const nk_host *host, struct pin **ret_pin, nk_error *err);
/* Before each login after the first. When the source fails, the PIN stays what it was, and NK_E_PIN
 * names the source and the cure. */
MUST_USE nk_status pin_refresh(struct pin *pin, nk_error *err);
/* After the token refused the PIN of a `file`: takes another that may be the one, since the PIN is
 * changed or a change of it was interrupted (pin_place.h). The file's, if that is written anew;
 * else that of FILE.next, if it was written for a change of the file as it is. False: there is
 * none, so the PIN stays what it was. */
MUST_USE bool pin_take_other(struct pin *pin);
/* Whether the PIN is that of FILE.next; until pin_refresh. */
bool pin_is_next(const struct pin *pin);
/* Whether the PIN is of the file of `before`, which was written since; a warning says so. */
bool pin_follows(const struct pin *pin, const struct pin *before);
/* After the token took the PIN of FILE.next: the file takes its place, as the interrupted change
 * would have done it, where we may write and no change is under way. A warning says so, or what to
 * do. Nothing is done for other PINs. */
void pin_finish_change(struct pin *pin);
/* Wipes the page. NULL is allowed. */
void pin_free(struct pin *pin);

/* In a forked child: the bytes are not here (MADV_WIPEONFORK), so they are read anew before they
 * are used, where that can be done. */
void pin_renew(struct pin *pin);
/* The bytes are not here, and have not been read anew. */
bool pin_is_lost(const struct pin *pin);

/* Of whoever named the PIN's source, for what else is read for it later; borrowed. */
struct path_terms *pin_terms(const struct pin *pin);

unsigned char *pin_bytes(const struct pin *pin);
size_t pin_len(const struct pin *pin);
/* Whether a space, a tab or the like is its first or last byte, as is rarely meant. */
bool pin_has_outer_blank(const struct pin *pin);
/* `protected`: there are no bytes; C_Login gets a NULL PIN. */
bool pin_is_protected(const struct pin *pin);
/* The token took the PIN. Forgotten when pin_refresh reads another. */
void pin_works(struct pin *pin);
bool pin_has_worked(const struct pin *pin);
/* In constant time. */
bool pin_equal(const struct pin *a, const struct pin *b);

/* The memory of this process: a PIN that a token refused is not sent to it again. Keyed hashes in a
 * page like a PIN's, but one that children keep. refused_here also answers true when the page is
 * full. [any] */
bool refused_here(const struct pin *pin, const struct token_name *token);
void refused_here_remember(const struct pin *pin, const struct token_name *token);

#endif
