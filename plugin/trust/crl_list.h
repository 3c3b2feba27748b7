/* SPDX-License-Identifier: Apache-2.0
 * One revocation list, one file of them, and what holds a generation. For crl.c and crl_read.c. */
#ifndef NODEKEY_CRL_LIST_H
#define NODEKEY_CRL_LIST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "trust/crl_check.h"
#include "trust/crl_ledger.h"

#define CRL_FILE_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define CRL_LISTS_MAX 4096 /* of one generation */
#define CRL_DIGEST_BYTES 32

struct crl_list {
    struct crl crl;
    char *source; /* the member of federation.crls */
    char *file;   /* the member itself, or a file in it if it is a folder */
    char issuer[CRL_ISSUER_BYTES];
    uint8_t digest[CRL_DIGEST_BYTES]; /* of the DER as it was read */
    struct crl_order order;
    atomic_bool proven; /* an issuer of ours signed it; stays true when that issuer is forgotten */
    bool carried;       /* from the generation before: the file does not hold it any more */
    bool told_gone;
    atomic_bool warned_expiring; /* atomic, since a reload copies it while crls_warn sets it */
    atomic_bool warned_expired;
};

struct crl_lists { /* zeroed: empty */
    struct crl_list **at;
    size_t len;
};

struct crls {
    atomic_uint references;
    struct crl_lists lists; /* sorted by digest */
};
struct crls *crls_new(void); /* NULL: no memory */

struct crl_list *crl_list_copy(const struct crl_list *list); /* NULL: no memory */
void crl_list_free(struct crl_list *list);
/* Takes the list over. False: no memory, and it is freed. */
MUST_USE bool crl_lists_append(struct crl_lists *lists, struct crl_list *list);
/* Frees those from `len` on. */
void crl_lists_cut(struct crl_lists *lists, size_t len);

/* Appends what one file holds, checked as far as the list itself tells; at most CRL_LISTS_MAX in
 * all. After a failure some of them may have been appended: crl_lists_cut. */
MUST_USE nk_status crl_lists_read(const char *source, const char *file, struct crl_lists *lists,
                                  nk_error *err);

/* In decimal; "none". */
void crl_list_number(const struct crl_list *list, char *text, size_t room);

#endif
