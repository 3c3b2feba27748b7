/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trusted_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path_terms.h"
#include "base/trusted_rules.h"

#define LINKS_MAX 40 /* as the kernel follows */
#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

struct walk {
    struct trusted_place place;
    int folder; /* where the walk stands, O_PATH; owned */
    unsigned links;
    char rest[PATH_MAX]; /* still to be walked */
};

static void end_walk(struct walk *walk)
{
    if (walk->folder >= 0) {
        close(walk->folder);
    }
}

/* --- the way --- */

/* A folder is looked at when a name is about to be looked up in it. */
static nk_status check_standpoint(const struct walk *walk)
{
    struct stat info;

    return fstat(walk->folder, &info) == 0 ? trusted_check_folder(&walk->place, &info)
                                           : trusted_refuse_errno(&walk->place, errno);
}

/* Takes over `fd`. */
static nk_status enter_folder(struct walk *walk, int fd)
{
    size_t used = strlen(walk->place.at);

    end_walk(walk);
    walk->folder = fd;
    if (strcmp(walk->place.name, "..") == 0) {
        *(used > 0 ? strrchr(walk->place.at, '/') : walk->place.at) = '\0';
    } else if (walk->place.name[0] != '\0' && strcmp(walk->place.name, ".") != 0) {
        int len =
            snprintf(walk->place.at + used, sizeof(walk->place.at) - used, "/%s", walk->place.name);
        if (len >= (int)(sizeof(walk->place.at) - used)) {
            return trusted_refuse_errno(&walk->place, ENAMETOOLONG);
        }
    }
    walk->place.name[0] = '\0';
    return NK_OK;
}

static nk_status enter_root(struct walk *walk)
{
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return trusted_refuse_errno(&walk->place, errno);
    }
    walk->place.at[0] = walk->place.name[0] = '\0';
    return enter_folder(walk, fd);
}

static nk_status follow_link(struct walk *walk, int link, const struct stat *info)
{
    char target[PATH_MAX];
    char joined[PATH_MAX];

    nk_status status = trusted_check_link(&walk->place, info);
    if (status != NK_OK) {
        return status;
    }
    if (++walk->links > LINKS_MAX) {
        return trusted_refuse_errno(&walk->place, ELOOP);
    }
    ssize_t len = readlinkat(link, "", target, sizeof(target) - 1);
    if (len < 0) {
        return trusted_refuse_errno(&walk->place, errno);
    }
    target[len] = '\0';
    if (snprintf(joined, sizeof(joined), "%s%s", target, walk->rest) >= (int)sizeof(joined)) {
        return trusted_refuse_errno(&walk->place, ENAMETOOLONG);
    }
    memcpy(walk->rest, joined, sizeof(joined));
    return target[0] == '/' ? enter_root(walk) : NK_OK;
}

/* False: there is none left. */
static bool take_component(struct walk *walk)
{
    const char *start = walk->rest + strspn(walk->rest, "/");
    size_t len = strcspn(start, "/");

    snprintf(walk->place.name, sizeof(walk->place.name), "%.*s", (int)len, start);
    memmove(walk->rest, start + len, strlen(start + len) + 1);
    return len > 0;
}

/* A folder that is mounted at its first use (autofs) is not by O_PATH, unless it has to be one. */
static int open_component(const struct walk *walk)
{
    int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(walk->folder, walk->place.name, flags | O_DIRECTORY);

    return fd >= 0 || (errno != ENOTDIR && errno != ELOOP)
               ? fd
               : openat(walk->folder, walk->place.name, flags);
}

/* Looks at one component. *ret_is_end: it is neither folder nor link. */
static nk_status pass_component(struct walk *walk, bool *ret_is_end)
{
    struct stat info;
    nk_status status = check_standpoint(walk);
    if (status != NK_OK) {
        return status;
    }
    int fd = open_component(walk);

    if (fd < 0 || fstat(fd, &info) != 0) {
        int cause = errno;
        if (fd >= 0) {
            close(fd);
        }
        return trusted_refuse_errno(&walk->place, cause);
    }
    if (S_ISDIR(info.st_mode)) {
        return enter_folder(walk, fd);
    }
    *ret_is_end = !S_ISLNK(info.st_mode);
    status = *ret_is_end ? NK_OK : follow_link(walk, fd, &info);
    close(fd);
    return status;
}

/* To the last folder: walk->place.name is in it, or "". */
static nk_status walk_to_end(struct walk *walk)
{
    bool is_end = false;
    nk_status status = enter_root(walk);

    while (status == NK_OK && !is_end && take_component(walk)) {
        status = pass_component(walk, &is_end);
    }
    return status == NK_OK && is_end && walk->rest[0] != '\0'
               ? trusted_refuse_errno(&walk->place, ENOTDIR)
               : status;
}

static nk_status walk_path(struct walk *walk)
{
    size_t used = 0;

    if (walk->place.path[0] != '/') {
        if (getcwd(walk->rest, sizeof(walk->rest)) == NULL) {
            return trusted_refuse_errno(&walk->place, errno);
        }
        used = strlen(walk->rest);
    }
    size_t room = sizeof(walk->rest) - used;
    if (snprintf(walk->rest + used, room, "/%s", walk->place.path) >= (int)room) {
        return trusted_refuse_errno(&walk->place, ENAMETOOLONG);
    }
    return walk_to_end(walk);
}

/* --- opening --- */

static struct walk begin_walk(const char *path, nk_status blame, nk_error *err)
{
    return (struct walk){ .place = { .path = path, .blame = blame, .err = err }, .folder = -1 };
}

/* Texts call it what the caller does. */
static nk_status open_untrodden(struct walk *walk, int flags, int *ret_fd)
{
    snprintf(walk->place.at, sizeof(walk->place.at), "%s", walk->place.path);
    *ret_fd = open(walk->place.path, flags);
    return *ret_fd >= 0 ? NK_OK : trusted_refuse_errno(&walk->place, errno);
}

static nk_status open_end(struct walk *walk, int *ret_fd)
{
    if (path_terms_trust_folders(path_terms())) {
        return open_untrodden(walk, READ_FLAGS, ret_fd);
    }
    nk_status status = walk_path(walk);
    if (status != NK_OK) {
        return status;
    }
    *ret_fd = openat(walk->folder, walk->place.name[0] != '\0' ? walk->place.name : ".",
                     READ_FLAGS | O_NOFOLLOW);
    return *ret_fd >= 0 ? NK_OK : trusted_refuse_errno(&walk->place, errno);
}

nk_status trusted_open_any(const char *path, nk_status blame, int *ret_fd, nk_error *err)
{
    struct walk walk = begin_walk(path, blame, err);
    int fd = -1;
    nk_status status = open_end(&walk, &fd);

    end_walk(&walk);
    if (status == NK_OK) {
        *ret_fd = fd;
    }
    return status;
}

/* Takes over `fd`, and the walk. */
static nk_status judge_file(struct walk *walk, int fd, int *ret_fd)
{
    struct stat info;
    nk_status status = fstat(fd, &info) == 0 ? trusted_check_file(&walk->place, &info)
                                             : trusted_refuse_errno(&walk->place, errno);

    end_walk(walk);
    if (status == NK_OK) {
        *ret_fd = fd;
    } else {
        close(fd);
    }
    return status;
}

nk_status trusted_open_file(const char *path, nk_status blame, int *ret_fd, nk_error *err)
{
    struct walk walk = begin_walk(path, blame, err);
    int fd = -1;
    nk_status status = open_end(&walk, &fd);

    if (status != NK_OK) {
        end_walk(&walk);
        return status;
    }
    return judge_file(&walk, fd, ret_fd);
}

nk_status trusted_open_file_in(int folder, const char *name, const char *path, nk_status blame,
                               int *ret_fd, nk_error *err)
{
    struct walk walk = begin_walk(path, blame, err);
    int fd = openat(folder, name, READ_FLAGS | O_NOFOLLOW);

    snprintf(walk.place.at, sizeof(walk.place.at), "%s", path);
    return fd >= 0 ? judge_file(&walk, fd, ret_fd) : trusted_refuse_errno(&walk.place, errno);
}

/* --- folders --- */

static nk_status check_named_folder(const struct walk *walk, int fd, enum trusted_use use)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        return trusted_refuse_errno(&walk->place, errno);
    }
    return use == TRUSTED_TO_KEEP ? trusted_check_kept(&walk->place, &info)
                                  : trusted_check_folder(&walk->place, &info);
}

static nk_status open_named_folder(struct walk *walk, enum trusted_use use, int *ret_fd)
{
    bool reads = use == TRUSTED_TO_LIST || use == TRUSTED_TO_KEEP;
    int flags = (reads ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC;
    bool on_trust = path_terms_trust_folders(path_terms());

    nk_status status = on_trust ? open_untrodden(walk, flags, ret_fd) : walk_path(walk);
    if (status != NK_OK) {
        return status;
    }
    if (!on_trust) {
        *ret_fd = openat(walk->folder, walk->place.name[0] != '\0' ? walk->place.name : ".",
                         flags | O_NOFOLLOW);
    }
    if (*ret_fd < 0) {
        return trusted_refuse_errno(&walk->place, errno);
    }
    return reads || !on_trust ? check_named_folder(walk, *ret_fd, use) : NK_OK;
}

nk_status trusted_open_folder(const char *path, enum trusted_use use, nk_status blame, int *ret_fd,
                              nk_error *err)
{
    struct walk walk = begin_walk(path, blame, err);
    int fd = -1;

    walk.place.any_group = use == TRUSTED_TO_LOG;
    nk_status status = open_named_folder(&walk, use, &fd);

    end_walk(&walk);
    if (status == NK_OK) {
        *ret_fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    return status;
}
