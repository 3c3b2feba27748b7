/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl_settle.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "trust/crl_proof.h"

#define NUMBER_BYTES 64

/* Order by digest, so that two generations compare; a list goes before its carried copy. */
static int compare_digests(const void *left, const void *right)
{
    const struct crl_list *a = *(struct crl_list *const *)left;
    const struct crl_list *b = *(struct crl_list *const *)right;
    int difference = memcmp(a->digest, b->digest, CRL_DIGEST_BYTES);

    if (difference == 0) {
        difference = strcmp(a->file, b->file);
    }
    return difference != 0 ? difference : (int)a->carried - (int)b->carried;
}

static void drop_list(struct crl_lists *lists, size_t i)
{
    crl_list_free(lists->at[i]);
    lists->at[i] = NULL;
}

static void close_gaps(struct crl_lists *lists)
{
    size_t len = 0;
    for (size_t i = 0; i < lists->len; i++) {
        if (lists->at[i] != NULL) {
            lists->at[len++] = lists->at[i];
        }
    }
    lists->len = len;
}

static void drop_double_lists(struct crl_lists *lists)
{
    if (lists->len > 0) {
        qsort(lists->at, lists->len, sizeof(struct crl_list *), compare_digests);
    }
    for (size_t i = 0, kept = 0; i + 1 < lists->len; i++) {
        struct crl_list *next = lists->at[i + 1];
        if (memcmp(lists->at[kept]->digest, next->digest, CRL_DIGEST_BYTES) == 0 &&
            strcmp(lists->at[kept]->file, next->file) == 0) {
            drop_list(lists, i + 1);
        } else {
            kept = i + 1;
        }
    }
    close_gaps(lists);
}

static void inherit_warnings(const struct reading *reading, struct crl_list *list)
{
    const struct crl_list *old = reading_find_old(reading, list);
    if (old != NULL) {
        list->warned_expiring = atomic_load(&old->warned_expiring);
        list->warned_expired = atomic_load(&old->warned_expired);
    }
}

/* Issuers that were met between two readings may prove, or disprove, lists that waited for them. */
static void prove_carried_lists(const struct reading *reading, struct crl_lists *lists)
{
    for (size_t i = 0; i < lists->len; i++) {
        struct crl_list *list = lists->at[i];
        if (!list->carried || atomic_load(&list->proven)) {
            continue;
        }
        enum crl_proof proof = crl_prove(list->crl.list, reading->issuers);
        atomic_store(&list->proven, proof == CRL_PROVEN);
        if (proof == CRL_FORGED) {
            log_line(reading->host, NK_LOG_WARNING,
                     "%s: the CRL of \"%s\" turns out not to be signed by that CA's key: dropped",
                     list->file, list->issuer);
            drop_list(lists, i);
        }
    }
    close_gaps(lists);
}

static void tell_of_gone_lists(const struct crl_lists *lists, const nk_host *host)
{
    for (size_t i = 0; i < lists->len; i++) {
        struct crl_list *list = lists->at[i];
        if (list->carried && !list->told_gone) {
            list->told_gone = true;
            log_line(
                host, NK_LOG_WARNING,
                "%s: does not hold the CRL of \"%s\" any more; that stays in force until there "
                "is a newer one",
                list->file, list->issuer);
        }
    }
}

static void enter_proven_lists(const struct crl_lists *lists, struct crl_ledger *ledger,
                               const nk_host *host)
{
    for (size_t i = 0; i < lists->len; i++) {
        const struct crl_list *list = lists->at[i];
        if (atomic_load(&list->proven) && !crl_ledger_enter(ledger, &list->order, list->issuer)) {
            log_line(host, NK_LOG_ERROR,
                     "%s: no room to remember the number of the CRL of \"%s\" (%d are kept): an "
                     "older one would not be noticed",
                     list->file, list->issuer, CRL_LEDGER_MAX);
        }
    }
}

/* Whether the newest list of its kind is here, too; `read_now`: not counting the carried. */
static bool has_newest_list(const struct reading *reading, const struct crl_list *list,
                            bool read_now)
{
    const struct crl_lists *lists = &reading->crls->lists;

    for (size_t i = 0; i < lists->len; i++) {
        const struct crl_list *other = lists->at[i];
        if (other != NULL && other != list && atomic_load(&other->proven) &&
            !(read_now && other->carried) &&
            memcmp(other->order.key, list->order.key, CRL_KEY_BYTES) == 0 &&
            !crl_ledger_has_newer(reading->ledger, &other->order)) {
            return true;
        }
    }
    return false;
}

static bool refuse_older_list(struct reading *reading, struct crl_list *list)
{
    char number[NUMBER_BYTES];
    nk_error why = { .struct_size = sizeof(why) };

    crl_list_number(list, number, sizeof(number));
    if (has_newest_list(reading, list, true)) {
        log_line(reading->host, NK_LOG_INFO,
                 "%s: the CRL of \"%s\" with number %s is not used: there is a newer one",
                 list->file, list->issuer, number);
        return true;
    }
    (void)report(&why, NK_E_TRUST,
                 "%s: the CRL of \"%s\" with number %s is older than one seen before: somebody put "
                 "an old one back; get the newest",
                 list->file, list->issuer, number);
    return reading_bear(reading, &why);
}

/* A carried list goes when its successor was read, also a successor of the same number and time:
 * the CA's last word counts. */
static bool is_succeeded(const struct reading *reading, const struct crl_list *list)
{
    bool older = crl_ledger_has_newer(reading->ledger, &list->order);
    return list->carried && atomic_load(&list->proven) && has_newest_list(reading, list, !older);
}

static bool drop_older_lists(struct reading *reading)
{
    struct crl_lists *lists = &reading->crls->lists;
    bool goes_on = true;

    for (size_t i = 0; goes_on && i < lists->len; i++) {
        struct crl_list *list = lists->at[i];
        if (list->carried ? is_succeeded(reading, list)
                          : crl_ledger_has_newer(reading->ledger, &list->order)) {
            goes_on = list->carried || refuse_older_list(reading, list);
            drop_list(lists, i);
        }
    }
    close_gaps(lists);
    return goes_on;
}

/* Numbers that cannot be written are still known in memory: no reason to go without the lists. */
static void save_ledger(struct reading *reading)
{
    nk_error why = { .struct_size = sizeof(why) };

    if (crl_ledger_save(reading->ledger, &why) == NK_OK) {
        return;
    }
    (void)report_where(&why, why.status, "state_dir: CRL numbers are remembered in memory only");
    log_line(reading->host, NK_LOG_ERROR, "%s", why.text);
    if (reading->old != NULL) {
        (void)report_copy(&reading->first, &why);
    }
}

bool reading_settle(struct reading *reading)
{
    struct crl_lists *lists = &reading->crls->lists;

    for (size_t i = 0; i < lists->len; i++) {
        inherit_warnings(reading, lists->at[i]);
    }
    prove_carried_lists(reading, lists);
    drop_double_lists(lists);
    enter_proven_lists(lists, reading->ledger, reading->host);
    if (!drop_older_lists(reading)) {
        return false;
    }
    tell_of_gone_lists(lists, reading->host);
    save_ledger(reading);
    return true;
}
