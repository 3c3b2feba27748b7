/* SPDX-License-Identifier: Apache-2.0
 * Our own certificate, judged as peers like us would judge it. */
#ifndef NODEKEY_OWN_CERTIFICATE_H
#define NODEKEY_OWN_CERTIFICATE_H

#include "chain/chain.h"

/* `our_role` is OUR_SERVER or OUR_CLIENT; see policy_check_ours. */
MUST_USE nk_status own_certificate_check(struct chain *chain, struct pool *pool, int our_role,
                                         X509 *leaf, STACK_OF(X509) *intermediates,
                                         const nk_host *host, nk_error *err);

/* Is told of one fault, in a sentence of its own. */
typedef void own_fault(void *arg, enum reason reason, const nk_error *fault);
struct own_judges {
    struct chain *chain;
    const struct crls *crls; /* NULL: none */
    bool strict;
};
/* See policy_find_our_faults. */
void own_certificate_faults(const struct own_judges *judges, int our_role, X509 *leaf,
                            STACK_OF(X509) *intermediates, const nk_host *host, own_fault *tell,
                            void *arg);

#endif
