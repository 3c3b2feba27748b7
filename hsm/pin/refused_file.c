/* SPDX-License-Identifier: Apache-2.0 */
#include "pin/refused_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/report.h"
#include "base/trusted_path.h"
#include "base/words.h"
#include "pin/refused_marks.h"

#define NAME_HEX_BYTES 16 /* of the token's digest: enough to tell an operator's tokens apart */

struct refused_file {
    char path[PATH_MAX]; /* for texts and the operator */
    const char *name;    /* the last part of `path` */
    int folder;
    int lock;
    struct atomic_file fresh; /* its room reserved, until it is in place */
    struct token_name token;
    struct refused_marks marks;
};

static nk_status name_files(struct refused_file *state, const char *folder, char lock_name[64],
                            nk_error *err)
{
    unsigned char digest[PIN_MARK_BYTES];
    char hex[NAME_HEX_BYTES + 1]; /* upper case, as in the names that operators have */

    if (!pin_token_digest(&state->token, digest) ||
        OPENSSL_buf2hexstr_ex(hex, sizeof(hex), NULL, digest, NAME_HEX_BYTES / 2, '\0') != 1) {
        return report_openssl(err, NK_E_INTERNAL, "name the file of refused PINs");
    }
    int len = snprintf(state->path, sizeof(state->path), "%s/refused-pins-%s", folder, hex);
    if (len < 0 || (size_t)len >= sizeof(state->path)) {
        return report(err, NK_E_CONFIG, "%s: the path is too long", words()->state_dir);
    }
    state->name = strrchr(state->path, '/') + 1;
    snprintf(lock_name, 64, "%s.lock", state->name);
    return NK_OK;
}

/* No PIN is at fault, so nobody is told to give another one. */
static nk_status blame_for_errno(void)
{
    return errno == EACCES || errno == EPERM || errno == EROFS ? NK_E_CONFIG : NK_E_INTERNAL;
}

static nk_status report_unwritable(const struct refused_file *state, const char *end, nk_error *err)
{
    if (blame_for_errno() == NK_E_CONFIG) {
        return report_errno(err, NK_E_CONFIG,
                            "%s%s: a refused PIN could not be remembered, so none is sent; make %s "
                            "writable for uid %ld",
                            state->path, end, words()->state_dir, (long)geteuid());
    }
    return report_errno(err, NK_E_INTERNAL,
                        "%s%s: a refused PIN could not be remembered, so none is sent; make room "
                        "in %s for it",
                        state->path, end, words()->state_dir);
}

static nk_status lock_state(struct refused_file *state, const char *lock_name, unsigned wait_ms,
                            nk_error *err)
{
    state->lock = atomic_file_lock(state->folder, lock_name, wait_ms);
    if (state->lock >= 0) {
        return NK_OK;
    }
    if (errno == EWOULDBLOCK) {
        return report_errno(err, NK_E_TOKEN,
                            "%s.lock: another process has been logging in to token \"%s\" for %u "
                            "ms",
                            state->path, state->token.label, wait_ms);
    }
    return report_unwritable(state, ".lock", err);
}

static nk_status report_damage(const struct refused_file *state, nk_error *err)
{
    return report(
        err, NK_E_PIN,
        "%s is damaged, or others can read or write it, so which PINs token \"%s\" has refused "
        "is lost and none is sent; once %s is known to be right: nodekey pin CONFIG --reset",
        state->path, state->token.label, words()->pin);
}

static nk_status read_text(const struct refused_file *state, int fd, char *text, size_t room,
                           size_t *ret_len, nk_error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || st.st_size >= (off_t)room ||
        file_find_flaw(&st, S_IFREG, S_IWGRP | S_IRWXO) != FILE_SOUND) {
        return report_damage(state, err);
    }
    ssize_t len = file_read_fd(fd, text, room);
    if (len < 0) {
        return report_errno(err, NK_E_INTERNAL, "read %s", state->path);
    }
    *ret_len = (size_t)len;
    return NK_OK;
}

static nk_status load_marks(struct refused_file *state, nk_error *err)
{
    char text[REFUSED_MARKS_TEXT_BYTES];
    size_t len = 0;

    int fd = openat(state->folder, state->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return RAND_bytes(state->marks.salt, sizeof(state->marks.salt)) == 1
                   ? NK_OK
                   : report_openssl(err, NK_E_INTERNAL, "draw a salt");
    }
    if (fd < 0) {
        return errno == ELOOP ? report_damage(state, err)
                              : report_errno(err, blame_for_errno(), "open %s", state->path);
    }
    nk_status status = read_text(state, fd, text, sizeof(text), &len, err);
    close(fd);
    if (status == NK_OK && !refused_marks_parse(text, len, &state->marks)) {
        return report_damage(state, err);
    }
    if (status == NK_OK && state->marks.len == REFUSED_MARKS_MAX) {
        return report(err, NK_E_PIN,
                      "%s is full: token \"%s\" has refused %d PINs, so no more are sent; find out "
                      "who tries them, then: nodekey pin CONFIG --reset",
                      state->path, state->token.label, REFUSED_MARKS_MAX);
    }
    return status;
}

/* A disk that is full must be found before the PIN is sent, not after it was refused. */
static nk_status reserve_room(struct refused_file *state, nk_error *err)
{
    state->fresh.folder = state->folder;
    state->fresh.name = state->name;
    if (atomic_file_begin(&state->fresh)) {
        errno = posix_fallocate(state->fresh.fd, 0, REFUSED_MARKS_TEXT_BYTES);
    }
    return state->fresh.fd >= 0 && errno == 0 ? NK_OK : report_unwritable(state, ".new", err);
}

/* The file is ours alone until it is closed; nothing is read yet. */
static nk_status hold_file(const char *folder, const struct token_name *token, unsigned wait_ms,
                           struct refused_file **ret_state, nk_error *err)
{
    char lock_name[64];
    AUTO(refused_file_close) struct refused_file *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    state->token = *token;
    state->folder = state->lock = state->fresh.fd = -1;
    state->fresh.sync = ATOMIC_MUST_SYNC;
    state->name = "";
    nk_status status = name_files(state, folder, lock_name, err);
    if (status == NK_OK) {
        status = trusted_open_folder(folder, TRUSTED_TO_KEEP, NK_E_CONFIG, &state->folder, err);
        (void)report_where(err, status, "%s: must be a folder of ours (install -d -m 0700)",
                           words()->state_dir);
    }
    if (status == NK_OK) {
        status = lock_state(state, lock_name, wait_ms, err);
    }
    if (status == NK_OK) {
        *ret_state = state;
        state = NULL;
    }
    return status;
}

nk_status refused_file_open(const char *folder, const struct token_name *token, unsigned wait_ms,
                            struct refused_file **ret_state, nk_error *err)
{
    AUTO(refused_file_close) struct refused_file *state = NULL;
    nk_status status = hold_file(folder, token, wait_ms, &state, err);
    if (status != NK_OK || state == NULL) {
        return status;
    }
    status = load_marks(state, err);
    if (status == NK_OK) {
        status = reserve_room(state, err);
    }
    if (status == NK_OK) {
        *ret_state = state;
        state = NULL;
    }
    return status;
}

static nk_status derive_mark(const struct refused_file *state, const struct pin *pin,
                             unsigned char out[PIN_MARK_BYTES], nk_error *err)
{
    return refused_marks_derive(&state->marks, pin, &state->token, out)
               ? NK_OK
               : report_openssl(err, NK_E_PIN,
                                "scrypt fails, so the PIN cannot be compared with those that token "
                                "\"%s\" has refused",
                                state->token.label);
}

nk_status refused_file_refuses(struct refused_file *state, const struct pin *pin, bool *ret_refuses,
                               nk_error *err)
{
    unsigned char mark[PIN_MARK_BYTES];
    bool found = false;

    if (state->marks.len == 0) {
        *ret_refuses = false;
        return NK_OK;
    }
    nk_status status = derive_mark(state, pin, mark, err);
    if (status != NK_OK) {
        return status;
    }
    for (size_t i = 0; i < state->marks.len; i++) {
        found |= CRYPTO_memcmp(state->marks.refused[i], mark, sizeof(mark)) == 0;
    }
    *ret_refuses = found;
    return NK_OK;
}

nk_status refused_file_remember(struct refused_file *state, const struct pin *pin, nk_error *err)
{
    char text[REFUSED_MARKS_TEXT_BYTES];

    nk_status status = derive_mark(state, pin, state->marks.refused[state->marks.len], err);
    if (status != NK_OK) {
        return status;
    }
    state->marks.len++;
    size_t len = refused_marks_print(&state->marks, text);
    if (len == 0) {
        return report_openssl(err, NK_E_INTERNAL, "print %s", state->path);
    }
    return atomic_file_finish(&state->fresh, text, len)
               ? NK_OK
               : report_errno(err, NK_E_INTERNAL, "write %s", state->path);
}

size_t refused_file_count(const struct refused_file *state)
{
    return state->marks.len;
}

nk_status refused_file_forget(const char *folder, const struct token_name *token, unsigned wait_ms,
                              bool *ret_forgot, nk_error *err)
{
    AUTO(refused_file_close) struct refused_file *state = NULL;
    nk_status status = hold_file(folder, token, wait_ms, &state, err);
    if (status != NK_OK || state == NULL) {
        return status;
    }
    bool forgot = unlinkat(state->folder, state->name, 0) == 0;
    if ((!forgot && errno != ENOENT) || fsync(state->folder) != 0) {
        return report_errno(err, blame_for_errno(), "remove %s", state->path);
    }
    *ret_forgot = forgot;
    return NK_OK;
}

const char *refused_file_path(const struct refused_file *state)
{
    return state->path;
}

void refused_file_close(struct refused_file *state)
{
    if (state == NULL) {
        return;
    }
    atomic_file_drop(&state->fresh);
    if (state->lock >= 0) {
        atomic_file_unlock(state->lock);
    }
    if (state->folder >= 0) {
        close(state->folder);
    }
    OPENSSL_cleanse(&state->marks, sizeof(state->marks));
    free(state);
}
