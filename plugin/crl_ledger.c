/* SPDX-License-Identifier: Apache-2.0 */
#include "crl_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "file.h"
#include "report.h"

#define FILE_NAME "crl-numbers.json"
#define FRESH_NAME "crl-numbers.json.new"
#define LOCK_NAME "crl-numbers.lock"
#define FILE_MAX_BYTES ((size_t)8 * 1024 * 1024)
#define FILE_VERSION 1
#define LOCK_TRIES 50
#define LOCK_PAUSE_US 20000
#define HEX_BYTES(bytes) (2 * (bytes) + 1)

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
};

DEFINE_AUTO(char *, free);
DEFINE_AUTO(json_t *, json_decref);

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

/* Under lock. */
static bool enter(struct crl_ledger *ledger, const struct crl_order *order, const char *issuer)
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
    bool entered = enter(ledger, order, issuer);
    pthread_mutex_unlock(&ledger->lock);
    return entered;
}

/* --- the file, read --- */

static bool from_hex(const char *hex, uint8_t *bytes, size_t len)
{
    size_t got = 0;
    return hex != NULL && strlen(hex) == 2 * len &&
           OPENSSL_hexstr2buf_ex(bytes, len, &got, hex, '\0') == 1 && got == len;
}

static bool take_entry(struct crl_ledger *ledger, json_t *item)
{
    const char *key = NULL;
    const char *number = NULL;
    const char *issuer = NULL;
    json_int_t this_update = 0;
    struct crl_order order = { 0 };

    if (json_unpack(item, "{s:s, s?:s, s:I, s:s !}", "key", &key, "number", &number, "this_update",
                    &this_update, "issuer", &issuer) != 0 ||
        !from_hex(key, order.key, sizeof(order.key)) ||
        (number != NULL && !from_hex(number, order.number, sizeof(order.number)))) {
        return false;
    }
    order.numbered = number != NULL;
    order.this_update = (time_t)this_update;
    return enter(ledger, &order, issuer);
}

static bool take_document(struct crl_ledger *ledger, json_t *document)
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
        if (!take_entry(ledger, item)) {
            return false;
        }
    }
    return true;
}

/* Takes in what the file says; under lock once threads may know the ledger. No file: nothing seen.
 */
static nk_status load(struct crl_ledger *ledger, nk_error *err)
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
    if (document == NULL || !take_document(ledger, document)) {
        return report(
            err, NK_E_TRUST,
            "%s is damaged, so the highest CRL numbers seen are lost: put back a copy, or "
            "remove it if the CRLs on this machine are known to be the newest",
            shown);
    }
    return NK_OK;
}

/* --- the file, written --- */

static json_t *as_json(const struct seen *seen)
{
    char key[HEX_BYTES(CRL_KEY_BYTES)];
    char number[HEX_BYTES(CRL_NUMBER_BYTES)];

    if (OPENSSL_buf2hexstr_ex(key, sizeof(key), NULL, seen->order.key, CRL_KEY_BYTES, '\0') != 1 ||
        OPENSSL_buf2hexstr_ex(number, sizeof(number), NULL, seen->order.number, CRL_NUMBER_BYTES,
                              '\0') != 1) {
        return NULL;
    }
    return json_pack("{s:s, s:s, s:s*, s:I}", "issuer", seen->issuer, "key", key, "number",
                     seen->order.numbered ? number : NULL, "this_update",
                     (json_int_t)seen->order.this_update);
}

static char *as_text(const struct crl_ledger *ledger)
{
    json_t *lists = json_array();
    AUTO(json_decref)
    json_t *document = json_pack("{s:i, s:o}", "version", FILE_VERSION, "lists", lists);
    if (document == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < ledger->len; i++) {
        if (json_array_append_new(lists, as_json(&ledger->seen[i])) != 0) {
            return NULL;
        }
    }
    return json_dumps(document, JSON_INDENT(1));
}

static nk_status write_synced(int fd, const char *text, const struct crl_ledger *ledger,
                              nk_error *err)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return report_errno(err, NK_E_INTERNAL, "write %s/%s", ledger->path, FRESH_NAME);
        }
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0
               ? NK_OK
               : report_errno(err, NK_E_INTERNAL, "write %s/%s", ledger->path, FRESH_NAME);
}

static nk_status replace(const struct crl_ledger *ledger, const char *text, nk_error *err)
{
    (void)unlinkat(ledger->folder, FRESH_NAME, 0); /* of a process that was killed */
    int fd = openat(ledger->folder, FRESH_NAME,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return report_errno(err, NK_E_INTERNAL, "write %s/%s", ledger->path, FRESH_NAME);
    }
    nk_status status = write_synced(fd, text, ledger, err);
    close(fd);
    if (status == NK_OK && (renameat(ledger->folder, FRESH_NAME, ledger->folder, FILE_NAME) != 0 ||
                            fsync(ledger->folder) != 0)) {
        status = report_errno(err, NK_E_INTERNAL, "write %s/%s", ledger->path, FILE_NAME);
    }
    if (status != NK_OK) {
        (void)unlinkat(ledger->folder, FRESH_NAME, 0);
    }
    return status;
}

/* Between processes that share the folder. Never waited for without end. */
static nk_status lock_file(const struct crl_ledger *ledger, int *ret_fd, nk_error *err)
{
    int fd = openat(ledger->folder, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return report_errno(err, NK_E_INTERNAL, "lock %s/%s", ledger->path, LOCK_NAME);
    }
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || i == LOCK_TRIES) {
            nk_status status = report_errno(err, NK_E_INTERNAL, "another process holds %s/%s",
                                            ledger->path, LOCK_NAME);
            close(fd);
            return status;
        }
        usleep(LOCK_PAUSE_US);
    }
    *ret_fd = fd;
    return NK_OK;
}

/* Under lock. */
static nk_status save(struct crl_ledger *ledger, nk_error *err)
{
    int fd = -1;
    nk_status status = lock_file(ledger, &fd, err);
    if (status != NK_OK) {
        return status;
    }
    status = load(ledger, err); /* another process may have seen higher numbers */
    AUTO(free) char *text = status == NK_OK ? as_text(ledger) : NULL;
    if (status == NK_OK) {
        status =
            text != NULL ? replace(ledger, text, err) : report(err, NK_E_NOMEM, "out of memory");
    }
    close(fd);
    ledger->unsaved = status != NK_OK;
    return status;
}

nk_status crl_ledger_save(struct crl_ledger *ledger, nk_error *err)
{
    nk_status status = NK_OK;

    pthread_mutex_lock(&ledger->lock);
    if (ledger->unsaved && ledger->path != NULL) {
        status = save(ledger, err);
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
    status = load(ledger, err);
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
