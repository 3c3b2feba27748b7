/* SPDX-License-Identifier: Apache-2.0
 * The PIN is in nothing that a node prints: not in its log at the loudest, not in an error, not in
 * an explanation, not in gRPC's traces; plain, in hex or in base64. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <openssl/evp.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"

#define ENCODED_BYTES 128
#define LOUD_BYTES 100000 /* less would mean that the traces were off */
#define SUCCESSES 4
#define FAILURES 21

static char plain[ENCODED_BYTES], hex[ENCODED_BYTES], upper[ENCODED_BYTES], spaced[ENCODED_BYTES],
    base64[ENCODED_BYTES];
static const char *const encodings[] = { plain, hex, upper, spaced, base64 };

static int start(void **state)
{
    (void)state;
    const char *pin = SOFTHSM_PIN;
    size_t len = strlen(pin);
    snprintf(plain, sizeof(plain), "%s", pin);
    for (size_t i = 0; i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)pin[i]);
        snprintf(upper + 2 * i, 3, "%02X", (unsigned)pin[i]);
        snprintf(spaced + 3 * i, 4, i + 1 < len ? "%02x " : "%02x", (unsigned)pin[i]);
    }
    /* Whole groups of three only: what follows the PIN changes the last one. */
    EVP_EncodeBlock((unsigned char *)base64, (const unsigned char *)pin, (int)(len / 3 * 3));
    setenv("GRPC_VERBOSITY", "DEBUG", 1);
    setenv("GRPC_TRACE", "all", 1);
    return 0;
}

static struct process_end run(const char *option)
{
    const char *const argv[] = { PIN_CHILD, option, NULL };
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 0);
    return end;
}

static bool occurs(const struct process_end *end, const char *text)
{
    return memmem(end->out, end->out_len, text, strlen(text)) != NULL;
}

static size_t count(const struct process_end *end, const char *mark)
{
    size_t found = 0;
    const char *at = end->out;
    const char *stop = end->out + end->out_len;
    while ((at = memmem(at, (size_t)(stop - at), mark, strlen(mark))) != NULL) {
        found++;
        at++;
    }
    return found;
}

static void the_pin_is_in_no_output(void **state)
{
    (void)state;
    struct process_end end = run(NULL);
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        if (occurs(&end, encodings[i])) {
            fail_msg("%s occurs", encodings[i]);
        }
    }
    /* It was loud, and everything happened that was meant to. */
    assert_true(end.out_len > LOUD_BYTES);
    assert_int_equal(count(&end, "@opened "), SUCCESSES);
    assert_int_equal(count(&end, "@member 1, away 0, back 1"), SUCCESSES);
    assert_int_equal(count(&end, "@refused "), FAILURES);
    free(end.out);
}

static void the_search_finds_it_where_it_is(void **state)
{
    (void)state;
    struct process_end end = run("--leak");
    assert_true(occurs(&end, plain));
    free(end.out);
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        char around[2 * ENCODED_BYTES];
        snprintf(around, sizeof(around), "x%sx", encodings[i]);
        const struct process_end made = { .out = around, .out_len = strlen(around) };
        assert_true(strlen(encodings[i]) >= 8);
        assert_true(occurs(&made, encodings[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pin_is_in_no_output),
        cmocka_unit_test(the_search_finds_it_where_it_is),
    };
    return cmocka_run_group_tests_name("pin_secret", tests, start, NULL);
}
