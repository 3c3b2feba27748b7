/* SPDX-License-Identifier: Apache-2.0 */
#include "check/admission.h"

#include <stdio.h>

#include <openssl/pem.h>

DEFINE_AUTO(BIO *, BIO_free_all);

bool admission_of_ours(struct policy *policy, int our_role, const struct own_chain *ours,
                       char why[NK_DETAIL_BYTES])
{
    AUTO(peer_free) struct peer *peer = NULL;
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    struct opinion opinion;
    char *pem = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    if (bio == NULL || !own_chain_write(ours, bio) || BIO_write(bio, "", 1) != 1) { /* its NUL */
        snprintf(why, NK_DETAIL_BYTES, "out of memory");
        return false;
    }
    (void)BIO_get_mem_data(bio, &pem);
    nk_status status = peer_read(our_role == OUR_SERVER ? NK_PEER_IS_SERVER : NK_PEER_IS_CLIENT,
                                 NULL, pem, NULL, &peer, &err);
    if (status != NK_OK) {
        snprintf(why, NK_DETAIL_BYTES, "%.*s", NK_DETAIL_BYTES - 1, err.text);
        return false;
    }
    policy_identify(policy, peer, &opinion);
    snprintf(why, NK_DETAIL_BYTES, "%s", opinion.verdict.detail);
    return opinion.verdict.decision == NK_ALLOW;
}
