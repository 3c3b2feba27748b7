/* SPDX-License-Identifier: Apache-2.0
 * The audit file. Time stands still but where a test moves it, and the disk is full when a test
 * says so: clock_gettime and write are wrapped by the linker. */
#include "audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "audit/audit_line.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "peer/peer.h"

#define PER_PEER 5u
#define MINUTE 60
#define THREADS 8
#define THREAD_LINES 1000
#define LONG_BYTES 9000 /* longer than any text that is written whole */
#define FILE_MAX_BYTES (16u << 20)
#define A "spiffe://fed.example/node/a"

/* --- the machine --- */

static int64_t now_seconds;
static struct {   /* what becomes of the next writes */
    int failures; /* this many fail with `error`; */
    int error;
    size_t partial; /* or else takes only so many bytes; 0: all */
    unsigned calls;
} disk;

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

/* --- a log, an audit file and its lines --- */

static char log_text[8192];
static unsigned log_lines;

static void keep_log(void *host_data, int32_t level, const char *line)
{
    (void)host_data;
    assert_int_equal(level, NK_LOG_ERROR);
    snprintf(log_text, sizeof(log_text), "%s", line);
    log_lines++;
}

static const nk_host host = { .struct_size = sizeof(host), .log = keep_log };
static const char *path;
static struct audit *audit;

static void reopen_audit(unsigned per_peer)
{
    nk_error err = { .struct_size = sizeof(err) };
    audit_close(audit);
    audit = NULL;
    if (audit_open(path, per_peer, &host, &audit, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static char *text_of(const char *file)
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
static json_t *lines_of(const char *file)
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

static size_t count_lines(const char *file)
{
    json_t *lines = lines_of(file);
    size_t len = json_array_size(lines);
    json_decref(lines);
    return len;
}

/* The last line. Owned: json_decref. */
static json_t *last_line(void)
{
    json_t *lines = lines_of(path);
    assert_true(json_array_size(lines) > 0);
    json_t *line = json_incref(json_array_get(lines, json_array_size(lines) - 1));
    assert_true(json_is_object(line));
    json_decref(lines);
    return line;
}

static void last_line_says(const char *member, json_int_t want)
{
    json_t *line = last_line();
    assert_int_equal(json_integer_value(json_object_get(line, member)), want);
    json_decref(line);
}

/* --- entries --- */

static void write_line(uint8_t number, uint32_t decision)
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

#define ZEROS "0000000000000000000000000000000000000000000000000000000000"
#define TIME "{\"time\":\"2023-11-14T22:30:00.007Z\","

static void a_line_tells_everything_in_order(void **state)
{
    (void)state;
    const nk_name names[] = { { NK_NAME_URI, 0, A },
                              { NK_NAME_DNS, 0, "a.example" },
                              { NK_NAME_IP, 0, "10.0.0.1" },
                              { NK_NAME_EMAIL, 0, "a@example" } };
    const nk_peer peer = { .struct_size = sizeof(peer),
                           .role = NK_PEER_IS_SERVER,
                           .target = "a.example",
                           .names = names,
                           .names_len = ARRAY_LEN(names),
                           .common_name = "node a",
                           .leaf_sha256 = { 0xab, 0x01, 0xff },
                           .spki_sha256 = { 0xcd, 0x02, 0xfe } };
    const nk_verdict verdict = {
        .decision = NK_DENY, .rule = "stolen", .reason = "denied", .detail = "rule stolen matches"
    };
    const struct audit_entry entry = { .peer = &peer,
                                       .role = NK_PEER_IS_SERVER,
                                       .occasion = "handshake",
                                       .verdict = &verdict,
                                       .candidate = "",
                                       .note = "no CRL of intermediate",
                                       .generation = 7,
                                       .policy_digest = "feed" };
    audit_write(audit, &entry);
    char *text = text_of(path);
    assert_string_equal(
        text,
        TIME "\"occasion\":\"handshake\",\"direction\":\"outbound\",\"role\":\"server\","
             "\"verdict\":\"deny\",\"rule\":\"stolen\",\"reason\":\"denied\","
             "\"detail\":\"rule stolen matches\",\"fingerprint\":\"ab01ff" ZEROS "\","
             "\"spki\":\"cd02fe" ZEROS "\",\"cn\":\"node a\",\"names\":["
             "{\"kind\":\"uri\",\"name\":\"" A "\"},{\"kind\":\"dns\",\"name\":\"a.example\"},"
             "{\"kind\":\"ip\",\"name\":\"10.0.0.1\"},"
             "{\"kind\":\"email\",\"name\":\"a@example\"}],\"names_omitted\":0,"
             "\"target\":\"a.example\",\"candidate\":\"\",\"note\":\"no CRL of intermediate\","
             "\"generation\":7,\"policy\":\"feed\",\"held_back\":0,\"held_back_others\":0,"
             "\"lost\":0}\n");
    free(text);
}

static void what_is_absent_is_null(void **state)
{
    (void)state;
    const nk_verdict verdict = { .decision = NK_ALLOW };
    const struct audit_entry entry = { .role = NK_PEER_IS_CLIENT,
                                       .occasion = "rpc",
                                       .verdict = &verdict };
    audit_write(audit, &entry);
    char *text = text_of(path);
    assert_string_equal(text, TIME
                        "\"occasion\":\"rpc\",\"direction\":\"inbound\",\"role\":\"client\","
                        "\"verdict\":\"allow\",\"rule\":null,\"reason\":null,\"detail\":null,"
                        "\"fingerprint\":null,\"spki\":null,\"cn\":null,\"names\":null,"
                        "\"names_omitted\":0,\"target\":null,\"candidate\":null,\"note\":null,"
                        "\"generation\":0,\"policy\":null,\"held_back\":0,\"held_back_others\":0,"
                        "\"lost\":0}\n");
    free(text);
}

static void an_unwritten_verdict_is_a_refusal(void **state)
{
    (void)state;
    write_line(1, 77);
    json_t *line = last_line();
    assert_string_equal(json_string_value(json_object_get(line, "verdict")), "deny");
    json_decref(line);
}

/* --- hostile texts --- */

/* Each stands in every text of the entry at once. */
static const struct hostile {
    const char *name;
    const char *text;
    const char *want; /* NULL: the same */
} hostiles[] = {
    { "text: quotes and backslashes", "\",\"verdict\":\"allow\\\"", NULL },
    { "text: a newline begins no line", "a\n{\"verdict\":\"allow\"}", NULL },
    { "text: terminal escapes", "\033[2J\x7f\b", NULL },
    { "text: UTF-8", "caf\xc3\xa9 \xe2\x80\xae", NULL },
    { "text: a cut UTF-8 character", "caf\xc3", "caf?" },
    { "text: Latin-1", "caf\xe9", "caf?" },
    { "text: an overlong NUL", "a\xc0\x80", "a??" },
    { "text: a surrogate", "\xed\xa0\x80", "???" },
};

static void check_hostile(void **state)
{
    const struct hostile *row = *state;
    const char *want = row->want != NULL ? row->want : row->text;
    const nk_name name = { NK_NAME_URI, 0, row->text };
    const nk_peer peer = {
        .names = &name, .names_len = 1, .common_name = row->text, .target = row->text
    };
    nk_verdict verdict = { .decision = NK_DENY };
    snprintf(verdict.rule, sizeof(verdict.rule), "%s", row->text);
    snprintf(verdict.reason, sizeof(verdict.reason), "%s", row->text);
    snprintf(verdict.detail, sizeof(verdict.detail), "%s", row->text);
    audit_write(audit, &(struct audit_entry){ &peer, NK_PEER_IS_CLIENT, row->text, &verdict,
                                              row->text, row->text, 1, row->text });
    assert_int_equal(count_lines(path), 1);
    json_t *line = last_line();
    static const char *const members[] = { "occasion", "rule",      "reason", "detail", "cn",
                                           "target",   "candidate", "note",   "policy" };
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        assert_string_equal(json_string_value(json_object_get(line, members[i])), want);
    }
    const json_t *names = json_object_get(line, "names");
    assert_string_equal(json_string_value(json_object_get(json_array_get(names, 0), "name")), want);
    json_decref(line);

    char *text = text_of(path);
    for (const char *byte = text; *byte != '\0'; byte++) {
        assert_true((unsigned char)*byte < 0x80);
    }
    free(text);
}

/* Names that take the most room when escaped, and as many as a peer can have. */
static void a_line_is_bounded_and_says_what_it_omits(void **state)
{
    (void)state;
    char *longest = malloc(LONG_BYTES + 1);
    memset(longest, '\\', LONG_BYTES);
    longest[LONG_BYTES] = '\0';
    nk_name names[PEER_NAMES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        names[i] = (nk_name){ NK_NAME_URI, 0, longest };
    }
    const nk_peer peer = {
        .names = names, .names_len = ARRAY_LEN(names), .common_name = longest, .target = longest
    };
    nk_verdict verdict;
    memset(&verdict, '\001', sizeof(verdict)); /* by a hook that ends no text */
    audit_write(audit, &(struct audit_entry){ &peer, NK_PEER_IS_SERVER, longest, &verdict, longest,
                                              longest, UINT64_MAX, longest });
    json_t *line = last_line();
    const json_t *kept = json_object_get(line, "names");
    assert_in_range(json_array_size(kept), 1, PEER_NAMES_MAX - 1);
    assert_int_equal((size_t)json_integer_value(json_object_get(line, "names_omitted")),
                     PEER_NAMES_MAX - json_array_size(kept));
    const json_t *first = json_array_get(kept, 0);
    assert_int_equal(json_string_length(json_object_get(first, "name")), 1024);
    assert_int_equal(json_integer_value(json_object_get(first, "cut_from")), LONG_BYTES);
    const char *target = json_string_value(json_object_get(line, "target"));
    assert_int_equal(strlen(target), 512);
    assert_string_equal(target + 509, "...");
    json_decref(line);
    free(longest);
}

static void sixty_four_ordinary_names_are_all_told(void **state)
{
    (void)state;
    nk_name names[PEER_NAMES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        names[i] = (nk_name){ NK_NAME_URI, 0, "spiffe://fed.example/site/north/node/a" };
    }
    const nk_peer peer = { .names = names, .names_len = ARRAY_LEN(names), .common_name = "" };
    const nk_verdict verdict = { .decision = NK_ALLOW };
    audit_write(audit, &(struct audit_entry){ .peer = &peer,
                                              .role = NK_PEER_IS_CLIENT,
                                              .occasion = "handshake",
                                              .verdict = &verdict });
    json_t *line = last_line();
    assert_int_equal(json_array_size(json_object_get(line, "names")), PEER_NAMES_MAX);
    json_decref(line);
    last_line_says("names_omitted", 0);
}

/* --- shares --- */

static void lines_over_the_share_are_counted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PER_PEER + 3; i++) {
        write_line(1, NK_ALLOW);
    }
    assert_int_equal(count_lines(path), PER_PEER);
    assert_int_equal(disk.calls, PER_PEER); /* and each was one write */
    write_line(1, NK_DENY);
    last_line_says("held_back", 3);
    now_seconds += MINUTE;
    write_line(1, NK_DENY);
    last_line_says("held_back", 0);
}

static void unreadable_peers_share(void **state)
{
    (void)state;
    const nk_verdict verdict = { .decision = NK_DENY };
    for (unsigned i = 0; i < PER_PEER + 3; i++) {
        audit_write(audit, &(struct audit_entry){ .role = NK_PEER_IS_CLIENT,
                                                  .occasion = "handshake",
                                                  .verdict = &verdict });
    }
    assert_int_equal(count_lines(path), PER_PEER);
}

static void close_tells_the_rest(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PER_PEER + 3; i++) {
        write_line(1, NK_ALLOW);
    }
    disk.failures = 1;
    disk.error = EIO;
    write_line(2, NK_ALLOW);
    audit_close(audit);
    audit = NULL;
    json_t *line = last_line();
    assert_string_equal(json_string_value(json_object_get(line, "occasion")), "close");
    assert_true(json_is_null(json_object_get(line, "verdict")));
    assert_int_equal(json_integer_value(json_object_get(line, "held_back_others")), 3);
    assert_int_equal(json_integer_value(json_object_get(line, "lost")), 1);
    json_decref(line);
}

static void close_adds_nothing_when_all_is_told(void **state)
{
    (void)state;
    write_line(1, NK_ALLOW);
    audit_close(audit);
    audit = NULL;
    assert_int_equal(count_lines(path), 1);
}

/* --- the file --- */

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

/* --- the fixture --- */

static int set_up(void **state)
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

static int tear_down(void **state)
{
    (void)state;
    audit_close(audit);
    audit = NULL;
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest others[] = {
        TEST(a_line_tells_everything_in_order),
        TEST(what_is_absent_is_null),
        TEST(an_unwritten_verdict_is_a_refusal),
        TEST(a_line_is_bounded_and_says_what_it_omits),
        TEST(sixty_four_ordinary_names_are_all_told),
        TEST(lines_over_the_share_are_counted),
        TEST(unreadable_peers_share),
        TEST(close_tells_the_rest),
        TEST(close_adds_nothing_when_all_is_told),
        TEST(a_share_of_nothing_is_refused),
        TEST(the_file_is_made_for_us_alone),
        TEST(lines_are_appended),
        TEST(a_piece_of_a_line_left_by_others_spoils_none),
        TEST(a_renamed_file_is_opened_anew),
        TEST(a_file_put_in_its_place_is_followed),
        TEST(a_link_put_in_its_place_is_not_followed),
        TEST(failures_are_counted_and_logged_once_a_minute),
        TEST(a_lost_change_of_verdict_is_written_next),
        TEST(a_line_cut_off_spoils_no_other),
        TEST(a_newline_alone_ends_the_piece),
        TEST(a_line_without_its_newline_is_whole),
        TEST(a_signal_loses_nothing),
        TEST(the_log_may_come_back_to_us),
        TEST(threads_write_whole_lines),
    };
    struct CMUnitTest tests[ARRAY_LEN(hostiles) + ARRAY_LEN(files) + ARRAY_LEN(others)] = { 0 };
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(hostiles); i++) {
        tests[len++] = (struct CMUnitTest){ hostiles[i].name, check_hostile, set_up, tear_down,
                                            (void *)&hostiles[i] };
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        tests[len++] =
            (struct CMUnitTest){ files[i].name, check_file, set_up, tear_down, (void *)&files[i] };
    }
    memcpy(tests + len, others, sizeof(others));
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
