/* SPDX-License-Identifier: Apache-2.0
 * The judge: one generation of roots and rules, and the verdict on a peer. Knows no gRPC. */
#ifndef NODEKEY_POLICY_H
#define NODEKEY_POLICY_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "auto.h"
#include "config.h"
#include "nodekey/plugin.h"
#include "peer.h"

struct policy; /* counted; immutable but for its pool of intermediates */

/* Reads the roots that the configuration names; takes over `admit` and `deny` from `config` (its
 * lists are empty afterwards). NK_E_TRUST names the file and the certificate. Weak settings (strict
 * false, no CRLs, all-certified) are logged as warnings. *ret_policy is owned: policy_unref. */
MUST_USE nk_status policy_new(struct config *config, const nk_host *host,
                              struct policy **ret_policy, nk_error *err);
struct policy *policy_ref(struct policy *policy);
void policy_unref(struct policy *policy);

/* Judges in the order of the design: chain, deny, admit, server name. Writes the whole verdict;
 * anything unexpected denies with the reason "internal". Sets peer->facts.rule when it allows.
 * Any thread, concurrently. */
void policy_judge(struct policy *policy, struct peer *peer, nk_verdict *verdict);
/* The same for a peer that is connected already: which name was dialled is not asked. */
void policy_identify(struct policy *policy, struct peer *peer, nk_verdict *verdict);
/* What policy_judge decided and for each rule why it did not match; free() it. NULL: no memory. */
char *policy_explain(struct policy *policy, const struct peer *peer, const nk_verdict *verdict);

/* Does our own leaf chain to the roots now, in our role (OUR_SERVER, OUR_CLIENT)? NK_E_IDENTITY
 * with OpenSSL's reason: expired, not yet valid, no chain, wrong extended key usage, ... Under
 * strict false what is missing is logged as a warning that says what it costs. */
MUST_USE nk_status policy_check_ours(struct policy *policy, int our_role, X509 *leaf,
                                     STACK_OF(X509) *intermediates, const nk_host *host,
                                     nk_error *err);
bool policy_checks_call_host(const struct policy *policy); /* server_name is "target" */

#endif
