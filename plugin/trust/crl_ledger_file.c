/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl_ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "base/file.h"
#include "base/report.h"

#define FILE_NAME "crl-numbers.json"
#define FRESH_NAME "crl-numbers.json.new"
#define LOCK_NAME "crl-numbers.lock"
#define FILE_MAX_BYTES ((size_t)8 * 1024 * 1024)
#define FILE_VERSION 1
#define LOCK_TRIES 50
#define LOCK_PAUSE_US 20000
#define HEX_BYTES(bytes) (2 * (bytes) + 1)

DEFINE_AUTO(char *, free);
DEFINE_AUTO(json_t *, json_decref);

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
    return crl_ledger_enter_locked(ledger, &order, issuer);
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

nk_status crl_ledger_load(struct crl_ledger *ledger, nk_error *err)
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

nk_status crl_ledger_write(struct crl_ledger *ledger, nk_error *err)
{
    int fd = -1;
    nk_status status = lock_file(ledger, &fd, err);
    if (status != NK_OK) {
        return status;
    }
    status = crl_ledger_load(ledger, err); /* another process may have seen higher numbers */
    AUTO(free) char *text = status == NK_OK ? as_text(ledger) : NULL;
    if (status == NK_OK) {
        status =
            text != NULL ? replace(ledger, text, err) : report(err, NK_E_NOMEM, "out of memory");
    }
    (void)flock(fd, LOCK_UN); /* a child that was forked meanwhile has it open, too */
    close(fd);
    ledger->unsaved = status != NK_OK;
    return status;
}
