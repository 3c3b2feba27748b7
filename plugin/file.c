/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

DEFINE_AUTO(char *, free);

static nk_status check_owner(const char *path, int fd, nk_status blame, nk_error *err)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        return report_errno(err, blame, "%s", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return report(err, blame, "%s: is not a regular file", path);
    }
    if (info.st_uid != 0 && info.st_uid != geteuid()) {
        return report(err, blame, "%s: belongs to uid %ld, not to root or us (uid %ld); chown it",
                      path, (long)info.st_uid, (long)geteuid());
    }
    if ((info.st_mode & S_IWOTH) != 0) {
        return report(err, blame,
                      "%s: everybody may write to it, so it cannot say whom to trust; chmod o-w it",
                      path);
    }
    return NK_OK;
}

static nk_status read_all(const char *path, int fd, size_t max_bytes, nk_status blame,
                          char **ret_text, size_t *ret_len, nk_error *err)
{
    nk_status status = check_owner(path, fd, blame, err);
    if (status != NK_OK) {
        return status;
    }
    size_t room = max_bytes + 1; /* so that a file that is too long is seen, not cut */
    AUTO(free) char *text = malloc(room);
    if (text == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    size_t len = 0;
    ssize_t got = 0;
    do {
        got = read(fd, text + len, room - len);
        len += got > 0 ? (size_t)got : 0;
    } while (len < room && (got > 0 || (got < 0 && errno == EINTR)));
    if (got < 0) {
        return report_errno(err, blame, "%s", path);
    }
    if (len > max_bytes) {
        return report(err, blame, "%s: is longer than %zu bytes", path, max_bytes);
    }
    text[len] = '\0';
    *ret_text = text;
    text = NULL;
    *ret_len = len;
    return NK_OK;
}

nk_status file_read(const char *path, size_t max_bytes, nk_status blame, char **ret_text,
                    size_t *ret_len, nk_error *err)
{
    /* Not blocking: a FIFO in its place must be refused, not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return report_errno(err, blame, "%s", path);
    }
    nk_status status = read_all(path, fd, max_bytes, blame, ret_text, ret_len, err);
    close(fd);
    return status;
}

char *file_folder(const char *path)
{
    char here[PATH_MAX] = "";
    char *joined = NULL;

    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL) {
        return NULL;
    }
    if (asprintf(&joined, "%s%s%s", here, path[0] == '/' ? "" : "/", path) < 0) {
        return NULL;
    }
    char *slash = strrchr(joined, '/');
    slash[slash == joined] = '\0'; /* the root keeps its slash */
    return joined;
}
