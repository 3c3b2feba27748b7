/* SPDX-License-Identifier: Apache-2.0
 * State of one call of crls_read, for crl_read.c, which collects, and crl_settle.c, which chooses.
 * A function that returns false has put into `first` why there is no generation. */
#ifndef NODEKEY_CRL_READING_H
#define NODEKEY_CRL_READING_H

#include "trust/crl_list.h"

struct reading {
    const struct crls *old; /* NULL: at open */
    STACK_OF(X509) *issuers;
    struct crl_ledger *ledger;
    const nk_host *host;
    struct crls *crls; /* in the making */
    size_t files;
    nk_error first; /* what was wrong first */
};

/* Reports what is wrong with one file or list. True: a reload, which goes on without it. */
MUST_USE bool reading_bear(struct reading *reading, nk_error *why);
bool reading_no_memory(struct reading *reading); /* always false */
/* The same list of the generation before, in whatever file; or NULL. */
const struct crl_list *reading_find_old(const struct reading *reading, const struct crl_list *list);
#endif
