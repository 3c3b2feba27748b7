/* SPDX-License-Identifier: Apache-2.0
 * gRPC's credentials, and what an instance has with gRPC for them: the published identity, the
 * provider of all channels, polling threads. The only file that calls gRPC's experimental TLS
 * functions. */
#ifndef NODEKEY_NODE_CREDENTIALS_H
#define NODEKEY_NODE_CREDENTIALS_H

#include "base/auto.h"
#include "grpc/publication.h"
#include "judge/verdicts.h"

struct credentials;

/* Which gRPC core and which libcrypto are the host's, before anything is asked of either; core.h
 * has the errors. Nothing for a host without grpc_version, which gets no credentials. [any] */
MUST_USE nk_status credentials_choose_core(const nk_host *host, nk_error *err);

/* Whether polling threads sign in the core that was chosen, so that grpc.lent_threads help. True,
 * too, when none was chosen. [any] */
bool credentials_lend_threads(void);

/* Whether the host's core asks for signatures itself instead of reading keys. [any] */
bool credentials_want_signers(const nk_host *host);

/* Takes a reference to `verdicts` and opens the publication; gRPC is not touched, and need not be
 * initialised. `lent_threads` begin with the first credentials, where they help. *ret_credentials
 * is owned: credentials_free. NK_E_INTERNAL: no folder; NK_E_NOMEM. */
MUST_USE nk_status credentials_open(struct verdicts *verdicts, unsigned lent_threads,
                                    struct credentials **ret_credentials, nk_error *err);
/* After credentials_close. What gRPC still holds lives on. NULL is allowed. */
void credentials_free(struct credentials *credentials);

/* Where our identity is published to gRPC. Lives as long as `credentials`. */
struct publication *credentials_publication(const struct credentials *credentials);

/* NK_E_USAGE: grpc_init was not called, or the host's gRPC core is not ours. NK_E_CLOSED: after
 * verdicts_close. The result is owned by the caller and outlives `credentials`. [any] */
MUST_USE nk_status credentials_server(struct credentials *credentials,
                                      struct grpc_server_credentials **ret, nk_error *err);
MUST_USE nk_status credentials_channel(struct credentials *credentials,
                                       struct grpc_channel_credentials **ret, nk_error *err);

/* After verdicts_close: gives back what gRPC holds for our channels. Waits for gRPC, so never in a
 * forked child, nor the next two. */
void credentials_close(struct credentials *credentials);

/* The lent threads begin to end, which takes no time: before keys are shut, which may. */
void credentials_dismiss_polling(struct credentials *credentials);
/* Waits for them until `deadline_ms` of clock_now_ms; logs if some are left behind. After
 * verdicts_close. */
void credentials_join_polling(struct credentials *credentials, long long deadline_ms);

#endif
