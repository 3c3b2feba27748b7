/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/audit_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit_line.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"

int64_t now_seconds;
struct disk disk;
char log_text[8192];
unsigned log_lines;
const char *path;
struct audit *audit;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __real_write(int fd, const void *data, size_t len);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    const int64_t wall = clock == CLOCK_REALTIME ? 1700000000 : 0;
    *now = (struct timespec){ .tv_sec = wall + now_seconds, .tv_nsec = 7654321 };
    return 0;
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    disk.calls++;
    if (disk.failures > 0) {
        disk.failures--;
        errno = disk.error;
        return -1;
    }
    size_t take = disk.partial > 0 && disk.partial < len ? disk.partial : len;
    disk.partial = 0;
    return __real_write(fd, data, take);
}

static void keep_log(void *host_data, int32_t level, const char *line)
{
    (void)host_data;
    assert_int_equal(level, NK_LOG_ERROR);
    snprintf(log_text, sizeof(log_text), "%s", line);
    log_lines++;
}

const nk_host host = { .struct_size = sizeof(host), .log = keep_log };

void reopen_audit(unsigned per_peer)
{
    nk_error err = { .struct_size = sizeof(err) };
    audit_close(audit);
    audit = NULL;
    if (audit_open(path, per_peer, &host, &audit, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

char *text_of(const char *file)
{
    FILE *stream = fopen(file, "re");
    assert_non_null(stream);
    char *text = calloc(1, FILE_MAX_BYTES);
    assert_non_null(text);
    assert_true(fread(text, 1, FILE_MAX_BYTES - 1, stream) < FILE_MAX_BYTES - 1);
    assert_int_equal(fclose(stream), 0);
    return text;
}

/* Every line parsed; null where it is no JSON. Owned: json_decref. */
json_t *lines_of(const char *file)
{
    char *text = text_of(file);
    json_t *lines = json_array();
    char *rest = text;
    for (char *end; (end = strchr(rest, '\n')) != NULL; rest = end + 1) {
        assert_true((size_t)(end - rest) <= AUDIT_LINE_MAX_BYTES);
        json_t *line = json_loadb(rest, (size_t)(end - rest), JSON_REJECT_DUPLICATES, NULL);
        json_array_append_new(lines, line != NULL ? line : json_null());
    }
    assert_string_equal(rest, ""); /* nothing behind the last newline */
    free(text);
    return lines;
}

size_t count_lines(const char *file)
{
    json_t *lines = lines_of(file);
    size_t len = json_array_size(lines);
    json_decref(lines);
    return len;
}

/* The last line. Owned: json_decref. */
json_t *last_line(void)
{
    json_t *lines = lines_of(path);
    assert_true(json_array_size(lines) > 0);
    json_t *line = json_incref(json_array_get(lines, json_array_size(lines) - 1));
    assert_true(json_is_object(line));
    json_decref(lines);
    return line;
}

void last_line_says(const char *member, json_int_t want)
{
    json_t *line = last_line();
    assert_int_equal(json_integer_value(json_object_get(line, member)), want);
    json_decref(line);
}

void write_line(uint8_t number, uint32_t decision)
{
    const nk_peer peer = { .struct_size = sizeof(peer),
                           .role = NK_PEER_IS_CLIENT,
                           .common_name = "",
                           .leaf_sha256 = { number } };
    const nk_verdict verdict = { .struct_size = sizeof(verdict), .decision = decision };
    const struct audit_entry entry = {
        .peer = &peer, .role = NK_PEER_IS_CLIENT, .occasion = "handshake", .verdict = &verdict
    };
    audit_write(audit, &entry);
}

int audit_set_up(void **state)
{
    static unsigned number;
    (void)state;
    now_seconds = 1000;
    log_text[0] = '\0';
    log_lines = 0;
    path = path_of("%s/audit-%u", scratch_folder(), number++);
    (void)umask(0);
    reopen_audit(PER_PEER);
    memset(&disk, 0, sizeof(disk));
    return 0;
}

int audit_tear_down(void **state)
{
    (void)state;
    audit_close(audit);
    audit = NULL;
    return 0;
}
