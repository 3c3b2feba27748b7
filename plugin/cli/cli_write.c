/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_write.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/path_terms.h"
#include "base/report.h"

/* A folder that may be written to but not read cannot be synced. */
static int open_folder(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder >= 0 ? folder : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static nk_status replace_file(struct atomic_file *file, const char *path, const char *text,
                              size_t len, nk_error *err)
{
    if (file->folder < 0 || !atomic_file_begin(file)) {
        return report_errno(err, NK_E_CONFIG, "%s: cannot write into its folder", path);
    }
    return atomic_file_finish(file, text, len)
               ? NK_OK
               : report_errno(err, NK_E_CONFIG, "%s: cannot be written", path);
}

/* As the kernel's protected_symlinks, which what we resolve ourselves does not meet. */
static nk_status check_link(const char *path, nk_error *err)
{
    struct stat info;

    if (path_terms_trust_folders(path_terms()) || lstat(path, &info) != 0 ||
        file_find_flaw(&info, S_IFLNK, 0) != FILE_ODD_OWNER) {
        return NK_OK;
    }
    return report(err, NK_E_CONFIG,
                  "%s: is a link of uid %ld, who says what would be replaced; name the file itself",
                  path, (long)info.st_uid);
}

nk_status write_whole(const char *path, const char *text, size_t len, nk_error *err)
{
    char real[PATH_MAX];
    struct stat info;

    nk_status status = check_link(path, err);
    if (status != NK_OK) {
        return status;
    }
    const char *target = realpath(path, real) != NULL ? real : path;
    if (stat(target, &info) == 0 && !S_ISREG(info.st_mode)) {
        return report(err, NK_E_CONFIG, "%s: is not a regular file, so it is not replaced", path);
    }
    AUTO(free) char *folder = file_folder(target);
    if (folder == NULL) {
        return report_errno(err, NK_E_CONFIG, "%s", path);
    }
    struct atomic_file file = { .folder = open_folder(folder),
                                .name = basename(target),
                                .mode = 0644,
                                .sync = ATOMIC_TRY_SYNC,
                                .unlocked = true };
    status = replace_file(&file, target, text, len, err);
    if (file.folder >= 0) {
        close(file.folder);
    }
    return status;
}
