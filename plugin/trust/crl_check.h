/* SPDX-License-Identifier: Apache-2.0
 * What is wrong with a CRL, asked once, when it is read, and nowhere else. */
#ifndef NODEKEY_CRL_CHECK_H
#define NODEKEY_CRL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <openssl/x509v3.h>

#include "base/auto.h"
#include "nodekey/plugin.h"
#include "trust/crl_ledger.h"

/* A list that crl_check passed: no delta, of its issuer's certificates alone, each critical
 * extension of its own known, signed in a way that counts (by whom is not said). Any thread may
 * look, and search its entries, which are sorted. */
struct crl {
    X509_CRL *list;
    ISSUING_DIST_POINT *scope; /* NULL: all that its issuer issued */
    const char *gap;           /* why the list clears nobody although it revokes; NULL: it clears */
    bool unreadable;           /* the gap: an entry that nodekey cannot read */
    bool numbered;             /* has a crlNumber: RFC 5280 5.2.3 */
    time_t this_update;
    time_t next_update;
};

/* [one] Fills all but `list` of *crl, and *order. NK_E_TRUST goes on from "the CRL of <issuer>" and
 * names the cure; NK_E_NOMEM. *crl is to be cleared after a failure, too. */
MUST_USE nk_status crl_check(struct crl *crl, struct crl_order *order, nk_error *err);
/* [any] Another holder of the same list. False: no memory; *ret_copy is to be cleared, too. */
MUST_USE bool crl_copy(const struct crl *crl, struct crl *ret_copy);
/* [any] Zeroed is allowed, and is what remains. */
void crl_clear(struct crl *crl);

#endif
