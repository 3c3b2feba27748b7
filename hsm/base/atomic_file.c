/* SPDX-License-Identifier: Apache-2.0 */
#include "base/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#define LOCK_PAUSE_MS 10

static bool name_aside(struct atomic_file *file)
{
    uint8_t drawn[8] = { 0 };
    char hex[TEXT_HEX_BYTES(sizeof(drawn))];

    if (file->unlocked && getentropy(drawn, sizeof(drawn)) != 0) {
        return false;
    }
    text_hex(hex, drawn, sizeof(drawn));
    int len = snprintf(file->aside, sizeof(file->aside), "%s%s",
                       file->unlocked ? ".nodekey-" : file->name, file->unlocked ? hex : ".new");
    errno = ENAMETOOLONG;
    return len < (int)sizeof(file->aside);
}

bool atomic_file_begin(struct atomic_file *file)
{
    file->fd = -1;
    if (!name_aside(file)) {
        return false;
    }
    (void)unlinkat(file->folder, file->aside, 0);
    file->fd = openat(file->folder, file->aside,
                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return file->fd >= 0;
}

static bool set_mtime(const struct atomic_file *file)
{
    const struct timespec times[] = { *file->mtime, *file->mtime };
    return futimens(file->fd, times) == 0;
}

static bool write_aside(const struct atomic_file *file, const void *bytes, size_t len)
{
    return file_write_fd(file->fd, bytes, len) && ftruncate(file->fd, (off_t)len) == 0 &&
           (file->mode == 0 || fchmod(file->fd, file->mode) == 0) &&
           (file->mtime == NULL || set_mtime(file)) &&
           (file->sync == ATOMIC_NO_SYNC || fsync(file->fd) == 0);
}

bool atomic_file_finish(struct atomic_file *file, const void *bytes, size_t len)
{
    if (!write_aside(file, bytes, len) ||
        renameat(file->folder, file->aside, file->folder, file->name) != 0) {
        int cause = errno;
        atomic_file_drop(file);
        errno = cause;
        return false;
    }
    close(file->fd);
    file->fd = -1;
    return file->sync == ATOMIC_NO_SYNC || fsync(file->folder) == 0 ||
           file->sync == ATOMIC_TRY_SYNC;
}

bool atomic_file_write(struct atomic_file *file, const void *bytes, size_t len)
{
    return atomic_file_begin(file) && atomic_file_finish(file, bytes, len);
}

void atomic_file_drop(struct atomic_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
        (void)unlinkat(file->folder, file->aside, 0);
    }
}

/* --- between processes --- */

bool atomic_file_wait(int fd, unsigned wait_ms)
{
    long long deadline = clock_now_ms() + wait_ms;

    while (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)) != 0) {
        if (errno != EWOULDBLOCK || clock_now_ms() >= deadline) {
            return false;
        }
        clock_sleep_ms(LOCK_PAUSE_MS);
    }
    return true;
}

int atomic_file_lock(int folder, const char *lock_name, unsigned wait_ms)
{
    int lock = openat(folder, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (lock >= 0 && !atomic_file_wait(lock, wait_ms)) {
        int cause = errno;
        close(lock);
        errno = cause;
        return -1;
    }
    return lock;
}

void atomic_file_unlock(int lock)
{
    (void)flock(lock, LOCK_UN); /* a child that was forked meanwhile has it open, too */
    close(lock);
}
