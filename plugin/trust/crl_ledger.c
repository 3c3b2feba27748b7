/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl_ledger_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/report.h"

/* --- memory --- */

/* Where the key is, or belongs. */
static size_t place(const struct crl_ledger *ledger, const uint8_t *key)
{
    size_t low = 0;
    size_t high = ledger->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(ledger->seen[middle].order.key, key, CRL_KEY_BYTES) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct seen *find(const struct crl_ledger *ledger, const uint8_t *key)
{
    size_t i = place(ledger, key);
    bool found = i < ledger->len && memcmp(ledger->seen[i].order.key, key, CRL_KEY_BYTES) == 0;
    return found ? &ledger->seen[i] : NULL;
}

static bool is_older(const struct crl_order *a, const struct crl_order *b)
{
    if (a->numbered && b->numbered) {
        int difference = memcmp(a->number, b->number, CRL_NUMBER_BYTES);
        return difference < 0 || (difference == 0 && a->this_update < b->this_update);
    }
    return a->this_update < b->this_update;
}

static struct seen *insert(struct crl_ledger *ledger, const uint8_t *key)
{
    if (ledger->len == CRL_LEDGER_MAX) {
        return NULL;
    }
    struct seen *grown = realloc(ledger->seen, (ledger->len + 1) * sizeof(*grown));
    if (grown == NULL) {
        return NULL;
    }
    ledger->seen = grown;
    size_t i = place(ledger, key);
    memmove(&grown[i + 1], &grown[i], (ledger->len - i) * sizeof(*grown));
    grown[i] = (struct seen){ 0 };
    memcpy(grown[i].order.key, key, CRL_KEY_BYTES);
    ledger->len++;
    return &grown[i];
}

bool crl_ledger_enter_locked(struct crl_ledger *ledger, const struct crl_order *order,
                             const char *issuer)
{
    struct seen *seen = find(ledger, order->key);
    bool is_new = seen == NULL;

    if (is_new) {
        seen = insert(ledger, order->key);
    }
    if (seen == NULL) {
        return false;
    }
    if (!is_new && !is_older(&seen->order, order)) {
        return true;
    }
    if (order->numbered) { /* a list without a number does not unsay the last one */
        memcpy(seen->order.number, order->number, CRL_NUMBER_BYTES);
        seen->order.numbered = true;
    }
    seen->order.this_update = order->this_update;
    snprintf(seen->issuer, sizeof(seen->issuer), "%s", issuer);
    ledger->unsaved = true;
    return true;
}

bool crl_ledger_has_newer(struct crl_ledger *ledger, const struct crl_order *order)
{
    pthread_mutex_lock(&ledger->lock);
    const struct seen *seen = find(ledger, order->key);
    bool newer = seen != NULL && is_older(order, &seen->order);
    pthread_mutex_unlock(&ledger->lock);
    return newer;
}

bool crl_ledger_enter(struct crl_ledger *ledger, const struct crl_order *order, const char *issuer)
{
    pthread_mutex_lock(&ledger->lock);
    bool entered = crl_ledger_enter_locked(ledger, order, issuer);
    pthread_mutex_unlock(&ledger->lock);
    return entered;
}

nk_status crl_ledger_save(struct crl_ledger *ledger, nk_error *err)
{
    nk_status status = NK_OK;

    pthread_mutex_lock(&ledger->lock);
    if (ledger->unsaved && ledger->path != NULL) {
        status = crl_ledger_write(ledger, err);
    }
    pthread_mutex_unlock(&ledger->lock);
    return status;
}

/* --- life --- */

static nk_status open_state(struct crl_ledger *ledger, const char *state_dir, nk_error *err)
{
    ledger->path = strdup(state_dir);
    if (ledger->path == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status =
        file_open_folder(state_dir, S_IWGRP | S_IWOTH, NK_E_CONFIG, &ledger->folder, err);
    if (status != NK_OK) {
        return report_where(err, status, "state_dir must be a folder of ours (install -d -m 0700)");
    }
    if (faccessat(ledger->folder, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        return report_errno(err, NK_E_CONFIG, "state_dir %s: uid %ld must be able to write to it",
                            state_dir, (long)geteuid());
    }
    status = crl_ledger_load(ledger, err);
    ledger->unsaved = false;
    return status;
}

nk_status crl_ledger_open(const char *state_dir, struct crl_ledger **ret_ledger, nk_error *err)
{
    struct crl_ledger *ledger = calloc(1, sizeof(*ledger));
    if (ledger == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    ledger->folder = -1;
    pthread_mutex_init(&ledger->lock, NULL);
    nk_status status = state_dir != NULL ? open_state(ledger, state_dir, err) : NK_OK;
    if (status != NK_OK) {
        crl_ledger_free(ledger);
        return status;
    }
    *ret_ledger = ledger;
    return NK_OK;
}

void crl_ledger_free(struct crl_ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    if (ledger->folder >= 0) {
        close(ledger->folder);
    }
    pthread_mutex_destroy(&ledger->lock);
    free(ledger->seen);
    free(ledger->path);
    free(ledger);
}
