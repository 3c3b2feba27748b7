/* SPDX-License-Identifier: Apache-2.0
 * Whom the node trusts: each root and list by itself, so that one bad file hides no other, then the
 * policy that they make. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "check/check_private.h"
#include "trust/crl.h"
#include "trust/roots.h"
#include "trust/x509_name.h"

#define SUBJECT_BYTES 256

static void free_certificates(STACK_OF(X509) *certificates)
{
    sk_X509_pop_free(certificates, X509_free);
}
DEFINE_AUTO(STACK_OF(X509) *, free_certificates);

typedef bool check_file(const struct check *check, char *path, STACK_OF(X509) *issuers);

/* Drops the paths that are at fault from the list; false if one was. */
static bool keep_good(const struct check *check, struct path_list *list, check_file *is_good,
                      STACK_OF(X509) *issuers)
{
    size_t kept = 0;
    size_t len = list->len;

    for (size_t i = 0; i < len; i++) {
        if (is_good(check, list->paths[i], issuers)) {
            list->paths[kept++] = list->paths[i];
        } else {
            free(list->paths[i]);
        }
    }
    list->len = kept;
    return kept == len;
}

static bool root_is_good(const struct check *check, char *path, STACK_OF(X509) *issuers)
{
    AUTO(free_certificates) STACK_OF(X509) *roots = NULL;
    struct check_ear ear;
    nk_error err = { .struct_size = sizeof(err) };

    (void)issuers;
    check_listen(&ear, check->report, "federation.roots", NULL);
    if (roots_read(&path, 1, check->config->federation.strict, &ear.host, &roots, &err) == NK_OK) {
        return true;
    }
    AUTO(free) char *cure = check_cure_path(path, CHECK_READ);
    AUTO(free) char *other = cure == NULL ? check_cure_der(path) : NULL;
    check_add(check->report, CHECK_BAD, "federation.roots", cure != NULL ? cure : other, "%s",
              err.text);
    return false;
}

static bool list_is_good(const struct check *check, char *path, STACK_OF(X509) *issuers)
{
    struct crls *crls = NULL;
    struct check_ear ear;
    nk_error err = { .struct_size = sizeof(err) };

    check_listen(&ear, check->report, "federation.crls", NULL);
    nk_status status =
        crls_read(&path, 1, issuers, check->memory.ledger, NULL, &ear.host, &crls, &err);
    crls_unref(crls);
    if (status != NK_OK) {
        check_add_error(check, &(struct check_place){ "federation.crls", path, CHECK_READ }, &err);
    }
    return status == NK_OK;
}

static void check_memory(struct check *check)
{
    const char *path = check->config->state_dir;
    const char *loss = policy_memory_loss(check->config);
    nk_error err = { .struct_size = sizeof(err) };

    if (loss != NULL) {
        check_add(check->report, CHECK_WARNING, "state_dir", NULL, "%s", loss);
    } else if (path == NULL) {
        check_add(check->report, CHECK_GOOD, "state_dir", NULL,
                  "none, and no CRLs whose numbers it would keep");
    } else if (policy_memory_peek(path, &check->memory, &err) != NK_OK) {
        check_add_error(check, &(struct check_place){ "state_dir", path, CHECK_KEEP }, &err);
        check->forgets = true;
    } else {
        check_add(check->report, CHECK_GOOD, "state_dir", NULL, "%s", path);
        return;
    }
    if (policy_memory_peek(NULL, &check->memory, &err) != NK_OK) {
        check->report->no_memory = true;
    }
}

static void tell_roots(const struct check *check)
{
    STACK_OF(X509) *roots = policy_roots(check->policy);
    char subject[SUBJECT_BYTES];

    for (int i = 0; i < sk_X509_num(roots); i++) {
        const X509 *root = sk_X509_value(roots, i);
        x509_name_text(X509_get_subject_name(root), subject, sizeof(subject));
        check_add_span(check, &(struct check_span){ "federation.roots", subject,
                                                    text_read_time(X509_get0_notBefore(root)),
                                                    text_read_time(X509_get0_notAfter(root)),
                                                    CHECK_WARNING }); /* it may have a twin */
    }
}

/* With the hours of grace, after which a list counts no more. */
static void tell_lists(const struct check *check)
{
    const struct crls *crls = policy_crls(check->policy);
    time_t grace = (time_t)check->config->federation.crl.grace_hours * 3600;
    enum check_mark ended =
        check->config->federation.crl.mode == CRL_HARD ? CHECK_BAD : CHECK_WARNING;
    char issuer[SUBJECT_BYTES];
    char subject[SUBJECT_BYTES + 32];
    size_t at = 0;

    for (const struct crl *crl = crls != NULL ? crls_next(crls, &at) : NULL; crl != NULL;
         crl = crls_next(crls, &at)) {
        x509_name_text(X509_CRL_get_issuer(crl->list), issuer, sizeof(issuer));
        snprintf(subject, sizeof(subject), "CRL of %s", issuer);
        check_add_span(check, &(struct check_span){ "federation.crls", subject, crl->this_update,
                                                    crl->next_update + grace, ended });
    }
}

/* Lists that are at fault clear nobody, and so would refuse everybody: those that are left only
 * revoke. */
static void lose_lists(struct config *config)
{
    config->federation.crl.mode = config->crls.len > 0 ? CRL_SOFT : CRL_OFF;
}

/* The policy by which the rest is judged, of the files that are left. `lists`: none of those is
 * missing; else warnings would be about settings that are not the node's. */
static void make_policy(struct check *check, bool lists)
{
    struct config *config = check->config;
    struct check_ear ear;
    nk_error err = { .struct_size = sizeof(err) };

    check_listen(&ear, check->report, "policy", NULL);
    if (policy_new(config, &check->memory, lists ? &ear.host : NULL, &check->policy, &err) !=
        NK_OK) {
        check_add(check->report, CHECK_BAD, "policy", NULL, "%s", err.text);
        return;
    }
    tell_roots(check);
    tell_lists(check);
    if (check->whole) {
        snprintf(check->report->digest, sizeof(check->report->digest), "%s",
                 policy_digest(check->policy));
        check_add(check->report, CHECK_GOOD, "policy", NULL, "digest %s", check->report->digest);
    }
}

/* Certificates that may have signed lists; empty where none can be read. Owned: free_certificates;
 * NULL: no memory. */
static STACK_OF(X509) *read_issuers(const struct config *config)
{
    STACK_OF(X509) *issuers = NULL;

    return roots_read(config->roots.paths, config->roots.len, config->federation.strict, NULL,
                      &issuers, NULL) == NK_OK
               ? issuers
               : sk_X509_new_null();
}

void check_trust(struct check *check)
{
    struct config *config = check->config;
    bool nobody = config->admit.len == 0 && !config->all_certified && !check->faulty;

    check_memory(check);
    bool roots = keep_good(check, &config->roots, root_is_good, NULL);
    AUTO(free_certificates) STACK_OF(X509) *issuers = read_issuers(config);
    if (issuers == NULL || check->memory.ledger == NULL) {
        check->report->no_memory = true;
        return;
    }
    bool lists = keep_good(check, &config->crls, list_is_good, issuers);
    if (!lists) {
        lose_lists(config);
    }
    check->whole = roots && lists && !check->faulty;
    if (config->roots.len > 0) {
        make_policy(check, lists);
    } else {
        check_add(check->report, CHECK_WARNING, "policy", NULL,
                  "nobody can be judged before federation.roots is mended");
    }
    if (nobody) {
        check_add(check->report, CHECK_BAD, "admit", NULL,
                  "an empty list: nobody can come in, and no server that we dial is accepted");
    }
}
