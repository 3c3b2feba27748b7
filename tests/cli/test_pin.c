/* SPDX-License-Identifier: Apache-2.0
 * `nodekey pin` on a real token, and that the other commands heed what a token has refused. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "cli/nodekey_run.h"
#include "fixtures/authority.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define OTHER_PIN "0000-wrong"

#define CONFIG(state)                                                                              \
    "{\"version\": 1, \"node\": {\"module\": \"softhsm\", \"key\": "                               \
    "\"pkcs11:token=alpha;object=identity\", \"certificate\": \"node.pem\", "                      \
    "\"pin\": {\"file\": \"node.pin\"}}, \"federation\": {\"roots\": [\"ca.pem\"]}, "              \
    "\"admit\": []" state "}"

static void write_pin(const char *pin)
{
    write_file(path_of("%s/node.pin", scratch_folder()), pin, 0600);
}

static void request_a_certificate(int code, const char *why)
{
    nodekey_ends(scratch_folder(), "csr node.json --san DNS:a.example", NULL, code, NULL, why);
}

static void damage_the_marks(void)
{
    const char *folder = path_of("%s/state", scratch_folder());
    DIR *entries = opendir(folder);
    unsigned damaged = 0;
    assert_non_null(entries);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (strncmp(entry->d_name, "refused-pins-", 13) == 0 &&
            strchr(entry->d_name, '.') == NULL) {
            write_file(path_of("%s/state/%s", scratch_folder(), entry->d_name), "junk", 0600);
            damaged++;
        }
    }
    closedir(entries);
    assert_int_equal(damaged, 1);
}

/* --- in this order --- */

static void nothing_was_refused_yet(void **state)
{
    (void)state;
    nodekey_ends(scratch_folder(), "pin node.json", NULL, 0,
                 "token \"alpha\": 0 refused PINs are remembered and not sent again\n"
                 "the token says of its PIN: nothing against it\n",
                 NULL);
    nodekey_ends(scratch_folder(), "pin node.json --reset", NULL, 0, "nothing to forget", NULL);
}

static void a_refused_pin_is_not_sent_by_the_next_command(void **state)
{
    (void)state;
    write_pin(OTHER_PIN);
    request_a_certificate(1, "refuses the PIN");
    request_a_certificate(1, "nodekey pin CONFIG --reset");
    nodekey_ends(scratch_folder(), "tokens --login node.json", NULL, 1, NULL,
                 "has refused this PIN before");
    nodekey_ends(scratch_folder(), "pin node.json", NULL, 0,
                 "1 refused PINs are remembered and not sent again\n"
                 "the token says of its PIN: the last PIN that it was given was wrong\n",
                 NULL);
    nodekey_ends(scratch_folder(), "pin node.json --json", NULL, 0, "\"refused_pins\": 1", NULL);
}

static void reset_lets_it_be_sent_again(void **state)
{
    (void)state;
    static const char *const change[] = { "pkcs11-tool",   "--module",  SOFTHSM_MODULE,
                                          "--token-label", "alpha",     "--login",
                                          "--pin",         SOFTHSM_PIN, "--change-pin",
                                          "--new-pin",     OTHER_PIN,   NULL };
    struct process_end end = process_run(&(struct process){ .argv = change, .with_stderr = true });
    assert_int_equal(end.status, 0);
    free(end.out);
    request_a_certificate(1, "has refused this PIN before");
    nodekey_ends(scratch_folder(), "pin node.json --reset --json", NULL, 0, "\"forgot\": true",
                 NULL);
    request_a_certificate(0, NULL);
}

static void a_damaged_memory_stops_logins_until_reset(void **state)
{
    (void)state;
    write_pin(SOFTHSM_PIN); /* no longer right */
    request_a_certificate(1, "refuses the PIN");
    damage_the_marks();
    write_pin(OTHER_PIN);
    request_a_certificate(1, "is damaged");
    nodekey_ends(scratch_folder(), "pin node.json", NULL, 1, NULL, "is damaged");
    nodekey_ends(scratch_folder(), "pin node.json --reset", NULL, 0, "is forgotten", NULL);
    request_a_certificate(0, NULL);
}

static const struct row {
    const char *name, *arguments;
    int code;
    const char *err;
} rows[] = {
    { "no state_dir", "pin stateless.json --reset", 1, "there is no state_dir" },
    { "no configuration", "pin", 2, "CONFIG is missing" },
    { "an argument too many", "pin node.json other.json", 2, "one argument too many" },
    { "no such token", "pin absent.json", 1, "no such token" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    nodekey_ends(scratch_folder(), row->arguments, NULL, row->code, NULL, row->err);
}

int main(void)
{
    ROWS_TEST(nothing_was_refused_yet);
    ROWS_TEST(a_refused_pin_is_not_sent_by_the_next_command);
    ROWS_TEST(reset_lets_it_be_sent_again);
    ROWS_TEST(a_damaged_memory_stops_logins_until_reset);
    ROWS_OF(rows, check_row)
    softhsm_start();
    softhsm_token("alpha");
    softhsm_generate("alpha", "P-256", "identity", "01");
    write_pin(SOFTHSM_PIN);
    assert_int_equal(mkdir(path_of("%s/state", scratch_folder()), 0700), 0);
    write_file(path_of("%s/node.json", scratch_folder()), CONFIG(", \"state_dir\": \"state\""),
               0644);
    write_file(path_of("%s/stateless.json", scratch_folder()), CONFIG(""), 0644);
    write_file(path_of("%s/absent.json", scratch_folder()),
               "{\"version\": 1, \"node\": {\"module\": \"softhsm\", \"key\": "
               "\"pkcs11:token=omega;object=identity\", \"certificate\": \"node.pem\", "
               "\"pin\": {\"file\": \"node.pin\"}}, \"federation\": {\"roots\": [\"ca.pem\"]}, "
               "\"admit\": [], \"state_dir\": \"state\"}",
               0644);
    return ROWS_RUN("cli_pin", NULL, NULL);
}
