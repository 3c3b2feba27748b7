/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/report.h"
#include "base/text.h"
#include "chain/chain_limits.h"
#include "chain/chain_names.h"
#include "chain/chain_policies.h"
#include "chain/chain_revocation.h"
#include "trust/certificate_form.h"
#include "trust/roots.h"

#define AUTH_LEVEL 2 /* 112 bits: RSA-2048 and P-256 or more, no SHA-1 */

struct chain {
    struct chain_anchors anchors;
    struct chain_revocation *revocation;
    struct chain_settings settings;
};

static void free_certificates(STACK_OF(X509) *certificates)
{
    sk_X509_pop_free(certificates, X509_free);
}
DEFINE_AUTO(STACK_OF(X509) *, free_certificates);

/* --- life --- */

static bool set_up_store(struct chain *chain, STACK_OF(X509) *roots)
{
    chain->anchors.store = X509_STORE_new();
    chain->anchors.roots = X509_chain_up_ref(roots);
    if (chain->anchors.store == NULL || chain->anchors.roots == NULL) {
        return false;
    }
    for (int i = 0; i < sk_X509_num(roots); i++) {
        if (X509_STORE_add_cert(chain->anchors.store, sk_X509_value(roots, i)) != 1) {
            return false;
        }
    }
    /* Never X509_V_FLAG_PARTIAL_CHAIN: only the federation's roots end a path. */
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(chain->anchors.store);
    X509_VERIFY_PARAM_set_depth(param, CHAIN_DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    if (!chain_policies_ask(param)) {
        return false;
    }
    return !chain->settings.strict ||
           X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT) == 1;
}

nk_status chain_new(STACK_OF(X509) *roots, struct crls *crls, const struct chain_settings *settings,
                    struct chain **ret_chain, nk_error *err)
{
    struct chain *chain = calloc(1, sizeof(*chain));
    if (chain == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    chain->settings = *settings;
    chain->anchors.wants_policies = settings->wants_policies;
    chain->revocation = chain_revocation_new(crls, &settings->crl, settings->strict);
    if (chain->revocation == NULL || !set_up_store(chain, roots)) {
        chain_free(chain);
        return report_openssl(err, NK_E_INTERNAL, "set up the store of roots and CRLs");
    }
    *ret_chain = chain;
    return NK_OK;
}

void chain_free(struct chain *chain)
{
    if (chain == NULL) {
        return;
    }
    X509_STORE_free(chain->anchors.store);
    chain_revocation_free(chain->revocation);
    free_certificates(chain->anchors.roots);
    free(chain);
}

/* Certificates of the peer that may lie between leaf and root; NULL: no memory. Our own roots,
 * which some servers send along, are left out: the store has them. */
static STACK_OF(X509) *list_candidates(const struct chain *chain, STACK_OF(X509) *others)
{
    STACK_OF(X509) *all = sk_X509_new_reserve(NULL, CHAIN_LIMITS_CERTIFICATES + CHAIN_DEPTH_MAX);
    bool whole = all != NULL;

    for (int i = 0; whole && i < sk_X509_num(others); i++) {
        X509 *other = sk_X509_value(others, i);
        if (roots_have(chain->anchors.roots, other)) {
            continue;
        }
        whole = sk_X509_push(all, other) > 0;
        if (whole) {
            X509_up_ref(other);
        }
    }
    if (!whole) {
        free_certificates(all);
        return NULL;
    }
    return all;
}

/* --- validation --- */

static bool are_well_formed(STACK_OF(X509) *path, struct chain_failure *failure)
{
    int last = sk_X509_num(path) - 1; /* the root, whose form chain_anchor.h passes over */
    for (int i = 0; i <= last; i++) {
        const X509 *certificate = sk_X509_value(path, i);
        const char *problem = certificate_form_problem(certificate);
        if (problem == NULL && i < last) {
            problem = certificate_form_below_root(certificate);
        }
        if (problem != NULL) {
            return chain_failure_set(failure, REASON_CHAIN_INVALID, i, certificate, "it %s",
                                     problem);
        }
    }
    return true;
}

/* OpenSSL lets a server's key be for encipherment alone, as in TLS before 1.3, but since then it
 * signs (RFC 8446 section 4.4.2.2). All bits are set when there is no keyUsage. */
static bool may_sign(X509 *leaf, struct chain_failure *failure)
{
    if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) != 0) {
        return true;
    }
    *failure = (struct chain_failure){
        REASON_WRONG_PURPOSE, 0,
        "keyUsage does not name digitalSignature, with which a handshake is signed"
    };
    return false;
}

/* Strict asks for the role by name: no extension, or anyExtendedKeyUsage, is no answer. */
static bool names_role(X509 *leaf, uint32_t role, struct chain_failure *failure)
{
    uint32_t usages = X509_get_extended_key_usage(leaf);
    uint32_t wanted = role == NK_PEER_IS_CLIENT ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
    if (usages != UINT32_MAX && (usages & wanted) != 0) {
        return true;
    }
    *failure = (struct chain_failure){ .reason = REASON_WRONG_PURPOSE };
    snprintf(failure->detail, sizeof(failure->detail),
             "extendedKeyUsage does not name %s, which federation.strict asks for",
             role == NK_PEER_IS_CLIENT ? "clientAuth" : "serverAuth");
    return false;
}

static time_t first_end(STACK_OF(X509) *path)
{
    time_t first = text_read_time(X509_get0_notAfter(sk_X509_value(path, 0)));
    for (int i = 1; i < sk_X509_num(path); i++) {
        time_t end = text_read_time(X509_get0_notAfter(sk_X509_value(path, i)));
        first = end < first ? end : first;
    }
    return first;
}

bool chain_holds(struct chain *chain, struct pool *pool, uint32_t role, X509 *leaf,
                 STACK_OF(X509) *others, struct chain_path *ret_path,
                 struct chain_failure *ret_failure)
{
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure;
    AUTO(free_certificates) STACK_OF(X509) *candidates = list_candidates(chain, others);
    struct chain_shown shown = { .role = role, .leaf = leaf, .candidates = candidates };
    bool strict = chain->settings.strict;

    (void)chain_failure_no_memory(&failure);
    bool holds = candidates != NULL &&
                 chain_limits_hold(leaf, candidates, strict, &shown.left, &failure) &&
                 chain_path_find(&chain->anchors, pool, &shown, &path, &failure) &&
                 chain_names_hold(path.certificates, strict, &failure) &&
                 (!strict || are_well_formed(path.certificates, &failure)) &&
                 may_sign(leaf, &failure) && (!strict || names_role(leaf, role, &failure));
    if (holds) {
        path.until = first_end(path.certificates);
        holds = chain_revocation_holds(chain->revocation, path.certificates, &path.until, path.note,
                                       &failure);
    }
    if (!holds) {
        chain_path_clear(&path);
        *ret_failure = failure;
        return false;
    }
    *ret_path = path;
    return true;
}
