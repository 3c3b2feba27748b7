/* SPDX-License-Identifier: Apache-2.0 */
#include "check/admission.h"

#include <stdio.h>

#include <openssl/pem.h>

DEFINE_AUTO(BIO *, BIO_free_all);

static BIO *write_chain(X509 *leaf, STACK_OF(X509) *others)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio != NULL && PEM_write_bio_X509(bio, leaf) == 1;

    for (int i = 0; good && i < sk_X509_num(others); i++) {
        good = PEM_write_bio_X509(bio, sk_X509_value(others, i)) == 1;
    }
    if (!good || BIO_write(bio, "", 1) != 1) { /* its NUL */
        BIO_free_all(bio);
        return NULL;
    }
    return bio;
}

bool admission_of_ours(struct policy *policy, int our_role, X509 *leaf, STACK_OF(X509) *others,
                       char why[NK_DETAIL_BYTES])
{
    AUTO(peer_free) struct peer *peer = NULL;
    AUTO(BIO_free_all) BIO *bio = write_chain(leaf, others);
    struct opinion opinion;
    char *pem = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    if (bio == NULL) {
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
