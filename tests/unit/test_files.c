/* SPDX-License-Identifier: Apache-2.0
 * Files that are checked, files that are read, and files that are replaced whole or not at all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/file.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"

#define OTHER_UID 12345

/* --- who may have written it --- */

static const struct row {
    const char *name;
    mode_t mode;
    uid_t uid;
    mode_t kind;
    mode_t forbidden;
    enum file_flaw flaw;
} rows[] = {
    { "root's file", S_IFREG | 0644, 0, S_IFREG, S_IWOTH, FILE_SOUND },
    { "a FIFO is no file", S_IFIFO | 0600, 0, S_IFREG, 0, FILE_ODD_KIND },
    { "a folder is no file", S_IFDIR | 0700, 0, S_IFREG, 0, FILE_ODD_KIND },
    { "a folder", S_IFDIR | 0755, 0, S_IFDIR, S_IWOTH, FILE_SOUND },
    { "fstat failed", 0, 0, S_IFREG, 0, FILE_ODD_KIND },
    { "another's file", S_IFREG | 0600, OTHER_UID, S_IFREG, S_IWOTH, FILE_ODD_OWNER },
    { "the owner is told before the mode", S_IFREG | 0666, OTHER_UID, S_IFREG, S_IWOTH,
      FILE_ODD_OWNER },
    { "one forbidden bit is enough", S_IFREG | 0620, 0, S_IFREG, S_IWGRP | S_IRWXO, FILE_EXPOSED },
};

static void check_flaw(void **state)
{
    const struct row *row = *state;
    const struct stat info = { .st_mode = row->mode, .st_uid = row->uid };

    assert_int_equal(file_find_flaw(&info, row->kind, row->forbidden), row->flaw);
}

/* --- replaced --- */

static int folder = -1;

static void holds(const char *name, const char *want)
{
    char text[64] = "";
    int fd = openat(folder, name, O_RDONLY);

    assert_true(fd >= 0);
    assert_true(file_read_fd(fd, text, sizeof(text) - 1) >= 0);
    close(fd);
    assert_string_equal(text, want);
}

static int count_files(void)
{
    DIR *dir = opendir(scratch_folder());
    int count = -2; /* "." and ".." */

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

static int make_folder(void **state)
{
    (void)state;
    folder = open(scratch_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct atomic_file file = { .folder = folder, .name = "file" };
    return folder >= 0 && atomic_file_write(&file, "old", 3) ? 0 : -1;
}

static void a_file_is_replaced(void **state)
{
    struct stat info;
    struct atomic_file file = { .folder = folder, .name = "file", .sync = ATOMIC_MUST_SYNC };

    (void)state;
    assert_true(atomic_file_write(&file, "something new", 13));
    holds("file", "something new");
    assert_true(atomic_file_write(&file, "new", 3));
    holds("file", "new");
    assert_int_equal(fstatat(folder, "file", &info, 0), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(count_files(), 1);
}

static void mode_and_mtime_are_set_whatever_the_umask(void **state)
{
    struct stat info;
    const struct timespec mtime = { .tv_sec = 1000000000, .tv_nsec = 123456789 };
    struct atomic_file file = {
        .folder = folder, .name = "file", .mode = 0644, .mtime = &mtime, .sync = ATOMIC_TRY_SYNC
    };

    (void)state;
    mode_t before = umask(077);
    assert_true(atomic_file_write(&file, "new", 3));
    umask(before);
    assert_int_equal(fstatat(folder, "file", &info, 0), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
    assert_int_equal(info.st_mtim.tv_sec, 1000000000);
    assert_int_equal(info.st_mtim.tv_nsec, 123456789);
}

static void what_a_killed_process_left_is_not_followed(void **state)
{
    struct atomic_file file = { .folder = folder, .name = "file" };
    struct atomic_file victim = { .folder = folder, .name = "victim" };

    (void)state;
    assert_true(atomic_file_write(&victim, "mine", 4));
    assert_int_equal(symlinkat("victim", folder, "file.new"), 0);
    assert_true(atomic_file_write(&file, "new", 3));
    holds("victim", "mine");
    holds("file", "new");
    assert_int_equal(unlinkat(folder, "victim", 0), 0);
    assert_int_equal(count_files(), 1);
}

static void a_dropped_file_leaves_the_old_one(void **state)
{
    struct atomic_file file = { .folder = folder, .name = "file" };

    (void)state;
    assert_true(atomic_file_begin(&file));
    assert_int_equal(posix_fallocate(file.fd, 0, 4096), 0);
    assert_int_equal(count_files(), 2);
    atomic_file_drop(&file);
    atomic_file_drop(&file);
    holds("file", "old");
    assert_int_equal(count_files(), 1);
}

static void what_was_reserved_is_cut(void **state)
{
    struct atomic_file file = { .folder = folder, .name = "file" };

    (void)state;
    assert_true(atomic_file_begin(&file));
    assert_int_equal(posix_fallocate(file.fd, 0, 4096), 0);
    assert_true(atomic_file_finish(&file, "new", 3));
    assert_int_equal(file.fd, -1);
    holds("file", "new");
}

static void a_failure_leaves_nothing(void **state)
{
    struct atomic_file file = { .folder = folder, .name = "sub" };

    (void)state;
    assert_int_equal(mkdirat(folder, "sub", 0700), 0);
    assert_false(atomic_file_write(&file, "new", 3));
    assert_int_equal(errno, EISDIR);
    assert_int_equal(file.fd, -1);
    assert_int_equal(unlinkat(folder, "sub", AT_REMOVEDIR), 0);
    assert_int_equal(count_files(), 1);
}

static void a_name_without_room_is_refused(void **state)
{
    char name[NAME_MAX - 2];
    struct atomic_file file = { .folder = folder, .name = name };

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(atomic_file_write(&file, "new", 3));
    assert_int_equal(errno, ENAMETOOLONG);
    file.unlocked = true; /* its file to be has another name */
    assert_true(atomic_file_write(&file, "new", 3));
    assert_int_equal(unlinkat(folder, name, 0), 0);
}

static void two_at_once_do_not_mix(void **state)
{
    struct atomic_file one = { .folder = folder, .name = "file", .unlocked = true };
    struct atomic_file other = one;

    (void)state;
    assert_true(atomic_file_begin(&one));
    assert_true(atomic_file_begin(&other));
    assert_true(atomic_file_finish(&other, "other", 5));
    holds("file", "other");
    assert_true(atomic_file_finish(&one, "one", 3));
    holds("file", "one");
    assert_int_equal(count_files(), 1);
}

static void a_lock_is_waited_for_so_long_only(void **state)
{
    (void)state;
    int lock = atomic_file_lock(folder, "lock", 0);
    assert_true(lock >= 0);
    assert_int_equal(atomic_file_lock(folder, "lock", 20), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    atomic_file_unlock(lock);
    lock = atomic_file_lock(folder, "lock", 20);
    assert_true(lock >= 0);
    atomic_file_unlock(lock);
    assert_int_equal(unlinkat(folder, "lock", 0), 0);
    assert_int_equal(symlinkat("file", folder, "lock"), 0);
    assert_int_equal(atomic_file_lock(folder, "lock", 20), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(unlinkat(folder, "lock", 0), 0);
}

/* --- read --- */

#define READ_MAX_BYTES 40000

static void files_are_read_whole_up_to_the_greatest(void **state)
{
    static const size_t sizes[] = { 0, 1, 16383, 16384, 16385, 32768, READ_MAX_BYTES };
    const char *path = path_of("%s/file", scratch_folder());

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *text = NULL;
        size_t len = 0;
        write_file(path, path_of("%.*s", (int)sizes[i], path_of("%0*d", READ_MAX_BYTES, 7)), 0600);
        assert_int_equal(file_read(path, READ_MAX_BYTES, NK_E_TRUST, &text, &len, NULL), NK_OK);
        assert_int_equal(len, sizes[i]);
        assert_int_equal(strlen(text), sizes[i]);
        free(text);
    }
}

static void files_that_are_longer_are_refused(void **state)
{
    static const int sizes[] = { READ_MAX_BYTES + 1, 65536, 65537, 200000 };
    const char *path = path_of("%s/file", scratch_folder());

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        nk_error err = { .struct_size = sizeof(err) };
        char *text = NULL;
        size_t len = 0;
        write_file(path, path_of("%0*d", sizes[i], 7), 0600);
        assert_int_equal(file_read(path, READ_MAX_BYTES, NK_E_TRUST, &text, &len, &err),
                         NK_E_TRUST);
        assert_non_null(strstr(err.text, "is longer than 40000 bytes"));
        assert_null(text);
    }
}

static int close_folder(void **state)
{
    (void)state;
    return close(folder);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, close_folder)
#define FLAWS (sizeof(rows) / sizeof(rows[0]))

int main(void)
{
    static const struct CMUnitTest replaced[] = {
        IN_FOLDER(a_file_is_replaced),
        IN_FOLDER(mode_and_mtime_are_set_whatever_the_umask),
        IN_FOLDER(what_a_killed_process_left_is_not_followed),
        IN_FOLDER(a_dropped_file_leaves_the_old_one),
        IN_FOLDER(what_was_reserved_is_cut),
        IN_FOLDER(a_failure_leaves_nothing),
        IN_FOLDER(a_name_without_room_is_refused),
        IN_FOLDER(two_at_once_do_not_mix),
        IN_FOLDER(a_lock_is_waited_for_so_long_only),
        IN_FOLDER(files_are_read_whole_up_to_the_greatest),
        IN_FOLDER(files_that_are_longer_are_refused),
    };
    struct CMUnitTest checked[FLAWS] = { 0 };
    for (size_t i = 0; i < FLAWS; i++) {
        checked[i].name = rows[i].name;
        checked[i].test_func = check_flaw;
        checked[i].initial_state = (void *)&rows[i];
    }
    int failed = cmocka_run_group_tests_name("flaws", checked, NULL, NULL);
    return failed + cmocka_run_group_tests_name("replaced", replaced, NULL, NULL);
}
