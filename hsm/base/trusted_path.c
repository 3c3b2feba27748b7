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
#include "base/report.h"
#include "base/user_namespace.h"

#define LINKS_MAX 40 /* as the kernel follows */
#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define NAME_BYTES (NAME_MAX + 2) /* so that a name that is too long is refused, not cut */
#define COMPONENT_BYTES (PATH_MAX + NAME_BYTES + 1)

struct walk {
    const char *path; /* as the caller names it: begins every text */
    nk_status blame;
    nk_error *err;
    int folder; /* where the walk stands, O_PATH; owned */
    unsigned links;
    bool any_group;        /* may write to folders, with a warning */
    char at[PATH_MAX];     /* its name, links resolved; "": the root */
    char rest[PATH_MAX];   /* still to be walked */
    char name[NAME_BYTES]; /* of what is looked at in the folder; "": the folder itself */
};

static void end_walk(struct walk *walk)
{
    if (walk->folder >= 0) {
        close(walk->folder);
    }
}

static nk_status refuse_errno(const struct walk *walk, int cause)
{
    errno = cause;
    return report_errno(walk->err, walk->blame, "%s", walk->path);
}

/* --- one component --- */

/* A component: the folder where the walk stands, or what it has found in it. */
enum kind { FOLDER, LINK, THE_FILE };

static const char *name_component(const struct walk *walk, enum kind kind,
                                  char text[COMPONENT_BYTES])
{
    bool inside = kind != FOLDER && walk->name[0] != '\0';
    bool slash = inside || walk->at[0] == '\0';

    snprintf(text, COMPONENT_BYTES, "%s%s%s", walk->at, slash ? "/" : "", inside ? walk->name : "");
    return text;
}

/* "PATH: TEXT", or "PATH: KIND COMPONENT: TEXT" where the path does not name the component. */
static nk_status place_refusal(const struct walk *walk, enum kind kind)
{
    static const char *const words[] = {
        [FOLDER] = "folder", [LINK] = "link", [THE_FILE] = "file"
    };
    char component[COMPONENT_BYTES];

    if (strcmp(name_component(walk, kind, component), walk->path) != 0) {
        report_where(walk->err, walk->blame, "%s %s", words[kind], component);
    }
    return report_where(walk->err, walk->blame, "%s", walk->path);
}

static nk_status refuse_owner(const struct walk *walk, enum kind kind, const struct stat *info,
                              const char *chown)
{
    report(walk->err, walk->blame,
           "belongs to uid %ld (mode %04o), not to root or us (uid %ld); %s it", (long)info->st_uid,
           (unsigned)(info->st_mode & ALLPERMS), (long)geteuid(), chown);
    return place_refusal(walk, kind);
}

static nk_status refuse_mode(const struct walk *walk, enum kind kind, const struct stat *info,
                             const char *flaw, const char *cure)
{
    report(walk->err, walk->blame, "%s (uid %ld, gid %ld, mode %04o); %s", flaw, (long)info->st_uid,
           (long)info->st_gid, (unsigned)(info->st_mode & ALLPERMS), cure);
    return place_refusal(walk, kind);
}

static void note_hidden(const struct walk *walk, enum kind kind)
{
    char component[COMPONENT_BYTES];

    path_terms_note(path_terms(),
                    "owners that this user namespace hides count as root: first seen at %s; map "
                    "them if others than the machine's administrator may own what is loaded",
                    name_component(walk, kind, component));
}

static bool owner_is_trusted(const struct walk *walk, enum kind kind, const struct stat *info)
{
    if (info->st_uid == 0 || info->st_uid == geteuid()) {
        return true;
    }
    bool hidden = user_namespace_hides_uid(info->st_uid);
    if (hidden) {
        note_hidden(walk, kind);
    }
    return hidden;
}

static void note_group(const struct walk *walk, enum kind kind, const struct stat *info)
{
    char component[COMPONENT_BYTES];

    path_terms_note(path_terms(),
                    "%s: group %ld may write to it (mode %04o), so its members decide what is "
                    "found there; chmod g-w it",
                    name_component(walk, kind, component), (long)info->st_gid,
                    (unsigned)(info->st_mode & ALLPERMS));
}

/* Our own group is warned of: where the umask is 002, each user has a group of his own. */
static bool group_is_trusted(const struct walk *walk, enum kind kind, const struct stat *info)
{
    if ((info->st_mode & S_IWGRP) == 0 || info->st_gid == 0) {
        return true;
    }
    if (walk->any_group || info->st_gid == getegid() || info->st_gid == getgid()) {
        note_group(walk, kind, info);
        return true;
    }
    bool hidden = user_namespace_hides_gid(info->st_gid);
    if (hidden) {
        note_hidden(walk, kind);
    }
    return hidden;
}

static nk_status check_folder(const struct walk *walk, const struct stat *info)
{
    bool sticky = (info->st_mode & S_ISVTX) != 0;

    if (!owner_is_trusted(walk, FOLDER, info)) {
        return refuse_owner(walk, FOLDER, info, "chown");
    }
    if ((info->st_mode & S_IWOTH) != 0 && !sticky) {
        return refuse_mode(walk, FOLDER, info, "everybody may replace what is in it",
                           "chmod o-w it, or set its sticky bit (chmod +t)");
    }
    if (!sticky && !group_is_trusted(walk, FOLDER, info)) {
        return refuse_mode(walk, FOLDER, info, "its group may replace what is in it",
                           "chmod g-w it, or chgrp it to root");
    }
    return NK_OK;
}

static nk_status check_file(const struct walk *walk, const struct stat *info)
{
    if (!S_ISREG(info->st_mode)) {
        return report(walk->err, walk->blame, "%s: is not a regular file", walk->path);
    }
    if (!owner_is_trusted(walk, THE_FILE, info)) {
        return refuse_owner(walk, THE_FILE, info, "chown");
    }
    if ((info->st_mode & S_IWOTH) != 0) {
        return refuse_mode(walk, THE_FILE, info, "everybody may write to it", "chmod o-w it");
    }
    if (!group_is_trusted(walk, THE_FILE, info)) {
        return refuse_mode(walk, THE_FILE, info, "its group may write to it",
                           "chmod g-w it, or chgrp it to root");
    }
    return NK_OK;
}

/* --- the way --- */

/* A folder is looked at when a name is about to be looked up in it. */
static nk_status check_standpoint(const struct walk *walk)
{
    struct stat info;

    return fstat(walk->folder, &info) == 0 ? check_folder(walk, &info) : refuse_errno(walk, errno);
}

/* Takes over `fd`. */
static nk_status enter_folder(struct walk *walk, int fd)
{
    size_t used = strlen(walk->at);

    end_walk(walk);
    walk->folder = fd;
    if (strcmp(walk->name, "..") == 0) {
        *(used > 0 ? strrchr(walk->at, '/') : walk->at) = '\0';
    } else if (walk->name[0] != '\0') {
        int len = snprintf(walk->at + used, sizeof(walk->at) - used, "/%s", walk->name);
        if (len >= (int)(sizeof(walk->at) - used)) {
            return refuse_errno(walk, ENAMETOOLONG);
        }
    }
    walk->name[0] = '\0';
    return NK_OK;
}

static nk_status enter_root(struct walk *walk)
{
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return refuse_errno(walk, errno);
    }
    walk->at[0] = walk->name[0] = '\0';
    return enter_folder(walk, fd);
}

static nk_status follow_link(struct walk *walk, int link, const struct stat *info)
{
    char target[PATH_MAX];
    char joined[PATH_MAX];

    if (!owner_is_trusted(walk, LINK, info)) {
        return refuse_owner(walk, LINK, info, "chown -h");
    }
    if (++walk->links > LINKS_MAX) {
        return refuse_errno(walk, ELOOP);
    }
    ssize_t len = readlinkat(link, "", target, sizeof(target) - 1);
    if (len < 0) {
        return refuse_errno(walk, errno);
    }
    target[len] = '\0';
    if (snprintf(joined, sizeof(joined), "%s%s", target, walk->rest) >= (int)sizeof(joined)) {
        return refuse_errno(walk, ENAMETOOLONG);
    }
    memcpy(walk->rest, joined, sizeof(joined));
    return target[0] == '/' ? enter_root(walk) : NK_OK;
}

/* False: there is none left. */
static bool take_component(struct walk *walk)
{
    const char *start = walk->rest + strspn(walk->rest, "/");
    size_t len = strcspn(start, "/");

    snprintf(walk->name, sizeof(walk->name), "%.*s", (int)len, start);
    memmove(walk->rest, start + len, strlen(start + len) + 1);
    return len > 0;
}

/* Looks at one component. *ret_is_end: it is neither folder nor link. */
static nk_status pass_component(struct walk *walk, bool *ret_is_end)
{
    struct stat info;
    nk_status status = check_standpoint(walk);
    if (status != NK_OK) {
        return status;
    }
    int fd = openat(walk->folder, walk->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &info) != 0) {
        int cause = errno;
        if (fd >= 0) {
            close(fd);
        }
        return refuse_errno(walk, cause);
    }
    if (S_ISDIR(info.st_mode)) {
        return enter_folder(walk, fd);
    }
    *ret_is_end = !S_ISLNK(info.st_mode);
    status = *ret_is_end ? NK_OK : follow_link(walk, fd, &info);
    close(fd);
    return status;
}

/* To the last folder: walk->name is in it, or "". */
static nk_status walk_to_end(struct walk *walk)
{
    bool is_end = false;
    nk_status status = enter_root(walk);

    while (status == NK_OK && !is_end && take_component(walk)) {
        status = pass_component(walk, &is_end);
    }
    return status == NK_OK && is_end && walk->rest[0] != '\0' ? refuse_errno(walk, ENOTDIR)
                                                              : status;
}

static nk_status walk_path(struct walk *walk)
{
    size_t used = 0;

    if (walk->path[0] != '/') {
        if (getcwd(walk->rest, sizeof(walk->rest)) == NULL) {
            return refuse_errno(walk, errno);
        }
        used = strlen(walk->rest);
    }
    size_t room = sizeof(walk->rest) - used;
    if (snprintf(walk->rest + used, room, "/%s", walk->path) >= (int)room) {
        return refuse_errno(walk, ENAMETOOLONG);
    }
    return walk_to_end(walk);
}

/* --- opening --- */

static struct walk begin_walk(const char *path, nk_status blame, nk_error *err)
{
    return (struct walk){ .path = path, .blame = blame, .err = err, .folder = -1 };
}

/* Texts call it what the caller does. */
static nk_status open_untrodden(struct walk *walk, int flags, int *ret_fd)
{
    snprintf(walk->at, sizeof(walk->at), "%s", walk->path);
    *ret_fd = open(walk->path, flags);
    return *ret_fd >= 0 ? NK_OK : refuse_errno(walk, errno);
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
    *ret_fd =
        openat(walk->folder, walk->name[0] != '\0' ? walk->name : ".", READ_FLAGS | O_NOFOLLOW);
    return *ret_fd >= 0 ? NK_OK : refuse_errno(walk, errno);
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
    nk_status status = fstat(fd, &info) == 0 ? check_file(walk, &info) : refuse_errno(walk, errno);

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

    snprintf(walk.at, sizeof(walk.at), "%s", path);
    return fd >= 0 ? judge_file(&walk, fd, ret_fd) : refuse_errno(&walk, errno);
}

/* --- folders --- */

static nk_status check_named_folder(const struct walk *walk, int fd, enum trusted_use use)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        return refuse_errno(walk, errno);
    }
    if (use == TRUSTED_TO_KEEP && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
        owner_is_trusted(walk, FOLDER, &info)) {
        return refuse_mode(walk, FOLDER, &info, "others may write to this folder",
                           "chmod g-w,o-w it");
    }
    return check_folder(walk, &info);
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
        *ret_fd =
            openat(walk->folder, walk->name[0] != '\0' ? walk->name : ".", flags | O_NOFOLLOW);
    }
    if (*ret_fd < 0) {
        return refuse_errno(walk, errno);
    }
    return reads || !on_trust ? check_named_folder(walk, *ret_fd, use) : NK_OK;
}

nk_status trusted_open_folder(const char *path, enum trusted_use use, nk_status blame, int *ret_fd,
                              nk_error *err)
{
    struct walk walk = begin_walk(path, blame, err);
    int fd = -1;

    walk.any_group = use == TRUSTED_TO_LOG;
    nk_status status = open_named_folder(&walk, use, &fd);

    end_walk(&walk);
    if (status == NK_OK) {
        *ret_fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    return status;
}
