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

#define DER_SEQUENCE 0x30
#define DER_LENGTH_OF_TWO 0x82 /* bytes: every certificate of more than 255 */

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
    if (fclose(out) != 0) {
        free(command);
        return NULL;
    }
    return command;
}

/* --- modes --- */

static bool is_ours_to_change(const struct stat *info)
{
    return geteuid() == 0 || info->st_uid == geteuid();
}

/* The change that a folder on the way needs; NULL: none. Sticky folders are everybody's, and a
 * group of root's may write (trusted_path.h). */
static const char *way_change(const struct stat *info)
{
    if ((info->st_mode & S_ISVTX) != 0) {
        return NULL;
    }
    if ((info->st_mode & S_IWOTH) != 0) {
        return "go-w";
    }
    return (info->st_mode & S_IWGRP) != 0 && info->st_gid != 0 && info->st_gid != getegid() ? "g-w"
                                                                                            : NULL;
}

static const char *end_change(const struct stat *info, enum check_use use)
{
    switch (use) {
    case CHECK_SECRET:
        return (info->st_mode & ACCESSPERMS & ~(mode_t)(S_IRUSR | S_IWUSR)) != 0 ? "600" : NULL;
    case CHECK_KEEP:
        return (info->st_mode & ACCESSPERMS) != S_IRWXU ? "700" : NULL;
    case CHECK_READ:
        return (info->st_mode & (S_IWGRP | S_IWOTH)) != 0 ? "go-w" : NULL;
    default:
        return way_change(info);
    }
}

static char *change_mode(const char *change, const char *path)
{
    return change != NULL ? check_command("chmod", change, path, (char *)NULL) : NULL;
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
        const char *change = way_change(&info);
        if (change != NULL) {
            return is_ours_to_change(&info) ? change_mode(change, part) : NULL;
        }
    }
    return NULL;
}

static char *cure_end(const char *path, enum check_use use)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        return errno == ENOENT && use == CHECK_KEEP
                   ? check_command("install", "-d", "-m", "0700", path, (char *)NULL)
                   : NULL;
    }
    bool folder = use == CHECK_KEEP || use == CHECK_HOLD;
    bool right = S_ISDIR(info.st_mode) == folder && is_ours_to_change(&info);
    return right ? change_mode(end_change(&info, use), path) : NULL;
}

char *check_cure_path(const char *path, enum check_use use)
{
    AUTO(free) char *real = path[0] == '/' ? realpath(path, NULL) : NULL;
    const char *way = real != NULL ? real : path;

    if (way[0] != '/') {
        return NULL;
    }
    char *cure = cure_way(way);
    return cure != NULL ? cure : cure_end(way, use);
}

char *check_cure_der(const char *path)
{
    unsigned char first[2] = { 0 };
    FILE *file = fopen(path, "rbe");
    bool der = file != NULL && fread(first, 1, sizeof(first), file) == sizeof(first) &&
               first[0] == DER_SEQUENCE && first[1] == DER_LENGTH_OF_TWO;

    if (file != NULL) {
        (void)fclose(file);
    }
    return der ? check_command("openssl", "x509", "-inform", "DER", "-in", path, "-out", path,
                               (char *)NULL)
               : NULL;
}
