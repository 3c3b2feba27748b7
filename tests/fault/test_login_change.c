/* SPDX-License-Identifier: Apache-2.0
 * Starts after a change of the PIN that was interrupted, each a process of its own: what lies in
 * FILE and FILE.next, how often which PIN reaches the token, and what lies there then. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path_terms.h"
#include "fault/login_scene.h"
#include "fixtures/authority.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define OTHER_PIN "2468-larch"

/* --- a start --- */

static const char *never_renamed; /* files to be whose name ends so; NULL: none */

int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    if (never_renamed != NULL && strstr(to, never_renamed) != NULL) {
        errno = EROFS;
        return -1;
    }
    return __real_renameat(from_folder, from, to_folder, to);
}

struct start {
    nk_status status;
    nk_status again; /* of a second open in the same process */
    unsigned long logins;
    unsigned long failed;
    char text[NK_ERROR_TEXT_BYTES];
    char warning[NK_ERROR_TEXT_BYTES];
};

static void keep_warning(void *data, int32_t level, const char *line)
{
    (void)level;
    snprintf(data, NK_ERROR_TEXT_BYTES, "%s", line);
}

static struct start start_here(void)
{
    struct start start = { .status = NK_E_INTERNAL };
    struct path_terms *terms = path_terms_new(false);
    const nk_host host = { .struct_size = sizeof(host),
                           .host_data = start.warning,
                           .log = keep_warning };
    struct hsm_key *keys[2] = { NULL, NULL };
    nk_error err;

    (void)path_terms_use(terms);
    rig_start(faulty_path());
    start.again = identity_open(&identity, &keys[0], &err);
    if (start.again == NK_OK) {
        start.again = identity_open(&identity, &keys[1], &err);
    }
    start.status = keys[0] != NULL ? NK_OK : start.again;
    start.logins = faulty_count()->login;
    start.failed = faulty_count()->login_failed;
    snprintf(start.text, sizeof(start.text), "%s", err.text);
    path_terms_tell(terms, &host);
    return start;
}

/* The parent has not loaded the module. */
static struct start start_node(void)
{
    struct start start = { .status = NK_E_INTERNAL };
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        start = start_here();
        _exit(write(ends[1], &start, sizeof(start)) == (ssize_t)sizeof(start) ? 0 : 1);
    }
    int status = -1;
    assert_true(child > 0);
    close(ends[1]);
    assert_int_equal(read(ends[0], &start, sizeof(start)), sizeof(start));
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_null(strstr(start.text, WRONG_PIN));
    assert_null(strstr(start.warning, SOFTHSM_PIN));
    return start;
}

/* --- rows: the token takes SOFTHSM_PIN --- */

#define RIGHT SOFTHSM_PIN

enum flaw {
    NO_FLAW,
    NO_STATE,     /* no state_dir */
    FILE_IS_NEW,  /* FILE was written after FILE.next */
    NEXT_IS_OPEN, /* to others */
    UNDER_WAY,    /* another process holds the folder */
    READ_ONLY,    /* FILE.next cannot take FILE's place */
};

static const struct row {
    const char *name;
    const char *file; /* what FILE holds */
    const char *next; /* NULL: there is no FILE.next */
    enum flaw flaw;
    const char *script;
    nk_status status;
    unsigned long logins, failed;             /* of the first start */
    unsigned long logins_again, failed_again; /* of the next one */
    bool finished;    /* FILE holds the right one then, and FILE.next is gone */
    const char *text; /* of the error; NULL: none */
    const char *warning;
} rows[] = {
    { "killed after C_SetPIN", WRONG_PIN, RIGHT, NO_FLAW, "", NK_OK, 2, 1, 1, 0, true, NULL,
      "the change is finished" },
    { "the same without state_dir", WRONG_PIN, RIGHT, NO_STATE, "", NK_OK, 2, 1, 1, 0, true, NULL,
      "the change is finished" },
    { "killed before C_SetPIN", RIGHT, WRONG_PIN, NO_FLAW, "", NK_OK, 1, 0, 1, 0, false, NULL,
      NULL },
    { "killed before C_SetPIN, and FILE was made wrong by hand", OTHER_PIN, WRONG_PIN, FILE_IS_NEW,
      "", NK_E_PIN, 1, 1, 0, 0, false, "it will not be sent again", NULL },
    { "the right one, and FILE was made wrong by hand", WRONG_PIN, RIGHT, FILE_IS_NEW, "", NK_E_PIN,
      1, 1, 0, 0, false, "it will not be sent again", NULL },
    { "no change was made", WRONG_PIN, NULL, NO_FLAW, "", NK_E_PIN, 1, 1, 0, 0, false,
      "it will not be sent again", NULL },
    { "the token is on its last try", WRONG_PIN, RIGHT, NO_FLAW, "last_try=1\n", NK_E_PIN, 1, 1, 0,
      0, false, "one wrong PIN more locks it", NULL },
    { "the token was on its last try before", WRONG_PIN, RIGHT, NO_FLAW, "flags=final_try\n",
      NK_E_PIN, 0, 0, 0, 0, false, "one wrong PIN more locks it", NULL },
    { "the token is locked", WRONG_PIN, RIGHT, NO_FLAW, "login_error=0xa4\n", NK_E_PIN, 1, 1, 1, 1,
      false, "is locked", NULL },
    { "both are wrong, for the token was changed by others", WRONG_PIN, OTHER_PIN, NO_FLAW, "",
      NK_E_PIN, 2, 2, 0, 0, false, "the PIN of its .next file", NULL },
    { "FILE.next is open to others", WRONG_PIN, RIGHT, NEXT_IS_OPEN, "", NK_E_PIN, 1, 1, 0, 0,
      false, "it will not be sent again", NULL },
    { "FILE.next is FILE", WRONG_PIN, WRONG_PIN, NO_FLAW, "", NK_E_PIN, 1, 1, 0, 0, false,
      "it will not be sent again", NULL },
    { "a change is under way", WRONG_PIN, RIGHT, UNDER_WAY, "", NK_OK, 2, 1, 1, 0, false, NULL,
      NULL },
    { "the folder is read-only", WRONG_PIN, RIGHT, READ_ONLY, "", NK_OK, 2, 1, 1, 0, false, NULL,
      "rename the first to the second" },
    { "the token fails at the second login", WRONG_PIN, RIGHT, NO_FLAW,
      "login_error=0x30\nlogin_error_at=2\n", NK_OK, 3, 2, 1, 0, true, NULL,
      "the change is finished" },
};

static void lay_files(const struct row *row)
{
    const char *next = path_of("%s.next", identity.pin_path);

    (void)unlink(next);
    identity_set_pin(&identity, row->file);
    if (row->next != NULL) {
        identity_set_next(&identity, row->next);
    }
    if (row->flaw == FILE_IS_NEW) {
        identity_set_pin(&identity, row->file);
    }
    if (row->flaw == NEXT_IS_OPEN) {
        assert_int_equal(chmod(next, 0644), 0);
    }
}

static void check_start(const struct row *row, unsigned long logins, unsigned long failed,
                        const char *text, const char *warning)
{
    struct start start = start_node();
    if (start.status != row->status || start.again != row->status || start.logins != logins ||
        start.failed != failed || (text != NULL && strstr(start.text, text) == NULL) ||
        (warning != NULL ? strstr(start.warning, warning) == NULL : start.warning[0] != '\0')) {
        fail_msg("%d, then %d, %lu logins, %lu refused\n%s\n%s", (int)start.status,
                 (int)start.again, start.logins, start.failed, start.text, start.warning);
    }
}

static void check_files(const struct row *row)
{
    char found[64] = "";
    const char *held = row->finished ? RIGHT : row->file;
    FILE *file = fopen(identity.pin_path, "re");
    assert_non_null(file);
    assert_true(fread(found, 1, sizeof(found) - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(found, held);
    assert_int_equal(access(path_of("%s.next", identity.pin_path), F_OK),
                     row->next == NULL || row->finished ? -1 : 0);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    int folder = open(scratch_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool warns_again = row->flaw == READ_ONLY;

    lay_files(row);
    faulty_set(row->script);
    identity.state_dir = row->flaw == NO_STATE ? NULL : identity.state_dir;
    never_renamed = row->flaw == READ_ONLY ? ".pin" : NULL;
    assert_int_equal(row->flaw == UNDER_WAY ? flock(folder, LOCK_EX) : 0, 0);
    check_start(row, row->logins, row->failed, row->text, row->warning);
    check_start(row, row->logins_again, row->failed_again, NULL, warns_again ? row->warning : NULL);
    check_files(row);
    close(folder);
    never_renamed = NULL;
    faulty_set(""); /* the right PIN takes back what the wrong ones counted */
    identity_set_pin(&identity, RIGHT);
    assert_int_equal(start_node().status, NK_OK);
}

int main(void)
{
    rows_each(fresh_state, NULL);
    ROWS_OF(rows, check_row)
    return ROWS_RUN("fault_login_change", login_set_up, login_tear_down);
}
