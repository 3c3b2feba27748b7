/* SPDX-License-Identifier: Apache-2.0
 * One generation of lists: from the files as they are now and the generation before it. */
#include "trust/crl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/file.h"
#include "base/report.h"
#include "base/trusted_path.h"
#include "trust/crl_proof.h"
#include "trust/crl_reading.h"
#include "trust/crl_settle.h"

/* --- what the generation before had --- */

static bool carry_list(struct reading *reading, const struct crl_list *list)
{
    struct crl_list *copy = crl_list_copy(list);
    if (copy != NULL) {
        copy->carried = true;
    }
    return crl_lists_append(&reading->crls->lists, copy) || reading_no_memory(reading);
}

enum kept { KEPT_ALL, KEPT_PROVEN };

/* The lists that `old` had of a file; `file` NULL: of a member, whatever the file. */
static bool keep_lists(struct reading *reading, const char *source, const char *file,
                       enum kept kept)
{
    const struct crl_lists *old = reading->old != NULL ? &reading->old->lists : NULL;

    for (size_t i = 0; old != NULL && i < old->len; i++) {
        const struct crl_list *list = old->at[i];
        bool wanted = strcmp(list->source, source) == 0 &&
                      (file == NULL || strcmp(list->file, file) == 0) &&
                      (kept == KEPT_ALL || atomic_load(&list->proven));
        if (wanted && !carry_list(reading, list)) {
            return false;
        }
    }
    return true;
}

/* --- files --- */

/* A list with a gap is not refused: whom it revokes must stay out. */
static void warn_of_gap(const struct reading *reading, const struct crl_list *list)
{
    if (list->crl.gap != NULL) {
        log_line(reading->host, NK_LOG_WARNING,
                 "%s: the CRL of \"%s\" %s: it revokes, but clears nobody; have the CA issue a "
                 "complete one",
                 list->file, list->issuer, list->crl.gap);
    } else if (!list->crl.numbered) {
        log_line(reading->host, NK_LOG_WARNING,
                 "%s: the CRL of \"%s\" has no crlNumber: under federation.strict it revokes, but "
                 "clears nobody; have the CA number its lists (crlnumber in openssl.cnf)",
                 list->file, list->issuer);
    }
}

static nk_status vouch_for_list(const struct reading *reading, struct crl_list *list, nk_error *err)
{
    const struct crl_list *old = reading_find_old(reading, list);
    if (old == NULL) {
        warn_of_gap(reading, list);
    }
    if (old != NULL && atomic_load(&old->proven)) {
        atomic_store(&list->proven, true);
        return NK_OK;
    }
    enum crl_proof proof = crl_prove(list->crl.list, reading->issuers);
    if (proof == CRL_FORGED) {
        return report(err, NK_E_TRUST,
                      "%s: the CRL of \"%s\" is not signed by that CA's key: get it again, or the "
                      "CA's certificate if it has a new key",
                      list->file, list->issuer);
    }
    if (proof == CRL_ISSUER_MAY_NOT) {
        return report(err, NK_E_TRUST,
                      "%s: \"%s\" may not sign CRLs (its keyUsage lacks cRLSign): have the CA's "
                      "certificate issued again",
                      list->file, list->issuer);
    }
    if (proof == CRL_ISSUER_UNKNOWN && old == NULL) {
        log_line(reading->host, NK_LOG_INFO,
                 "%s: the CRL of \"%s\" waits for a peer that shows its issuer's certificate",
                 list->file, list->issuer);
    }
    atomic_store(&list->proven, proof == CRL_PROVEN);
    return NK_OK;
}

static bool read_file(struct reading *reading, const char *source, const char *file)
{
    struct crl_lists *lists = &reading->crls->lists;
    size_t before = lists->len;
    nk_error why = { .struct_size = sizeof(why) };

    nk_status status =
        ++reading->files > CRL_FILES_MAX
            ? report(&why, NK_E_TRUST, "%s: is one of more than %d files; remove old ones", file,
                     CRL_FILES_MAX)
            : crl_lists_read(source, file, lists, &why);
    for (size_t i = before; status == NK_OK && i < lists->len; i++) {
        status = vouch_for_list(reading, lists->at[i], &why);
    }
    if (status == NK_OK) {
        return true;
    }
    crl_lists_cut(lists, before);
    return reading_bear(reading, &why) && keep_lists(reading, source, file, KEPT_ALL);
}

static bool read_names(struct reading *reading, const char *path, const struct file_names *names)
{
    for (size_t i = 0; i < names->len; i++) {
        char *file = NULL;
        if (asprintf(&file, "%s/%s", path, names->at[i]) < 0) {
            return reading_no_memory(reading);
        }
        bool goes_on = read_file(reading, path, file);
        free(file);
        if (!goes_on) {
            return false;
        }
    }
    return true;
}

static nk_status list_folder(const char *path, struct file_names *ret_names, nk_error *err)
{
    int folder = -1;
    nk_status status = trusted_open_folder(path, TRUSTED_TO_LIST, NK_E_TRUST, &folder, err);
    if (status != NK_OK) {
        return status;
    }
    struct file_names names = { 0 };
    status = file_list(folder, path, CRL_FILES_MAX, NK_E_TRUST, &names, err);
    close(folder);
    if (status == NK_OK && names.len == 0) {
        status = report(err, NK_E_TRUST,
                        "%s: is an empty folder, so there is nothing to enforce; put the CRLs into "
                        "it",
                        path);
    }
    if (status == NK_OK) {
        *ret_names = names;
    }
    return status;
}

static bool was_file(const struct reading *reading, const char *path)
{
    const struct crl_lists *old = reading->old != NULL ? &reading->old->lists : NULL;

    for (size_t i = 0; old != NULL && i < old->len; i++) {
        if (strcmp(old->at[i]->file, path) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_folder(struct reading *reading, const char *path)
{
    struct file_names names = { 0 };
    nk_error why = { .struct_size = sizeof(why) };

    nk_status status = was_file(reading, path)
                           ? report(&why, NK_E_TRUST,
                                    "%s: was a file and is a folder now; put the file back", path)
                           : list_folder(path, &names, &why);
    if (status != NK_OK) {
        return reading_bear(reading, &why) && keep_lists(reading, path, NULL, KEPT_ALL);
    }
    bool goes_on = read_names(reading, path, &names);
    file_names_clear(&names);
    return goes_on;
}

static bool read_path(struct reading *reading, const char *path)
{
    return file_is_folder(path) ? read_folder(reading, path) : read_file(reading, path, path);
}

/* --- the contract --- */

nk_status crls_read(char *const *paths, size_t len, STACK_OF(X509) *issuers,
                    struct crl_ledger *ledger, const struct crls *old, const nk_host *host,
                    struct crls **ret_crls, nk_error *err)
{
    struct reading reading = {
        .old = old,
        .issuers = issuers,
        .ledger = ledger,
        .host = host,
        .crls = crls_new(),
        .first = { .struct_size = sizeof(reading.first) },
    };
    if (reading.crls == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    ERR_clear_error();
    bool goes_on = true;
    for (size_t i = 0; goes_on && i < len; i++) {
        goes_on = read_path(&reading, paths[i]);
    }
    /* A list that is gone from the files un-revokes nobody: if it is proven, it stays until there
     * is a newer one. An unproven list goes, or a forged one could not be got rid of. Kept lists
     * come last, or they would count against CRL_LISTS_MAX. */
    for (size_t i = 0; goes_on && i < len; i++) {
        goes_on = keep_lists(&reading, paths[i], NULL, KEPT_PROVEN);
    }
    goes_on = goes_on && reading_settle(&reading);
    ERR_clear_error(); /* OpenSSL decodes a list whose key identifier is damaged, and complains */
    if (!goes_on) {
        crls_unref(reading.crls);
        return report_copy(err, &reading.first);
    }
    *ret_crls = reading.crls;
    return reading.first.status == NK_OK ? NK_OK : report_copy(err, &reading.first);
}
