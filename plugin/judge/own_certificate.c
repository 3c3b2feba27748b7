/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/own_certificate.h"

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

nk_status own_certificate_check(struct chain *chain, struct pool *pool, int our_role, X509 *leaf,
                                STACK_OF(X509) *intermediates, const nk_host *host, nk_error *err)
{
    bool server = our_role == OUR_SERVER;
    struct our_leaf ours = {
        .certificate = leaf,
        .role = server ? "server" : "client",
        .usage = server ? "serverAuth" : "clientAuth",
    };
    struct chain_failure failure;
    struct chain_path path = { .certificates = NULL };

    ERR_clear_error();
    x509_name_text(X509_get_subject_name(leaf), ours.subject, sizeof(ours.subject));
    /* Without the pool: peers may know none of the intermediates that our file lacks. */
    bool holds = chain_holds(chain, NULL, server ? NK_PEER_IS_SERVER : NK_PEER_IS_CLIENT, leaf,
                             intermediates, &path, &failure);
    ERR_clear_error();
    if (!holds) {
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
