/* SPDX-License-Identifier: Apache-2.0
 * What one instance owns: its verdicts, its credentials, its identities, its configuration. gRPC's
 * objects, which may outlive it, hold parts of it that are counted, never the instance. */
#ifndef NODEKEY_INSTANCE_H
#define NODEKEY_INSTANCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "grpc/guard.h"
#include "grpc/node_credentials.h"
#include "judge/verdicts.h"
#include "node/identity.h"

struct housekeeping;

struct nk_instance {
    struct verdicts *verdicts; /* counted */
    struct credentials *credentials;
    struct guards *guards;
    struct policy_memory memory;
    struct path_terms *path_terms;    /* of open, for what is read later; counted */
    struct identity *ours[OUR_ROLES]; /* the same one twice, if one_identity */
    unsigned login_timeout_ms;

    pthread_mutex_t reload_lock;
    /* guarded by reload_lock */
    char *path;                             /* of the configuration; NULL: it came as text */
    struct config *config;                  /* in force; its rules are in the policy */
    bool publish_wanted;                    /* a renewed certificate waits until gRPC can take it */
    bool rotates;                           /* and it is on its way */
    char last_failure[NK_ERROR_TEXT_BYTES]; /* what the last reload said; "": nothing */
    char last_publish_failure[NK_ERROR_TEXT_BYTES];

    struct housekeeping *housekeeping; /* of life.c alone */
    uint64_t first_fingerprint;        /* of the files, before they were read */
    struct nk_instance *next;          /* among those that a child closed: life.c */
};

/* Reads, checks and proves everything; takes over *config, which is NULL afterwards. `path` is
 * where it came from, or NULL. *ret_instance is owned: instance_shut, then instance_free. */
MUST_USE nk_status instance_open(struct config **config, const char *path, const nk_host *host,
                                 struct nk_instance **ret_instance, nk_error *err);
/* From here on the keys fail and peers are refused. Waits for signatures under way, at most
 * login_timeout_ms. Once. */
void instance_shut(struct nk_instance *instance);
/* Makes no PKCS#11 call. NULL is allowed. */
void instance_free(struct nk_instance *instance);

/* Which policy is in force, by its digest, for the log. */
void instance_tell_policy(const struct policy *policy, const nk_host *host);
/* The signer of our_role, with what it shows now; waits for a reload under way. *ret_signer is
 * owned: signer_free. NK_E_NOMEM. */
MUST_USE nk_status instance_signer(struct nk_instance *instance, int our_role,
                                   nk_signer **ret_signer, nk_error *err);
/* Hands what both roles show now to gRPC. Not twice within publication_due. */
MUST_USE nk_status instance_publish(const struct nk_instance *instance, nk_error *err);

#endif
