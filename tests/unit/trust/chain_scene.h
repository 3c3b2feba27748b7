/* SPDX-License-Identifier: Apache-2.0
 * Chains as an attacker would send them, DER in, verdict out. */
#ifndef NODEKEY_TESTS_CHAIN_SCENE_H
#define NODEKEY_TESTS_CHAIN_SCENE_H

#include "chain/chain.h"
#include "fixtures/authority.h"

#define OTHERS_MAX 12

extern struct authority root;
extern struct authority site; /* below root */
extern EVP_PKEY *leaf_key;
extern const struct certificate_spec ca_spec;

/* The fixture of a whole group of tests. */
int chain_scene_set_up(void **state);
int chain_scene_tear_down(void **state);

/* The chain of one row. All certificates are read again from their DER, as from the wire. */
struct shown {
    X509 *leaf;
    X509 *others[OTHERS_MAX];
    X509 *anchor; /* NULL: root */
};

struct chain_row;
typedef struct shown shape(const struct chain_row *row);

struct chain_row {
    const char *name;
    shape *shape;
    const char *reason; /* NULL: holds */
    const char *detail; /* part of it */
    bool loose;         /* strict false */
    uint32_t role;      /* 0: client */
    const char *key;    /* of the shape's odd certificate */
    const char *ca;     /* extra lines of the shape's CA */
    struct certificate_spec leaf;
};

/* Shows a row's shape to a chain with its anchor, and compares the verdict. */
void check_chain(void **state);
struct chain *chain_to(X509 *anchor, const struct chain_settings *settings);
STACK_OF(X509) *stack_of(X509 *const *certificates);

/* All certificates that these hand back are owned. The first three consume theirs, or count it. */
X509 *reread(X509 *certificate);
X509 *signed_by(X509 *certificate, EVP_PKEY *key, const EVP_MD *digest);
X509 *copy_of(X509 *certificate);
X509 *issued(const struct authority *issuer, EVP_PKEY *key, const struct certificate_spec *spec);

/* A key by its kind, or one that nobody has: "explicit" parameters, "exponent 1", "public 16384".
 * Owned. */
EVP_PKEY *odd_key(const char *kind);

/* Shapes that several tables use. */
struct shown plain(const struct chain_row *row);
struct shown below_site(const struct chain_row *row);
struct shown below_constrained(const struct chain_row *row);
struct shown eleven(const struct chain_row *row);

#endif
