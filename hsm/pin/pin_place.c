/* SPDX-License-Identifier: Apache-2.0 */
#include "pin/pin_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/report.h"
#include "base/trusted_path.h"
#include "base/words.h"

static nk_status lock_folder(struct pin_place *place, unsigned wait_ms, nk_error *err)
{
    AUTO(free) char *folder = file_folder(place->path);
    if (folder == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status =
        trusted_open_folder(folder, TRUSTED_TO_LIST, NK_E_CONFIG, &place->folder, err);
    if (status != NK_OK || atomic_file_wait(place->folder, wait_ms)) {
        return status;
    }
    status = report_errno(err, NK_E_CONFIG, "%s: %s: %s", words()->pin, place->path,
                          errno == EWOULDBLOCK ? "another change of it is under way"
                                               : "its folder cannot be locked");
    close(place->folder);
    place->folder = -1;
    return status;
}

nk_status pin_place_lock(const char *path, unsigned wait_ms, struct pin_place *ret_place,
                         nk_error *err)
{
    const char *slash = strrchr(path, '/');

    *ret_place =
        (struct pin_place){ .path = path, .name = slash != NULL ? slash + 1 : path, .folder = -1 };
    int len =
        snprintf(ret_place->next, sizeof(ret_place->next), "%s" PIN_NEXT_SUFFIX, ret_place->name);
    if (len >= (int)sizeof(ret_place->next)) {
        return report(err, NK_E_CONFIG, "%s: %s: the name is too long for a file beside it",
                      words()->pin, path);
    }
    return lock_folder(ret_place, wait_ms, err);
}

void pin_place_unlock(struct pin_place *place)
{
    if (place->folder >= 0) {
        atomic_file_unlock(place->folder);
        place->folder = -1;
    }
}

static nk_status look_at_file(const struct pin_place *place, struct stat *ret_info, nk_error *err)
{
    if (fstatat(place->folder, place->name, ret_info, AT_SYMLINK_NOFOLLOW) != 0) {
        return report_errno(err, NK_E_CONFIG, "%s: %s", words()->pin, place->path);
    }
    return S_ISREG(ret_info->st_mode)
               ? NK_OK
               : report(err, NK_E_CONFIG,
                        "%s: %s is a link, which a new file would replace; name the file itself",
                        words()->pin, place->path);
}

static bool has_owner(int fd, const struct stat *like)
{
    struct stat made;

    return fstat(fd, &made) == 0 && ((made.st_uid == like->st_uid && made.st_gid == like->st_gid) ||
                                     fchown(fd, like->st_uid, like->st_gid) == 0);
}

nk_status pin_place_write_next(const struct pin_place *place, const struct pin *next, nk_error *err)
{
    struct stat info;
    nk_status status = look_at_file(place, &info, err);
    if (status != NK_OK) {
        return status;
    }
    struct atomic_file file = { .folder = place->folder,
                                .name = place->next,
                                .mode = info.st_mode & 0777,
                                .mtime = &info.st_mtim,
                                .sync = ATOMIC_MUST_SYNC };
    if (!atomic_file_begin(&file)) {
        return report_errno(err, NK_E_CONFIG,
                            "%s: a file cannot be made beside %s, as a change of it needs",
                            words()->pin, place->path);
    }
    if (!has_owner(file.fd, &info)) {
        status = report_errno(err, NK_E_CONFIG,
                              "%s: a file beside %s cannot be given its owner (uid %ld, gid %ld); "
                              "run as that user, or as root",
                              words()->pin, place->path, (long)info.st_uid, (long)info.st_gid);
        atomic_file_drop(&file);
        return status;
    }
    return atomic_file_finish(&file, pin_bytes(next), pin_len(next))
               ? NK_OK
               : report_errno(err, NK_E_CONFIG, "%s: %s" PIN_NEXT_SUFFIX " cannot be written",
                              words()->pin, place->path);
}

/* FILE is written now, not when the file was that it replaces: by its time others see that it
 * changed. */
nk_status pin_place_finish(const struct pin_place *place, nk_error *err)
{
    if (renameat(place->folder, place->next, place->folder, place->name) != 0 ||
        fsync(place->folder) != 0) {
        return report_errno(err, NK_E_CONFIG,
                            "%s: the token takes the PIN of %s" PIN_NEXT_SUFFIX
                            ", which cannot take the place of %s; rename it",
                            words()->pin, place->path, place->path);
    }
    (void)utimensat(place->folder, place->name, NULL, AT_SYMLINK_NOFOLLOW);
    return NK_OK;
}

void pin_place_drop_next(const struct pin_place *place)
{
    (void)unlinkat(place->folder, place->next, 0);
}

bool pin_place_is_left(const char *path)
{
    char next[PATH_MAX];
    struct stat file;
    struct stat other;

    return snprintf(next, sizeof(next), "%s" PIN_NEXT_SUFFIX, path) < PATH_MAX &&
           stat(path, &file) == 0 && lstat(next, &other) == 0 &&
           file.st_mtim.tv_sec == other.st_mtim.tv_sec &&
           file.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}
