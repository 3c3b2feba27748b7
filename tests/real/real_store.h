/* SPDX-License-Identifier: Apache-2.0
 * A token of its own for each row, behind the scripted module, and its C_Logins counted. */
#ifndef NODEKEY_TESTS_REAL_STORE_H
#define NODEKEY_TESTS_REAL_STORE_H

#include "fixtures/token_rig.h"

#define STORE_KEYS_MAX 4

struct store_key {
    const char *label; /* NULL: no more */
    const char *id;
    const char *type; /* as in software_key; "copy": the imported copy of one software key */
};

struct store {
    struct identity identity; /* without a public key */
    EVP_PKEY *public_keys[STORE_KEYS_MAX];
    unsigned long logins, failed; /* before */
};

/* First of all in main; the two below around all rows, since the module counts from its first
 * use. */
struct recorder *store_start(void); /* where the keys log */
int store_load_module(void **state);
int store_end(void **state);

/* `uri` follows "pkcs11:token=LABEL;"; `pin` NULL: the right one. */
struct store store_make(const struct store_key *keys, const char *uri, const char *pin);
void store_free(struct store *store);
void store_note_logins(struct store *store);
/* Fails the test if there was more than one C_Login since, or more than one was refused. */
void store_check_logins(const struct store *store);

#endif
