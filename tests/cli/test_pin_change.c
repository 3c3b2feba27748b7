/* SPDX-License-Identifier: Apache-2.0
 * `nodekey pin --change` on a real token that counts its logins, and killed at its system calls:
 * whichever PIN the token then takes, the next start finds it, and sends no more than one wrong
 * one. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "cli/nodekey_killed.h"
#include "cli/nodekey_run.h"
#include "fixtures/authority.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/openssl_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define TEXT_BYTES 4096
#define CHANGE "pin node.json --change --new-pin-file new.pin"

static const char *log_path;
static EVP_PKEY *public_key;

static const char *file_of(const char *name)
{
    return path_of("%s/%s", scratch_folder(), name);
}

static bool is_there(const char *name)
{
    return access(file_of(name), F_OK) == 0;
}

static void write_new_pin(unsigned number)
{
    write_file(file_of("new.pin"), path_of("47-elm-%04u", number), 0600);
}

/* Owned: free. */
static char *read_text(const char *name)
{
    char *text = calloc(1, TEXT_BYTES);
    FILE *file = fopen(file_of(name), "re");
    assert_non_null(text);
    assert_non_null(file);
    text[fread(text, 1, TEXT_BYTES - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static void holds(const char *name, const char *text)
{
    char *found = read_text(name);
    assert_string_equal(found, text);
    free(found);
}

/* --- what reached the token --- */

struct sent {
    unsigned calls;    /* C_Login and C_SetPIN */
    unsigned wrong;    /* refused for the PIN */
    unsigned in_a_row; /* the most of these that followed one another */
    unsigned set;      /* C_SetPIN */
};

static void forget_sent(void)
{
    (void)unlink(log_path);
}

static struct sent read_sent(void)
{
    char line[64];
    struct sent sent = { .calls = 0 };
    unsigned row = 0;
    FILE *file = fopen(log_path, "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        bool wrong = strstr(line, "rv=0xa0") != NULL;
        row = wrong ? row + 1 : 0;
        sent.calls++;
        sent.wrong += wrong ? 1 : 0;
        sent.in_a_row = row > sent.in_a_row ? row : sent.in_a_row;
        sent.set += strncmp(line, "C_SetPIN", 8) == 0 ? 1 : 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return sent;
}

static void change_ends(int code, const char *out, const char *err)
{
    nodekey_ends(scratch_folder(), CHANGE, NULL, code, out, err);
}

/* By one command that reads the PIN for a node's token, and one that hands it on. */
static void next_start_works(bool with_state, bool hands_on)
{
    const char *config = with_state ? "node.json" : "stateless.json";

    if (hands_on) {
        nodekey_ends(scratch_folder(), path_of("csr %s --san DNS:a.example", config), NULL, 0,
                     "REQUEST", NULL);
    } else {
        nodekey_ends(scratch_folder(), path_of("tokens --login %s", config), NULL, 0, "identity",
                     NULL);
    }
}

/* --- killed --- */

static struct killed_run change_killed_at(struct killed_moment moment)
{
    static const char *const argv[] = { "nodekey",        "pin",     "node.json", "--change",
                                        "--new-pin-file", "new.pin", NULL };
    return nodekey_killed(argv, moment);
}

struct tally {
    unsigned killed;
    unsigned left_next; /* FILE.next was there */
    unsigned refused;   /* and FILE's was the wrong one by then */
};

static void survive_one(struct killed_moment moment, unsigned i, struct tally *tally)
{
    write_new_pin(i);
    forget_sent();
    struct killed_run run = change_killed_at(moment);
    assert_int_equal(read_sent().wrong, 0);
    tally->killed += run.killed ? 1 : 0;
    tally->left_next += is_there("node.pin.next") ? 1 : 0;
    next_start_works(i % 2 == 0, i % 4 < 2);
    struct sent sent = read_sent();
    assert_true(sent.wrong <= 1);
    tally->refused += sent.wrong;
    next_start_works(i % 2 == 0, i % 4 >= 2); /* what the first start has found lasts */
    change_ends(0, "token \"alpha\"", NULL);
    assert_false(is_there("node.pin.next"));
    holds("node.pin", path_of("47-elm-%04u", i));
    next_start_works(false, false);
    assert_int_equal(read_sent().wrong, sent.wrong);
    nodekey_ends(scratch_folder(), "pin node.json --reset", NULL, 0, NULL, NULL);
    char *shown = read_text("killed.out");
    assert_null(strstr(shown, "47-elm"));
    free(shown);
}

/* Runs differ by some stops, so the last tenth of a step is left out. */
static void the_next_start_works_wherever_it_was_killed(void **state)
{
    static const unsigned moments[STEPS] = { 12, 20, 20, 8 };
    struct tally tally = { .killed = 0 };
    unsigned number = 0;

    (void)state;
    nodekey_ends(scratch_folder(), "pin node.json --reset", NULL, 0, NULL, NULL);
    write_new_pin(number);
    struct killed_run whole = change_killed_at((struct killed_moment){ .stops = 0 });
    for (enum killed_step step = STEP_START; step < STEPS; step++) {
        unsigned end = step == STEP_PLACED ? whole.stops : whole.at[step + 1];
        unsigned length = end - whole.at[step];
        assert_true(end > whole.at[step]);
        for (unsigned i = 0; i < moments[step]; i++) {
            survive_one((struct killed_moment){ step, 1 + length * 9 / 10 * i / moments[step] },
                        ++number, &tally);
        }
    }
    print_message("%u moments, %u stops (FILE.next at %u, C_SetPIN ends at %u, FILE at %u): killed "
                  "%u, FILE.next left %u, and the token's PIN is in it %u\n",
                  number, whole.stops, whole.at[STEP_NEXT], whole.at[STEP_SET],
                  whole.at[STEP_PLACED], tally.killed, tally.left_next, tally.refused);
    assert_true(tally.killed >= 50);
    assert_true(tally.refused >= 10 && tally.left_next >= tally.refused + 10);
}

/* --- whole --- */

static void a_change_is_in_token_and_file(void **state)
{
    (void)state;
    struct stat before;
    struct stat after;
    assert_int_equal(chown(file_of("node.pin"), geteuid(), geteuid() == 0 ? 4 : getegid()), 0);
    assert_int_equal(stat(file_of("node.pin"), &before), 0);
    write_new_pin(900);
    forget_sent();
    change_ends(0, "its PIN is changed", NULL);
    assert_int_equal(read_sent().calls, 3); /* a login with each, and C_SetPIN */
    assert_int_equal(read_sent().set, 1);
    holds("node.pin", "47-elm-0900");
    assert_int_equal(stat(file_of("node.pin"), &after), 0);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
    assert_true(after.st_mtim.tv_sec > before.st_mtim.tv_sec ||
                after.st_mtim.tv_nsec != before.st_mtim.tv_nsec);
    change_ends(0, "it has that PIN already", NULL);
    next_start_works(true, false);
    assert_int_equal(read_sent().wrong, 0);
}

/* --- refused: nothing has changed --- */

static const struct row {
    const char *name, *arguments, *script;
    int code;
    const char *err;
} rows[] = {
    { "no terminal", "pin node.json --change", "", 1, "no terminal to ask for the new PIN" },
    { "a new PIN that others read", "pin node.json --change --new-pin-file open.pin", "", 1,
      "new PIN: open.pin can be reached by others" },
    { "no new PIN", "pin node.json --change --new-pin-file absent.pin", "", 1,
      "new PIN: open absent.pin" },
    { "a new PIN that is too short", "pin node.json --change --new-pin-file short.pin", "", 1,
      "the new PIN has 1 bytes, and this token takes 4 to 255" },
    { "a new PIN that is too long", "pin node.json --change --new-pin-file long.pin", "", 1,
      "holds more than 255 bytes" },
    { "a new PIN that was refused before", "pin node.json --change --new-pin-file wrong.pin", "", 1,
      "has refused the new PIN before" },
    { "the old PIN is wrong", "pin wrong.json --change --new-pin-file new.pin", "", 1,
      "has refused this PIN before" },
    { "a link", "pin link.json --change --new-pin-file new.pin", "", 1, "name the file itself" },
    { "a credential", "pin credential.json --change --new-pin-file new.pin", "", 1,
      "`systemd-creds encrypt --name=pin' the file" },
    { "a descriptor", "pin fd.json --change --new-pin-file new.pin 3<node.pin", "", 1,
      "a configuration with pin.prompt" },
    { "a PIN pad", "pin protected.json --change --new-pin-file new.pin", "", 1, "changed there" },
    { "one token, two files", "pin two-files.json --change --new-pin-file new.pin --role server",
      "", 1, "name one file for both" },
    { "two tokens, one file", "pin two-tokens.json --change --new-pin-file new.pin --role server",
      "", 1, "give each its own file" },
    { "with --reset", "pin node.json --change --reset", "", 2, "two commands" },
    { "a new PIN without --change", "pin node.json --new-pin-file new.pin", "", 2,
      "with --change only" },
    { "no C_SetPIN", CHANGE, "lacks=C_SetPIN\n", 1, "C_SetPIN" },
    { "a token on its last try", CHANGE, "flags=final_try\n", 1, "one wrong PIN more locks it" },
    { "a token that takes no such PIN", CHANGE, "set_pin_error=0xa1\n", 1,
      "does not take the new PIN, and has its old one: CKR_PIN_INVALID" },
    { "a token that is read-only", CHANGE, "set_pin_error=0xe2\n", 1, "has its old one" },
    { "another change is under way", "pin busy.json --change --new-pin-file new.pin", "", 1,
      "another change of it is under way" },
    { "a folder that takes no file", "pin full.json --change --new-pin-file new.pin", "", 1,
      "a file cannot be made beside" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    char *before = read_text("node.pin");
    int folder = open(file_of("busy"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(flock(folder, LOCK_EX), 0);
    write_new_pin(700);
    faulty_set(row->script);
    forget_sent();
    nodekey_ends(scratch_folder(), row->arguments, NULL, row->code, NULL, row->err);
    close(folder);
    faulty_set("");
    assert_int_equal(read_sent().wrong, 0);
    assert_false(is_there("node.pin.next"));
    holds("node.pin", before);
    free(before);
    next_start_works(true, true);
}

/* --- C_SetPIN tells nothing --- */

static const struct unsure {
    const char *name, *script;
    bool done; /* the token has the new PIN */
} unsures[] = {
    { "C_SetPIN fails, and has done nothing", "set_pin_error=0x30\n", false },
    { "C_SetPIN fails, and has done it", "set_pin_says=0x30\n", true },
};

static void what_the_token_has_is_found_out(void **state)
{
    const struct unsure *unsure = *state;
    static unsigned number = 800;

    write_new_pin(++number);
    faulty_set(unsure->script);
    change_ends(1, NULL, "does not say whether it has the old PIN or the new one");
    faulty_set("");
    assert_true(is_there("node.pin.next"));
    forget_sent();
    next_start_works(false, true);
    assert_int_equal(read_sent().wrong, unsure->done ? 1 : 0);
    assert_int_equal(is_there("node.pin.next"), !unsure->done);
    change_ends(0, unsure->done ? "it has that PIN already" : "its PIN is changed", NULL);
    holds("node.pin", path_of("47-elm-%04u", number));
    assert_false(is_there("node.pin.next"));
}

/* --- whole, besides --- */

static void an_interrupted_change_is_finished_first(void **state)
{
    (void)state;
    struct stat info;
    write_new_pin(850);
    faulty_set("set_pin_says=0x30\n");
    change_ends(1, NULL, "does not say");
    faulty_set("");
    write_new_pin(851);
    forget_sent();
    nodekey_ends(scratch_folder(), CHANGE " --json", NULL, 0,
                 "{\n  \"token\": \"alpha\",\n  \"changed\": true,\n  \"finished\": true\n}\n",
                 "the change is finished, and");
    assert_int_equal(read_sent().wrong, 1);
    assert_int_equal(read_sent().calls, 4); /* that, one with the other PIN, C_SetPIN, the proof */
    holds("node.pin", "47-elm-0851");
    assert_int_equal(stat(file_of("node.pin"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void a_token_that_asks_for_no_login_proves_both(void **state)
{
    (void)state;
    write_new_pin(860);
    faulty_set("no_login=1\n");
    forget_sent();
    change_ends(0, "its PIN is changed", NULL);
    faulty_set("");
    assert_int_equal(read_sent().calls, 3);
    next_start_works(true, true);
}

static void a_typed_pin_is_asked_for_twice(void **state)
{
    (void)state;
    static const char *const slip[] = { "47-elm-0870", "47-elm-slip", NULL };
    static const char *const typed[] = { "47-elm-0870", "47-elm-0870", NULL };
    static const char *const all[] = { "47-elm-0870", "47-elm-0871", "47-elm-0871", NULL };
    const char *const node[] = { "nodekey", "pin", file_of("node.json"), "--change", NULL };
    const char *const prompt[] = { "nodekey", "pin", file_of("prompt.json"), "--change", NULL };
    int code = -1;

    char *shown = nodekey_typed(node, slip, &code);
    assert_int_equal(code, 1);
    assert_non_null(strstr(shown, "these differ"));
    free(shown);
    assert_false(is_there("node.pin.next"));
    shown = nodekey_typed(node, typed, &code);
    assert_int_equal(code, 0);
    assert_non_null(strstr(shown, "new PIN for token alpha, again: "));
    assert_null(strstr(shown, "47-elm"));
    free(shown);
    holds("node.pin", "47-elm-0870");
    shown = nodekey_typed(prompt, all, &code); /* a PIN that is in no file */
    assert_int_equal(code, 0);
    assert_null(strstr(shown, "47-elm"));
    free(shown);
    write_file(file_of("node.pin"), "47-elm-0871", 0600);
    next_start_works(true, true);
}

/* A program that has openssl.cnf and no configuration of ours. */
static void a_program_of_openssl_finds_the_new_pin(void **state)
{
    (void)state;
    write_new_pin(880);
    faulty_set("set_pin_says=0x30\n");
    change_ends(1, NULL, "does not say");
    faulty_set("");
    forget_sent();
    OSSL_LIB_CTX *ctx =
        cnf_context(cnf_write("openssl", path_of("pkcs11-module = %s\n"
                                                 "pin-file = %s\n",
                                                 faulty_path(), file_of("node.pin"))));
    EVP_PKEY *key = load_uri(ctx, "pkcs11:token=alpha;object=identity");
    if (key == NULL) {
        fail_msg("%s", queue_text());
    }
    assert_true(signs_for(ctx, key, public_key));
    EVP_PKEY_free(key);
    OSSL_LIB_CTX_free(ctx);
    assert_int_equal(read_sent().wrong, 1);
    assert_false(is_there("node.pin.next"));
    holds("node.pin", "47-elm-0880");
}

/* --- --- */

static void write_config(const char *name, const char *identity, const char *more)
{
    write_file(file_of(name),
               path_of("{\"version\": 1, \"node\": {\"module\": \"%s\", \"key\": "
                       "\"pkcs11:token=alpha;object=identity\", \"certificate\": \"node.pem\", "
                       "\"pin\": %s}, \"federation\": {\"roots\": [\"ca.pem\"]}, \"admit\": []%s}",
                       faulty_path(), identity, more),
               0644);
}

#define STATE ", \"state_dir\": \"state\""
#define ROLE(token, file)                                                                          \
    ", \"client\": {\"key\": \"pkcs11:token=" token ";object=other\", \"certificate\": "           \
    "\"other.pem\", \"pin\": {\"file\": \"" file "\"}}"

static void write_configs(void)
{
    static const char file[] = "{\"file\": \"node.pin\"}";

    write_config("node.json", file, STATE);
    write_config("stateless.json", file, "");
    write_config("wrong.json", "{\"file\": \"wrong.pin\"}", STATE);
    write_config("link.json", "{\"file\": \"link.pin\"}", STATE);
    write_config("credential.json", "{\"credential\": \"pin\"}", STATE);
    write_config("fd.json", "{\"fd\": 3}", STATE);
    write_config("prompt.json", "{\"prompt\": true}", STATE);
    write_config("protected.json", "{\"protected\": true}", STATE);
    write_config("two-files.json", file, STATE ROLE("alpha", "open.pin"));
    write_config("two-tokens.json", file, STATE ROLE("omega", "node.pin"));
    write_config("busy.json", "{\"file\": \"busy/node.pin\"}",
                 STATE ", \"token\": {\"login_timeout_ms\": 500}");
    write_config("full.json", "{\"file\": \"full/node.pin\"}", STATE);
}

static void write_files(void)
{
    static const char *const folders[] = { "state", "busy", "full", "full/node.pin.next.new" };

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        assert_int_equal(mkdir(file_of(folders[i]), 0700), 0);
    }
    write_file(file_of("node.pin"), SOFTHSM_PIN, 0600);
    write_file(file_of("wrong.pin"), "47-elm-wrong", 0600);
    write_file(file_of("open.pin"), "47-elm-open", 0644);
    write_file(file_of("short.pin"), "1", 0600);
    write_file(file_of("long.pin"), path_of("%0300d", 1), 0600);
    assert_int_equal(symlink("node.pin", file_of("link.pin")), 0);
}

static int prepare(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("alpha");
    softhsm_generate("alpha", "P-256", "identity", "01");
    public_key = softhsm_public_key("alpha", "identity", "01"); /* logs in with SOFTHSM_PIN */
    faulty_start();
    log_path = file_of("sent");
    setenv("FAULTY_LOG", log_path, 1);
    write_files();
    write_configs();
    nodekey_ends(scratch_folder(), "tokens --login wrong.json", NULL, 1, NULL, "refuses the PIN");
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    EVP_PKEY_free(public_key);
    return 0;
}

/* The PIN of two more files is node.pin's. */
static int copy_pin(void **state)
{
    (void)state;
    char *pin = read_text("node.pin");
    write_file(file_of("busy/node.pin"), pin, 0600);
    write_file(file_of("full/node.pin"), pin, 0600);
    free(pin);
    return 0;
}

int main(void)
{
    rows_each(copy_pin, NULL);
    ROWS_TEST(a_change_is_in_token_and_file);
    ROWS_OF(rows, check_row)
    ROWS_OF(unsures, what_the_token_has_is_found_out)
    ROWS_TEST(an_interrupted_change_is_finished_first);
    ROWS_TEST(a_token_that_asks_for_no_login_proves_both);
    ROWS_TEST(a_typed_pin_is_asked_for_twice);
    ROWS_TEST(the_next_start_works_wherever_it_was_killed);
    ROWS_TEST(a_program_of_openssl_finds_the_new_pin); /* the last: it loads the module here */
    return ROWS_RUN("cli_pin_change", prepare, clean_up);
}
