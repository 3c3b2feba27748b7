/* SPDX-License-Identifier: Apache-2.0
 * The judge: one generation of roots, revocation lists and rules, and its verdict on a peer. Knows
 * no gRPC. */
#ifndef NODEKEY_POLICY_H
#define NODEKEY_POLICY_H

#include <stdbool.h>
#include <time.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "chain/pool.h"
#include "config/config.h"
#include "judge/own_certificate.h"
#include "nodekey/plugin.h"
#include "peer/peer.h"
#include "trust/crl.h"

struct policy; /* counted; immutable */

/* The memory that outlives the generations. Borrowed by the calls below; a policy keeps the pool
 * itself. */
struct policy_memory {
    struct pool *pool;
    struct crl_ledger *ledger;
};
/* Zeroed on failure. Owned: policy_memory_clear. */
MUST_USE nk_status policy_memory_open(const char *state_dir, struct policy_memory *ret_memory,
                                      nk_error *err);
/* The same for who looks, and starts no node: nothing is written to `state_dir`. */
MUST_USE nk_status policy_memory_peek(const char *state_dir, struct policy_memory *ret_memory,
                                      nk_error *err);
void policy_memory_clear(struct policy_memory *memory);
/* Words for the loss at each start without a state_dir, as a warning; NULL: none. Refused PINs are
 * not the policy's: the token's login warns of them, where it may lock. Constant. [any] */
const char *policy_memory_loss(const struct config *config);

/* The first generation: reads the roots and revocation lists that the configuration names, takes
 * over its rules (its lists are empty afterwards). NK_E_TRUST names the file and the certificate.
 * Weak settings (strict false, no CRLs, all-certified) are logged as warnings. *ret_policy is
 * owned: policy_unref. */
MUST_USE nk_status policy_new(struct config *config, const struct policy_memory *memory,
                              const nk_host *host, struct policy **ret_policy, nk_error *err);
/* The next one. `config` is the one in force, or a new one if `fresh`: then its rules are taken
 * over, too. A good part replaces its like in `old`; a bad one stays as it was, is logged, and
 * the status tells of the first. *ret_policy is NULL when nothing changed; else owned. */
MUST_USE nk_status policy_renew(const struct policy *old, struct config *config, bool fresh,
                                const struct policy_memory *memory, const nk_host *host,
                                struct policy **ret_policy, nk_error *err);
struct policy *policy_ref(struct policy *policy);
void policy_unref(struct policy *policy);
DEFINE_AUTO(struct policy *, policy_unref);

/* 1 for the first, one more for each renewal. */
uint64_t policy_generation(const struct policy *policy);
/* pool_changes of the pool that it asks for intermediates. [any] */
uint64_t policy_pool_changes(const struct policy *policy);
/* Hex SHA-256 of roots, settings and rules: equal on every node where these are equal, whatever
 * their order and files. CRLs are not in it: they change by themselves. Borrowed from `policy`. */
const char *policy_digest(const struct policy *policy);
/* The work of a second, once a second: warns of lists that end soon, enters lists that the pool can
 * prove by now into the ledger. One caller at a time. */
void policy_tick(const struct policy *policy, const struct policy_memory *memory,
                 const nk_host *host);

/* A verdict, and what nobody but the log and the clock wants to know of it. */
struct opinion {
    nk_verdict verdict;
    bool has_candidate;
    char candidate[NK_RULE_NAME_BYTES]; /* the rule of admit_candidate; "" if none matches */
    char note[NK_DETAIL_BYTES];         /* crl_mode soft: what was absent or stale */
    time_t until;                       /* an "allow" holds no longer than this */
    bool pooled;                        /* the path has what the pool had, and the peer left out */
};

/* [any] peer_read for this policy's judgement: no intermediate that was met is decoded again. */
MUST_USE nk_status policy_read_peer(struct policy *policy, uint32_t role, const char *target,
                                    const char *leaf_pem, const char *chain_pem,
                                    struct peer **ret_peer, nk_error *err);
/* [any] Judges in the order of the design: chain with its CRLs, deny, admit, server name. Writes
 * all of *ret_opinion; anything unexpected denies with the reason "internal". */
void policy_judge(struct policy *policy, const struct peer *peer, struct opinion *ret_opinion);
/* [any] The same for a peer that is connected already: which name was dialled is not asked. */
void policy_identify(struct policy *policy, const struct peer *peer, struct opinion *ret_opinion);
/* [any] Judges as policy_judge does, or as policy_identify if not `dialled`, and tells for each
 * rule why it did not match. The text is owned: free. NULL: no memory for it. */
char *policy_explain(struct policy *policy, const struct peer *peer, bool dialled,
                     struct opinion *ret_opinion);

/* Does our own leaf chain to the roots now, in our role (OUR_SERVER, OUR_CLIENT)? NK_E_IDENTITY
 * with OpenSSL's reason: expired, not yet valid, no chain, wrong extended key usage, ... Under
 * strict false what is missing is logged as a warning that says what it costs. */
MUST_USE nk_status policy_check_ours(struct policy *policy, int our_role, X509 *leaf,
                                     STACK_OF(X509) *intermediates, const nk_host *host,
                                     nk_error *err);
/* The same for who wants to know all that is wrong: each fault is told; none: the
 * certificate is good. [any] */
void policy_find_our_faults(struct policy *policy, int our_role, X509 *leaf,
                            STACK_OF(X509) *intermediates, const nk_host *host, own_fault *tell,
                            void *arg);
/* The roots and lists in force, or NULL: none; borrowed from `policy`. */
STACK_OF(X509) *policy_roots(const struct policy *policy);
const struct crls *policy_crls(const struct policy *policy);
bool policy_checks_call_host(const struct policy *policy); /* server_name is "target" */

#endif
