/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path_terms.h"
#include "base/report.h"
#include "base/trusted_path.h"

struct audit_file {
    char *path;
    struct path_terms *terms; /* of whoever gave the path; counted */
    int fd;
    bool cut; /* ends within a line */
    dev_t device;
    ino_t inode;
    int64_t looked_seconds;
};

/* --- opening --- */

static nk_status refuse_open(const char *path, nk_error *err)
{
    switch (errno) {
    case ELOOP:
        return report(err, NK_E_CONFIG,
                      "%s: is a symbolic link, which may lead anywhere; name the file itself",
                      path);
    case EISDIR:
        return report(err, NK_E_CONFIG, "%s: is a folder; name a file in it", path);
    case ENOENT:
        return report(err, NK_E_CONFIG, "%s: its folder does not exist; create the folder", path);
    case ENXIO:
        return report(err, NK_E_CONFIG, "%s: is not a regular file; remove it", path);
    default:
        return report_errno(err, NK_E_CONFIG, "%s: cannot be opened for appending", path);
    }
}

static nk_status check_kind(const char *path, const struct stat *info, nk_error *err)
{
    switch (file_find_flaw(info, S_IFREG, S_IRWXO)) {
    case FILE_SOUND:
        break;
    case FILE_ODD_KIND:
        return report(err, NK_E_CONFIG, "%s: is not a regular file; remove it", path);
    case FILE_ODD_OWNER:
        return report(err, NK_E_CONFIG,
                      "%s: belongs to uid %ld, not to root or us (uid %ld); chown it", path,
                      (long)info->st_uid, (long)geteuid());
    case FILE_EXPOSED:
        return report(
            err, NK_E_CONFIG,
            "%s: is open to everybody (mode %04o); chmod o-rwx it, and have it created so "
            "where it is rotated",
            path, (unsigned)(info->st_mode & ALLPERMS));
    }
    if (info->st_nlink > 1) {
        return report(err, NK_E_CONFIG,
                      "%s: has other names (hard links), so it may be some other file; remove them",
                      path);
    }
    return NK_OK;
}

/* A piece of a line may be left by a process before us, or where the disk was full. */
static bool ends_within_line(int fd, off_t size)
{
    char last = '\n';

    return size > 0 && (pread(fd, &last, 1, size - 1) != 1 || last != '\n');
}

/* In its folder, where only root and we may put another file in its place. */
static nk_status open_in_folder(const struct audit_file *file, int *ret_fd, nk_error *err)
{
    AUTO(path_terms_restore) struct path_terms *former = path_terms_use(file->terms);
    AUTO(free) char *path = file_folder(file->path);
    nk_error own = { .struct_size = sizeof(own) };
    int folder = -1;
    if (path == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = trusted_open_folder(path, TRUSTED_TO_LOG, NK_E_CONFIG, &folder, &own);
    if (status != NK_OK) {
        errno = (int)own.native;
        return own.native_kind == NK_NATIVE_ERRNO
                   ? refuse_open(file->path, err)
                   : report(err, status, "%s: %s", file->path, own.text);
    }
    /* O_NONBLOCK: a FIFO in the file's place must be refused, not waited for. */
    *ret_fd = openat(folder, strrchr(file->path, '/') + 1,
                     O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                     S_IRUSR | S_IWUSR);
    int cause = errno;
    close(folder);
    errno = cause;
    return *ret_fd >= 0 ? NK_OK : refuse_open(file->path, err);
}

/* The open file is replaced only by one that is in order. */
static nk_status open_file(struct audit_file *file, nk_error *err)
{
    struct stat info;
    int fd = -1;
    nk_status status = open_in_folder(file, &fd, err);
    if (status != NK_OK) {
        return status;
    }
    status = fstat(fd, &info) == 0 ? check_kind(file->path, &info, err)
                                   : report_errno(err, NK_E_CONFIG, "%s", file->path);
    if (status != NK_OK) {
        close(fd);
        return status;
    }

    if (file->fd >= 0) {
        close(file->fd);
    }
    file->fd = fd;
    file->device = info.st_dev;
    file->inode = info.st_ino;
    file->cut = ends_within_line(fd, info.st_size);
    return NK_OK;
}

nk_status audit_file_open(const char *path, struct audit_file **ret_file, nk_error *err)
{
    struct audit_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    file->fd = -1;
    file->looked_seconds = -1;
    file->terms = path_terms_ref(path_terms());
    file->path = strdup(path);
    nk_status status =
        file->path != NULL ? open_file(file, err) : report(err, NK_E_NOMEM, "out of memory");
    if (status != NK_OK) {
        audit_file_close(file);
        return status;
    }
    *ret_file = file;
    return NK_OK;
}

void audit_file_close(struct audit_file *file)
{
    if (file == NULL) {
        return;
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
    path_terms_unref(file->terms);
    free(file->path);
    free(file);
}

nk_status audit_file_follow(struct audit_file *file, int64_t now_seconds, nk_error *err)
{
    struct stat info;

    if (now_seconds == file->looked_seconds) {
        return NK_OK;
    }
    file->looked_seconds = now_seconds;
    if (lstat(file->path, &info) == 0 && info.st_dev == file->device &&
        info.st_ino == file->inode) {
        return NK_OK;
    }
    return open_file(file, err);
}

/* --- writing --- */

nk_status audit_file_write(struct audit_file *file, const char *line, size_t len, nk_error *err)
{
    size_t before = file->cut ? 1 : 0;
    ssize_t written = TEMP_FAILURE_RETRY(write(file->fd, line - before, before + len));

    if (written < 0) {
        return report_errno(err, NK_E_INTERNAL, "%s: cannot be written", file->path);
    }
    if (written > 0) {
        file->cut = line[written - (ssize_t)before - 1] != '\n';
    }
    if ((size_t)written < before + len) {
        return report(err, NK_E_INTERNAL, "%s: took %zd of %zu bytes; is the disk full?",
                      file->path, written, before + len);
    }
    return NK_OK;
}
