/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"
#include "base/trusted_path.h"
#include "base/words.h"

#define FIRST_ROOM ((size_t)16 * 1024)

ssize_t file_read_fd(int fd, void *bytes, size_t room)
{
    size_t len = 0;
    ssize_t got = 0;

    do {
        got = TEMP_FAILURE_RETRY(read(fd, (char *)bytes + len, room - len));
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && len < room);
    return got < 0 ? -1 : (ssize_t)len;
}

bool file_write_fd(int fd, const void *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t more = TEMP_FAILURE_RETRY(write(fd, (const char *)bytes + done, len - done));
        if (more < 0) {
            return false;
        }
        done += (size_t)more;
    }
    return true;
}

/* --- who may have written it --- */

enum file_flaw file_find_flaw(const struct stat *info, mode_t kind, mode_t forbidden)
{
    if ((info->st_mode & S_IFMT) != kind) {
        return FILE_ODD_KIND;
    }
    if (info->st_uid != 0 && info->st_uid != geteuid()) {
        return FILE_ODD_OWNER;
    }
    return (info->st_mode & forbidden) != 0 ? FILE_EXPOSED : FILE_SOUND;
}

/* Editors of Windows put it before a text, where neither JSON nor PEM has it. */
static size_t cut_mark(char *text, size_t len)
{
    if (len < strlen(FILE_UTF8_MARK) || memcmp(text, FILE_UTF8_MARK, strlen(FILE_UTF8_MARK)) != 0) {
        return len;
    }
    len -= strlen(FILE_UTF8_MARK);
    memmove(text, text + strlen(FILE_UTF8_MARK), len);
    return len;
}

/* Grows with the file: what a file may hold at most is far more than most do. */
static nk_status read_growing(const char *path, int fd, size_t max_bytes, nk_status blame,
                              char **text, size_t *ret_len, nk_error *err)
{
    size_t room = 0;
    size_t len = 0;

    while (len == room && room <= max_bytes) {
        room = room < FIRST_ROOM ? FIRST_ROOM : 2 * room;
        char *grown = realloc(*text, room + 1); /* and a NUL */
        if (grown == NULL) {
            return report(err, NK_E_NOMEM, "out of memory");
        }
        *text = grown;
        ssize_t got = file_read_fd(fd, grown + len, room - len);
        if (got < 0) {
            return report_errno(err, blame, "%s", path);
        }
        len += (size_t)got;
    }
    *ret_len = len;
    return len <= max_bytes ? NK_OK
                            : report(err, blame, "%s: is longer than %zu bytes", path, max_bytes);
}

static nk_status read_all(const char *path, int fd, size_t max_bytes, nk_status blame,
                          char **ret_text, size_t *ret_len, nk_error *err)
{
    AUTO(free) char *text = NULL;
    size_t len = 0;
    nk_status status = read_growing(path, fd, max_bytes, blame, &text, &len, err);
    if (status != NK_OK || text == NULL) {
        return status;
    }
    *ret_len = cut_mark(text, len);
    text[*ret_len] = '\0';
    *ret_text = text;
    text = NULL;
    return NK_OK;
}

static nk_status read_and_close(const char *path, int fd, size_t max_bytes, nk_status blame,
                                char **ret_text, size_t *ret_len, nk_error *err)
{
    nk_status status = read_all(path, fd, max_bytes, blame, ret_text, ret_len, err);

    close(fd);
    return status;
}

nk_status file_read(const char *path, size_t max_bytes, nk_status blame, char **ret_text,
                    size_t *ret_len, nk_error *err)
{
    int fd = -1;
    nk_status status = trusted_open_file(path, blame, &fd, err);

    return status == NK_OK ? read_and_close(path, fd, max_bytes, blame, ret_text, ret_len, err)
                           : status;
}

nk_status file_read_in(int folder, const char *name, const char *path, size_t max_bytes,
                       nk_status blame, char **ret_text, size_t *ret_len, nk_error *err)
{
    int fd = -1;
    nk_status status = trusted_open_file_in(folder, name, path, blame, &fd, err);

    return status == NK_OK ? read_and_close(path, fd, max_bytes, blame, ret_text, ret_len, err)
                           : status;
}

/* --- folders --- */

bool file_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

void file_names_clear(struct file_names *names)
{
    for (size_t i = 0; i < names->len; i++) {
        free(names->at[i]);
    }
    free(names->at);
    *names = (struct file_names){ 0 };
}

static bool is_listed(int folder, const char *name)
{
    struct stat info;
    return name[0] != '.' && (fstatat(folder, name, &info, 0) != 0 || S_ISREG(info.st_mode));
}

static bool add_name(struct file_names *names, const char *name)
{
    char **at = realloc(names->at, (names->len + 1) * sizeof(*at));
    if (at == NULL) {
        return false;
    }
    names->at = at;
    at[names->len] = strdup(name);
    if (at[names->len] == NULL) {
        return false;
    }
    names->len++;
    return true;
}

static nk_status collect_names(DIR *dir, int folder, const char *path, size_t max, nk_status blame,
                               struct file_names *names, nk_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            return errno == 0 ? NK_OK : report_errno(err, blame, "%s", path);
        }
        if (!is_listed(folder, entry->d_name)) {
            continue;
        }
        if (names->len == max) {
            return report(err, blame, "%s: holds more than %zu files; remove old ones", path, max);
        }
        if (!add_name(names, entry->d_name)) {
            return report(err, NK_E_NOMEM, "out of memory");
        }
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

nk_status file_list(int folder, const char *path, size_t max, nk_status blame,
                    struct file_names *ret_names, nk_error *err)
{
    /* Opened anew, since a duplicate would share its place in the folder with the next reader. */
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        nk_status status = report_errno(err, blame, "%s", path);
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    struct file_names names = { 0 };
    nk_status status = collect_names(dir, folder, path, max, blame, &names, err);
    closedir(dir);
    if (status != NK_OK) {
        file_names_clear(&names);
        return status;
    }
    if (names.len > 0) {
        qsort(names.at, names.len, sizeof(*names.at), compare_names);
    }
    *ret_names = names;
    return NK_OK;
}

char *file_absolute(const char *path)
{
    char here[PATH_MAX] = "";
    char *joined = NULL;

    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL) {
        return NULL;
    }
    return asprintf(&joined, "%s%s%s", here, path[0] == '/' ? "" : "/", path) < 0 ? NULL : joined;
}

char *file_folder(const char *path)
{
    char *folder = file_absolute(path);
    if (folder == NULL) {
        return NULL;
    }
    char *slash = strrchr(folder, '/');
    slash[slash == folder] = '\0'; /* the root keeps its slash */
    return folder;
}

nk_status file_state_directory(char **ret_path, nk_error *err)
{
    const char *list = secure_getenv("STATE_DIRECTORY");

    if (list == NULL || list[0] == '\0') {
        *ret_path = NULL;
        return NK_OK;
    }
    if (list[0] != '/') {
        return report(err, NK_E_CONFIG,
                      "STATE_DIRECTORY, the default of %s, is not an absolute path; set %s, or let "
                      "systemd's StateDirectory= set the variable",
                      words()->state_dir, words()->state_dir);
    }
    char *path = strndup(list, strcspn(list, ":"));
    if (path == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_path = path;
    return NK_OK;
}

/* Never /run/user: logind removes it at the user's last logout, under nodes that go on. Returns
 * where the path comes from, for texts. */
static const char *choose_runtime(char path[PATH_MAX])
{
    const char *systemd = getenv("RUNTIME_DIRECTORY"); /* may be a list: "/run/a:/run/b" */
    const char *tmp = getenv("TMPDIR");

    if (systemd != NULL && systemd[0] == '/') {
        snprintf(path, PATH_MAX, "%.*s", (int)strcspn(systemd, ":"), systemd);
        return "RUNTIME_DIRECTORY, where our private folder is made";
    }
    bool is_set = tmp != NULL && tmp[0] == '/';
    snprintf(path, PATH_MAX, "%s", is_set ? tmp : "/tmp");
    return is_set ? "TMPDIR, where our private folder is made unless RUNTIME_DIRECTORY is set"
                  : "/tmp, where our private folder is made unless RUNTIME_DIRECTORY or TMPDIR is "
                    "set";
}

/* Whoever may put another folder in its place says what gRPC reads there: a key of a file, or a
 * library to load. */
nk_status file_runtime_directory(char path[PATH_MAX], nk_error *err)
{
    const char *origin = choose_runtime(path);
    int fd = -1;
    nk_status status = trusted_open_folder(path, TRUSTED_TO_HOLD, NK_E_CONFIG, &fd, err);

    if (status == NK_OK) {
        close(fd);
    }
    return report_where(err, status, "%s", origin);
}
