/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/private_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork.h"
#include "base/report.h"
#include "base/trusted_path.h"

#define PREFIX "nodekey-"
#define ATTEMPTS_MAX 16 /* each lost to another process that sweeps at that moment */

/* Names that a folder of ours, or of an older version, may hold; one with another is not
 * removed. */
static const char *const all_names[] = { "server.pem",     "client.pem", "server.pem.new",
                                         "client.pem.new", "new.pem",    "watch" };

static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static struct private_folder *live; /* guarded by live_lock */

/* The folders are the parent's, and so is the lock that says that their owner lives: it must end
 * with him, not with his children. */
static void leave_to_parent(void)
{
    for (struct private_folder *one = live; one != NULL; one = one->next) {
        close(one->fd);
        one->fd = -1;
    }
    live = NULL;
}

FORK_PART(.lock = &live_lock, .renew = leave_to_parent);

static void remove_folder(int base_fd, const char *name, int folder_fd)
{
    for (size_t i = 0; i < ARRAY_LEN(all_names); i++) {
        (void)unlinkat(folder_fd, all_names[i], 0);
    }
    (void)unlinkat(base_fd, name, AT_REMOVEDIR);
}

/* --- those of the dead --- */

/* The folders of others begin alike. */
static bool has_pid(const char *name)
{
    size_t prefix = strlen(PREFIX);
    size_t digits = strncmp(name, PREFIX, prefix) == 0 ? strspn(name + prefix, "0123456789") : 0;

    return digits > 0 && name[prefix + digits] == '-';
}

/* Whatever its age: one that was just made and is not locked yet is made anew by its owner. A base
 * with the setgid bit hands it on. */
static void sweep_one(int base_fd, const char *name)
{
    struct stat info;
    int folder_fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder_fd < 0) {
        return;
    }
    if (fstat(folder_fd, &info) == 0 && info.st_uid == geteuid() &&
        (info.st_mode & ACCESSPERMS) == S_IRWXU && flock(folder_fd, LOCK_EX | LOCK_NB) == 0) {
        remove_folder(base_fd, name, folder_fd);
    }
    close(folder_fd);
}

static void sweep_folders(const char *base)
{
    DIR *dir = opendir(base);

    if (dir == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (has_pid(entry->d_name)) {
            sweep_one(dirfd(dir), entry->d_name);
        }
    }
    closedir(dir);
}

/* --- ours, at an exit --- */

/* A host may exit without close, and gRPC may keep credentials past it. */
static void remove_at_exit(void)
{
    if (fork_is_foreign()) {
        return; /* the folders are its parent's, and the lock may be held for ever */
    }
    pthread_mutex_lock(&live_lock);
    for (struct private_folder *one = live; one != NULL; one = one->next) {
        remove_folder(AT_FDCWD, one->path, one->fd);
    }
    pthread_mutex_unlock(&live_lock);
}

static void register_exit(void)
{
    (void)atexit(remove_at_exit); /* else the next start sweeps it */
}

static void list_folder(struct private_folder *folder)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, register_exit);
    pthread_mutex_lock(&live_lock);
    folder->next = live;
    live = folder;
    pthread_mutex_unlock(&live_lock);
}

static void delist_folder(struct private_folder *folder)
{
    pthread_mutex_lock(&live_lock);
    for (struct private_folder **link = &live; *link != NULL; link = &(*link)->next) {
        if (*link == folder) {
            *link = folder->next;
            break;
        }
    }
    pthread_mutex_unlock(&live_lock);
}

/* --- making one --- */

/* False: see errno. ENOENT and EWOULDBLOCK: a sweeper was faster. */
static bool lock_folder(struct private_folder *folder)
{
    struct stat info;

    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder->fd < 0 || flock(folder->fd, LOCK_EX | LOCK_NB) != 0 ||
        fstat(folder->fd, &info) != 0) {
        return false;
    }
    folder->device = info.st_dev;
    folder->inode = info.st_ino;
    return lstat(folder->path, &info) == 0;
}

static void forget_folder(struct private_folder *folder)
{
    if (folder->fd >= 0) {
        close(folder->fd);
    }
    folder->fd = -1;
    folder->path[0] = '\0';
}

static nk_status try_folder(struct private_folder *folder, const char *base, bool *ret_swept,
                            nk_error *err)
{
    int len = snprintf(folder->path, sizeof(folder->path), "%s/" PREFIX "%ld-XXXXXX", base,
                       (long)getpid());
    if (len >= (int)sizeof(folder->path)) {
        return report(err, NK_E_INTERNAL, "the runtime folder's name is too long: %s", base);
    }
    if (mkdtemp(folder->path) == NULL) { /* mode 0700 */
        return report_errno(err, NK_E_INTERNAL,
                            "make a private folder in %s; set RUNTIME_DIRECTORY to one that uid "
                            "%ld may write",
                            base, (long)geteuid());
    }
    *ret_swept = false;
    if (!lock_folder(folder)) {
        *ret_swept = errno == ENOENT || errno == EWOULDBLOCK;
        return report_errno(*ret_swept ? NULL : err, NK_E_INTERNAL, "lock %s", folder->path);
    }
    return private_folder_check(folder, err);
}

nk_status private_folder_make(struct private_folder *folder, nk_error *err)
{
    char base[PATH_MAX];
    nk_status status = file_runtime_directory(base, err);

    if (status != NK_OK) {
        return status;
    }
    sweep_folders(base);
    folder->owner = getpid();
    bool swept = true;
    for (int i = 0; i < ATTEMPTS_MAX && swept; i++) {
        swept = false;
        status = try_folder(folder, base, &swept, err);
        if (status != NK_OK) {
            forget_folder(folder);
        }
    }
    if (status == NK_OK) {
        list_folder(folder);
    }
    return swept ? report(err, NK_E_INTERNAL, "%s: somebody removes our private folders", base)
                 : status;
}

nk_status private_folder_check(const struct private_folder *folder, nk_error *err)
{
    struct stat info;

    if (lstat(folder->path, &info) != 0) {
        return report(err, NK_E_INTERNAL,
                      "somebody removed %s, through which gRPC reads our certificates; open again, "
                      "and keep cleaners out or set RUNTIME_DIRECTORY",
                      folder->path);
    }
    if (info.st_dev != folder->device || info.st_ino != folder->inode || info.st_uid != geteuid()) {
        return report(err, NK_E_INTERNAL,
                      "%s is not the folder that we made (now of uid %ld, mode %04o): somebody put "
                      "it there, and gRPC may read a key or a library's name of theirs; stop this "
                      "process, and set RUNTIME_DIRECTORY to a folder that only root or uid %ld "
                      "may write to",
                      folder->path, (long)info.st_uid, (unsigned)(info.st_mode & ALLPERMS),
                      (long)geteuid());
    }
    return NK_OK;
}

void private_folder_remove(struct private_folder *folder)
{
    delist_folder(folder);
    if (folder->fd >= 0 && folder->owner == getpid()) {
        remove_folder(AT_FDCWD, folder->path, folder->fd);
    }
    forget_folder(folder);
}
