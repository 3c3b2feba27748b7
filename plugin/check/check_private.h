/* SPDX-License-Identifier: Apache-2.0
 * Shared by the steps of a check. */
#ifndef NODEKEY_CHECK_PRIVATE_H
#define NODEKEY_CHECK_PRIVATE_H

#include <stdbool.h>

#include "check/check.h"
#include "check/check_cure.h"
#include "config/config.h"
#include "hsm_admin.h"
#include "judge/own_chain.h"
#include "judge/policy.h"
#include "wait/bounded_call.h"

enum check_pin { CHECK_PIN_FINE, CHECK_PIN_ABSENT, CHECK_PIN_REFUSED };

/* Findings of the steps before, for those that follow. */
struct check {
    const struct check_order *order;
    struct check_report *report;
    struct config *config; /* NULL: none, or left to a call that hangs in a module */
    bool faulty;           /* members with faults were left out of `config` */
    struct policy_memory memory;
    struct policy *policy; /* NULL: it cannot be made */
    bool forgets;          /* state_dir is at fault, so no PIN is sent */
    bool whole;            /* the policy is that of the node: no file was left out */
    struct own_chain chains[OUR_ROLES];
    struct hsm_admin *admins[OUR_ROLES];   /* logged in; NULL: not, or the other role's */
    struct hsm_key *keys[OUR_ROLES];       /* proven; NULL: not */
    struct bounded_call *looks[OUR_ROLES]; /* that made both, and hold the host that they log to */
    enum check_pin pins[OUR_ROLES];
    bool no_module[OUR_ROLES]; /* told where the certificate is on the token */
};

#define CHECK_TOPIC_BYTES 32
/* "node.pin"; with two identities "server.pin". Returns `topic`. */
const char *check_topic(const struct check *check, int role, const char *member,
                        char topic[CHECK_TOPIC_BYTES]);
/* Whether the role is asked about and has an identity of its own. */
bool check_has_identity(const struct check *check, int role);
/* A bad finding with the error's text, and what mends the path for that use, if anything does. */
struct check_place {
    const char *topic;
    const char *path;
    enum check_use use;
};
void check_add_error(const struct check *check, const struct check_place *place,
                     const nk_error *err);
/* A certificate or a list, which ends. */
struct check_span {
    const char *topic;
    const char *subject;
    time_t begin;
    time_t end;
    enum check_mark ended; /* the mark when it has */
};
/* A line "subject, until ...": good, or a warning when less than a quarter of its time and less
 * than 30 days are left. */
void check_add_span(const struct check *check, const struct check_span *span);

/* The steps, in order. */
void check_config(struct check *check); /* `config` stays NULL: nothing else can be looked at */
void check_files(const struct check *check);
void check_trust(struct check *check);
void check_identities(struct check *check);
void check_keys(struct check *check);
void check_machine(const struct check *check);
void check_against(struct check *check);

#endif
