/* SPDX-License-Identifier: Apache-2.0
 * Highest number seen of each issuer's list. The ledger outlives generations and, with a state_dir,
 * the process. */
#ifndef NODEKEY_CRL_LEDGER_H
#define NODEKEY_CRL_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

#define CRL_KEY_BYTES 32
#define CRL_NUMBER_BYTES 20  /* RFC 5280 section 5.2.3 */
#define CRL_ISSUER_BYTES 256 /* as text */
#define CRL_LEDGER_MAX 4096  /* keys */

/* Place of a list among those of its kind. */
struct crl_order {
    uint8_t key[CRL_KEY_BYTES]; /* hash of issuer, its key identifier and the distribution point */
    bool numbered;
    uint8_t number[CRL_NUMBER_BYTES]; /* big-endian, padded on the left */
    time_t this_update;
};

struct crl_ledger;

/* [any] `state_dir` NULL: memory only. Else the folder must exist, belong to root or us and be
 * closed to others; the file in it is replaced atomically, 0600. NK_E_CONFIG names the folder and
 * the cure; a damaged file is NK_E_TRUST, since guessing would forget; NK_E_NOMEM. *ret_ledger is
 * owned: crl_ledger_free. */
MUST_USE nk_status crl_ledger_open(const char *state_dir, struct crl_ledger **ret_ledger,
                                   nk_error *err);
/* [any] Nothing is written from here on: for who looks, and starts no node. */
void crl_ledger_seal(struct crl_ledger *ledger);
void crl_ledger_free(struct crl_ledger *ledger);

/* [any] Whether a newer list of this kind was seen: by number; by thisUpdate where numbers are
 * equal or one list has none. */
bool crl_ledger_has_newer(struct crl_ledger *ledger, const struct crl_order *order);
/* [any] Only for lists whose signature is proven. False: there is no room for another kind. */
bool crl_ledger_enter(struct crl_ledger *ledger, const struct crl_order *order, const char *issuer);
/* [any] Writes what is not yet in state_dir, on top of what other processes wrote there.
 * NK_E_INTERNAL, NK_E_TRUST (a damaged file), NK_E_NOMEM: the numbers are known in memory and the
 * next call tries again. */
nk_status crl_ledger_save(struct crl_ledger *ledger, nk_error *err);

#endif
