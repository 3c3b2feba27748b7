/* SPDX-License-Identifier: Apache-2.0
 * Reasons to refuse a peer: the closed set of labels for verdicts, log lines and metrics. */
#ifndef NODEKEY_REASONS_H
#define NODEKEY_REASONS_H

#include "base/auto.h"
#include "nodekey/plugin.h"

/* X(constant, label, meaning). Append only: dashboards know the labels. */
#define REASONS(X)                                                                                 \
    X(REASON_NO_CERTIFICATE, "no-certificate", "the peer showed no certificate")                   \
    X(REASON_MALFORMED, "malformed", "what it showed cannot be read, or is too large")             \
    X(REASON_UNTRUSTED, "untrusted", "no chain to the federation's roots, self-signed included")   \
    X(REASON_EXPIRED, "expired", "a certificate of the chain has expired")                         \
    X(REASON_NOT_YET_VALID, "not-yet-valid", "a certificate of the chain is not yet valid")        \
    X(REASON_WRONG_PURPOSE, "wrong-purpose", "key usage or extended key usage forbids this role")  \
    X(REASON_NOT_A_CA, "not-a-ca", "an issuer in the chain may not issue certificates")            \
    X(REASON_BAD_SIGNATURE, "bad-signature", "a signature in the chain is wrong")                  \
    X(REASON_WEAK_KEY, "weak-key", "a key under 112 bits of security, or a digest such as SHA-1")  \
    X(REASON_CHAIN_INVALID, "chain-invalid", "another rule of RFC 5280, or of strict, is broken")  \
    X(REASON_DENIED, "denied", "a deny rule matches")                                              \
    X(REASON_NO_RULE, "no-rule", "no admit rule matches")                                          \
    X(REASON_NAME_MISMATCH, "name-mismatch", "the dialled name is not in the server's SAN")        \
    X(REASON_HOOK_REFUSED, "hook-refused", "the host's verify_peer said no, or failed")            \
    X(REASON_HOOK_LATE, "hook-late", "the host's verify_peer did not answer in time")              \
    X(REASON_HOOK_BUSY, "hook-busy", "too many calls of verify_peer do not come back")             \
    X(REASON_CLOSED, "closed", "the instance is closed")                                           \
    X(REASON_INTERNAL, "internal", "nodekey could not judge; the detail says why")                 \
    X(REASON_REVOKED, "revoked", "a CRL lists a certificate of the chain")                         \
    X(REASON_CRL_MISSING, "crl-missing", "crl_mode is hard and no CRL clears a certificate")       \
    X(REASON_CRL_STALE, "crl-stale", "crl_mode is hard and a CRL is past its time")                \
    X(REASON_CRL_INVALID, "crl-invalid",                                                           \
      "a CRL is not its issuer's, from the future or of unknown entries")

#define REASON_CONSTANT(constant, label, meaning) constant,
enum reason { REASONS(REASON_CONSTANT) REASONS_LEN };
#undef REASON_CONSTANT

/* [any] Of an unknown number the label of REASON_INTERNAL. */
const char *reason_label(enum reason reason);
/* [any] Writes the whole verdict but its size: deny, for this reason. `rule` is the rule that
 * decided, or NULL. */
void verdict_deny(nk_verdict *verdict, enum reason reason, const char *rule, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
