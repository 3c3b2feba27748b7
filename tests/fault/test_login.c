/* SPDX-License-Identifier: Apache-2.0
 * Logging in over restarts: each attempt is a process of its own, as a supervisor starts a node
 * again and again. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault/login_scene.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"

#define RESTARTS 20

static const char *self;

struct start {
    int status;
    unsigned long logins;
    char text[NK_ERROR_TEXT_BYTES];
};

/* start MODULE URI PIN_PATH STATE_DIR: prints the status, the C_Logins and the text. */
static int start_main(char **argv)
{
    struct identity mine = { .uri = argv[3],
                             .pin_path = argv[4],
                             .state_dir = argv[5][0] != '\0' ? argv[5] : NULL,
                             .public_key = software_key("P-256") };
    struct hsm_key *key = NULL;
    nk_error err;
    rig_start(argv[2]);
    nk_status status = identity_open(&mine, &key, &err);
    printf("%d %lu %s\n", (int)status, (unsigned long)faulty_count()->login, err.text);
    EVP_PKEY_free(mine.public_key);
    return 0;
}

static struct start start_node(void)
{
    const char *const argv[] = {
        self,         "start",           faulty_path(),
        identity.uri, identity.pin_path, identity.state_dir != NULL ? identity.state_dir : "",
        NULL
    };
    const struct process process = { .argv = argv };
    struct process_end end = process_run(&process);
    struct start start = { .status = -1 };
    assert_int_equal(end.status, 0);
    assert_true(sscanf(end.out, "%d %lu %511[^\n]", &start.status, &start.logins, start.text) >= 2);
    free(end.out);
    assert_null(strstr(start.text, WRONG_PIN));
    return start;
}

/* The key is not the child's, so a login that succeeds is told by what fails after it. */
static void assert_logged_in(const struct start *start)
{
    if (start->logins != 1 || strstr(start->text, "does not match") == NULL) {
        fail_msg("%lu logins, %d: %s", start->logins, start->status, start->text);
    }
}

static void assert_not_sent(const struct start *start, const char *piece)
{
    if (start->logins != 0 || start->status == NK_OK || strstr(start->text, piece) == NULL) {
        fail_msg("%lu logins, %d: %s", start->logins, start->status, start->text);
    }
}

static void read_marks(char *text, size_t room)
{
    FILE *file = fopen(marks_path(), "re");
    assert_non_null(file);
    text[fread(text, 1, room - 1, file)] = '\0';
    fclose(file);
}

static void refuse_once(void)
{
    identity_set_pin(&identity, WRONG_PIN);
    struct start first = start_node();
    if (first.status != NK_E_PIN || first.logins != 1 ||
        strstr(first.text, "it will not be sent again") == NULL) {
        fail_msg("%lu logins, %d: %s", first.logins, first.status, first.text);
    }
}

static void twenty_restarts_send_a_wrong_pin_once(void **state)
{
    (void)state;
    unsigned long sent = 0;
    identity_set_pin(&identity, WRONG_PIN);
    for (int i = 0; i < RESTARTS; i++) {
        struct start start = start_node();
        assert_int_equal(start.status, NK_E_PIN);
        sent += start.logins;
    }
    assert_int_equal(sent, 1);
}

static void without_a_state_dir_each_restart_sends_it(void **state)
{
    (void)state; /* so the count above is the file's doing */
    identity.state_dir = NULL;
    refuse_once();
    refuse_once();
}

static void the_right_pin_works_after_a_wrong_one(void **state)
{
    (void)state;
    refuse_once();
    identity_set_pin(&identity, SOFTHSM_PIN);
    struct start start = start_node();
    assert_logged_in(&start);
    identity_set_pin(&identity, WRONG_PIN);
    start = start_node();
    assert_not_sent(&start, "refused this PIN before");
}

static void each_wrong_pin_is_sent_once(void **state)
{
    (void)state;
    static const char *const pins[] = { "1111", "2222", "3333", "1111", "3333", "2222" };
    unsigned long sent = 0;
    for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
        identity_set_pin(&identity, pins[i]);
        sent += start_node().logins;
    }
    assert_int_equal(sent, 3);
}

static void a_good_login_leaves_nothing_behind(void **state)
{
    (void)state;
    identity_set_pin(&identity, SOFTHSM_PIN);
    struct start start = start_node();
    assert_logged_in(&start);
    assert_null(marks_path());
    assert_null(file_like(".new"));
    assert_non_null(file_like(".lock")); /* so the search finds what is there */
}

static void the_file_is_ours_and_holds_no_pin(void **state)
{
    (void)state;
    char text[8192];
    struct stat st;
    refuse_once();
    assert_int_equal(stat(marks_path(), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    read_marks(text, sizeof(text));
    assert_null(strstr(text, WRONG_PIN));
    assert_non_null(strstr(text, "scrypt"));
}

static void two_tokens_of_one_state_dir_are_told_apart(void **state)
{
    (void)state;
    const char *uri = identity.uri;
    refuse_once();
    identity.uri = "pkcs11:token=bob;object=identity";
    struct start other = start_node();
    assert_int_equal(other.logins, 1);
    other = start_node();
    assert_not_sent(&other, "refused this PIN before");
    identity.uri = uri;
}

static void *start_in_thread(void *arg)
{
    *(struct start *)arg = start_node();
    return NULL;
}

static void nodes_that_start_at_once_send_it_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct start starts[4];
    unsigned long sent = 0;
    identity_set_pin(&identity, WRONG_PIN);
    faulty_set("login_ms=200"); /* all are there before the first refusal */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, start_in_thread, &starts[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        /* On a machine that is busy, one may wait for the others for longer than it may. */
        if (starts[i].status != NK_E_PIN && strstr(starts[i].text, "another process") == NULL) {
            fail_msg("%d: %s", starts[i].status, starts[i].text);
        }
        sent += starts[i].logins;
    }
    assert_int_equal(sent, 1);
}

static void an_error_that_is_not_the_pins_is_not_held_against_it(void **state)
{
    (void)state;
    identity_set_pin(&identity, SOFTHSM_PIN);
    faulty_set("login_error=0x30\n");
    assert_int_equal(start_node().status, NK_E_TOKEN);
    assert_null(marks_path());
    faulty_set("login_error=0xa4\n"); /* locked: the next process may send it, once unlocked */
    assert_int_equal(start_node().status, NK_E_PIN);
    faulty_set("");
    struct start start = start_node();
    assert_logged_in(&start);
}

/* --- files that are not as we left them --- */

static void flip(char *text)
{
    char *digit = strstr(text, "pin ") + 10;
    *digit = *digit == 'a' ? 'b' : 'a';
}

static void drop_a_mark(char *text)
{
    char *line = strstr(text, "pin ");
    char *next = strchr(line, '\n') + 1;
    memmove(line, next, strlen(next) + 1);
}

static void cut(char *text)
{
    *strstr(text, "sum ") = '\0';
}

static void empty(char *text)
{
    text[0] = '\0';
}

static void append(char *text)
{
    strcat(text, "\n");
}

static void junk(char *text)
{
    strcpy(text, "{}");
}

static void newer(char *text)
{
    text[strlen("nodekey-refused-pins ")]++;
}

static void a_damaged_file_sends_nothing_until_it_is_removed(void **state)
{
    (void)state;
    static void (*const damages[])(char *) = { flip, drop_a_mark, cut, empty, append, junk, newer };
    char whole[8192];
    refuse_once();
    read_marks(whole, sizeof(whole));
    const char *path = marks_path();
    identity_set_pin(&identity, SOFTHSM_PIN);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        char text[sizeof(whole)];
        memcpy(text, whole, sizeof(text));
        damages[i](text);
        write_file(path, text, 0600);
        struct start start = start_node();
        assert_not_sent(&start, "is damaged");
        assert_non_null(strstr(start.text, path)); /* names what to remove */
        assert_int_equal(start.status, NK_E_PIN);
    }
    assert_int_equal(unlink(path), 0);
    struct start start = start_node();
    assert_logged_in(&start);
}

static void a_file_that_others_can_reach_sends_nothing(void **state)
{
    (void)state;
    static const mode_t modes[] = { 0666, 0602, 0620, 0644, 0604 }; /* the first three held */
    refuse_once();
    identity_set_pin(&identity, SOFTHSM_PIN);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(chmod(marks_path(), modes[i]), 0);
        struct start start = start_node();
        assert_not_sent(&start, "others can read or write");
    }
}

static void a_link_in_its_place_sends_nothing(void **state)
{
    (void)state;
    refuse_once();
    const char *path = marks_path();
    const char *aside = path_of("%s/aside", identity.state_dir);
    identity_set_pin(&identity, SOFTHSM_PIN);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(symlink(aside, path), 0);
    struct start start = start_node();
    assert_not_sent(&start, "is damaged");
}

static void a_folder_that_others_can_write_sends_nothing(void **state)
{
    (void)state;
    identity_set_pin(&identity, SOFTHSM_PIN);
    assert_int_equal(chmod(identity.state_dir, 0777), 0);
    struct start start = start_node();
    assert_not_sent(&start, "state_dir");
}

static void a_folder_that_is_not_there_sends_nothing(void **state)
{
    (void)state;
    identity_set_pin(&identity, SOFTHSM_PIN);
    assert_int_equal(rmdir(identity.state_dir), 0);
    struct start start = start_node();
    assert_not_sent(&start, "state_dir");
}

static void a_state_that_cannot_be_written_sends_nothing(void **state)
{
    (void)state;
    refuse_once(); /* for the file's name */
    identity_set_pin(&identity, SOFTHSM_PIN);
    /* A folder cannot be replaced by a file, also not by root. */
    const char *in_the_way = path_of("%s.new", marks_path());
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    struct start start = start_node();
    assert_not_sent(&start, "could not be remembered");
    assert_int_equal(rmdir(in_the_way), 0);
    start = start_node();
    assert_logged_in(&start);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(twenty_restarts_send_a_wrong_pin_once, fresh_state),
        cmocka_unit_test_setup(without_a_state_dir_each_restart_sends_it, fresh_state),
        cmocka_unit_test_setup(the_right_pin_works_after_a_wrong_one, fresh_state),
        cmocka_unit_test_setup(each_wrong_pin_is_sent_once, fresh_state),
        cmocka_unit_test_setup(a_good_login_leaves_nothing_behind, fresh_state),
        cmocka_unit_test_setup(the_file_is_ours_and_holds_no_pin, fresh_state),
        cmocka_unit_test_setup(two_tokens_of_one_state_dir_are_told_apart, fresh_state),
        cmocka_unit_test_setup(nodes_that_start_at_once_send_it_once, fresh_state),
        cmocka_unit_test_setup(an_error_that_is_not_the_pins_is_not_held_against_it, fresh_state),
        cmocka_unit_test_setup(a_damaged_file_sends_nothing_until_it_is_removed, fresh_state),
        cmocka_unit_test_setup(a_file_that_others_can_reach_sends_nothing, fresh_state),
        cmocka_unit_test_setup(a_link_in_its_place_sends_nothing, fresh_state),
        cmocka_unit_test_setup(a_folder_that_others_can_write_sends_nothing, fresh_state),
        cmocka_unit_test_setup(a_folder_that_is_not_there_sends_nothing, fresh_state),
        cmocka_unit_test_setup(a_state_that_cannot_be_written_sends_nothing, fresh_state),
    };
    if (argc == 6 && strcmp(argv[1], "start") == 0) {
        return start_main(argv);
    }
    self = argv[0];
    return cmocka_run_group_tests_name("login over restarts", tests, login_set_up, login_tear_down);
}
