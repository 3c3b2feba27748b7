/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/report.h"
#include "base/text.h"
#include "base/trusted_path.h"

#define FILE_NAME "crl-numbers.json"
#define LOCK_NAME "crl-numbers.lock"
#define FILE_MAX_BYTES ((size_t)8 * 1024 * 1024)
#define FILE_VERSION 1
#define LOCK_WAIT_MS 1000

struct seen {
    struct crl_order order;
    char issuer[CRL_ISSUER_BYTES];
};

struct crl_ledger {
    char *path; /* of the folder; NULL: memory only */
    int folder;
    pthread_mutex_t lock;
    /* guarded by lock */
    struct seen *seen; /* sorted by key */
    size_t len;
    bool unsaved;
    bool sealed;
};

DEFINE_AUTO(json_t *, json_decref);

/* --- memory --- */

/* The place where the key is, or belongs. */
static size_t key_place_locked(const struct crl_ledger *ledger, const uint8_t *key)
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

static struct seen *find_seen_locked(const struct crl_ledger *ledger, const uint8_t *key)
{
    size_t i = key_place_locked(ledger, key);
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

static struct seen *insert_seen_locked(struct crl_ledger *ledger, const uint8_t *key)
{
    if (ledger->len == CRL_LEDGER_MAX) {
        return NULL;
    }
    struct seen *grown = realloc(ledger->seen, (ledger->len + 1) * sizeof(*grown));
    if (grown == NULL) {
        return NULL;
    }
    ledger->seen = grown;
    size_t i = key_place_locked(ledger, key);
    memmove(&grown[i + 1], &grown[i], (ledger->len - i) * sizeof(*grown));
    grown[i] = (struct seen){ 0 };
    memcpy(grown[i].order.key, key, CRL_KEY_BYTES);
    ledger->len++;
    return &grown[i];
}

static bool enter_order_locked(struct crl_ledger *ledger, const struct crl_order *order,
                               const char *issuer)
{
    struct seen *seen = find_seen_locked(ledger, order->key);
    bool is_new = seen == NULL;

    if (is_new) {
        seen = insert_seen_locked(ledger, order->key);
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

/* --- the file, read --- */

static bool read_hex(const char *hex, uint8_t *bytes, size_t len)
{
    size_t got = 0;
    return hex != NULL && strlen(hex) == 2 * len &&
           OPENSSL_hexstr2buf_ex(bytes, len, &got, hex, '\0') == 1 && got == len;
}

static bool take_entry_locked(struct crl_ledger *ledger, json_t *item)
{
    const char *key = NULL;
    const char *number = NULL;
    const char *issuer = NULL;
    json_int_t this_update = 0;
    struct crl_order order = { 0 };

    if (json_unpack(item, "{s:s, s?:s, s:I, s:s !}", "key", &key, "number", &number, "this_update",
                    &this_update, "issuer", &issuer) != 0 ||
        !read_hex(key, order.key, sizeof(order.key)) || strlen(issuer) >= CRL_ISSUER_BYTES ||
        !text_is(issuer, TEXT_PRINTABLE) || /* as we write it; cut UTF-8 could not be saved again */
        (number != NULL && !read_hex(number, order.number, sizeof(order.number)))) {
        return false;
    }
    order.numbered = number != NULL;
    order.this_update = (time_t)this_update;
    return enter_order_locked(ledger, &order, issuer);
}

static bool take_document_locked(struct crl_ledger *ledger, json_t *document)
{
    int version = 0;
    json_t *lists = NULL;
    size_t i = 0;
    json_t *item = NULL;

    if (json_unpack(document, "{s:i, s:o !}", "version", &version, "lists", &lists) != 0 ||
        version != FILE_VERSION || !json_is_array(lists)) {
        return false;
    }
    json_array_foreach(lists, i, item)
    {
        if (!take_entry_locked(ledger, item)) {
            return false;
        }
    }
    return true;
}

/* A file that is not there says that nothing was seen. */
static nk_status load_file_locked(struct crl_ledger *ledger, nk_error *err)
{
    char shown[PATH_MAX + sizeof(FILE_NAME)];
    AUTO(free) char *text = NULL;
    size_t len = 0;

    if (faccessat(ledger->folder, FILE_NAME, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
        return NK_OK;
    }
    snprintf(shown, sizeof(shown), "%s/%s", ledger->path, FILE_NAME);
    nk_status status = file_read_in(ledger->folder, FILE_NAME, shown, FILE_MAX_BYTES, NK_E_TRUST,
                                    &text, &len, err);
    if (status != NK_OK) {
        return status;
    }
    json_error_t where;
    AUTO(json_decref) json_t *document = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (document == NULL || !take_document_locked(ledger, document)) {
        return report(
            err, NK_E_TRUST,
            "%s is damaged, so the highest CRL numbers seen are lost: put back a copy, or "
            "remove it if the CRLs on this machine are known to be the newest",
            shown);
    }
    return NK_OK;
}

/* --- the file, written --- */

static json_t *json_of_seen(const struct seen *seen)
{
    char key[TEXT_HEX_BYTES(CRL_KEY_BYTES)];
    char number[TEXT_HEX_BYTES(CRL_NUMBER_BYTES)];

    text_hex(key, seen->order.key, CRL_KEY_BYTES);
    text_hex(number, seen->order.number, CRL_NUMBER_BYTES);
    return json_pack("{s:s, s:s, s:s*, s:I}", "issuer", seen->issuer, "key", key, "number",
                     seen->order.numbered ? number : NULL, "this_update",
                     (json_int_t)seen->order.this_update);
}

static char *text_of_ledger_locked(const struct crl_ledger *ledger)
{
    json_t *lists = json_array();
    AUTO(json_decref)
    json_t *document = json_pack("{s:i, s:o}", "version", FILE_VERSION, "lists", lists);
    if (document == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < ledger->len; i++) {
        if (json_array_append_new(lists, json_of_seen(&ledger->seen[i])) != 0) {
            return NULL;
        }
    }
    return json_dumps(document, JSON_INDENT(1));
}

/* Lock between processes that share the folder; never waited for without end. */
static nk_status lock_file(const struct crl_ledger *ledger, int *ret_lock, nk_error *err)
{
    *ret_lock = atomic_file_lock(ledger->folder, LOCK_NAME, LOCK_WAIT_MS);
    if (*ret_lock >= 0) {
        return NK_OK;
    }
    const char *why = errno == EWOULDBLOCK ? "another process holds" : "lock";
    return report_errno(err, NK_E_INTERNAL, "%s %s/%s", why, ledger->path, LOCK_NAME);
}

static nk_status replace_file(const struct crl_ledger *ledger, nk_error *err)
{
    struct atomic_file file = { .folder = ledger->folder,
                                .name = FILE_NAME,
                                .sync = ATOMIC_MUST_SYNC };
    AUTO(free) char *text = text_of_ledger_locked(ledger);
    if (text == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    return atomic_file_write(&file, text, strlen(text))
               ? NK_OK
               : report_errno(err, NK_E_INTERNAL, "write %s/%s", ledger->path, FILE_NAME);
}

/* Replaces the file by all that is known, that of other processes included. */
static nk_status write_file_locked(struct crl_ledger *ledger, nk_error *err)
{
    int lock = -1;
    nk_status status = lock_file(ledger, &lock, err);
    if (status != NK_OK) {
        return status;
    }
    status = load_file_locked(ledger, err); /* another process may have seen higher numbers */
    if (status == NK_OK) {
        status = replace_file(ledger, err);
    }
    atomic_file_unlock(lock);
    ledger->unsaved = status != NK_OK;
    return status;
}

/* --- asking --- */

bool crl_ledger_has_newer(struct crl_ledger *ledger, const struct crl_order *order)
{
    pthread_mutex_lock(&ledger->lock);
    const struct seen *seen = find_seen_locked(ledger, order->key);
    bool newer = seen != NULL && is_older(order, &seen->order);
    pthread_mutex_unlock(&ledger->lock);
    return newer;
}

bool crl_ledger_enter(struct crl_ledger *ledger, const struct crl_order *order, const char *issuer)
{
    pthread_mutex_lock(&ledger->lock);
    bool entered = enter_order_locked(ledger, order, issuer);
    pthread_mutex_unlock(&ledger->lock);
    return entered;
}

nk_status crl_ledger_save(struct crl_ledger *ledger, nk_error *err)
{
    nk_status status = NK_OK;

    pthread_mutex_lock(&ledger->lock);
    if (ledger->unsaved && ledger->path != NULL && !ledger->sealed) {
        status = write_file_locked(ledger, err);
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
        trusted_open_folder(state_dir, TRUSTED_TO_KEEP, NK_E_CONFIG, &ledger->folder, err);
    if (status != NK_OK) {
        return report_where(
            err, status,
            "state_dir, by default $STATE_DIRECTORY, must be a folder of ours (install -d "
            "-m 0700)");
    }
    if (faccessat(ledger->folder, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        return report_errno(err, NK_E_CONFIG, "state_dir %s: uid %ld must be able to write to it",
                            state_dir, (long)geteuid());
    }
    status = load_file_locked(ledger, err);
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

void crl_ledger_seal(struct crl_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    ledger->sealed = true;
    pthread_mutex_unlock(&ledger->lock);
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
