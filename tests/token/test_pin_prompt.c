/* SPDX-License-Identifier: Apache-2.0
 * Label of a token as the host is asked with it: a host shows it on a terminal, and the module may
 * have said anything. */
#include <stdio.h>
#include <string.h>

#include "fixtures/check.h"
#include "pin/pin.h"

static char asked_with[64];

static nk_status ask(void *unused, const char *label, char *buf, size_t room, size_t *ret_len)
{
    (void)unused, (void)room;
    snprintf(asked_with, sizeof(asked_with), "%s", label);
    memcpy(buf, "1234", 4);
    *ret_len = 4;
    return NK_OK;
}

static void check_label(const char *label, const char *shown)
{
    const struct hsm_pin_source prompt = { .kind = HSM_PIN_PROMPT };
    const nk_host host = { .struct_size = sizeof(host), .ask_pin = ask };
    struct pin *pin = NULL;

    assert_int_equal(pin_open(&prompt, label, &host, &pin, NULL), NK_OK);
    assert_string_equal(asked_with, shown);
    assert_int_equal(pin_len(pin), 4);
    pin_free(pin);
}

static void a_label_is_one_line_of_utf8(void **state)
{
    (void)state;
    check_label("node-a", "node-a");
    check_label("n\xc3\xb8"
                "de",
                "n\xc3\xb8"
                "de");
    check_label("a\x1b[2J\r\xff\xe2\x80\xae", "a?[2J??"
                                              "???");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_is_one_line_of_utf8),
    };
    return cmocka_run_group_tests_name("pin_prompt", tests, NULL, NULL);
}
