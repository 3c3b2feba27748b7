/* SPDX-License-Identifier: Apache-2.0
 * A state_dir that takes no file: no PIN is sent, since its refusal could not be remembered, and
 * the PIN is not blamed. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "fault/login_scene.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define HASTE_MS 200

static const char *full_name; /* files that end so are not made */
static int cause;             /* errno of the refusal; 0: none */

int __real_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    size_t len = strlen(name);
    if (cause != 0 && full_name != NULL && (flags & O_CREAT) != 0 && len > strlen(full_name) &&
        strcmp(name + len - strlen(full_name), full_name) == 0) {
        errno = cause;
        return -1;
    }
    return __real_openat(folder, name, flags, mode);
}

int __real_posix_fallocate(int fd, off_t offset, off_t len);
int __wrap_posix_fallocate(int fd, off_t offset, off_t len);
int __wrap_posix_fallocate(int fd, off_t offset, off_t len)
{
    return cause != 0 && full_name == NULL ? cause : __real_posix_fallocate(fd, offset, len);
}

#define ROOM "make room in state_dir for it: "
#define ACCESS "make state_dir writable for uid 0: "

static const struct row {
    const char *name;
    const char *file; /* NULL: it is made, and gets no room */
    int cause;
    nk_status status;
    const char *piece;
} rows[] = {
    { "a full disk", NULL, ENOSPC, NK_E_INTERNAL, ".new: a refused PIN could not" },
    { "a full disk: the cure", NULL, ENOSPC, NK_E_INTERNAL, ROOM "No space left on device" },
    { "no inode for the file", ".new", ENOSPC, NK_E_INTERNAL, ROOM },
    { "no inode for the lock", ".lock", ENOSPC, NK_E_INTERNAL, ROOM },
    { "a quota", NULL, EDQUOT, NK_E_INTERNAL, ROOM "Disk quota exceeded" },
    { "an ailing disk", NULL, EIO, NK_E_INTERNAL, "so none is sent" },
    { "no descriptor left", ".new", EMFILE, NK_E_INTERNAL, "Too many open files" },
    { "a read-only disk", ".lock", EROFS, NK_E_CONFIG, ACCESS "Read-only file system" },
    { "another's lock", ".lock", EACCES, NK_E_CONFIG, ACCESS "Permission denied" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct hsm_key *key = NULL;
    nk_error err;

    unsigned long before = (unsigned long)faulty_count()->login;
    full_name = row->file;
    cause = row->cause;
    nk_status status = identity_open(&identity, &key, &err);
    cause = 0;
    if (status != row->status || strstr(err.text, row->piece) == NULL) {
        fail_msg("%d: %s", (int)status, err.text);
    }
    assert_int_equal((unsigned long)faulty_count()->login, before);
    assert_int_equal(identity_open(&identity, &key, &err), NK_OK); /* with room, at once */
    rig_shut(key);
}

/* The PIN is not blamed for a file that another process holds, either. */
static void check_held_lock(void **state)
{
    (void)state;
    const struct rig_terms hasty = { .login_timeout_ms = HASTE_MS };
    struct hsm_key *key = NULL;
    nk_error err;

    assert_int_equal(identity_open(&identity, &key, &err), NK_OK); /* makes the lock's file */
    rig_shut(key);
    unsigned long before = (unsigned long)faulty_count()->login;
    int lock = open(file_like(".lock"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    rig_set_terms(&hasty);
    assert_int_equal(identity_open(&identity, &key, &err), NK_E_TOKEN);
    assert_non_null(strstr(err.text, "another process has been logging in to token \"alice\""));
    assert_int_equal((unsigned long)faulty_count()->login, before);
    close(lock);
    rig_set_terms(&(struct rig_terms){ 0 });
    assert_int_equal(identity_open(&identity, &key, &err), NK_OK);
    rig_shut(key);
}

static int start(void **state)
{
    struct hsm_key *key = NULL;
    nk_error err;
    if (login_set_up(state) != 0 || fresh_right(state) != 0) {
        return -1;
    }
    rig_start(faulty_path());
    if (identity_open(&identity, &key, &err) != NK_OK) { /* faulty_count needs the module */
        return -1;
    }
    rig_shut(key);
    return 0;
}

int main(void)
{
    rows_each(fresh_right, NULL);
    ROWS_OF(rows, check_row)
    ROWS_TEST(check_held_lock);
    return ROWS_RUN("login_disk", start, login_tear_down);
}
