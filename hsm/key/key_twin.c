/* SPDX-License-Identifier: Apache-2.0
 * The key once more, for strangers: gRPC loads server and client credentials from references of
 * their own, so the handle tells for whom a signature is. */
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/report.h"
#include "key/key.h"

nk_status key_make_inbound(struct hsm_key *key, nk_error *err)
{
    struct hsm_key *inbound_key = malloc(sizeof(*inbound_key));

    if (inbound_key == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    memcpy(inbound_key, key, sizeof(*inbound_key)); /* proven and found like its brother */
    atomic_init(&inbound_key->refs, 1);
    atomic_init(&inbound_key->signatures, 0);
    pthread_mutex_init(&inbound_key->lock, NULL);
    inbound_key->inbound = true;
    inbound_key->uri = NULL;
    EVP_PKEY_up_ref(inbound_key->public_key);
    inbound_key->token = token_share(key->token);
    key->inbound_key = inbound_key;
    inbound_key->uri_text = strdup(key->uri_text);
    if (inbound_key->uri_text == NULL ||
        RAND_bytes(inbound_key->handle, sizeof(inbound_key->handle)) != 1) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    return uri_parse(inbound_key->uri_text, &inbound_key->uri, err);
}
