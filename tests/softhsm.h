/* SPDX-License-Identifier: Apache-2.0
 * Real SoftHSM tokens in a folder of this process, so tests run in parallel. Failures abort. */
#ifndef NODEKEY_TESTS_SOFTHSM_H
#define NODEKEY_TESTS_SOFTHSM_H

#include <stdbool.h>

#include <openssl/evp.h>

#define SOFTHSM_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define SOFTHSM_PIN "8461-spruce" /* recognisable: tests search all output for it */
#define SOFTHSM_SO_PIN "so-8461-spruce"

/* Makes folder/tokens and softhsm2.conf below scratch_folder() and sets SOFTHSM2_CONF. Call first,
 * once per process, before anything loads the module. */
void softhsm_start(void);
/* A new token. The tools run in child processes (softhsm2-util, pkcs11-tool), so that this process
 * has not loaded the module when the plugin does. */
void softhsm_token(const char *label);
/* A key pair generated on the token: CKA_LOCAL, sensitive, never extractable. `type` as in
 * software_key. `id` is hex: "01". */
void softhsm_generate(const char *label, const char *type, const char *object, const char *id);
/* A software key imported into the token (so CKA_LOCAL is false); extractable if asked. */
void softhsm_import(const char *label, EVP_PKEY *key, const char *object, const char *id,
                    bool extractable);
/* The public key of an object, read from the token by a child process. Owned: EVP_PKEY_free. */
EVP_PKEY *softhsm_public_key(const char *label, const char *object, const char *id);
/* Unplug and replug: the tokens folder is moved away and back. */
void softhsm_unplug(void);
void softhsm_replug(void);

#endif
