/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_write.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/report.h"

#define FILE_MODE 0644

DEFINE_AUTO(char *, free);

static bool put(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, text, len);
        if (done < 0 && errno != EINTR) {
            return false;
        }
        text += done > 0 ? done : 0;
        len -= done > 0 ? (size_t)done : 0;
    }
    return fchmod(fd, FILE_MODE) == 0 && fsync(fd) == 0;
}

/* The name must survive a power cut, too. */
static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

static nk_status replace(const char *path, const char *folder, const char *text, size_t len,
                         nk_error *err)
{
    AUTO(free) char *aside = NULL;
    if (asprintf(&aside, "%s/.nodekey-XXXXXX", folder) < 0) {
        aside = NULL;
        return report(err, NK_E_NOMEM, "out of memory");
    }
    int fd = mkostemp(aside, O_CLOEXEC);
    if (fd < 0) {
        return report_errno(err, NK_E_CONFIG, "%s: cannot write into its folder", path);
    }
    bool good = put(fd, text, len);
    int cause = errno;
    close(fd);
    if (good) {
        good = rename(aside, path) == 0;
        cause = errno;
    }
    if (!good) {
        unlink(aside);
        errno = cause;
        return report_errno(err, NK_E_CONFIG, "%s: cannot be written", path);
    }
    sync_folder(folder);
    return NK_OK;
}

nk_status write_whole(const char *path, const char *text, size_t len, nk_error *err)
{
    char real[PATH_MAX];
    struct stat info;
    const char *target = realpath(path, real) != NULL ? real : path;

    if (stat(target, &info) == 0 && !S_ISREG(info.st_mode)) {
        return report(err, NK_E_CONFIG, "%s: is not a regular file, so it is not replaced", path);
    }
    AUTO(free) char *folder = file_folder(target);
    if (folder == NULL) {
        return report_errno(err, NK_E_CONFIG, "%s", path);
    }
    return replace(target, folder, text, len, err);
}
