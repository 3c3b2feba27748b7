/* SPDX-License-Identifier: Apache-2.0
 * Signer of a CRL, as far as certificates are known. A path may know more: chain_lists.h. */
#ifndef NODEKEY_CRL_PROOF_H
#define NODEKEY_CRL_PROOF_H

#include <openssl/x509.h>

#include "base/auto.h"

enum crl_proof { CRL_ISSUER_UNKNOWN = 0, CRL_PROVEN, CRL_FORGED, CRL_ISSUER_MAY_NOT };
/* [any] Whether one of `issuers` signed the list. CRL_FORGED: none of those of its name and key
 * identifier did. CRL_ISSUER_MAY_NOT: one did whose keyUsage lacks cRLSign. */
MUST_USE enum crl_proof crl_prove(X509_CRL *list, STACK_OF(X509) *issuers);

#endif
