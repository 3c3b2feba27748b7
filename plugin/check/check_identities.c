/* SPDX-License-Identifier: Apache-2.0
 * The certificates that we show: read, judged as peers like us would, and for how long. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "check/admission.h"
#include "check/check_private.h"
#include "trust/x509_name.h"

#define SUBJECT_BYTES 256

/* --- what is wrong with them --- */

/* Faults that were told: a certificate for both roles has most of them twice. */
struct faults_told {
    const struct check *check;
    const char *topic;
    size_t len;
    unsigned long long reasons; /* a bit each */
};

static void tell_fault(void *arg, enum reason reason, const nk_error *fault)
{
    struct faults_told *told = arg;
    bool known = (told->reasons >> reason & 1) != 0 && reason != REASON_WRONG_PURPOSE;

    told->len++;
    told->reasons |= 1ull << reason;
    if (!known) {
        check_add(told->check->report, CHECK_BAD, told->topic, NULL, "%s", fault->text);
    }
}

static bool plays(const struct check *check, int identity, int role)
{
    return (check->config->one_identity || identity == role) &&
           (check->order->role < 0 || check->order->role == role);
}

static void judge_chain(const struct check *check, int identity, const char *topic)
{
    const struct own_chain *ours = &check->chains[identity];
    struct faults_told told = { .check = check, .topic = topic };
    struct check_ear ear;

    check_listen(&ear, check->report, topic, NULL);
    for (int role = 0; role < OUR_ROLES; role++) {
        if (plays(check, identity, role)) {
            policy_find_our_faults(check->policy, role, ours->leaf, ours->intermediates, &ear.host,
                                   tell_fault, &told);
        }
    }
    if (told.len == 0) {
        check_add(check->report, CHECK_GOOD, topic, NULL,
                  "chains to federation.roots, is not revoked, and its names are readable");
    }
}

static void judge_admission(const struct check *check, int identity, const char *topic)
{
    const struct own_chain *ours = &check->chains[identity];
    char why[NK_DETAIL_BYTES] = "";

    for (int role = 0; role < OUR_ROLES; role++) {
        if (plays(check, identity, role) && admission_of_ours(check->policy, role, ours, why)) {
            check_add(check->report, CHECK_GOOD, "admit", NULL,
                      "our own rules admit our certificate");
            return;
        }
    }
    check_add(check->report, CHECK_WARNING, topic, NULL,
              "our own rules do not admit our certificate (%s): peers with such rules refuse us",
              why);
}

/* --- until when --- */

/* The judge has told of those that have ended. */
static void tell_end(const struct check *check, const char *topic, const X509 *certificate)
{
    char subject[SUBJECT_BYTES];
    struct check_span span = { topic, subject, text_read_time(X509_get0_notBefore(certificate)),
                               text_read_time(X509_get0_notAfter(certificate)), CHECK_BAD };

    x509_name_text(X509_get_subject_name(certificate), subject, sizeof(subject));
    if (check->policy == NULL || text_compare_to_now(X509_get0_notAfter(certificate)) > 0) {
        check_add_span(check, &span);
    }
}

static void warn_of_kind(const struct check *check, const char *topic, const X509 *leaf)
{
    char unmet[HSM_UNMET_BYTES];
    EVP_PKEY *key = X509_get0_pubkey(leaf);

    if (key != NULL && hsm_key_unmet(key, unmet)) {
        check_add(check->report, CHECK_WARNING, topic, NULL, "%s", unmet);
    }
}

/* --- the step --- */

static void tell_unreadable(struct check *check, int role, const char *topic, const nk_error *err)
{
    static const char member[] = "node.module: ";
    const char *path = check->config->identities[role].certificate;
    char module[CHECK_TOPIC_BYTES];

    if (strncmp(err->text, member, strlen(member)) == 0) {
        check_add(check->report, CHECK_BAD, check_topic(check, role, "module", module), NULL, "%s",
                  err->text + strlen(member));
        check->no_module[role] = true;
        return;
    }
    AUTO(free) char *cure = config_is_uri(path) ? NULL : check_cure_path(path, CHECK_READ);
    AUTO(free) char *other = cure != NULL || config_is_uri(path) ? NULL : check_cure_der(path);

    check_add(check->report, CHECK_BAD, topic, cure != NULL ? cure : other, "%s", err->text);
}

static void check_identity(struct check *check, int role)
{
    struct own_chain *ours = &check->chains[role];
    char topic[CHECK_TOPIC_BYTES];
    nk_error err = { .struct_size = sizeof(err) };

    check_topic(check, role, "certificate", topic);
    if (config_is_uri(check->config->identities[role].certificate) && !check->order->token) {
        check_add(check->report, CHECK_WARNING, topic, NULL,
                  "on the token, which is not looked at");
        return;
    }
    if (own_chain_read(check->config, role, ours, &err) != NK_OK) {
        tell_unreadable(check, role, topic, &err);
        own_chain_clear(ours);
        return;
    }
    tell_end(check, topic, ours->leaf);
    for (int i = 0; i < sk_X509_num(ours->intermediates); i++) {
        tell_end(check, topic, sk_X509_value(ours->intermediates, i));
    }
    warn_of_kind(check, topic, ours->leaf);
    if (check->policy == NULL) {
        return;
    }
    size_t before = check_count(check->report, CHECK_BAD);
    judge_chain(check, role, topic);
    if (check->whole && check_count(check->report, CHECK_BAD) == before) {
        judge_admission(check, role, topic);
    }
}

void check_identities(struct check *check)
{
    for (int role = 0; role < OUR_ROLES; role++) {
        if (check_has_identity(check, role)) {
            check_identity(check, role);
        }
    }
}
