/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/publication.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/report.h"
#include "base/trusted_path.h"
#include "config/config.h"
#include "hsm.h"

#define PREFIX "nodekey-"
#define SWEEP_AFTER_SECONDS 60 /* younger: its owner may not have locked it yet */

static const char *const file_names[OUR_ROLES] = {
    [OUR_SERVER] = "server.pem", [OUR_CLIENT] = "client.pem"
};
/* Names that a folder of ours, or of an older version, may hold; one with another is not
 * removed. */
static const char *const all_names[] = { "server.pem",     "client.pem", "server.pem.new",
                                         "client.pem.new", "new.pem",    "watch" };

struct publication {
    atomic_uint refs;
    char folder[PATH_MAX];
    char path[OUR_ROLES][PATH_MAX];
    dev_t device; /* of the folder that was made */
    ino_t inode;
    int folder_fd; /* holds a lock (flock): its owner lives; systemd-tmpfiles heeds it, too */
    pid_t owner;
    struct hsm_key *keys[OUR_ROLES]; /* that the files refer to; counted */
    time_t last_mtime[OUR_ROLES];
    long long written_ms; /* by the monotonic clock */
    struct publication *next;
};

static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static struct publication *live; /* guarded by live_lock */

/* The folders are the parent's, and so is the lock that says that their owner lives: it must end
 * with him, not with his children. */
static void leave_to_parent(void)
{
    for (struct publication *p = live; p != NULL; p = p->next) {
        close(p->folder_fd);
        p->folder_fd = -1;
    }
    live = NULL;
}

FORK_PART(.lock = &live_lock, .renew = leave_to_parent);

DEFINE_AUTO(struct publication *, publication_unref);

nk_status publication_check_folder(const struct publication *publication, nk_error *err)
{
    struct stat info;

    if (lstat(publication->folder, &info) != 0) {
        return report(err, NK_E_INTERNAL,
                      "somebody removed %s, through which gRPC reads our certificates; open again, "
                      "and keep cleaners out or set RUNTIME_DIRECTORY",
                      publication->folder);
    }
    if (info.st_dev != publication->device || info.st_ino != publication->inode ||
        info.st_uid != geteuid()) {
        return report(err, NK_E_INTERNAL,
                      "%s is not the folder that we made (now of uid %ld, mode %04o): somebody put "
                      "it there, and gRPC may read a key or a library's name of theirs; stop this "
                      "process, and set RUNTIME_DIRECTORY to a folder that only root or uid %ld "
                      "may write to",
                      publication->folder, (long)info.st_uid, (unsigned)(info.st_mode & ALLPERMS),
                      (long)geteuid());
    }
    return NK_OK;
}

static const char *base_folder(char *room, size_t len)
{
    const char *systemd = getenv("RUNTIME_DIRECTORY"); /* may be a list: "/run/a:/run/b" */
    const char *tmp = getenv("TMPDIR");

    if (systemd != NULL && systemd[0] == '/') {
        snprintf(room, len, "%.*s", (int)strcspn(systemd, ":"), systemd);
        return room;
    }
    /* Not /run/user: logind removes it at the user's last logout, under nodes that go on. */
    return tmp != NULL && tmp[0] == '/' ? tmp : "/tmp";
}

static void remove_folder(int base_fd, const char *name, int folder_fd)
{
    for (size_t i = 0; i < ARRAY_LEN(all_names); i++) {
        (void)unlinkat(folder_fd, all_names[i], 0);
    }
    (void)unlinkat(base_fd, name, AT_REMOVEDIR);
}

/* Removes one folder if it is ours, old enough and nobody holds its lock. */
static void sweep_one(int base_fd, const char *name)
{
    struct stat st;
    int folder_fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder_fd < 0) {
        return;
    }
    if (fstat(folder_fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700 &&
        time(NULL) - st.st_mtime > SWEEP_AFTER_SECONDS) {
        if (flock(folder_fd, LOCK_EX | LOCK_NB) == 0) {
            remove_folder(base_fd, name, folder_fd);
        }
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
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0) {
            sweep_one(dirfd(dir), entry->d_name);
        }
    }
    closedir(dir);
}

static nk_status lock_folder(struct publication *publication, nk_error *err)
{
    struct stat info;

    publication->folder_fd =
        open(publication->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (publication->folder_fd < 0 || flock(publication->folder_fd, LOCK_EX | LOCK_NB) != 0 ||
        fstat(publication->folder_fd, &info) != 0) {
        return report_errno(err, NK_E_INTERNAL, "lock %s", publication->folder);
    }
    publication->device = info.st_dev;
    publication->inode = info.st_ino;
    return publication_check_folder(publication, err);
}

/* Whoever may put another folder in its place says what gRPC reads there: a key of a file, or a
 * library to load. */
static nk_status check_base(const char *base, nk_error *err)
{
    int fd = -1;
    nk_status status = trusted_open_folder(base, TRUSTED_TO_HOLD, NK_E_CONFIG, &fd, err);

    if (status == NK_OK) {
        close(fd);
    }
    return report_where(err, status,
                        "the folder for our private folder (RUNTIME_DIRECTORY, else TMPDIR, else "
                        "/tmp)");
}

/* A host may exit without close, and gRPC may keep credentials past it. */
static void remove_at_exit(void)
{
    if (fork_is_foreign()) {
        return; /* the folders are its parent's, and the lock may be held for ever */
    }
    pthread_mutex_lock(&live_lock);
    for (struct publication *p = live; p != NULL; p = p->next) {
        remove_folder(AT_FDCWD, p->folder, p->folder_fd);
    }
    pthread_mutex_unlock(&live_lock);
}

static void register_exit(void)
{
    (void)atexit(remove_at_exit); /* else the next start sweeps it */
}

static void list_publication(struct publication *publication)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, register_exit);
    pthread_mutex_lock(&live_lock);
    publication->next = live;
    live = publication;
    pthread_mutex_unlock(&live_lock);
}

static void delist_publication(struct publication *publication)
{
    pthread_mutex_lock(&live_lock);
    for (struct publication **link = &live; *link != NULL; link = &(*link)->next) {
        if (*link == publication) {
            *link = publication->next;
            break;
        }
    }
    pthread_mutex_unlock(&live_lock);
}

nk_status publication_open(struct publication **ret_publication, nk_error *err)
{
    char room[PATH_MAX];
    const char *base = base_folder(room, sizeof(room));
    AUTO(publication_unref) struct publication *publication = calloc(1, sizeof(*publication));
    if (publication == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    atomic_init(&publication->refs, 1);
    publication->folder_fd = -1;
    publication->owner = getpid();
    nk_status status = check_base(base, err);
    if (status != NK_OK) {
        return status;
    }
    sweep_folders(base);
    int len = snprintf(publication->folder, sizeof(publication->folder), "%s/" PREFIX "%ld-XXXXXX",
                       base, (long)getpid());
    if (len >= (int)(sizeof(publication->folder) - sizeof("/server.pem"))) {
        publication->folder[0] = '\0';
        return report(err, NK_E_INTERNAL, "the runtime folder's name is too long: %s", base);
    }
    if (mkdtemp(publication->folder) == NULL) { /* mode 0700 */
        publication->folder[0] = '\0';
        return report_errno(err, NK_E_INTERNAL,
                            "make a private folder in %s; set RUNTIME_DIRECTORY to one that uid "
                            "%ld may write",
                            base, (long)geteuid());
    }
    status = lock_folder(publication, err);
    if (status != NK_OK) {
        return status;
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        memcpy(publication->path[role], publication->folder, (size_t)len);
        snprintf(publication->path[role] + len, sizeof(publication->path[role]) - (size_t)len,
                 "/%s", file_names[role]);
    }
    list_publication(publication);
    *ret_publication = publication;
    publication = NULL;
    return NK_OK;
}

nk_status publication_write(struct publication *publication, int our_role, struct hsm_key *key,
                            const char *pem, nk_error *err)
{
    nk_status status = publication_check_folder(publication, err);
    if (status != NK_OK) {
        return status;
    }
    time_t now = time(NULL);
    time_t after = publication->last_mtime[our_role] + 1;
    struct atomic_file file = { .folder = publication->folder_fd,
                                .name = file_names[our_role],
                                .mtime = now > after ? now : after };
    bool written = atomic_file_write(&file, pem, strlen(pem));
    publication->last_mtime[our_role] = file.mtime;
    publication->written_ms = clock_now_ms();
    if (!written) {
        return report_errno(err, NK_E_INTERNAL, "write to %s", publication->folder);
    }
    hsm_key_ref(key);
    hsm_key_unref(publication->keys[our_role]);
    publication->keys[our_role] = key;
    return NK_OK;
}

bool publication_due(const struct publication *publication)
{
    return clock_now_ms() - publication->written_ms > 2000LL * PUBLICATION_WATCH_SECONDS;
}

nk_status publication_check(const struct publication *publication, int our_role, nk_error *err)
{
    nk_status status = publication_check_folder(publication, err);
    if (status != NK_OK) {
        return status;
    }
    if (faccessat(publication->folder_fd, file_names[our_role], R_OK, AT_EACCESS) != 0) {
        return report(err, NK_E_INTERNAL,
                      "somebody removed %s/%s, through which gRPC reads our certificates; open "
                      "again, and keep cleaners out or set RUNTIME_DIRECTORY",
                      publication->folder, file_names[our_role]);
    }
    return NK_OK;
}

const char *publication_path(const struct publication *publication, int our_role)
{
    return publication->path[our_role];
}

void publication_socket(const struct publication *publication, char *path, size_t room)
{
    snprintf(path, room, "%s/watch", publication->folder);
}

struct publication *publication_ref(struct publication *publication)
{
    atomic_fetch_add(&publication->refs, 1);
    return publication;
}

void publication_unref(struct publication *publication)
{
    if (publication == NULL || atomic_fetch_sub(&publication->refs, 1) != 1) {
        return;
    }
    delist_publication(publication);
    if (publication->folder[0] != '\0' && publication->folder_fd >= 0 &&
        publication->owner == getpid()) {
        remove_folder(AT_FDCWD, publication->folder, publication->folder_fd);
    }
    if (publication->folder_fd >= 0) {
        close(publication->folder_fd);
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        hsm_key_unref(publication->keys[role]);
    }
    free(publication);
}
