/* SPDX-License-Identifier: Apache-2.0 */
#include "check/check_cure.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "base/file.h"
#include "base/text.h"

#define DER_MAX_BYTES ((size_t)256 * 1024)

/* --- words of a command --- */

static void put_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";

    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        fputs(word, out);
        return;
    }
    putc('\'', out);
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            fputs("'\\''", out);
        } else {
            putc(*word, out);
        }
    }
    putc('\'', out);
}

char *check_command(const char *word, ...)
{
    char *command = NULL;
    size_t len = 0;
    va_list args;

    FILE *out = open_memstream(&command, &len);
    if (out == NULL) {
        return NULL;
    }
    put_word(out, word);
    va_start(args, word);
    for (const char *next = va_arg(args, const char *); next != NULL;
         next = va_arg(args, const char *)) {
        putc(' ', out);
        put_word(out, next);
    }
    va_end(args);
    if (fclose(out) != 0 || !text_is(command, TEXT_ONE_LINE)) {
        free(command);
        return NULL;
    }
    return command;
}

/* --- modes --- */

/* Groups that may write where paths lead (trusted_path.h): root's, and our own with a warning. */
static const char *writers_change(const struct stat *info)
{
    bool stranger = info->st_gid != 0 && info->st_gid != getegid();

    if ((info->st_mode & S_IWOTH) != 0) {
        return "go-w";
    }
    return (info->st_mode & S_IWGRP) != 0 && stranger ? "g-w" : NULL;
}

/* Sticky folders are everybody's: their mode is not ours to change. */
static const char *folder_change(const struct stat *info)
{
    return (info->st_mode & S_ISVTX) == 0 ? writers_change(info) : NULL;
}

/* A group that root is shown may be that of the node's user, who needs it. */
static const char *secret_change(const struct stat *info)
{
    if ((info->st_mode & S_IRWXG) != 0 && info->st_gid != getegid()) {
        return geteuid() != 0 ? "600" : NULL;
    }
    return (info->st_mode & (S_IWGRP | S_IRWXO)) != 0 ? "600" : NULL;
}

static const char *end_change(const struct stat *info, enum check_use use)
{
    switch (use) {
    case CHECK_SECRET:
        return secret_change(info);
    case CHECK_KEEP:
        return (info->st_mode & S_ISVTX) == 0 && (info->st_mode & (S_IWGRP | S_IWOTH)) != 0 ? "go-w"
                                                                                            : NULL;
    case CHECK_READ:
        return S_ISDIR(info->st_mode) ? folder_change(info) : writers_change(info);
    default:
        return folder_change(info);
    }
}

/* Files of another user are refused still, also where root may change their mode. */
static char *change_mode(const struct stat *info, const char *change, const char *path)
{
    return change != NULL && info->st_uid == geteuid()
               ? check_command("chmod", change, path, (char *)NULL)
               : NULL;
}

/* The first folder on the way, from "/" on. */
static char *cure_way(const char *path)
{
    char part[PATH_MAX];
    struct stat info;

    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        if (stat(part, &info) != 0) {
            return NULL;
        }
        const char *change = folder_change(&info);
        if (change != NULL) {
            return change_mode(&info, change, part);
        }
    }
    return NULL;
}

/* Not where a link leads nowhere: a folder cannot take its place. */
static char *make_folder(const char *path)
{
    struct stat info;

    return lstat(path, &info) != 0 && errno == ENOENT
               ? check_command("install", "-d", "-m", "0700", path, (char *)NULL)
               : NULL;
}

static char *cure_end(const char *path, enum check_use use)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        return use == CHECK_KEEP ? make_folder(path) : NULL;
    }
    bool fits = use == CHECK_READ     ? S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)
                : use == CHECK_SECRET ? S_ISREG(info.st_mode)
                                      : S_ISDIR(info.st_mode);
    return fits ? change_mode(&info, end_change(&info, use), path) : NULL;
}

char *check_cure_path(const char *path, enum check_use use)
{
    AUTO(free) char *real = path[0] == '/' ? realpath(path, NULL) : NULL;

    if (path[0] != '/') {
        return NULL;
    }
    char *cure = cure_way(path); /* to a link */
    if (cure == NULL && real != NULL) {
        cure = cure_way(real);
    }
    return cure != NULL ? cure : cure_end(real != NULL ? real : path, use);
}

/* --- certificates --- */

/* A single certificate: the command would drop what is behind it. */
static bool is_certificate(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    X509 *certificate = len <= LONG_MAX ? d2i_X509(NULL, &at, (long)len) : NULL;
    bool whole = certificate != NULL && (const char *)at == text + len;

    X509_free(certificate);
    ERR_clear_error();
    return whole;
}

char *check_cure_der(const char *path)
{
    AUTO(free) char *text = NULL;
    size_t len = 0;

    return file_read(path, DER_MAX_BYTES, NK_E_CONFIG, &text, &len, NULL) == NK_OK &&
                   is_certificate(text, len)
               ? check_command("openssl", "x509", "-inform", "DER", "-in", path, "-out", path,
                               (char *)NULL)
               : NULL;
}
