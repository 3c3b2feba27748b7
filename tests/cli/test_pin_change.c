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
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define PIN_BYTES 32
#define CHANGE "pin node.json --change --new-pin-file new.pin"

static const char *log_path;

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

static void holds(const char *name, const char *text)
{
    char found[PIN_BYTES] = "";
    FILE *file = fopen(file_of(name), "re");
    assert_non_null(file);
    assert_true(fread(found, 1, sizeof(found) - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(found, text);
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

/* Moments over the steps of pin_place.h: nothing is written yet; FILE.next is there, and C_SetPIN
 * has not ended; the token has the new PIN; FILE has it, too. */
struct step {
    unsigned moments;
    unsigned from;
    unsigned to;
};

static struct killed_moment find_moment(const struct step *step, unsigned i, unsigned next)
{
    unsigned stop = step->from + 1 + (step->to - step->from - 1) * i / step->moments;

    return stop <= next ? (struct killed_moment){ .stops = stop }
                        : (struct killed_moment){ .stops = stop - next, .after_next = true };
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
    nodekey_ends(scratch_folder(), "pin node.json --reset; ! grep 47-elm killed.out", NULL, 0, NULL,
                 NULL);
}

static void the_next_start_works_wherever_it_was_killed(void **state)
{
    struct tally tally = { .killed = 0 };
    unsigned number = 0;

    (void)state;
    write_new_pin(0);
    struct killed_run whole = change_killed_at((struct killed_moment){ .stops = 0 });
    const struct step steps[] = { { 12, 0, whole.next },
                                  { 20, whole.next, whole.set },
                                  { 20, whole.set, whole.placed },
                                  { 8, whole.placed, whole.stops } };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_true(steps[i].to > steps[i].from);
        for (unsigned k = 0; k < steps[i].moments; k++) {
            survive_one(find_moment(&steps[i], k, whole.next), ++number, &tally);
        }
    }
    print_message("%u moments, %u stops (FILE.next at %u, C_SetPIN ends at %u, FILE at %u): killed "
                  "%u, FILE.next left %u, and the token's PIN is in it %u\n",
                  number, whole.stops, whole.next, whole.set, whole.placed, tally.killed,
                  tally.left_next, tally.refused);
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

int main(void)
{
    ROWS_TEST(a_change_is_in_token_and_file);
    ROWS_TEST(the_next_start_works_wherever_it_was_killed);
    softhsm_start();
    softhsm_token("alpha");
    softhsm_generate("alpha", "P-256", "identity", "01");
    const char *module = faulty_start();
    log_path = file_of("sent");
    setenv("FAULTY_LOG", log_path, 1);
#define CONFIG(pin, more)                                                                          \
    path_of("{\"version\": 1, \"node\": {\"module\": \"%s\", \"key\": "                            \
            "\"pkcs11:token=alpha;object=identity\", \"certificate\": \"node.pem\", \"pin\": " pin \
            "}, \"federation\": {\"roots\": [\"ca.pem\"]}, \"admit\": []" more "}",                \
            module)
    write_file(file_of("node.pin"), SOFTHSM_PIN, 0600);
    assert_int_equal(mkdir(file_of("state"), 0700), 0);
    write_file(file_of("node.json"),
               CONFIG("{\"file\": \"node.pin\"}", ", \"state_dir\": \"state\""), 0644);
    write_file(file_of("stateless.json"), CONFIG("{\"file\": \"node.pin\"}", ""), 0644);
    return ROWS_RUN("cli_pin_change", NULL, NULL);
}
