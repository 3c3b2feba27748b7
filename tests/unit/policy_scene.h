/* SPDX-License-Identifier: Apache-2.0
 * Issuers of every kind, a policy from a row, and a peer from a row. */
#ifndef NODEKEY_TESTS_POLICY_SCENE_H
#define NODEKEY_TESTS_POLICY_SCENE_H

#include "fixtures/authority.h"
#include "judge/policy.h"

#define NODE "spiffe://fed.example/node/a"
#define MEMBERS "spiffe://fed.example/node/*"
#define IN NK_PEER_IS_CLIENT
#define OUT NK_PEER_IS_SERVER
#define BOTH (NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER)
#define DAY 86400L

enum issuer {
    ROOT,
    MIMIC,      /* another root of the same name */
    BARE_MIMIC, /* and without key identifiers */
    INTERMEDIATE,
    SECOND,    /* below INTERMEDIATE */
    CROWDED,   /* an intermediate with pathlen:0 */
    TOO_DEEP,  /* below CROWDED */
    EXPIRED,   /* an intermediate */
    NOT_A_CA,  /* issued by ROOT with CA:FALSE */
    CLIENT_CA, /* an intermediate for clientAuth only */
    WEAK_CA,   /* an intermediate signed with SHA-1 */
    P2PFL,     /* a root as P2PFL's script makes it */
    P2PFL_NEW, /* the next one, of the same name */
    ISSUERS,
    SELF,
};

extern struct authority issuers[ISSUERS];
extern EVP_PKEY *leaf_key;

/* The log that the host was told, for tests to clear. */
extern char log_text[4096];
extern const nk_host host;

/* The fixture of a whole group of tests. */
int policy_scene_set_up(void **state);
int policy_scene_tear_down(void **state);

struct rule_spec {
    bool deny;
    const char *name; /* NULL ends */
    unsigned directions;
    enum rule_member member;
    const char *value;
};

struct setting {
    bool loose; /* strict false */
    bool rule_mode;
    bool all_certified;
    enum issuer root; /* ROOT, P2PFL, or P2PFL_NEW for both of P2PFL's */
    struct rule_spec rules[4];
};

#define ADMIT_MEMBERS                                                                              \
    {                                                                                              \
        .rules = { { false, "members", BOTH, RULE_URI, MEMBERS } }                                 \
    }
#define LOOSE_MEMBERS                                                                              \
    {                                                                                              \
        .loose = true, .rules = { { false, "members", BOTH, RULE_URI, MEMBERS } }                  \
    }
#define LOOSE_P2PFL                                                                                \
    {                                                                                              \
        .loose = true, .root = P2PFL, .all_certified = true                                        \
    }

/* A policy with a pool of its own, which it keeps. */
nk_status new_policy(struct config *config, struct policy **ret_policy, nk_error *err);
/* Clears log_text. */
nk_status make_policy(const struct setting *setting, struct policy **ret_policy, nk_error *err);

/* The verdict of the whole opinion, which begins as noise: all of it must be written. */
void judge_peer(struct policy *policy, struct peer *peer, nk_verdict *verdict);

struct showing {
    enum issuer issuer;
    bool keeps_intermediates; /* does not send them */
    bool sha1;
    bool damaged;  /* one bit of the signature flipped */
    uint32_t role; /* 0: client */
    const char *target;
    const char *key; /* NULL: P-256 */
    struct certificate_spec spec;
};

#define P2PFL_SPEC                                                                                 \
    {                                                                                              \
        .cn = "My CA", .san = "IP:127.0.0.1,IP:::1", .eku = "", .key_usage = "",                   \
        .basic_constraints = "", .bare = true                                                      \
    }

/* The certificate and the peer are owned. Failures fail the test. */
X509 *issue_leaf(const struct showing *showing);
struct peer *show_peer(const struct showing *showing);

#endif
