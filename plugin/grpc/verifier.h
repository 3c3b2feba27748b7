/* SPDX-License-Identifier: Apache-2.0
 * gRPC's external verifier, sync form: the only way from a handshake to our judgement. */
#ifndef NODEKEY_VERIFIER_H
#define NODEKEY_VERIFIER_H

#include "base/auto.h"
#include "grpc/core.h"
#include "grpc/publication.h"
#include "judge/verdicts.h"

/* A verifier for peers of this role; the publication lives as long as the credentials that read it,
 * and so as long as their verifier. gRPC frees it through its destruct, once
 * grpc_tls_certificate_verifier_external_create has taken it; before that, verifier_free. NULL: no
 * memory. */
grpc_tls_certificate_verifier_external *
verifier_new(struct verdicts *verdicts, struct publication *publication, uint32_t role);
void verifier_free(grpc_tls_certificate_verifier_external *verifier);

#endif
