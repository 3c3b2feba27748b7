/* SPDX-License-Identifier: Apache-2.0
 * A generation of lists once it is read. */
#include "trust/crl.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/callback.h"
#include "base/report.h"
#include "base/text.h"
#include "trust/crl_list.h"
#include "trust/crl_proof.h"

#define LIFETIME_PARTS 4 /* the last of them is for fetching the next list */
#define NUMBER_BYTES 64

DEFINE_AUTO(json_t *, json_decref);

struct crls *crls_ref(struct crls *crls)
{
    atomic_fetch_add_explicit(&crls->references, 1, memory_order_relaxed);
    return crls;
}

void crls_unref(struct crls *crls)
{
    if (crls == NULL ||
        atomic_fetch_sub_explicit(&crls->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    crl_lists_cut(&crls->lists, 0);
    free(crls);
}

static bool is_same_list(const struct crl_list *a, const struct crl_list *b)
{
    return memcmp(a->digest, b->digest, CRL_DIGEST_BYTES) == 0;
}

/* Index of the first after `i` that is not the same list in another file. */
static size_t next_list(const struct crl_lists *lists, size_t i)
{
    size_t next = i + 1;
    while (next < lists->len && is_same_list(lists->at[i], lists->at[next])) {
        next++;
    }
    return next;
}

const struct crl *crls_next(const struct crls *crls, size_t *at)
{
    if (*at >= crls->lists.len) {
        return NULL;
    }
    const struct crl *crl = &crls->lists.at[*at]->crl;
    *at = next_list(&crls->lists, *at);
    return crl;
}

bool crls_equal(const struct crls *a, const struct crls *b)
{
    size_t i = 0;
    size_t j = 0;

    while (i < a->lists.len && j < b->lists.len && is_same_list(a->lists.at[i], b->lists.at[j])) {
        i = next_list(&a->lists, i);
        j = next_list(&b->lists, j);
    }
    return i == a->lists.len && j == b->lists.len;
}

void crls_prove(const struct crls *crls, STACK_OF(X509) *issuers, struct crl_ledger *ledger)
{
    for (size_t i = 0; i < crls->lists.len; i++) {
        struct crl_list *list = crls->lists.at[i];
        if (atomic_load(&list->proven) || crl_prove(list->crl.list, issuers) != CRL_PROVEN) {
            continue;
        }
        atomic_store(&list->proven, true);
        (void)crl_ledger_enter(ledger, &list->order, list->issuer);
    }
    (void)crl_ledger_save(ledger, NULL); /* a failure is tried again, and told, by crls_read */
}

/* --- warnings --- */

static void send_event(const struct crl_list *list, const char *name, const char *number,
                       const char *ends, const nk_host *host)
{
    if (host == NULL || !NK_HAS(nk_host, host, event) || host->event == NULL) {
        return;
    }
    json_t *file = json_string(list->file);
    AUTO(json_decref)
    json_t *event = json_pack("{s:s, s:o, s:s, s:s}", "issuer", list->issuer, "file",
                              file != NULL ? file : json_string("(not UTF-8)"), "number", number,
                              "next_update", ends);
    AUTO(free) char *text = event != NULL ? json_dumps(event, JSON_COMPACT) : NULL;
    if (text == NULL) {
        return; /* no memory; the log has it */
    }
    callback_enter();
    host->event(host->host_data, name, text);
    callback_leave();
}

static void warn_of_end(const struct crl_list *list, bool expired, const nk_host *host)
{
    char number[NUMBER_BYTES];
    char ends[TEXT_TIME_BYTES];

    crl_list_number(list, number, sizeof(number));
    text_time(ends, list->crl.next_update);
    log_line(host, NK_LOG_WARNING, "%s: the CRL of \"%s\" with number %s %s at %s; fetch the next",
             list->file, list->issuer, number, expired ? "ended" : "ends", ends);
    send_event(list, expired ? "crl-expired" : "crl-expiring", number, ends, host);
}

static void warn_of_list(struct crl_list *list, time_t now, const nk_host *host)
{
    bool expired = list->crl.next_update <= now;
    bool expiring = list->crl.next_update - now <
                    (list->crl.next_update - list->crl.this_update) / LIFETIME_PARTS;

    if (expired ? !list->warned_expired : expiring && !list->warned_expiring) {
        warn_of_end(list, expired, host);
    }
    list->warned_expired = list->warned_expired || expired;
    list->warned_expiring = list->warned_expiring || expiring;
}

void crls_warn(struct crls *crls, time_t now, const nk_host *host)
{
    struct crl_lists *lists = &crls->lists;

    for (size_t i = 0; i < lists->len; i++) {
        if (i > 0 &&
            is_same_list(lists->at[i - 1], lists->at[i])) { /* in another file: told once */
            lists->at[i]->warned_expired = atomic_load(&lists->at[i - 1]->warned_expired);
            lists->at[i]->warned_expiring = atomic_load(&lists->at[i - 1]->warned_expiring);
            continue;
        }
        warn_of_list(lists->at[i], now, host);
    }
}
