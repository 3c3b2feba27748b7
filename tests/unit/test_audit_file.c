/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/authority.h"
#include "fixtures/rows.h"
#include "unit/audit_scene.h"

#define THREADS 8
#define THREAD_LINES 1000

enum obstacle { NONE, LINK, DANGLING_LINK, FIFO, FOLDER, NO_FOLDER, SECOND_NAME, FOREIGN, IN_FILE };

static const struct file_row {
    const char *name;
    enum obstacle obstacle;
    unsigned mode;
    const char *refusal; /* NULL: opened */
} files[] = {
    { "file: ours, closed to others", NONE, 0600, NULL },
    { "file: readable by its group", NONE, 0640, NULL },
    { "file: writable by others", NONE, 0602, "chmod o-rwx" },
    { "file: readable by others", NONE, 0644, "chmod o-rwx" },
    { "file: a symbolic link", LINK, 0600, "is a symbolic link" },
    { "file: a symbolic link to nothing", DANGLING_LINK, 0600, "is a symbolic link" },
    { "file: a FIFO", FIFO, 0600, "is not a regular file; remove it" },
    { "file: a folder", FOLDER, 0700, "is a folder; name a file in it" },
    { "file: no such folder", NO_FOLDER, 0600, "create the folder" },
    { "file: in a file", IN_FILE, 0600, "Not a directory" },
    { "file: a second name of a file", SECOND_NAME, 0600, "hard links" },
    { "file: another user's", FOREIGN, 0600, "chown it" },
};

static const char *put_obstacle(const struct file_row *row)
{
    const char *folder = scratch_folder();
    const char *place = path_of("%s/%s", folder, row->name);
    const char *other = path_of("%s other", place);

    switch (row->obstacle) {
    case LINK:
        write_file(other, "", row->mode);
        assert_int_equal(symlink(other, place), 0);
        return place;
    case DANGLING_LINK:
        assert_int_equal(symlink(other, place), 0);
        return place;
    case FIFO:
        assert_int_equal(mkfifo(place, row->mode), 0);
        return place;
    case FOLDER:
        assert_int_equal(mkdir(place, row->mode), 0);
        return place;
    case NO_FOLDER:
        return path_of("%s/audit", other);
    case IN_FILE:
        write_file(place, "", row->mode);
        return path_of("%s/audit", place);
    default:
        write_file(place, "", row->mode);
        return place;
    }
}

static void check_file(void **state)
{
    const struct file_row *row = *state;
    const char *place = put_obstacle(row);
    if (row->obstacle == SECOND_NAME) {
        assert_int_equal(link(place, path_of("%s other", place)), 0);
    }
    if (row->obstacle == FOREIGN) {
        assert_int_equal(chown(place, 12345, (gid_t)-1), 0); /* only root can */
    }
    struct audit *opened = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = audit_open(place, PER_PEER, &host, &opened, &err);
    print_message("%s\n", err.text);
    if (row->refusal == NULL) {
        assert_int_equal(status, NK_OK);
    } else {
        assert_int_equal(status, NK_E_CONFIG);
        assert_null(opened);
        assert_non_null(strstr(err.text, row->refusal));
        assert_non_null(strstr(err.text, place));
    }
    if (row->obstacle == DANGLING_LINK) { /* and nothing was made behind it */
        assert_int_not_equal(access(path_of("%s other", place), F_OK), 0);
    }
    audit_close(opened);
}

static void a_share_of_nothing_is_refused(void **state)
{
    (void)state;
    struct audit *opened = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    assert_int_equal(audit_open(path, 0, &host, &opened, &err), NK_E_CONFIG);
    assert_null(opened);
    assert_non_null(strstr(err.text, "per_peer_per_minute"));
}

static void the_file_is_made_for_us_alone(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
}

static void lines_are_appended(void **state)
{
    (void)state;
    write_line(1, NK_ALLOW);
    reopen_audit(PER_PEER);
    write_line(1, NK_ALLOW);
    json_t *lines = lines_of(path);
    assert_int_equal(json_array_size(lines), 2);
    assert_true(json_is_object(json_array_get(lines, 0)));
    json_decref(lines);
}

static void a_piece_of_a_line_left_by_others_spoils_none(void **state)
{
    (void)state;
    audit_close(audit);
    audit = NULL;
    write_file(path, "{\"time\":", 0600);
    reopen_audit(PER_PEER);
    write_line(1, NK_ALLOW);
    write_line(1, NK_ALLOW);
    json_t *lines = lines_of(path);
    assert_int_equal(json_array_size(lines), 3);
    assert_true(json_is_null(json_array_get(lines, 0)));
    assert_true(json_is_object(json_array_get(lines, 1)));
    assert_true(json_is_object(json_array_get(lines, 2)));
    json_decref(lines);
}

/* --- rotation --- */

static void a_renamed_file_is_opened_anew(void **state)
{
    (void)state;
    const char *old = path_of("%s.1", path);
    write_line(1, NK_ALLOW);
    assert_int_equal(rename(path, old), 0);
    write_line(1, NK_ALLOW); /* within the second: nobody looks */
    assert_int_equal(count_lines(old), 2);
    now_seconds++;
    write_line(1, NK_ALLOW);
    assert_int_equal(count_lines(old), 2);
    assert_int_equal(count_lines(path), 1);
    the_file_is_made_for_us_alone(NULL);
    assert_int_equal(log_lines, 0);
}

static void a_file_put_in_its_place_is_followed(void **state)
{
    (void)state;
    const char *next = path_of("%s.next", path);
    write_line(1, NK_ALLOW);
    write_file(next, "", 0600);
    assert_int_equal(rename(next, path), 0);
    now_seconds++;
    write_line(1, NK_ALLOW);
    assert_int_equal(count_lines(path), 1);
}

static void a_link_put_in_its_place_is_not_followed(void **state)
{
    (void)state;
    const char *old = path_of("%s.1", path);
    const char *victim = path_of("%s.victim", path);
    write_line(1, NK_ALLOW);
    write_file(victim, "", 0600);
    assert_int_equal(rename(path, old), 0);
    assert_int_equal(symlink(victim, path), 0);
    for (int i = 0; i < 3; i++) {
        now_seconds++;
        write_line(1, NK_ALLOW);
    }
    assert_int_equal(count_lines(victim), 0);
    assert_int_equal(count_lines(old), 4); /* the old one is better than none */
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(log_text, "symbolic link"));
    assert_int_equal(unlink(path), 0);
    now_seconds++;
    write_line(2, NK_ALLOW);
    assert_int_equal(count_lines(path), 1);
    last_line_says("lost", 0);
}

/* --- a disk that is full or broken --- */

static void failures_are_counted_and_logged_once_a_minute(void **state)
{
    (void)state;
    disk.error = ENOSPC;
    disk.failures = 3;
    for (int i = 0; i < 3; i++) {
        write_line(1, NK_ALLOW);
    }
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(log_text, "No space left"));
    assert_non_null(strstr(log_text, path));
    now_seconds += MINUTE;
    disk.failures = 1;
    write_line(1, NK_ALLOW);
    assert_int_equal(log_lines, 2);
    assert_non_null(strstr(log_text, "4 lines lost"));
    write_line(1, NK_ALLOW);
    assert_int_equal(count_lines(path), 1);
    last_line_says("lost", 4);
    write_line(1, NK_ALLOW);
    last_line_says("lost", 0);
}

static void a_lost_change_of_verdict_is_written_next(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PER_PEER + 2; i++) {
        write_line(1, NK_ALLOW);
    }
    disk.error = EIO;
    disk.failures = 1;
    write_line(1, NK_DENY);
    write_line(1, NK_DENY);
    json_t *line = last_line();
    assert_string_equal(json_string_value(json_object_get(line, "verdict")), "deny");
    json_decref(line);
    last_line_says("lost", 1);
    last_line_says("held_back", 2);
}

static void a_line_cut_off_spoils_no_other(void **state)
{
    (void)state;
    write_line(1, NK_ALLOW);
    disk.partial = 20;
    write_line(1, NK_ALLOW);
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(log_text, "took 20 of"));
    disk.failures = 1; /* the newline is still due afterwards */
    disk.error = ENOSPC;
    write_line(1, NK_ALLOW);
    write_line(1, NK_ALLOW);
    write_line(1, NK_ALLOW);
    assert_int_equal(disk.calls, 5);
    json_t *lines = lines_of(path);
    assert_int_equal(json_array_size(lines), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(json_is_object(json_array_get(lines, i)), i != 1);
    }
    assert_int_equal(json_integer_value(json_object_get(json_array_get(lines, 2), "lost")), 2);
    json_decref(lines);
}

static void a_newline_alone_ends_the_piece(void **state)
{
    (void)state;
    disk.partial = 20;
    write_line(1, NK_ALLOW);
    disk.partial = 1;
    write_line(1, NK_ALLOW);
    write_line(1, NK_ALLOW);
    json_t *lines = lines_of(path);
    assert_int_equal(json_array_size(lines), 2); /* and no empty one */
    assert_true(json_is_object(json_array_get(lines, 1)));
    json_decref(lines);
}

static void a_line_without_its_newline_is_whole(void **state)
{
    (void)state;
    write_line(1, NK_ALLOW);
    char *text = text_of(path);
    size_t len = strlen(text);
    free(text);
    disk.partial = len - 1;
    write_line(1, NK_ALLOW);
    write_line(1, NK_ALLOW);
    json_t *lines = lines_of(path);
    assert_int_equal(json_array_size(lines), 3);
    assert_true(json_is_object(json_array_get(lines, 1)));
    json_decref(lines);
}

static void a_signal_loses_nothing(void **state)
{
    (void)state;
    disk.error = EINTR;
    disk.failures = 1;
    write_line(1, NK_ALLOW);
    assert_int_equal(count_lines(path), 1);
    last_line_says("lost", 0);
    assert_int_equal(log_lines, 0);
}

static void write_again(void *host_data, int32_t level, const char *line)
{
    (void)level, (void)line;
    if (*(int *)host_data < 1) {
        ++*(int *)host_data;
        write_line(2, NK_ALLOW);
    }
}

static void the_log_may_come_back_to_us(void **state)
{
    (void)state;
    int depth = 0;
    const nk_host chatty = { .struct_size = sizeof(chatty),
                             .host_data = &depth,
                             .log = write_again };
    audit_close(audit);
    audit = NULL;
    assert_int_equal(audit_open(path, PER_PEER, &chatty, &audit, NULL), NK_OK);
    disk.error = EIO;
    disk.failures = 1;
    write_line(1, NK_ALLOW);
    assert_int_equal(depth, 1);
    last_line_says("lost", 1);
    audit_close(audit);
    audit = NULL;
}

/* --- threads --- */

static void *write_many(void *number)
{
    for (int i = 0; i < THREAD_LINES; i++) {
        write_line(*(const uint8_t *)number, NK_ALLOW);
    }
    return NULL;
}

static void threads_write_whole_lines(void **state)
{
    (void)state;
    static uint8_t numbers[THREADS];
    pthread_t threads[THREADS];
    size_t seen[THREADS] = { 0 };
    reopen_audit(THREAD_LINES);
    for (uint8_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    json_t *lines = lines_of(path);
    assert_int_equal(json_array_size(lines), THREADS * THREAD_LINES);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const char *fingerprint =
            json_string_value(json_object_get(json_array_get(lines, i), "fingerprint"));
        assert_non_null(fingerprint);
        seen[fingerprint[1] - '0']++;
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(seen[i], THREAD_LINES);
    }
    json_decref(lines);
}

int main(void)
{
    rows_each(audit_set_up, audit_tear_down);
    ROWS_OF(files, check_file)
    ROWS_TEST(a_share_of_nothing_is_refused);
    ROWS_TEST(the_file_is_made_for_us_alone);
    ROWS_TEST(lines_are_appended);
    ROWS_TEST(a_piece_of_a_line_left_by_others_spoils_none);
    ROWS_TEST(a_renamed_file_is_opened_anew);
    ROWS_TEST(a_file_put_in_its_place_is_followed);
    ROWS_TEST(a_link_put_in_its_place_is_not_followed);
    ROWS_TEST(failures_are_counted_and_logged_once_a_minute);
    ROWS_TEST(a_lost_change_of_verdict_is_written_next);
    ROWS_TEST(a_line_cut_off_spoils_no_other);
    ROWS_TEST(a_newline_alone_ends_the_piece);
    ROWS_TEST(a_line_without_its_newline_is_whole);
    ROWS_TEST(a_signal_loses_nothing);
    ROWS_TEST(the_log_may_come_back_to_us);
    ROWS_TEST(threads_write_whole_lines);
    return ROWS_RUN("audit: the file", NULL, NULL);
}
