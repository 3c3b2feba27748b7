/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_revocation.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "chain/chain_limits.h"
#include "trust/crl_scope.h"
#include "trust/x509_fields.h"

#define PROOFS 4 /* keys per list: the issuer's old and new one, and namesakes */
/* For keys of one path that turned out not to have signed a list: their owner may be a member that
 * names its CAs after others, and a long list costs milliseconds. */
#define FORGERY_BYTES_MAX ((size_t)2 * 1024 * 1024)
#define SIGNATURE_AS_BYTES 65536 /* what checking one costs beside reading the list */
#define SUBJECT_BYTES 96
#define WHY_BYTES 120
#define HOUR_SECONDS 3600
#define SERIAL_BYTES ((size_t)20) /* shown */

struct proof {
    EVP_PKEY *key; /* NULL: free */
    bool signed_it;
};

struct list {
    X509_CRL *crl;
    ISSUING_DIST_POINT *scope; /* NULL: all that its issuer issued */
    const char *unusable;      /* why it clears nobody; NULL: it can */
    time_t this_update;
    time_t next_update;
    size_t bytes;
    /* guarded by the revocation's lock */
    struct proof proofs[PROOFS];
    size_t next_proof; /* the one to forget, unless it is good and another is not */
};

struct revocation {
    struct crl_settings settings;
    pthread_mutex_t lock;
    struct list *lists;
    size_t len;
};

/* What the lists say about one certificate; the greatest holds. */
enum finding { MISSING = 0, INVALID, STALE, COVERED };

struct answer {
    enum finding finding;
    time_t ends; /* COVERED */
    char why[WHY_BYTES];
};

DEFINE_AUTO(ASN1_ENUMERATED *, ASN1_ENUMERATED_free);

/* --- life --- */

/* Extensions that OpenSSL knows when they are critical; the rest makes the list unreadable for us
 * (RFC 5280 5.2). */
static bool knows_extensions(const X509_CRL *crl)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        X509_EXTENSION *extension = X509_CRL_get_ext(crl, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        if (X509_EXTENSION_get_critical(extension) && nid != NID_issuing_distribution_point &&
            nid != NID_authority_key_identifier) {
            return false;
        }
    }
    return true;
}

static bool knows_entries(X509_CRL *crl)
{
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
    for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
        const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);
        for (int j = 0; j < X509_REVOKED_get_ext_count(entry); j++) {
            if (X509_EXTENSION_get_critical(X509_REVOKED_get_ext(entry, j))) {
                return false;
            }
        }
    }
    return true;
}

static const char *why_unusable(const struct list *list, int scope_found)
{
    const X509_ALGOR *algorithm = NULL;

    X509_CRL_get0_signature(list->crl, NULL, &algorithm);
    if (key_limits_algorithm(algorithm) != ALGORITHM_GOOD) {
        return "is signed with a digest or key that is not taken";
    }
    if (list->scope == NULL && scope_found != -1) { /* -1: absent */
        return "has an issuingDistributionPoint that cannot be read";
    }
    if (list->scope != NULL && list->scope->indirectCRL > 0) {
        return "is indirect, which is not supported";
    }
    if (X509_CRL_get_ext_by_NID(list->crl, NID_delta_crl, -1) >= 0) {
        return "is a delta list, which is not supported";
    }
    if (!knows_extensions(list->crl) || !knows_entries(list->crl)) {
        return "has a critical extension that nodekey does not know";
    }
    if (list->this_update == (time_t)-1 || list->next_update == (time_t)-1) {
        return "does not say when it ends";
    }
    return NULL;
}

static bool take(struct list *list, X509_CRL *crl)
{
    int found = -1;
    ASN1_INTEGER *any = ASN1_INTEGER_new();
    X509_REVOKED *entry = NULL;
    if (any == NULL) {
        return false;
    }
    X509_CRL_up_ref(crl);
    list->crl = crl;
    list->scope = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &found, NULL);
    if (list->scope != NULL) {
        crl_scope_prepare(list->scope, X509_CRL_get_issuer(crl));
    }
    list->this_update = text_read_time(X509_CRL_get0_lastUpdate(crl));
    list->next_update = text_read_time(X509_CRL_get0_nextUpdate(crl));
    list->unusable = why_unusable(list, found);
    list->bytes = (size_t)i2d_X509_CRL(crl, NULL);
    /* The first search sorts the entries: here, before threads share them. */
    (void)X509_CRL_get0_by_serial(crl, &entry, any);
    ASN1_INTEGER_free(any);
    return true;
}

struct revocation *revocation_new(STACK_OF(X509_CRL) *lists, const struct crl_settings *settings)
{
    int len = lists != NULL ? sk_X509_CRL_num(lists) : 0;
    struct revocation *revocation = calloc(1, sizeof(*revocation));
    if (revocation == NULL) {
        return NULL;
    }
    revocation->settings = *settings;
    pthread_mutex_init(&revocation->lock, NULL);
    revocation->lists = calloc((size_t)len + 1, sizeof(*revocation->lists));
    bool whole = revocation->lists != NULL;
    for (int i = 0; whole && i < len; i++) {
        whole = take(&revocation->lists[i], sk_X509_CRL_value(lists, i));
        revocation->len += whole ? 1 : 0;
    }
    ERR_clear_error();
    if (!whole) {
        revocation_free(revocation);
        return NULL;
    }
    return revocation;
}

void revocation_free(struct revocation *revocation)
{
    if (revocation == NULL) {
        return;
    }
    for (size_t i = 0; revocation->lists != NULL && i < revocation->len; i++) {
        struct list *list = &revocation->lists[i];
        for (size_t j = 0; j < PROOFS; j++) {
            EVP_PKEY_free(list->proofs[j].key);
        }
        ISSUING_DIST_POINT_free(list->scope);
        X509_CRL_free(list->crl);
    }
    free(revocation->lists);
    pthread_mutex_destroy(&revocation->lock);
    free(revocation);
}

/* --- whose list is it --- */

static bool is_proven_before(struct revocation *revocation, struct list *list, EVP_PKEY *key,
                             bool *ret_signed_it)
{
    bool found = false;
    pthread_mutex_lock(&revocation->lock);
    for (size_t i = 0; i < PROOFS && !found; i++) {
        found = list->proofs[i].key != NULL && EVP_PKEY_eq(list->proofs[i].key, key) == 1;
        if (found) {
            *ret_signed_it = list->proofs[i].signed_it;
        }
    }
    pthread_mutex_unlock(&revocation->lock);
    return found;
}

/* A member with CAs of the issuer's name cannot make us forget the issuer's own key. */
static struct proof *place_of(struct list *list)
{
    for (size_t i = 0; i < PROOFS; i++) {
        if (list->proofs[i].key == NULL || !list->proofs[i].signed_it) {
            return &list->proofs[i];
        }
    }
    struct proof *oldest = &list->proofs[list->next_proof];
    list->next_proof = (list->next_proof + 1) % PROOFS;
    return oldest;
}

static void keep_proof(struct revocation *revocation, struct list *list, EVP_PKEY *key,
                       bool signed_it)
{
    pthread_mutex_lock(&revocation->lock);
    struct proof *proof = place_of(list);
    EVP_PKEY_up_ref(key);
    EVP_PKEY_free(proof->key);
    *proof = (struct proof){ .key = key, .signed_it = signed_it };
    pthread_mutex_unlock(&revocation->lock);
}

static bool key_signed(struct revocation *revocation, struct list *list, X509 *issuer,
                       size_t *wasted)
{
    bool signed_it = false;
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    /* All bits are set when there is no keyUsage. */
    if (key == NULL || (X509_get_key_usage(issuer) & KU_CRL_SIGN) == 0) {
        return false;
    }
    if (!is_proven_before(revocation, list, key, &signed_it)) {
        if (*wasted > FORGERY_BYTES_MAX) {
            return false;
        }
        signed_it = X509_CRL_verify(list->crl, key) == 1;
        *wasted += signed_it ? 0 : list->bytes + SIGNATURE_AS_BYTES;
        ERR_clear_error(); /* a wrong signature is an answer */
        keep_proof(revocation, list, key, signed_it);
    }
    return signed_it;
}

/* Any certificate above it on the path that bears the issuer's name: a CA that changes its key
 * signs its lists with the new one (RFC 5280 6.3.3 f). */
static bool is_issuers(struct revocation *revocation, struct list *list, STACK_OF(X509) *path,
                       int number, size_t *wasted)
{
    const X509_NAME *name = X509_CRL_get_issuer(list->crl);
    int root = sk_X509_num(path) - 1;

    for (int i = number < root ? number + 1 : root; i <= root; i++) {
        X509 *issuer = sk_X509_value(path, i);
        if (X509_NAME_cmp(X509_get_subject_name(issuer), name) == 0 &&
            key_signed(revocation, list, issuer, wasted)) {
            return true;
        }
    }
    return false;
}

/* --- what it says --- */

static void improve(struct answer *answer, enum finding finding, const char *why)
{
    if (finding > answer->finding || (finding == answer->finding && answer->why[0] == '\0')) {
        answer->finding = finding;
        snprintf(answer->why, sizeof(answer->why), "%s", why);
    }
}

static time_t end_of(const struct revocation *revocation, const struct list *list)
{
    const struct crl_settings *settings = &revocation->settings;
    time_t ends = list->next_update + (time_t)settings->grace_hours * HOUR_SECONDS;
    time_t aged = list->this_update + (time_t)settings->max_age_hours * HOUR_SECONDS;
    return settings->max_age_hours != 0 && aged < ends ? aged : ends;
}

/* Does `list`, which is the issuer's own, clear this certificate? */
static void weigh(const struct revocation *revocation, const struct list *list, X509 *certificate,
                  time_t now, struct answer *answer)
{
    char date[TEXT_TIME_BYTES];
    char why[WHY_BYTES];
    time_t ends = end_of(revocation, list);

    if (list->unusable != NULL) {
        snprintf(why, sizeof(why), "its issuer's CRL %s", list->unusable);
        improve(answer, INVALID, why);
    } else if (!crl_scope_has(list->scope, X509_CRL_get_issuer(list->crl), certificate)) {
        improve(answer, MISSING, "its issuer's CRLs are for other certificates");
    } else if (list->this_update > now) {
        improve(answer, INVALID, "its issuer's CRL is not yet valid: check this clock");
    } else if (ends <= now) {
        snprintf(why, sizeof(why), "its issuer's CRL of %s is too old (%s %s)",
                 text_time((char[TEXT_TIME_BYTES]){ 0 }, list->this_update),
                 ends < list->next_update ? "crl_max_age_hours ended" : "it ended",
                 text_time(date, ends));
        improve(answer, STALE, why);
    } else {
        answer->ends = answer->finding == COVERED && answer->ends > ends ? answer->ends : ends;
        answer->finding = COVERED;
    }
}

static bool refuse_revoked(const X509_REVOKED *entry, X509 *certificate, int depth,
                           struct chain_failure *failure)
{
    char date[TEXT_TIME_BYTES];
    char subject[SUBJECT_BYTES];
    char serial[TEXT_HEX_BYTES(SERIAL_BYTES)];
    const ASN1_INTEGER *number = X509_get0_serialNumber(certificate);
    size_t len = (size_t)ASN1_STRING_length(number);
    AUTO(ASN1_ENUMERATED_free)
    ASN1_ENUMERATED *code = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);

    text_hex(serial, ASN1_STRING_get0_data(number), len < SERIAL_BYTES ? len : SERIAL_BYTES);
    x509_name_text(X509_get_subject_name(certificate), subject, sizeof(subject));
    *failure = (struct chain_failure){ .reason = REASON_REVOKED, .depth = depth };
    snprintf(failure->detail, sizeof(failure->detail),
             "serial %s was revoked on %s (%s), in \"%s\"", serial,
             text_time(date, text_read_time(X509_REVOKED_get0_revocationDate(entry))),
             crl_scope_reason(code), subject);
    return false;
}

/* What is asked of all lists, once for each path. */
struct inquiry {
    STACK_OF(X509) *path;
    time_t now;
    size_t wasted; /* on forgeries */
};

/* False: revoked, or not to be found out at a fair price, which no mode lets pass. */
static bool ask(struct revocation *revocation, struct inquiry *inquiry, int number,
                struct answer *answer, struct chain_failure *failure)
{
    X509 *certificate = sk_X509_value(inquiry->path, number);
    const X509_NAME *issuer = X509_get_issuer_name(certificate);

    for (size_t i = 0; i < revocation->len; i++) {
        struct list *list = &revocation->lists[i];
        X509_REVOKED *entry = NULL;
        if (X509_NAME_cmp(X509_CRL_get_issuer(list->crl), issuer) != 0) {
            continue;
        }
        if (!is_issuers(revocation, list, inquiry->path, number, &inquiry->wasted)) {
            improve(answer, INVALID, "the CRL of its issuer's name was not signed by its issuer");
            continue;
        }
        if (X509_CRL_get0_by_cert(list->crl, &entry, certificate) == 1) {
            return refuse_revoked(entry, certificate, number, failure);
        }
        weigh(revocation, list, certificate, inquiry->now, answer);
    }
    if (inquiry->wasted > FORGERY_BYTES_MAX) {
        *failure = (struct chain_failure){ REASON_CRL_INVALID, number,
                                           "too many CRLs of the path's names are not signed by "
                                           "its keys" };
        return false;
    }
    improve(answer, MISSING, "there is no CRL of its issuer");
    return true;
}

/* --- the path --- */

static bool refuse_uncovered(const struct answer *answer, X509 *certificate, int depth,
                             struct chain_failure *failure)
{
    static const enum reason reasons[] = {
        [MISSING] = REASON_CRL_MISSING, [INVALID] = REASON_CRL_INVALID, [STALE] = REASON_CRL_STALE
    };
    char subject[SUBJECT_BYTES];
    x509_name_text(X509_get_subject_name(certificate), subject, sizeof(subject));
    *failure = (struct chain_failure){ .reason = reasons[answer->finding], .depth = depth };
    snprintf(failure->detail, sizeof(failure->detail), "%s, in \"%s\"", answer->why, subject);
    return false;
}

static void append_note(const struct answer *answer, X509 *certificate, char *note)
{
    char subject[SUBJECT_BYTES];
    size_t used = strlen(note);
    x509_name_text(X509_get_subject_name(certificate), subject, sizeof(subject));
    snprintf(note + used, NK_DETAIL_BYTES - used, "%s%s, in \"%s\"", used > 0 ? "; " : "",
             answer->why, subject);
}

bool revocation_holds(struct revocation *revocation, STACK_OF(X509) *path, time_t *until,
                      char note[NK_DETAIL_BYTES], struct chain_failure *ret_failure)
{
    int root = sk_X509_num(path) - 1;
    struct inquiry inquiry = { .path = path, .now = time(NULL) };

    if (revocation->settings.mode == CRL_OFF) {
        return true;
    }
    for (int i = root; i >= 0; i--) { /* from the top: whose issuer is revoked is not asked */
        X509 *certificate = sk_X509_value(path, i);
        struct answer answer = { .finding = MISSING };
        if (!ask(revocation, &inquiry, i, &answer, ret_failure)) {
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
