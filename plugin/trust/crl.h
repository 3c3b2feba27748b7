/* SPDX-License-Identifier: Apache-2.0
 * The revocation lists that federation.crls names: read, checked once and for all (crl_check.h),
 * and never older than one seen before. Asking them about a certificate is the business of
 * chain_revocation.h. */
#ifndef NODEKEY_CRL_H
#define NODEKEY_CRL_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "nodekey/plugin.h"
#include "trust/crl_check.h"
#include "trust/crl_ledger.h"

#define CRL_FILES_MAX 1024

enum crl_mode { CRL_OFF = 0, CRL_SOFT = 1, CRL_HARD = 2 };

struct crl_settings {
    enum crl_mode mode;
    unsigned grace_hours;   /* after nextUpdate */
    unsigned max_age_hours; /* after thisUpdate; 0: no limit */
};

struct crls; /* counted; immutable: the lists of one generation */

/* [one] Reads every file and every file of every folder among `paths`: PEM (one list or more) or
 * DER. A file with a list that crl_check.h does not pass is bad. `issuers` are certificates that
 * may have signed the lists (roots and known intermediates): a list whose signature one of them
 * proves is entered into the ledger; a list with a lower number than the ledger's is refused,
 * proven or not, unless the newest of its kind was read beside it: then the older is left out with
 * a log line. A list whose known issuer did not sign it is refused. A list whose issuer is unknown
 * is kept, so two of one unknown issuer may be in force: a path decides later. At open `old` is
 * NULL, and the first bad file fails the call. On reload a bad file is reported and what `old` had
 * of that file stays; the call then still gives *ret_crls, and its status tells of the first bad
 * file. A proven list that its file or folder holds no more stays until a newer one is read,
 * whatever its nextUpdate, as long as `paths` names that file or folder: deleting un-revokes
 * nobody. NK_E_TRUST names the file and the cure; NK_E_INTERNAL, on reload only: the numbers are
 * not in state_dir yet (at open this is logged); NK_E_NOMEM. *ret_crls is owned: crls_unref; NULL
 * only when there is no memory, or at open. */
MUST_USE nk_status crls_read(char *const *paths, size_t len, STACK_OF(X509) *issuers,
                             struct crl_ledger *ledger, const struct crls *old, const nk_host *host,
                             struct crls **ret_crls, nk_error *err);
/* [any] One more holder, each of which calls crls_unref. */
struct crls *crls_ref(struct crls *crls);
/* [any] NULL is allowed. */
void crls_unref(struct crls *crls);
/* [any] Each list once, in however many files it is: *at begins with 0. Borrowed: lives as long as
 * `crls`. NULL: there is no other. */
const struct crl *crls_next(const struct crls *crls, size_t *at);
/* [any] Whether both hold the same lists, whatever the files. */
bool crls_equal(const struct crls *a, const struct crls *b);
/* [any] Enters lists that these issuers prove now into the ledger: intermediates may be met after
 * the lists were read. */
void crls_prove(const struct crls *crls, STACK_OF(X509) *issuers, struct crl_ledger *ledger);
/* [one] Logs, and sends to the host's `event`, once for each list: "crl-expiring" when less than a
 * quarter of its lifetime is left, "crl-expired" when nextUpdate has passed. */
void crls_warn(struct crls *crls, time_t now, const nk_host *host);

#endif
