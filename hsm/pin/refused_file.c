/* SPDX-License-Identifier: Apache-2.0 */
#include "pin/refused_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/clock.h"
#include "base/report.h"
#include "pin/refused_marks.h"

#define LOCK_PAUSE_MS 10
#define NAME_HEX_BYTES 16 /* of the token's digest: enough to tell an operator's tokens apart */

struct refused_file {
    char path[PATH_MAX]; /* for texts and the operator */
    const char *name;    /* the last part of `path` */
    char fresh_name[64];
    int folder;
    int lock;
    int fresh; /* the file to be, its room reserved; -1: renamed */
    struct token_name token;
    struct refused_marks marks;
};

DEFINE_AUTO(struct refused_file *, refused_file_close);

static nk_status name_files(struct refused_file *state, const char *folder, char lock_name[64],
                            nk_error *err)
{
    unsigned char digest[PIN_MARK_BYTES];
    char hex[NAME_HEX_BYTES + 1];

    if (!pin_token_digest(&state->token, digest) ||
        OPENSSL_buf2hexstr_ex(hex, sizeof(hex), NULL, digest, NAME_HEX_BYTES / 2, '\0') != 1) {
        return report_openssl(err, NK_E_INTERNAL, "name the file of refused PINs");
    }
    int len = snprintf(state->path, sizeof(state->path), "%s/refused-pins-%s", folder, hex);
    if (len < 0 || (size_t)len >= sizeof(state->path)) {
        return report(err, NK_E_CONFIG, "state_dir: the path is too long");
    }
    state->name = strrchr(state->path, '/') + 1;
    snprintf(state->fresh_name, sizeof(state->fresh_name), "%s.new", state->name);
    snprintf(lock_name, 64, "%s.lock", state->name);
    return NK_OK;
}

static nk_status open_folder(struct refused_file *state, const char *folder, nk_error *err)
{
    struct stat st;

    state->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state->folder < 0 || fstat(state->folder, &st) != 0) {
        return report_errno(err, NK_E_CONFIG, "state_dir: open %s", folder);
    }
    if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return report(err, NK_E_CONFIG,
                      "state_dir: %s must be a folder of ours that others cannot write to (install "
                      "-d -m 0700)",
                      folder);
    }
    return NK_OK;
}

static nk_status lock(struct refused_file *state, const char *lock_name, unsigned wait_ms,
                      nk_error *err)
{
    long long deadline = clock_now_ms() + wait_ms;

    state->lock = openat(state->folder, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (state->lock < 0) {
        return report_errno(err, NK_E_PIN,
                            "%s.lock: a refused PIN could not be remembered, so none is sent; make "
                            "state_dir writable for uid %ld",
                            state->path, (long)geteuid());
    }
    while (flock(state->lock, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || clock_now_ms() >= deadline) {
            return report_errno(err, NK_E_PIN,
                                "%s.lock: another process has been logging in to token \"%s\" for "
                                "%u ms",
                                state->path, state->token.label, wait_ms);
        }
        clock_sleep_ms(LOCK_PAUSE_MS);
    }
    return NK_OK;
}

static nk_status damaged(const struct refused_file *state, nk_error *err)
{
    return report(
        err, NK_E_PIN,
        "%s is damaged, or others can write to it, so which PINs token \"%s\" has refused "
        "is lost and none is sent; once node.pin is known to be right: nodekey pin CONFIG --reset",
        state->path, state->token.label);
}

static nk_status read_text(const struct refused_file *state, int fd, char *text, size_t room,
                           size_t *ret_len, nk_error *err)
{
    struct stat st;
    size_t len = 0;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size >= (off_t)room ||
        (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return damaged(state, err);
    }
    for (;;) {
        ssize_t n = read(fd, text + len, room - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return report_errno(err, NK_E_PIN, "read %s", state->path);
        }
        if (n == 0 || len + (size_t)n == room) {
            *ret_len = len + (size_t)n;
            return NK_OK;
        }
        len += (size_t)n;
    }
}

static nk_status load(struct refused_file *state, nk_error *err)
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
        return errno == ELOOP ? damaged(state, err)
                              : report_errno(err, NK_E_PIN, "open %s", state->path);
    }
    nk_status status = read_text(state, fd, text, sizeof(text), &len, err);
    close(fd);
    if (status == NK_OK && !refused_marks_parse(text, len, &state->marks)) {
        return damaged(state, err);
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
static nk_status reserve(struct refused_file *state, nk_error *err)
{
    (void)unlinkat(state->folder, state->fresh_name, 0); /* of a process that was killed */
    state->fresh = openat(state->folder, state->fresh_name,
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (state->fresh >= 0) {
        errno = posix_fallocate(state->fresh, 0, REFUSED_MARKS_TEXT_BYTES);
    }
    if (state->fresh < 0 || errno != 0) {
        return report_errno(err, NK_E_PIN,
                            "%s.new: a refused PIN could not be remembered, so none is sent; make "
                            "room in state_dir for it",
                            state->path);
    }
    return NK_OK;
}

/* Ours alone until it is closed; nothing is read yet. */
static nk_status hold(const char *folder, const struct token_name *token, unsigned wait_ms,
                      struct refused_file **ret_state, nk_error *err)
{
    char lock_name[64];
    AUTO(refused_file_close) struct refused_file *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    state->token = *token;
    state->folder = state->lock = state->fresh = -1;
    state->name = "";
    nk_status status = name_files(state, folder, lock_name, err);
    if (status == NK_OK) {
        status = open_folder(state, folder, err);
    }
    if (status == NK_OK) {
        status = lock(state, lock_name, wait_ms, err);
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
    nk_status status = hold(folder, token, wait_ms, &state, err);
    if (status != NK_OK || state == NULL) {
        return status;
    }
    status = load(state, err);
    if (status == NK_OK) {
        status = reserve(state, err);
    }
    if (status == NK_OK) {
        *ret_state = state;
        state = NULL;
    }
    return status;
}

static nk_status derive(const struct refused_file *state, const struct pin *pin,
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
    nk_status status = derive(state, pin, mark, err);
    if (status != NK_OK) {
        return status;
    }
    for (size_t i = 0; i < state->marks.len; i++) {
        found |= CRYPTO_memcmp(state->marks.refused[i], mark, sizeof(mark)) == 0;
    }
    *ret_refuses = found;
    return NK_OK;
}

static bool write_synced(int fd, const char *text, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, text + done, len - done);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return ftruncate(fd, (off_t)len) == 0 && fsync(fd) == 0;
}

nk_status refused_file_remember(struct refused_file *state, const struct pin *pin, nk_error *err)
{
    char text[REFUSED_MARKS_TEXT_BYTES];

    nk_status status = derive(state, pin, state->marks.refused[state->marks.len], err);
    if (status != NK_OK) {
        return status;
    }
    state->marks.len++;
    size_t len = refused_marks_print(&state->marks, text);
    if (len == 0) {
        return report_openssl(err, NK_E_INTERNAL, "print %s", state->path);
    }
    if (!write_synced(state->fresh, text, len) ||
        renameat(state->folder, state->fresh_name, state->folder, state->name) != 0 ||
        fsync(state->folder) != 0) {
        return report_errno(err, NK_E_PIN, "write %s", state->path);
    }
    close(state->fresh);
    state->fresh = -1;
    return NK_OK;
}

size_t refused_file_count(const struct refused_file *state)
{
    return state->marks.len;
}

nk_status refused_file_forget(const char *folder, const struct token_name *token, unsigned wait_ms,
                              bool *ret_forgot, nk_error *err)
{
    AUTO(refused_file_close) struct refused_file *state = NULL;
    nk_status status = hold(folder, token, wait_ms, &state, err);
    if (status != NK_OK || state == NULL) {
        return status;
    }
    bool forgot = unlinkat(state->folder, state->name, 0) == 0;
    if ((!forgot && errno != ENOENT) || fsync(state->folder) != 0) {
        return report_errno(err, NK_E_PIN, "remove %s", state->path);
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
    if (state->fresh >= 0) {
        close(state->fresh);
        (void)unlinkat(state->folder, state->fresh_name, 0);
    }
    if (state->lock >= 0) {
        (void)flock(state->lock, LOCK_UN); /* a child that was forked meanwhile has it open, too */
        close(state->lock);
    }
    if (state->folder >= 0) {
        close(state->folder);
    }
    OPENSSL_cleanse(&state->marks, sizeof(state->marks));
    free(state);
}
