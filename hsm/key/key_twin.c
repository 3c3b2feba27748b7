/* SPDX-License-Identifier: Apache-2.0
 * The key once more, for strangers: gRPC loads server and client credentials from references of
 * their own, so the handle tells for whom a signature is. */
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/report.h"
#include "key/key.h"

nk_status key_twin_make(struct hsm_key *key, nk_error *err)
{
    struct hsm_key *twin = malloc(sizeof(*twin));

    if (twin == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    memcpy(twin, key, sizeof(*twin)); /* proven and found like its brother */
    atomic_init(&twin->refs, 1);
    atomic_init(&twin->signatures, 0);
    pthread_mutex_init(&twin->lock, NULL);
    twin->inbound = true;
    twin->uri = NULL;
    EVP_PKEY_up_ref(twin->public_key);
    twin->token = token_share(key->token);
    key->twin = twin;
    twin->uri_text = strdup(key->uri_text);
    if (twin->uri_text == NULL || RAND_bytes(twin->handle, sizeof(twin->handle)) != 1) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    return uri_parse(twin->uri_text, &twin->uri, err);
}
