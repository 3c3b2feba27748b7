/* SPDX-License-Identifier: Apache-2.0
 * The ledger from inside, and its file. For crl_ledger.c and crl_ledger_file.c. */
#ifndef NODEKEY_CRL_LEDGER_FILE_H
#define NODEKEY_CRL_LEDGER_FILE_H

#include <pthread.h>

#include "trust/crl_ledger.h"

struct seen {
    struct crl_order order;
    char issuer[CRL_ISSUER_BYTES];
};

struct crl_ledger {
    char *path; /* of the folder; NULL: memory only */
    int folder;
    pthread_mutex_t lock;
    /* guarded by lock */
    struct seen *seen; /* sorted by key */
    size_t len;
    bool unsaved;
};

/* All under lock, or before another thread knows the ledger. */

bool crl_ledger_enter_locked(struct crl_ledger *ledger, const struct crl_order *order,
                             const char *issuer);
/* Takes in what the file says; no file: nothing was seen. */
MUST_USE nk_status crl_ledger_load(struct crl_ledger *ledger, nk_error *err);
/* Replaces the file by all that is known, that of other processes included. */
MUST_USE nk_status crl_ledger_write(struct crl_ledger *ledger, nk_error *err);

#endif
