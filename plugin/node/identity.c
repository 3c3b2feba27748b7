/* SPDX-License-Identifier: Apache-2.0 */
#include "node/identity.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/file.h"
#include "base/report.h"
#include "grpc/node_credentials.h"
#include "trust/pem.h"

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(struct identity *, identity_free);

static nk_status open_key(struct identity *identity, const struct config *config, int our_role,
                          const nk_host *host, const struct identity *sibling, nk_error *err)
{
    EVP_PKEY *leaf_public = X509_get0_pubkey(identity->chain.leaf);
    if (leaf_public == NULL) {
        return report_openssl(err, NK_E_IDENTITY,
                              "node.certificate: %s: its public key cannot be read",
                              config->identities[our_role].certificate);
    }
    struct hsm_key_request request = config_key_request(config, our_role);
    request.host = host;
    request.sibling = sibling != NULL && config_shares_pin(config) ? sibling->key : NULL;
    /* gRPC on BoringSSL reads no references: the program's OpenSSL is left as it is. */
    nk_status status =
        credentials_want_signers(host) ? NK_OK : hsm_provider_register(leaf_public, err);
    return status == NK_OK ? hsm_key_open(&request, leaf_public, &identity->key, err) : status;
}

static void tell_identity(const struct identity *identity, const struct config *config,
                          int our_role, const nk_host *host)
{
    const char *whose = config->one_identity     ? "our"
                        : our_role == OUR_SERVER ? "our server"
                                                 : "our client";
    char unmet[HSM_UNMET_BYTES];

    log_line(host, NK_LOG_INFO, "%s identity: key on token %s, custody: %s", whose,
             hsm_key_token_label(identity->key), hsm_key_custody(identity->key));
    if (hsm_key_unmet(X509_get0_pubkey(identity->chain.leaf), unmet)) {
        log_line(host, NK_LOG_WARNING, "%s identity: %s", whose, unmet);
    }
}

nk_status identity_open(const struct config *config, int our_role, struct policy *policy,
                        const nk_host *host, const struct identity *sibling,
                        struct identity **ret_identity, nk_error *err)
{
    AUTO(identity_free) struct identity *identity = calloc(1, sizeof(*identity));
    if (identity == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    ERR_clear_error();
    nk_status status = own_chain_read(config, our_role, &identity->chain, err);
    if (status == NK_OK) {
        status = policy_check_ours(policy, our_role, identity->chain.leaf,
                                   identity->chain.intermediates, host, err);
    }
    if (status == NK_OK) {
        status = open_key(identity, config, our_role, host, sibling, err);
    }
    if (status != NK_OK) {
        return status;
    }
    tell_identity(identity, config, our_role, host);
    *ret_identity = identity;
    identity = NULL;
    return NK_OK;
}

/* --- renewal --- */

static bool same_certificates(const struct own_chain *a, const struct own_chain *b)
{
    int len = sk_X509_num(a->intermediates);
    bool same = X509_cmp(a->leaf, b->leaf) == 0 && len == sk_X509_num(b->intermediates);

    for (int i = 0; same && i < len; i++) {
        same =
            X509_cmp(sk_X509_value(a->intermediates, i), sk_X509_value(b->intermediates, i)) == 0;
    }
    return same;
}

static nk_status check_candidate(const struct identity *current, const struct identity *candidate,
                                 const struct renewal *renewal, const nk_host *host, nk_error *err)
{
    const EVP_PKEY *ours = X509_get0_pubkey(current->chain.leaf);
    const EVP_PKEY *its = X509_get0_pubkey(candidate->chain.leaf);
    if (its == NULL || EVP_PKEY_eq(ours, its) != 1) {
        ERR_clear_error();
        return report(
            err, NK_E_IDENTITY,
            "node.certificate: %s is for another key than the one in use; a new key takes "
            "effect at the next start",
            renewal->config->identities[renewal->our_role].certificate);
    }
    nk_status status = policy_check_ours(renewal->policy, renewal->our_role, candidate->chain.leaf,
                                         candidate->chain.intermediates, host, err);
    if (status == NK_OK && renewal->both_roles) {
        status = policy_check_ours(
            renewal->policy, renewal->our_role == OUR_SERVER ? OUR_CLIENT : OUR_SERVER,
            candidate->chain.leaf, candidate->chain.intermediates, host, err);
    }
    return status;
}

nk_status identity_renew(struct identity *identity, const struct renewal *renewal,
                         const nk_host *host, bool *ret_changed, nk_error *err)
{
    AUTO(identity_free) struct identity *candidate = calloc(1, sizeof(*candidate));
    if (candidate == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    ERR_clear_error();
    nk_status status = own_chain_read(renewal->config, renewal->our_role, &candidate->chain, err);
    if (status != NK_OK || same_certificates(&identity->chain, &candidate->chain)) {
        return status;
    }
    status = check_candidate(identity, candidate, renewal, host, err);
    if (status != NK_OK) {
        return status;
    }
    struct own_chain former = identity->chain;
    identity->chain = candidate->chain;
    candidate->chain = former;
    *ret_changed = true;
    return NK_OK;
}

void identity_free(struct identity *identity)
{
    if (identity == NULL) {
        return;
    }
    hsm_key_unref(identity->key);
    own_chain_clear(&identity->chain);
    free(identity);
}

/* Text, or nothing, before the certificates. */
static nk_status write_chain(const struct identity *identity, const char *before, char **ret_pem,
                             nk_error *err)
{
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || BIO_write(bio, before, (int)strlen(before)) < 0 ||
        !own_chain_write(&identity->chain, bio)) {
        return report_openssl(err, NK_E_INTERNAL, "encode our certificates");
    }
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    char *pem = strndup(text, (size_t)len);
    if (pem == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_pem = pem;
    return NK_OK;
}

nk_status identity_chain(const struct identity *identity, char **ret_pem, nk_error *err)
{
    return write_chain(identity, "", ret_pem, err);
}

nk_status identity_pem(const struct identity *identity, int our_role, char **ret_pem, nk_error *err)
{
    AUTO(free) char *reference = NULL;
    nk_status status = our_role == OUR_SERVER
                           ? hsm_key_reference_inbound(identity->key, &reference, err)
                           : hsm_key_reference(identity->key, &reference, err);

    return status == NK_OK ? write_chain(identity, reference, ret_pem, err) : status;
}
