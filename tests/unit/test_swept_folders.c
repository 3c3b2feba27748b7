/* SPDX-License-Identifier: Apache-2.0
 * Private folders of processes that died go at once; those of processes that live, and folders of
 * others, stay; and processes that sweep at the same moment do not hinder each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "grpc/private_folder.h"

#define PROCESSES 8
#define ROUNDS 100

static const char *base;

static int set_up(void **state)
{
    (void)state;
    base = path_of("%s/run", scratch_folder());
    if (mkdir(base, 0700) != 0) {
        return -1;
    }
    return setenv("RUNTIME_DIRECTORY", base, 1);
}

static void make(struct private_folder *folder)
{
    nk_error err = { .struct_size = sizeof(err) };

    *folder = (struct private_folder){ .fd = -1 };
    if (private_folder_make(folder, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Dies as by SIGKILL, with a file in its folder; `ret_path` gets the folder's path. */
static void leave_behind(char ret_path[PATH_MAX])
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct private_folder folder;
        make(&folder);
        write_file(path_of("%s/server.pem", folder.path), "reference", 0600);
        snprintf(ret_path, PATH_MAX, "%s", folder.path);
        _exit(write(ends[1], ret_path, PATH_MAX) == PATH_MAX ? 0 : 1);
    }
    assert_int_equal(read(ends[0], ret_path, PATH_MAX), PATH_MAX);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
}

static void that_of_a_dead_process_goes_at_once(void **state)
{
    (void)state;
    char dead[PATH_MAX];
    struct private_folder own;

    leave_behind(dead);
    assert_true(is_there(dead));
    make(&own);
    assert_false(is_there(dead));
    private_folder_remove(&own);
    assert_false(is_there(own.path));
}

static void that_of_a_base_with_setgid_goes_too(void **state)
{
    (void)state;
    char dead[PATH_MAX];
    struct private_folder own;

    assert_int_equal(chmod(base, 02700), 0);
    leave_behind(dead);
    make(&own);
    assert_false(is_there(dead));
    private_folder_remove(&own);
    assert_int_equal(chmod(base, 0700), 0);
}

static void that_of_a_living_one_stays(void **state)
{
    (void)state;
    struct private_folder one;
    struct private_folder other;

    make(&one);
    make(&other);
    assert_true(is_there(one.path));
    assert_int_equal(private_folder_check(&one, NULL), NK_OK);
    private_folder_remove(&other);
    private_folder_remove(&one);
}

static void one_that_holds_something_else_stays(void **state)
{
    (void)state;
    char dead[PATH_MAX];
    struct private_folder own;

    leave_behind(dead);
    write_file(path_of("%s/diary", dead), "dear", 0600);
    make(&own);
    assert_true(is_there(path_of("%s/diary", dead)));
    private_folder_remove(&own);
    assert_int_equal(unlink(path_of("%s/diary", dead)), 0);
    assert_int_equal(rmdir(dead), 0);
}

static void folders_of_other_names_stay(void **state)
{
    (void)state;
    static const char *const names[] = { "nodekey-abcdef", "nodekey-",          "nodekey-1",
                                         "nodekey--a",     "nodekey-1x-abcdef", "other-1-abcdef" };
    struct private_folder own;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(mkdir(path_of("%s/%s", base, names[i]), 0700), 0);
        write_file(path_of("%s/%s/client.pem", base, names[i]), "theirs", 0600);
    }
    make(&own);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_true(is_there(path_of("%s/%s/client.pem", base, names[i])));
    }
    private_folder_remove(&own);
}

static void folders_of_others_stay(void **state)
{
    (void)state;
    char foreign[PATH_MAX];
    char open[PATH_MAX];
    struct private_folder own;

    leave_behind(foreign);
    assert_int_equal(chown(foreign, 65533, 65533), 0);
    leave_behind(open);
    assert_int_equal(chmod(open, 0755), 0);
    make(&own);
    assert_true(is_there(path_of("%s/server.pem", foreign)));
    assert_true(is_there(path_of("%s/server.pem", open)));
    private_folder_remove(&own);
}

static void make_many(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct private_folder folder = { .fd = -1 };
        nk_error err = { .struct_size = sizeof(err) };
        if (private_folder_make(&folder, &err) != NK_OK ||
            private_folder_check(&folder, &err) != NK_OK) {
            fprintf(stderr, "%s\n", err.text);
            _exit(1);
        }
        private_folder_remove(&folder);
    }
    _exit(0);
}

static void those_who_sweep_at_once_do_not_fail(void **state)
{
    (void)state;
    pid_t children[PROCESSES];

    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            make_many();
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int how = -1;
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        assert_int_equal(how, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(that_of_a_dead_process_goes_at_once),
        cmocka_unit_test(that_of_a_base_with_setgid_goes_too),
        cmocka_unit_test(that_of_a_living_one_stays),
        cmocka_unit_test(one_that_holds_something_else_stays),
        cmocka_unit_test(folders_of_other_names_stay),
        cmocka_unit_test(folders_of_others_stay),
        cmocka_unit_test(those_who_sweep_at_once_do_not_fail),
    };
    return cmocka_run_group_tests_name("swept_folders", tests, set_up, NULL);
}
