/* SPDX-License-Identifier: Apache-2.0
 * The certificates that we show, from the file or the token that the configuration names. */
#ifndef NODEKEY_OWN_CHAIN_H
#define NODEKEY_OWN_CHAIN_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "config/config.h"
#include "nodekey/plugin.h"

#define OWN_CHAIN_INTERMEDIATES_MAX 8

struct own_chain { /* zeroed: none yet */
    X509 *leaf;
    STACK_OF(X509) *intermediates;
};

/* Reads the certificates of one role (OUR_SERVER, OUR_CLIENT) into a zeroed struct, unjudged.
 * NK_E_IDENTITY names the file, what is wrong and the cure; from a token as hsm_certificates.
 * *chain is to be cleared after a failure, too: own_chain_clear. [any] */
MUST_USE nk_status own_chain_read(const struct config *config, int our_role,
                                  struct own_chain *chain, nk_error *err);
/* Appends them in PEM, leaf first. False: OpenSSL's queue says why. [any] */
MUST_USE bool own_chain_write(const struct own_chain *chain, BIO *bio);
void own_chain_clear(struct own_chain *chain);

#endif
