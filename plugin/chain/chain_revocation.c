/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_revocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/chain_lists.h"
#include "trust/crl_scope.h"
#include "trust/x509_name.h"

#define SUBJECT_BYTES 96
#define WHY_BYTES 120
#define HOUR_SECONDS 3600
#define SERIAL_BYTES ((size_t)20) /* shown */

struct chain_revocation {
    struct crl_settings settings;
    bool strict;
    struct chain_lists *lists;
};

/* Findings of the lists about one certificate; the greatest holds. */
enum finding { MISSING = 0, INVALID, STALE, COVERED };

struct answer {
    enum finding finding;
    time_t ends; /* COVERED */
    char why[WHY_BYTES];
};

DEFINE_AUTO(ASN1_ENUMERATED *, ASN1_ENUMERATED_free);

/* --- life --- */

struct chain_revocation *chain_revocation_new(struct crls *crls,
                                              const struct crl_settings *settings, bool strict)
{
    struct chain_revocation *revocation = calloc(1, sizeof(*revocation));
    if (revocation == NULL) {
        return NULL;
    }
    revocation->settings = *settings;
    revocation->strict = strict;
    revocation->lists = chain_lists_new(crls);
    if (revocation->lists == NULL) {
        chain_revocation_free(revocation);
        return NULL;
    }
    return revocation;
}

void chain_revocation_free(struct chain_revocation *revocation)
{
    if (revocation != NULL) {
        chain_lists_free(revocation->lists);
    }
    free(revocation);
}

/* --- what a list says --- */

static void improve_answer(struct answer *answer, enum finding finding, const char *why)
{
    if (finding > answer->finding || (finding == answer->finding && answer->why[0] == '\0')) {
        answer->finding = finding;
        snprintf(answer->why, sizeof(answer->why), "%s", why);
    }
}

static time_t end_of_list(const struct crl_settings *settings, const struct crl *crl)
{
    time_t ends = crl->next_update + (time_t)settings->grace_hours * HOUR_SECONDS;
    time_t aged = crl->this_update + (time_t)settings->max_age_hours * HOUR_SECONDS;
    return settings->max_age_hours != 0 && aged < ends ? aged : ends;
}

/* Whether `crl`, which is the issuer's own, clears this certificate. */
static void weigh_list(const struct chain_revocation *revocation, const struct crl *crl,
                       X509 *certificate, time_t now, struct answer *answer)
{
    const struct crl_settings *settings = &revocation->settings;
    char date[TEXT_TIME_BYTES];
    char why[WHY_BYTES];
    time_t ends = end_of_list(settings, crl);

    if (crl->gap != NULL) {
        snprintf(why, sizeof(why), "its issuer's CRL %s", crl->gap);
        improve_answer(answer, crl->unreadable ? INVALID : MISSING, why);
    } else if (!crl_scope_has(crl->scope, X509_CRL_get_issuer(crl->list), certificate)) {
        crl_scope_tell(crl->scope, certificate, why, sizeof(why));
        improve_answer(answer, MISSING, why);
    } else if (revocation->strict && !crl->numbered) {
        improve_answer(
            answer, MISSING,
            "its issuer's CRL has no crlNumber, which strict asks for: have the CA number "
            "its lists");
    } else if (crl->this_update > now) { /* the clock went back since it was read */
        improve_answer(answer, INVALID, "its issuer's CRL is not yet valid: check this clock");
    } else if (ends <= now) {
        snprintf(why, sizeof(why), "its issuer's CRL of %s is too old (%s %s)",
                 text_time((char[TEXT_TIME_BYTES]){ 0 }, crl->this_update),
                 ends < crl->next_update ? "crl_max_age_hours ended" : "it ended",
                 text_time(date, ends));
        improve_answer(answer, STALE, why);
    } else {
        answer->ends = answer->finding == COVERED && answer->ends > ends ? answer->ends : ends;
        answer->finding = COVERED;
    }
}

static bool refuse_revoked(const X509_REVOKED *entry, X509 *certificate, int depth,
                           struct chain_failure *failure)
{
    char date[TEXT_TIME_BYTES];
    char serial[TEXT_HEX_BYTES(SERIAL_BYTES)];
    const ASN1_INTEGER *number = X509_get0_serialNumber(certificate);
    size_t len = (size_t)ASN1_STRING_length(number);
    AUTO(ASN1_ENUMERATED_free)
    ASN1_ENUMERATED *code = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);

    text_hex(serial, ASN1_STRING_get0_data(number), len < SERIAL_BYTES ? len : SERIAL_BYTES);
    return chain_failure_set(
        failure, REASON_REVOKED, depth, certificate, "serial %s was revoked on %s (%s)", serial,
        text_time(date, text_read_time(X509_REVOKED_get0_revocationDate(entry))),
        crl_scope_reason(code));
}

/* One path's question to all lists. */
struct inquiry {
    STACK_OF(X509) *path;
    time_t now;
    size_t wasted; /* on keys of the path that turned out not to have signed a list */
};

/* False: the certificate is revoked, or finding out costs too much, which no mode lets pass. */
static bool ask_lists(struct chain_revocation *revocation, struct inquiry *inquiry, int number,
                      struct answer *answer, struct chain_failure *failure)
{
    X509 *certificate = sk_X509_value(inquiry->path, number);
    const X509_NAME *issuer = X509_get_issuer_name(certificate);

    for (size_t i = 0; i < chain_lists_len(revocation->lists); i++) {
        const struct crl *crl = chain_lists_at(revocation->lists, i);
        X509_REVOKED *entry = NULL;
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl->list), issuer) != 0) {
            continue;
        }
        if (!chain_lists_signed(revocation->lists, i, inquiry->path, number, &inquiry->wasted)) {
            improve_answer(answer, INVALID,
                           "the CRL of its issuer's name was not signed by its issuer");
            continue;
        }
        if (X509_CRL_get0_by_cert(crl->list, &entry, certificate) == 1) {
            return refuse_revoked(entry, certificate, number, failure);
        }
        weigh_list(revocation, crl, certificate, inquiry->now, answer);
    }
    if (inquiry->wasted > CHAIN_LISTS_WASTE_MAX) {
        *failure = (struct chain_failure){ REASON_CRL_INVALID, number,
                                           "too many CRLs of the path's names are not signed by "
                                           "its keys" };
        return false;
    }
    improve_answer(answer, MISSING, "there is no CRL of its issuer");
    return true;
}

/* --- the path --- */

static bool refuse_uncovered(const struct answer *answer, X509 *certificate, int depth,
                             struct chain_failure *failure)
{
    static const enum reason reasons[] = {
        [MISSING] = REASON_CRL_MISSING, [INVALID] = REASON_CRL_INVALID, [STALE] = REASON_CRL_STALE
    };
    return chain_failure_set(failure, reasons[answer->finding], depth, certificate, "%s",
                             answer->why);
}

static void append_note(const struct answer *answer, X509 *certificate, char *note)
{
    char subject[SUBJECT_BYTES];
    size_t used = strlen(note);
    x509_name_text(X509_get_subject_name(certificate), subject, sizeof(subject));
    snprintf(note + used, NK_DETAIL_BYTES - used, "%s%s, in \"%s\"", used > 0 ? "; " : "",
             answer->why, subject);
}

bool chain_revocation_holds(struct chain_revocation *revocation, STACK_OF(X509) *path,
                            time_t *until, char note[NK_DETAIL_BYTES],
                            struct chain_failure *ret_failure)
{
    int root = sk_X509_num(path) - 1;
    struct inquiry inquiry = { .path = path, .now = time(NULL) };

    if (revocation->settings.mode == CRL_OFF) {
        return true;
    }
    for (int i = root; i >= 0; i--) { /* from the top: below a revoked issuer no list is asked */
        X509 *certificate = sk_X509_value(path, i);
        struct answer answer = { .finding = MISSING };
        if (!ask_lists(revocation, &inquiry, i, &answer, ret_failure)) {
            return false;
        }
        if (i == root) {
            continue;
        }
        if (answer.finding == COVERED) {
            *until = answer.ends < *until ? answer.ends : *until;
        } else if (revocation->settings.mode == CRL_HARD) {
            return refuse_uncovered(&answer, certificate, i, ret_failure);
        } else {
            append_note(&answer, certificate, note);
        }
    }
    return true;
}
