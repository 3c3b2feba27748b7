/* SPDX-License-Identifier: Apache-2.0
 * Logging in over restarts: each attempt is a process of its own, as a supervisor starts a node
 * again and again, and the faulty token counts the C_Logins that reach it. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define RESTARTS 20
#define WRONG_PIN "1357-poplar"

static const char *self;
static struct identity identity;

/* --- one start of a node --- */

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
        self,         "start",           FAULTY_TOKEN,
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

/* --- what lies in state_dir --- */

/* Of the one file there whose name ends so, or NULL. */
static const char *file_like(const char *end)
{
    FILE *list = popen(path_of("ls %s/refused-pins-*%s 2>/dev/null", identity.state_dir, end), "r");
    char path[256] = "";
    bool found = fgets(path, sizeof(path), list) != NULL;
    pclose(list);
    path[strcspn(path, "\n")] = '\0';
    return found ? path_of("%s", path) : NULL;
}

static const char *marks_path(void)
{
    return file_like("[0-9A-F]");
}

static void read_marks(char *text, size_t room)
{
    FILE *file = fopen(marks_path(), "re");
    assert_non_null(file);
    text[fread(text, 1, room - 1, file)] = '\0';
    fclose(file);
}

static int fresh_state(void **state)
{
    static unsigned number;
    (void)state;
    identity.state_dir = path_of("%s/state-%u", scratch_folder(), number++);
    faulty_set("");
    return mkdir(identity.state_dir, 0700);
}

static int fresh_right(void **state)
{
    identity_set_pin(&identity, SOFTHSM_PIN);
    return fresh_state(state);
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

/* --- tests --- */

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
        assert_int_equal(starts[i].status, NK_E_PIN);
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

static void a_file_that_others_can_write_sends_nothing(void **state)
{
    (void)state;
    refuse_once();
    identity_set_pin(&identity, SOFTHSM_PIN);
    assert_int_equal(chmod(marks_path(), 0666), 0);
    struct start start = start_node();
    assert_not_sent(&start, "others can write");
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

/* --- within one process --- */

static void a_pin_that_works_survives_the_loss_of_the_state_dir(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err;
    struct recorder *log_lines = rig_start(FAULTY_TOKEN);
    identity_set_pin(&identity, SOFTHSM_PIN);
    if (identity_open(&identity, &key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    EVP_PKEY *loaded = rig_load(key);
    assert_true(rig_signs(loaded, &identity));
    assert_int_equal(chmod(identity.state_dir, 0777), 0);
    unsigned long sent = faulty_count()->login;
    faulty_set("sign_error=0x30\nsign_error_at=1\n"); /* mended by C_Finalize only */
    if (!rig_signs(loaded, &identity)) {
        fail_msg("%s", recorder_has(log_lines, "state_dir") ? "state_dir" : "no signature");
    }
    assert_int_equal(faulty_count()->login, sent + 1);
    /* Another PIN has not proven itself. */
    identity_set_pin(&identity, WRONG_PIN);
    faulty_set("sign_error=0x30\nsign_error_at=1\n\n");
    assert_false(rig_signs(loaded, &identity));
    assert_int_equal(faulty_count()->login, sent + 1);
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

static struct hsm_key *open_key(const struct identity *mine)
{
    struct hsm_key *key = NULL;
    nk_error err;
    if (identity_open(mine, &key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    return key;
}

static void assert_signs(const struct hsm_key *key, const struct identity *mine)
{
    EVP_PKEY *loaded = rig_load(key);
    assert_non_null(loaded);
    assert_true(rig_signs(loaded, mine));
    EVP_PKEY_free(loaded);
}

static void assert_refused(const struct identity *mine, const char *piece)
{
    struct hsm_key *key = NULL;
    nk_error err;
    assert_int_equal(identity_open(mine, &key, &err), NK_E_PIN);
    if (strstr(err.text, piece) == NULL) {
        fail_msg("%s", err.text);
    }
}

/* --- a PIN pad --- */

static void a_pin_pad_is_asked_at_each_login(void **state)
{
    (void)state;
    struct identity mine = identity;
    mine.protected = true;
    setenv("FAULTY_PAD", SOFTHSM_PIN, 1);
    faulty_set("flags=pin_pad");
    unsigned long sent = faulty_count()->login;
    unsigned long typed = faulty_count()->pad_login;
    struct hsm_key *key = open_key(&mine);
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->pad_login, typed + 1);
    faulty_set("flags=pin_pad\nsign_error=0x30\nsign_error_at=1\n");
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->pad_login, typed + 2);
    assert_int_equal(faulty_count()->login, sent + 2);
    assert_null(marks_path());
    rig_shut(key);
}

static void a_wrong_pin_at_the_pad_is_asked_for_once(void **state)
{
    (void)state;
    struct identity mine = identity;
    mine.protected = true;
    mine.uri = "pkcs11:token=bob;object=identity";
    setenv("FAULTY_PAD", WRONG_PIN, 1);
    faulty_set("flags=pin_pad");
    unsigned long typed = faulty_count()->pad_login;
    assert_refused(&mine, "typed at it");
    assert_refused(&mine, "refused this PIN before");
    assert_int_equal(faulty_count()->pad_login, typed + 1);
    assert_null(marks_path()); /* the next start may ask the person again */
}

static void a_token_without_a_pad_is_not_asked(void **state)
{
    (void)state;
    struct identity mine = identity;
    mine.protected = true;
    setenv("FAULTY_PAD", SOFTHSM_PIN, 1);
    unsigned long sent = faulty_count()->login;
    assert_refused(&mine, "no PIN pad");
    assert_int_equal(faulty_count()->login, sent);
}

/* --- keys and tokens with a login of another kind --- */

struct kind {
    CK_BBOOL private;
    CK_BBOOL always_authenticate;
};

static struct identity generate(const char *label, struct kind kind)
{
    static unsigned char p256[] = "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    CK_BBOOL yes = CK_TRUE;
    CK_BYTE id = 7;
    CK_MECHANISM mechanism = { .mechanism = CKM_EC_KEY_PAIR_GEN };
    CK_ATTRIBUTE public_key[] = {
        { CKA_TOKEN, &yes, 1 },  { CKA_ID, &id, 1 },          { CKA_LABEL, "made", 4 },
        { CKA_VERIFY, &yes, 1 }, { CKA_EC_PARAMS, p256, 10 },
    };
    CK_ATTRIBUTE private_key[] = {
        { CKA_TOKEN, &yes, 1 },
        { CKA_ID, &id, 1 },
        { CKA_LABEL, "made", 4 },
        { CKA_SIGN, &yes, 1 },
        { CKA_SENSITIVE, &yes, 1 },
        { CKA_PRIVATE, &kind.private, 1 },
        { CKA_ALWAYS_AUTHENTICATE, &kind.always_authenticate, 1 },
    };
    CK_OBJECT_HANDLE handles[2];
    softhsm_token(label);
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    assert_int_equal(softhsm->C_Finalize(NULL), CKR_OK); /* to see the new token */
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    assert_int_equal(softhsm->C_Initialize(&args), CKR_OK);
    CK_SESSION_HANDLE session = rig_session(softhsm, label, CKF_RW_SESSION);
    assert_int_equal(
        softhsm->C_Login(session, CKU_USER, (CK_UTF8CHAR *)SOFTHSM_PIN, strlen(SOFTHSM_PIN)),
        CKR_OK);
    assert_int_equal(softhsm->C_GenerateKeyPair(session, &mechanism, public_key, 5, private_key, 7,
                                                &handles[0], &handles[1]),
                     CKR_OK);
    assert_int_equal(softhsm->C_Logout(session), CKR_OK);
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
    struct identity made = { .label = label,
                             .uri = path_of("pkcs11:token=%s;object=made", label),
                             .pin_path = path_of("%s/%s.pin", scratch_folder(), label),
                             .public_key = softhsm_public_key(label, "made", "07"),
                             .state_dir = identity.state_dir };
    identity_set_pin(&made, SOFTHSM_PIN);
    return made;
}

static void a_token_that_needs_no_login_gets_none(void **state)
{
    (void)state;
    struct identity mine = generate("dora", (struct kind){ .private = CK_FALSE });
    faulty_set("no_login=1");
    unsigned long sent = faulty_count()->login;
    struct hsm_key *key = open_key(&mine);
    assert_signs(key, &mine);
    faulty_set("no_login=1\nsign_error=0x30\nsign_error_at=1\n");
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->login, sent);
    rig_shut(key);
    identity_free(&mine);
}

static void a_key_that_wants_the_pin_each_time_gets_it_by_deadline(void **state)
{
    (void)state;
    struct identity mine = generate("gina", (struct kind){ CK_TRUE, CK_TRUE });
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = 30000 });
    struct hsm_key *key = open_key(&mine);
    EVP_PKEY *inbound = rig_load_inbound(key);
    unsigned long contexts = faulty_count()->context_login;
    assert_signs(key, &mine);
    assert_true(rig_signs(inbound, &mine));
    assert_int_equal(faulty_count()->context_login, contexts + 2);
    EVP_PKEY_free(inbound);
    rig_shut(key);
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = 0 });
    identity_free(&mine);
}

static void a_key_that_wants_the_pin_each_time_gets_it(void **state)
{
    (void)state;
    struct identity mine = generate("carol", (struct kind){ CK_TRUE, CK_TRUE });
    unsigned long sent = faulty_count()->login;
    unsigned long contexts = faulty_count()->context_login;
    struct hsm_key *key = open_key(&mine);
    assert_int_equal(faulty_count()->context_login, contexts + 1); /* the test signature */
    for (int i = 0; i < 5; i++) {
        assert_signs(key, &mine);
    }
    assert_int_equal(faulty_count()->context_login, contexts + 6);
    assert_int_equal(faulty_count()->login, sent + 7); /* and one for the session */
    /* Refused in between: it may have been changed, and each try counts on the token. */
    faulty_set("login_error=0xa0");
    EVP_PKEY *loaded = rig_load(key);
    unsigned long failed = faulty_count()->login_failed;
    assert_false(rig_signs(loaded, &mine));
    assert_false(rig_signs(loaded, &mine));
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    assert_non_null(marks_path());
    EVP_PKEY_free(loaded);
    rig_shut(key);
    identity_free(&mine);
}

/* --- a PIN that is changed on the token --- */

#define SIGNERS 8
#define SIGNATURES_EACH 3

struct signer {
    pthread_t thread;
    const struct hsm_key *key;
    const struct identity *identity;
    unsigned signatures;
};

static void *sign_often(void *arg)
{
    struct signer *signer = arg;
    EVP_PKEY *loaded = rig_load(signer->key);
    for (int i = 0; i < SIGNATURES_EACH; i++) {
        signer->signatures += rig_signs(loaded, signer->identity) ? 1 : 0;
    }
    EVP_PKEY_free(loaded);
    return NULL;
}

static unsigned all_sign(const struct hsm_key *key, const struct identity *mine)
{
    struct signer signers[SIGNERS];
    unsigned signatures = 0;
    for (int i = 0; i < SIGNERS; i++) {
        signers[i] = (struct signer){ .key = key, .identity = mine };
        assert_int_equal(pthread_create(&signers[i].thread, NULL, sign_often, &signers[i]), 0);
    }
    for (int i = 0; i < SIGNERS; i++) {
        pthread_join(signers[i].thread, NULL);
        signatures += signers[i].signatures;
    }
    return signatures;
}

static void change_pin(const char *label, const char *from, const char *to)
{
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, label, CKF_RW_SESSION);
    assert_int_equal(softhsm->C_SetPIN(session, (CK_UTF8CHAR *)(uintptr_t)from, strlen(from),
                                       (CK_UTF8CHAR *)(uintptr_t)to, strlen(to)),
                     CKR_OK);
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
}

/* Run in both modes, for the login of each signature. Refused once; then it is not sent, also not
 * after the module has started anew; and when the file has the new PIN, no restart is needed. */
static void a_pin_changed_on_the_token_is_refused_once(void **state)
{
    const struct rig_terms *mode = *state;
    const char *label = mode->sign_timeout_ms > 0 ? "ivan" : "hana";
    static const char again[] = "sign_init_error=0x30\nsign_init_error_at=1\n";
    struct identity mine = generate(label, (struct kind){ CK_TRUE, CK_TRUE });
    rig_set_terms(mode);
    struct hsm_key *key = open_key(&mine);
    assert_int_equal(all_sign(key, &mine), SIGNERS * SIGNATURES_EACH);
    unsigned long failed = faulty_count()->login_failed;
    change_pin(label, SOFTHSM_PIN, WRONG_PIN); /* now ours is the wrong one */
    assert_int_equal(all_sign(key, &mine), 0);
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    faulty_set(again);
    assert_int_equal(all_sign(key, &mine), 0);
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    identity_set_pin(&mine, WRONG_PIN);
    faulty_set("");
    for (int i = 0; i < 300 && all_sign(key, &mine) == 0; i++) { /* a breaker may be open */
        usleep(100000);
    }
    assert_int_equal(all_sign(key, &mine), SIGNERS * SIGNATURES_EACH);
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    rig_shut(key);
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = 0 });
    identity_free(&mine);
}

/* --- an application that has logged in itself --- */

static void a_login_of_the_application_is_used_and_left(void **state)
{
    (void)state;
    struct identity mine = generate("erin", (struct kind){ .private = CK_TRUE });
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, "erin", 0);
    CK_SESSION_INFO info;
    assert_int_equal(
        softhsm->C_Login(session, CKU_USER, (CK_UTF8CHAR *)SOFTHSM_PIN, strlen(SOFTHSM_PIN)),
        CKR_OK);
    unsigned long sent = faulty_count()->login;
    struct hsm_key *key = open_key(&mine);
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->login, sent);
    rig_shut(key);
    assert_int_equal(softhsm->C_GetSessionInfo(session, &info), CKR_OK);
    assert_int_equal(info.state, CKS_RO_USER_FUNCTIONS); /* not ours to end */
    key = open_key(&mine);
    assert_int_equal(softhsm->C_Logout(session), CKR_OK);
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->login, sent + 1);
    rig_shut(key);
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
    identity_free(&mine);
}

static int start_all(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("alice");
    softhsm_token("bob");
    faulty_start();
    identity = identity_make("alice", "identity", "01", "P-256");
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    identity_free(&identity);
    return 0;
}

int main(int argc, char **argv)
{
    static struct rig_terms direct;
    static struct rig_terms deadline = { .sign_timeout_ms = 30000 };
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
        cmocka_unit_test_setup(a_file_that_others_can_write_sends_nothing, fresh_state),
        cmocka_unit_test_setup(a_link_in_its_place_sends_nothing, fresh_state),
        cmocka_unit_test_setup(a_folder_that_others_can_write_sends_nothing, fresh_state),
        cmocka_unit_test_setup(a_folder_that_is_not_there_sends_nothing, fresh_state),
        cmocka_unit_test_setup(a_state_that_cannot_be_written_sends_nothing, fresh_state),
        cmocka_unit_test_setup(a_pin_that_works_survives_the_loss_of_the_state_dir, fresh_state),
        cmocka_unit_test_setup(a_token_without_a_pad_is_not_asked, fresh_right),
        cmocka_unit_test_setup(a_pin_pad_is_asked_at_each_login, fresh_right),
        cmocka_unit_test_setup(a_wrong_pin_at_the_pad_is_asked_for_once, fresh_right),
        cmocka_unit_test_setup(a_token_that_needs_no_login_gets_none, fresh_right),
        cmocka_unit_test_setup(a_key_that_wants_the_pin_each_time_gets_it, fresh_right),
        cmocka_unit_test_setup(a_key_that_wants_the_pin_each_time_gets_it_by_deadline, fresh_right),
        { "a_pin_changed_on_the_token_is_refused_once: direct",
          a_pin_changed_on_the_token_is_refused_once, fresh_right, NULL, &direct },
        { "a_pin_changed_on_the_token_is_refused_once: deadline",
          a_pin_changed_on_the_token_is_refused_once, fresh_right, NULL, &deadline },
        cmocka_unit_test_setup(a_login_of_the_application_is_used_and_left, fresh_right),
    };
    if (argc == 6 && strcmp(argv[1], "start") == 0) {
        return start_main(argv);
    }
    self = argv[0];
    return cmocka_run_group_tests_name("login", tests, start_all, stop_all);
}
