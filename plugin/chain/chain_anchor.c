/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_anchor.h"

#include <stdbool.h>

#include <openssl/x509v3.h>

#include "trust/root_form.h"
#include "trust/roots.h"

static bool is_of_form(int error, X509 *root)
{
    switch (error) {
    case X509_V_ERR_CA_BCONS_NOT_CRITICAL:
    case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
    case X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN:
    case X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER:
    case X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER:
    case X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL:
    case X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL:
        return true;
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION: /* key identifiers among others, in OpenSSL 3.0 */
        return !root_form_has_unknown_critical(root);
    default:
        return false;
    }
}

static bool is_anchor(const X509_STORE_CTX *ctx, const X509 *certificate)
{
    const struct chain_check *check = X509_STORE_CTX_get_app_data(ctx);
    int depth = X509_STORE_CTX_get_error_depth(ctx);

    /* Depth 0 is a peer that shows a root as its own certificate. */
    return depth > 0 && depth == sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1 &&
           roots_have(check->roots, certificate);
}

/* OpenSSL's verify callback: asked after each error, and after each certificate that is good. */
static int pass_form(int good, X509_STORE_CTX *ctx)
{
    X509 *certificate = X509_STORE_CTX_get_current_cert(ctx);

    if (good != 0 || certificate == NULL ||
        !is_of_form(X509_STORE_CTX_get_error(ctx), certificate) || !is_anchor(ctx, certificate)) {
        return good;
    }
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

void chain_anchor_pass_form(X509_STORE_CTX *ctx)
{
    X509_STORE_CTX_set_verify_cb(ctx, pass_form);
}
