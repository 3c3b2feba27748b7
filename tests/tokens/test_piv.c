/* SPDX-License-Identifier: Apache-2.0
 * A node whose key is on a PIV card, in a reader that OpenSC reaches through pcscd. tests/tokens/
 * piv.sh makes the card and the configurations, and runs this in its folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "tokens/token_node.h"

#define VERIFY_LOG "card/verify.log" /* a line for each PIN that the card was sent */

static unsigned pins_sent(const char *verdict)
{
    char line[32];
    unsigned count = 0;
    FILE *log = fopen(VERIFY_LOG, "r");

    while (log != NULL && fgets(line, sizeof(line), log) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        count += strcmp(line, verdict) == 0 ? 1 : 0;
    }
    if (log != NULL) {
        fclose(log);
    }
    return count;
}

static void write_tries(const char *left)
{
    write_file("card/tries", left, 0600);
}

static void talks(void **state)
{
    struct token_node node;

    token_node_start(&node, *state);
    token_node_must_dial(&node);
    assert_true(recorder_has(node.node.log, "custody: hardware, as the module claims"));
    token_node_stop(&node);
}

/* --- the card and its reader go and come back --- */

static const struct outage {
    const char *name;
    const char *config;
    const char *breaks, *cures;
    const char *why; /* what the log says meanwhile */
    bool unnoticed;  /* nobody asks for a signature while it lasts */
} outages[] = {
    { "pulled and put back", "9A-file.json", "pull", "put", "CKR_", false },
    { "pulled and put back between two handshakes", "9A-file.json", "pull", "put", NULL, true },
    { "pulled and put back, the PIN for each signature", "9C-token.json", "pull", "put", "CKR_",
      false },
    { "pulled and put back, deadline mode", "deadline.json", "pull", "put", "CKR_", false },
    { "pcscd killed and started", "9A-file.json", "reader_kill", "reader_and_card", "CKR_", false },
    { "pcscd killed and started between two handshakes", "9A-file.json", "reader_kill",
      "reader_and_card", NULL, true },
};

static void heals(void **state)
{
    const struct outage *outage = *state;
    struct token_node node;

    token_node_start(&node, outage->config);
    token_do(outage->breaks);
    if (!outage->unnoticed) {
        token_node_must_not_dial(&node, outage->why);
        token_node_must_stand(&node);
    }
    token_do(outage->cures);
    token_node_must_dial(&node);
    token_node_must_stand(&node);
    assert_int_equal(pins_sent("wrong"), 0);
    token_node_stop(&node);
}

static void a_hung_card_stalls_nobody(void **state)
{
    (void)state;
    struct token_node node;

    token_node_start(&node, "deadline.json");
    token_do("freeze");
    token_node_must_not_dial(&node, "no answer for 4000 ms; signatures fail at once");
    token_node_must_stand(&node);
    token_node_must_not_dial(&node, "no answer for 4000 ms; signatures fail at once");
    token_do("thaw");
    assert_true(recorder_waits_for(node.node.log, "answers again after", TOKEN_PATIENCE_MS));
    token_node_must_dial(&node);
    token_node_stop(&node);
}

/* --- the PIN; the last tests, and in this order --- */

static void a_wrong_pin_is_sent_once(void **state)
{
    (void)state;
    nk_error err;

    assert_int_equal(token_node_refused("wrong.json", &err), NK_E_PIN);
    assert_non_null(strstr(err.text, "refuses the PIN"));
    assert_int_equal(token_node_refused("wrong.json", &err), NK_E_PIN);
    assert_non_null(strstr(err.text, "has refused this PIN before"));
    assert_int_equal(pins_sent("wrong"), 1);
}

static void the_last_try_is_left_to_the_operator(void **state)
{
    (void)state;
    nk_error err;
    unsigned right = pins_sent("right");

    write_tries("1");
    assert_int_equal(token_node_refused("wrong-too.json", &err), NK_E_PIN);
    assert_non_null(strstr(err.text, "one wrong PIN more locks it"));
    assert_int_equal(token_node_refused("9A-file.json", &err), NK_E_PIN);
    assert_non_null(strstr(err.text, "one wrong PIN more locks it"));
    assert_int_equal(pins_sent("wrong"), 1);
    assert_int_equal(pins_sent("right"), right);
}

static void a_locked_card_says_so(void **state)
{
    (void)state;
    nk_error err;

    write_tries("0");
    assert_int_equal(token_node_refused("9A-file.json", &err), NK_E_PIN);
    assert_non_null(strstr(err.text, "its user PIN is locked; unlock it"));
    assert_int_equal(pins_sent("locked"), 0);
}

static void an_unlocked_card_serves(void **state)
{
    (void)state;
    struct token_node node;

    write_tries("3");
    token_node_start(&node, "9A-file.json");
    token_node_must_dial(&node);
    token_node_stop(&node);
}

/* --- OpenSC 0.23 as it is shipped: it hangs in C_Sign when the card is gone, under a lock of its
 * own that all its threads need, and nothing in this process cures it --- */

static void a_module_that_hangs_for_ever_costs_but_handshakes(void **state)
{
    (void)state;
    struct token_node node;

    token_node_start(&node, "deadline.json");
    token_do("pull");
    token_node_must_not_dial(&node, "error: token piv-9A: ");
    token_node_must_stand(&node);
    token_do("put");
    token_node_must_stand(&node);
    token_node_stop(&node); /* returns, whoever hangs */
}

/* --- all --- */

static const char *const configs[] = { "9A-file.json",  "9A-token.json", "9C-file.json",
                                       "9C-token.json", "9E-file.json",  "9E-token.json",
                                       "pasted.json" };

static int run_all(void)
{
    const struct CMUnitTest singles[] = {
        cmocka_unit_test(a_hung_card_stalls_nobody),
        cmocka_unit_test(a_wrong_pin_is_sent_once),
        cmocka_unit_test(the_last_try_is_left_to_the_operator),
        cmocka_unit_test(a_locked_card_says_so),
        cmocka_unit_test(an_unlocked_card_serves),
    };
    struct CMUnitTest tests[ARRAY_LEN(configs) + ARRAY_LEN(outages) + ARRAY_LEN(singles)] = { 0 };
    size_t len = 0;

    for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
        tests[len++] = (struct CMUnitTest){ .name = path_of("talks: %s", configs[i]),
                                            .test_func = talks,
                                            .initial_state = (void *)(uintptr_t)configs[i] };
    }
    for (size_t i = 0; i < ARRAY_LEN(outages); i++) {
        tests[len++] = (struct CMUnitTest){ .name = outages[i].name,
                                            .test_func = heals,
                                            .initial_state = (void *)(uintptr_t)&outages[i] };
    }
    for (size_t i = 0; i < ARRAY_LEN(singles); i++) {
        tests[len++] = singles[i];
    }
    return cmocka_run_group_tests_name("piv", tests, NULL, NULL);
}

static int run_hangs(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_that_hangs_for_ever_costs_but_handshakes),
    };
    return cmocka_run_group_tests_name("piv, OpenSC as shipped", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 2 || (strcmp(argv[1], "all") != 0 && strcmp(argv[1], "hangs") != 0)) {
        print_error("usage: test_piv all|hangs\n");
        return 2;
    }
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each handshake that fails */
    grpc_init();
    return token_node_end(strcmp(argv[1], "all") == 0 ? run_all() : run_hangs());
}
