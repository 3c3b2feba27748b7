/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/own_certificate.h"

#include <stdio.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/report.h"
#include "base/text.h"
#include "config/config.h"
#include "peer/peer.h"
#include "trust/key_limits.h"
#include "trust/x509_name.h"

#define SUBJECT_BYTES 256

struct our_leaf {
    X509 *certificate;
    const char *role;  /* "server" */
    const char *usage; /* "serverAuth" */
    char subject[SUBJECT_BYTES];
};

/* REASON_WEAK_KEY is of two: a weak key, or a good one below a weak signature. */
static nk_status refuse_weak_leaf(const struct our_leaf *ours, const struct chain_failure *failure,
                                  nk_error *err)
{
    const EVP_PKEY *key = X509_get0_pubkey(ours->certificate);
    bool weak = false;

    if (key != NULL && key_limits_problem(ours->certificate, &weak) == NULL) {
        return report(err, NK_E_IDENTITY,
                      "our %s certificate \"%s\" has a weak signature (%s): its key is good; have "
                      "the CA sign it again",
                      ours->role, ours->subject, failure->detail);
    }
    return report(err, NK_E_IDENTITY,
                  "our %s certificate \"%s\" is for a weak key, %s-%d: generate RSA-2048 or more, "
                  "P-256 or Ed25519 on the token, and enrol again",
                  ours->role, ours->subject, key != NULL ? EVP_PKEY_get0_type_name(key) : "?",
                  key != NULL ? EVP_PKEY_get_bits(key) : 0);
}

static nk_status refuse_leaf(const struct our_leaf *ours, const struct chain_failure *failure,
                             nk_error *err)
{
    char date[TEXT_TIME_BYTES];
    bool of_leaf = failure->depth == 0;

    if (failure->reason == REASON_EXPIRED && of_leaf) {
        return report(
            err, NK_E_IDENTITY,
            "our %s certificate \"%s\" expired on %s: renew it and put the new one in its "
            "place",
            ours->role, ours->subject,
            text_time(date, text_read_time(X509_get0_notAfter(ours->certificate))));
    }
    if (failure->reason == REASON_NOT_YET_VALID && of_leaf) {
        return report(err, NK_E_IDENTITY,
                      "our %s certificate \"%s\" is not yet valid (valid only from %s): check this "
                      "clock",
                      ours->role, ours->subject,
                      text_time(date, text_read_time(X509_get0_notBefore(ours->certificate))));
    }
    if (failure->reason == REASON_WEAK_KEY && of_leaf) {
        return refuse_weak_leaf(ours, failure, err);
    }
    if (failure->reason == REASON_UNTRUSTED) {
        return report(err, NK_E_IDENTITY,
                      "our %s certificate \"%s\" has no chain to federation.roots (%s): append "
                      "missing intermediates to its file, or have the federation issue one",
                      ours->role, ours->subject, failure->detail);
    }
    if (failure->reason == REASON_WRONG_PURPOSE && of_leaf) {
        return report(err, NK_E_IDENTITY,
                      "our %s certificate \"%s\" is not for that role (%s): have one issued with "
                      "extendedKeyUsage %s and keyUsage digitalSignature",
                      ours->role, ours->subject, failure->detail, ours->usage);
    }
    return report(err, failure->reason == REASON_INTERNAL ? NK_E_INTERNAL : NK_E_IDENTITY,
                  "peers would refuse our %s certificate \"%s\" as %s: %s", ours->role,
                  ours->subject, reason_label(failure->reason), failure->detail);
}

/* A chain may hold and its leaf be none that a peer reads. */
static nk_status check_names(const struct our_leaf *ours, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };
    nk_status status = peer_check_leaf(ours->certificate, &own);

    return status == NK_OK
               ? NK_OK
               : report(err, status == NK_E_PEER ? NK_E_IDENTITY : status,
                        "peers would refuse our %s certificate \"%s\" as malformed (%s): have one "
                        "issued with names that they read",
                        ours->role, ours->subject, own.text);
}

/* Gaps that strict would have refused, or that peers will miss. */
static void warn_of_gaps(const struct our_leaf *ours, int our_role, const nk_host *host)
{
    if (X509_get_extended_key_usage(ours->certificate) == UINT32_MAX) {
        log_line(host, NK_LOG_WARNING,
                 "our %s certificate \"%s\" has no extendedKeyUsage: in such a federation any "
                 "member's client certificate serves as any server's",
                 ours->role, ours->subject);
    }
    if (X509_get_ext_by_NID(ours->certificate, NID_key_usage, -1) < 0) {
        log_line(host, NK_LOG_WARNING,
                 "our %s certificate \"%s\" has no keyUsage: its key may be used for anything",
                 ours->role, ours->subject);
    }
    if (our_role == OUR_SERVER &&
        X509_get_ext_by_NID(ours->certificate, NID_subject_alt_name, -1) < 0) {
        log_line(host, NK_LOG_WARNING,
                 "our server certificate \"%s\" has no subjectAltName: peers that check the name "
                 "they dialled refuse us",
                 ours->subject);
    }
}

static struct our_leaf describe_leaf(X509 *leaf, int our_role)
{
    bool server = our_role == OUR_SERVER;
    struct our_leaf ours = {
        .certificate = leaf,
        .role = server ? "server" : "client",
        .usage = server ? "serverAuth" : "clientAuth",
    };

    ERR_clear_error();
    x509_name_text(X509_get_subject_name(leaf), ours.subject, sizeof(ours.subject));
    return ours;
}

/* Without the pool: peers may know none of the intermediates that our file lacks. */
static bool leaf_holds(const struct our_leaf *ours, struct chain *chain, int our_role,
                       STACK_OF(X509) *intermediates, struct chain_path *path,
                       struct chain_failure *failure)
{
    bool holds =
        chain_holds(chain, NULL, our_role == OUR_SERVER ? NK_PEER_IS_SERVER : NK_PEER_IS_CLIENT,
                    ours->certificate, intermediates, path, failure);
    ERR_clear_error();
    return holds;
}

nk_status own_certificate_check(struct chain *chain, struct pool *pool, int our_role, X509 *leaf,
                                STACK_OF(X509) *intermediates, const nk_host *host, nk_error *err)
{
    struct our_leaf ours = describe_leaf(leaf, our_role);
    struct chain_failure failure;
    struct chain_path path = { .certificates = NULL };

    if (!leaf_holds(&ours, chain, our_role, intermediates, &path, &failure)) {
        return refuse_leaf(&ours, &failure, err);
    }
    nk_status status = check_names(&ours, err);
    if (status != NK_OK) {
        chain_path_clear(&path);
        return status;
    }
    pool_remember(pool, path.certificates); /* peers of our branch may leave them out */
    chain_path_clear(&path);
    warn_of_gaps(&ours, our_role, host);
    return NK_OK;
}

/* --- all faults --- */

static bool is_listed(const struct crls *crls, X509 *leaf)
{
    size_t at = 0;
    X509_REVOKED *entry = NULL;

    for (const struct crl *crl = crls != NULL ? crls_next(crls, &at) : NULL; crl != NULL;
         crl = crls_next(crls, &at)) {
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl->list), X509_get_issuer_name(leaf)) == 0 &&
            X509_CRL_get0_by_cert(crl->list, &entry, leaf) == 1) {
            return true;
        }
    }
    return false;
}

static bool lacks_usage(const struct our_leaf *ours, int our_role, bool strict)
{
    uint32_t usages = X509_get_extended_key_usage(ours->certificate);
    uint32_t wanted = our_role == OUR_SERVER ? XKU_SSL_SERVER : XKU_SSL_CLIENT;

    return usages == UINT32_MAX ? strict : (usages & wanted) == 0;
}

/* A chain fails for one reason, which may hide others. */
static enum reason next_hidden(const struct our_leaf *ours, const struct own_judges *judges,
                               int our_role, int *at, char detail[NK_DETAIL_BYTES])
{
    switch ((*at)++) {
    case 0:
        return text_compare_to_now(X509_get0_notAfter(ours->certificate)) < 0 ? REASON_EXPIRED
                                                                              : REASONS_LEN;
    case 1:
        return text_compare_to_now(X509_get0_notBefore(ours->certificate)) > 0
                   ? REASON_NOT_YET_VALID
                   : REASONS_LEN;
    case 2:
        snprintf(detail, NK_DETAIL_BYTES, "extendedKeyUsage does not name %s", ours->usage);
        return lacks_usage(ours, our_role, judges->strict) ? REASON_WRONG_PURPOSE : REASONS_LEN;
    default:
        snprintf(detail, NK_DETAIL_BYTES, "a CRL of its issuer lists it");
        return is_listed(judges->crls, ours->certificate) ? REASON_REVOKED : REASONS_LEN;
    }
}

#define HIDDEN_REASONS 4

void own_certificate_faults(const struct own_judges *judges, int our_role, X509 *leaf,
                            STACK_OF(X509) *intermediates, const nk_host *host, own_fault *tell,
                            void *arg)
{
    struct our_leaf ours = describe_leaf(leaf, our_role);
    struct chain_failure failure = { .reason = REASONS_LEN };
    struct chain_path path = { .certificates = NULL };
    nk_error names = { .struct_size = sizeof(names) };

    if (leaf_holds(&ours, judges->chain, our_role, intermediates, &path, &failure)) {
        warn_of_gaps(&ours, our_role, host);
    } else {
        nk_error fault = { .struct_size = sizeof(fault) };
        (void)refuse_leaf(&ours, &failure, &fault);
        tell(arg, failure.reason, &fault);
    }
    chain_path_clear(&path);
    for (int at = 0; at < HIDDEN_REASONS && failure.reason != REASONS_LEN;) {
        struct chain_failure hidden = { .reason = REASONS_LEN };
        nk_error fault = { .struct_size = sizeof(fault) };
        hidden.reason = next_hidden(&ours, judges, our_role, &at, hidden.detail);
        bool told = hidden.reason == failure.reason && failure.depth == 0;
        if (hidden.reason != REASONS_LEN && !told) {
            (void)refuse_leaf(&ours, &hidden, &fault);
            tell(arg, hidden.reason, &fault);
        }
    }
    if (check_names(&ours, &names) != NK_OK && failure.reason != REASON_MALFORMED) {
        tell(arg, REASON_MALFORMED, &names);
    }
}
