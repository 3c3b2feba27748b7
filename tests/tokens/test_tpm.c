/* SPDX-License-Identifier: Apache-2.0
 * A node whose key is in a (software) TPM talks to itself: both roles, both signatures on the TPM.
 * tests/tokens/tpm.sh starts the TPM, makes the token and leaves programs in this folder that break
 * the TPM and mend it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "tokens/token_node.h"

#define TURNS 2

static const char *config_path;

static void talks(void **state)
{
    (void)state;
    struct token_node node;

    token_node_start(&node, config_path);
    token_node_must_dial(&node);
    token_node_stop(&node);
}

/* Of wrong PINs and unorderly restarts, which the TPM counts together. */
static unsigned long tries(void)
{
    char *text = token_tells("lockout_count");
    unsigned long count = strtoul(text, NULL, 0);
    free(text);
    return count;
}

/* --- the TPM goes and comes back --- */

static const struct outage {
    const char *name;
    const char *config;
    const char *breaks, *cures; /* cures NULL: nothing is to be done */
    unsigned long costs;        /* tries that the break itself costs, at most */
    const char *why;            /* what the log says meanwhile; NULL: nobody asks meanwhile */
} outages[] = {
    { "killed and restarted", "ec.json", "kill", "start", 1, "CKR_GENERAL_ERROR" },
    { "killed and restarted, deadline mode", "deadline.json", "kill", "start", 1,
      "CKR_GENERAL_ERROR" },
    { "killed and restarted, RSA", "rsa.json", "kill", "start", 1, "CKR_GENERAL_ERROR" },
    { "restarted between two handshakes", "ec.json", "restart", NULL, 1, NULL },
    { "another process flushes the objects", "ec.json", "flush_objects", NULL, 0, NULL },
    { "another process flushes the sessions", "ec.json", "flush_sessions", NULL, 0, NULL },
    { "stops without a word, deadline mode", "deadline.json", "freeze", "thaw", 0,
      "no answer for 4000 ms; signatures fail at once" },
};

static void heals(void **state)
{
    const struct outage *outage = *state;
    struct token_node node;

    token_node_start(&node, outage->config);
    unsigned long before = tries();
    token_do(outage->breaks);
    if (outage->why != NULL) {
        token_node_must_not_dial(&node, outage->why);
        token_node_must_stand(&node);
        token_node_must_not_dial(&node, outage->why);
    }
    if (outage->cures != NULL) {
        token_do(outage->cures);
    }
    if (recorder_has(node.node.log, "signatures fail at once")) {
        assert_true(recorder_waits_for(node.node.log, "answers again after", TOKEN_PATIENCE_MS));
    }
    token_node_must_dial(&node);
    token_node_must_stand(&node);
    assert_in_range(tries() - before, 0, outage->costs);
    token_node_stop(&node);
}

static void away_at_open(void **state)
{
    (void)state;
    struct token_node node;
    nk_error err;

    token_do("kill");
    assert_int_equal(token_node_refused("ec.json", &err), NK_E_TOKEN);
    token_do("start");
    token_node_start(&node, "ec.json");
    token_node_stop(&node);
}

/* --- PINs --- */

static void a_wrong_pin_is_sent_once(void **state)
{
    (void)state;
    nk_error err;
    unsigned long before = tries();

    assert_int_equal(token_node_refused("wrong.json", &err), NK_E_PIN);
    assert_non_null(strstr(err.text, "refuses the PIN"));
    assert_int_equal(token_node_refused("wrong.json", &err), NK_E_PIN);
    assert_non_null(strstr(err.text, "has refused this PIN before"));
    assert_int_equal(tries() - before, 1);
}

/* A TPM does not tell beforehand that it is locked. */
static void a_locked_tpm_says_so(void **state)
{
    (void)state;
    struct token_node node;
    nk_error err;

    token_do("lockout_at_one");
    assert_int_equal(token_node_refused("ec.json", &err), NK_E_PIN);
    assert_non_null(strstr(err.text, "clear the TPM's lockout (tpm2_dictionarylockout"));
    token_do("lockout_clear");
    token_do("lockout_far");
    token_node_start(&node, "ec.json");
    token_node_stop(&node);
}

/* --- room --- */

/* Leaves behind what a process that crashes leaves in the TPM. */
static void dies(void **state)
{
    (void)state;
    struct token_node node;

    token_node_start(&node, config_path);
    raise(SIGKILL);
}

/* Without a resource manager the TPM has room for two keys and the login. A third pushes the others
 * out, which are loaded again when they are needed. */
static void three_keys_take_turns(void **state)
{
    (void)state;
    struct token_node node, third;

    token_node_start(&node, "roles.json");
    token_node_must_dial(&node);
    token_node_start(&third, "third.json");
    for (int i = 0; i < TURNS; i++) {
        token_node_must_dial(&node);
        token_node_must_dial(&third);
    }
    token_node_must_stand(&node);
    token_node_stop(&third);
    token_node_stop(&node);
}

/* --- all --- */

static int run_one(const char *group, CMUnitTestFunction test)
{
    const struct CMUnitTest tests[] = { { .name = group, .test_func = test } };
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}

static int run_talks(void)
{
    return run_one("talks", talks);
}

static int run_dies(void)
{
    return run_one("dies", dies);
}

static int run_room(void)
{
    return run_one("room", three_keys_take_turns);
}

static int run_outages(void)
{
    struct CMUnitTest tests[ARRAY_LEN(outages) + 1] = { 0 };

    tests[0] = (struct CMUnitTest)cmocka_unit_test(away_at_open);
    for (size_t i = 0; i < ARRAY_LEN(outages); i++) {
        tests[i + 1] = (struct CMUnitTest){ .name = outages[i].name,
                                            .test_func = heals,
                                            .initial_state = (void *)(uintptr_t)&outages[i] };
    }
    return cmocka_run_group_tests_name("tpm outages", tests, NULL, NULL);
}

static int run_pins(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_wrong_pin_is_sent_once),
                                        cmocka_unit_test(a_locked_tpm_says_so) };
    return cmocka_run_group_tests_name("tpm PINs", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
        int args;
    } parts[] = {
        { "talks", run_talks, 3 },     { "dies", run_dies, 3 }, { "room", run_room, 2 },
        { "outages", run_outages, 2 }, { "pins", run_pins, 2 },
    };

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (argc != parts[i].args || strcmp(argv[1], parts[i].name) != 0) {
            continue;
        }
        config_path = argv[2];
        setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each handshake that fails */
        grpc_init();
        return token_node_end(parts[i].run());
    }
    print_error("usage: test_tpm talks CONFIG | dies CONFIG | room | outages | pins\n");
    return 2;
}
