/* SPDX-License-Identifier: Apache-2.0 */
#include "dial/token_key.h"

#include <openssl/pem.h>

#include "base/report.h"

DEFINE_AUTO(BIO *, BIO_free_all);

nk_status token_key_load(const struct hsm_key *key, EVP_PKEY **ret_key, nk_error *err)
{
    AUTO(free) char *reference = NULL;
    nk_status status = hsm_key_reference(key, &reference, err);
    if (status != NK_OK) {
        return status;
    }
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(reference, -1);
    *ret_key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    return *ret_key != NULL ? NK_OK : report_openssl(err, NK_E_INTERNAL, "hand the key to OpenSSL");
}
