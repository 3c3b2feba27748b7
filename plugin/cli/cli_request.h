/* SPDX-License-Identifier: Apache-2.0
 * PKCS#10 requests, signed by a key on a token. */
#ifndef NODEKEY_CLI_REQUEST_H
#define NODEKEY_CLI_REQUEST_H

#include <openssl/x509v3.h>

#include "hsm.h"

/* "URI:spiffe://f.example/node/a", "DNS:a.example", "IP:10.0.0.7", "email:a@f.example"; what is
 * wrong with it, or NULL and it was added to `names`. */
const char *request_add_name(GENERAL_NAMES *names, const char *text);

struct request_spec {
    const X509_NAME *subject; /* NULL: `cn` is all of it */
    const char *cn;           /* "": none */
    GENERAL_NAMES *names;
    const char *usages; /* "serverAuth,clientAuth" */
};
/* Whether peers would read these names in a certificate; NK_E_IDENTITY, with the cure: they would
 * refuse it. [any] */
MUST_USE nk_status request_check_names(const struct request_spec *spec, nk_error *err);
/* The request as PEM; *ret_pem is owned: free. NK_E_INTERNAL, NK_E_NOMEM, or the token's error. */
MUST_USE nk_status request_make(const struct request_spec *spec, struct hsm_key *key,
                                EVP_PKEY *public_key, char **ret_pem, nk_error *err);

#endif
