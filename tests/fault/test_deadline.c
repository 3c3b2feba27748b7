/* SPDX-License-Identifier: Apache-2.0
 * Deadline mode: a token that hangs or fails never holds its caller, nobody asks it in vain for
 * long, and when it answers again so do we. And who gets a session when strangers want them all. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define TIMEOUT_MS 300
#define LONG_MS 30000
#define PATIENCE_MS 20000
#define SIGNERS_MAX 8
#define HEALED "answers again after"
#define HANG "sign_hang=1\n"
#define DEVICE_ERROR "sign_error=0x30\n"

static struct recorder *log_lines;
static struct identity node;
static struct identity spare; /* on a token that is lost in the last test */

struct open {
    struct hsm_key *key;
    EVP_PKEY *outbound;
    EVP_PKEY *inbound;
};

static struct open open_it(const struct identity *identity, const struct rig_terms *terms)
{
    struct open it = { .key = NULL };
    nk_error err;
    rig_set_terms(terms);
    if (identity_open(identity, &it.key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    it.outbound = rig_load(it.key);
    it.inbound = rig_load_inbound(it.key);
    assert_non_null(it.outbound);
    assert_non_null(it.inbound);
    recorder_clear(log_lines);
    return it;
}

static void close_it(struct open *it)
{
    EVP_PKEY_free(it->outbound);
    EVP_PKEY_free(it->inbound);
    rig_shut(it->key);
    assert_int_equal(faulty_count()->session_shared, 0);
    assert_int_equal(faulty_count()->finalize_inside, 0);
}

static void pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 },
              NULL);
}

static bool comes_to(const atomic_ulong *counter, unsigned long value)
{
    for (unsigned waited = 0; *counter != value; waited++) {
        if (waited == PATIENCE_MS) {
            return false;
        }
        pause_ms(1);
    }
    return true;
}

static void must_sign(EVP_PKEY *key)
{
    if (!rig_signs(key, &node)) {
        char *lines = recorder_copy(log_lines);
        print_error("%s", lines);
        free(lines);
        fail();
    }
}

/* --- several signers at once --- */

struct signer {
    pthread_t thread;
    EVP_PKEY *key;
    const struct identity *identity;
    bool signed_it;
};

static atomic_ulong signers_done;

static void *sign_once(void *arg)
{
    struct signer *signer = arg;
    signer->signed_it = rig_signs(signer->key, signer->identity);
    signers_done++;
    return NULL;
}

static void begin(struct signer *signer, EVP_PKEY *key)
{
    *signer = (struct signer){ .key = key, .identity = &node };
    assert_int_equal(pthread_create(&signer->thread, NULL, sign_once, signer), 0);
}

static bool end(struct signer *signer)
{
    assert_int_equal(pthread_join(signer->thread, NULL), 0);
    return signer->signed_it;
}

/* --- a token that hangs --- */

static const struct rig_terms with_deadline = { .sign_timeout_ms = TIMEOUT_MS };

static void signs_in_time(void **state)
{
    (void)state;
    struct open it = open_it(&node, &with_deadline);
    unsigned long inits = faulty_count()->sign_init;
    unsigned long signs = faulty_count()->sign;
    for (int i = 0; i < 20; i++) {
        assert_true(rig_signs(i % 2 == 0 ? it.outbound : it.inbound, &node));
    }
    assert_int_equal(faulty_count()->sign_init, inits + 20);
    assert_int_equal(faulty_count()->sign, signs + 20);
    close_it(&it);
}

static void a_hung_call_never_holds_its_caller(void **state)
{
    (void)state;
    struct open it = open_it(&node, &with_deadline);
    faulty_set(HANG);
    assert_false(rig_signs(it.outbound, &node));
    assert_true(recorder_has(log_lines, "no answer for 300 ms; signatures fail at once"));
    assert_int_equal(faulty_count()->signing_now, 1);
    faulty_set("");
    assert_true(recorder_waits_for(log_lines, HEALED, PATIENCE_MS));
    must_sign(it.outbound);
    assert_int_equal(recorder_count(log_lines, "no answer for 300 ms; signatures"), 1);
    close_it(&it);
}

static void nobody_asks_while_it_is_silent(void **state)
{
    (void)state;
    struct open it = open_it(&node, &with_deadline);
    faulty_set(HANG);
    assert_false(rig_signs(it.outbound, &node));
    (void)rig_queue_has("");
    unsigned long inits = faulty_count()->sign_init;
    for (int i = 0; i < 1000; i++) {
        assert_false(rig_signs(it.inbound, &node));
    }
    assert_true(faulty_count()->sign_init - inits <= 2); /* a probe or two */
    (void)rig_queue_has("");
    assert_false(rig_signs(it.outbound, &node));
    assert_true(rig_queue_has("it has stopped answering"));
    faulty_set("");
    assert_true(recorder_waits_for(log_lines, HEALED, PATIENCE_MS));
    must_sign(it.inbound);
    close_it(&it);
}

/* Both would wait much longer than the first one's deadline. */
static void those_who_came_later_leave_with_the_first(void **state)
{
    (void)state;
    struct signer signers[SIGNERS_MAX];
    struct open it = open_it(&node, &with_deadline);
    struct open patient =
        open_it(&node, &(struct rig_terms){ .sign_timeout_ms = 10 * PATIENCE_MS });
    faulty_set(HANG);
    for (int i = 0; i < SIGNERS_MAX; i++) {
        begin(&signers[i], patient.outbound);
    }
    assert_true(comes_to(&faulty_count()->signing_now, SIGNERS_MAX));
    assert_false(rig_signs(it.outbound, &node));
    for (int i = 0; i < SIGNERS_MAX; i++) {
        assert_false(end(&signers[i]));
    }
    faulty_set("");
    assert_true(recorder_waits_for(log_lines, HEALED, PATIENCE_MS));
    assert_true(comes_to(&faulty_count()->signing_now, 0));
    must_sign(patient.outbound);
    close_it(&patient);
    close_it(&it);
}

static void hung_threads_are_bounded(void **state)
{
    (void)state;
    struct open it =
        open_it(&node, &(struct rig_terms){ .sign_timeout_ms = 100, .max_sessions = 3 });
    faulty_set(HANG);
    for (int i = 0; i < 60; i++) {
        assert_false(rig_signs(it.outbound, &node));
        assert_true(faulty_count()->signing_now <= 3);
        pause_ms(50);
    }
    assert_true(faulty_count()->signing_now >= 2); /* a hung prober was replaced */
    faulty_set("");
    assert_true(recorder_waits_for(log_lines, HEALED, PATIENCE_MS));
    assert_true(comes_to(&faulty_count()->signing_now, 0));
    for (int i = 0; i < 10; i++) {
        must_sign(it.inbound);
    }
    close_it(&it);
}

/* Nor are its sessions closed. Run with errors that call for the one and for the other. */
static void no_restart_of_the_module_under_a_hung_call(void **state)
{
    const char *script = *state;
    struct signer hung;
    struct open direct = open_it(&node, &(struct rig_terms){ .max_sessions = 16 });
    struct open it = open_it(&node, &with_deadline);
    unsigned long finalized = faulty_count()->finalize;
    faulty_set(HANG);
    begin(&hung, direct.outbound);
    assert_true(comes_to(&faulty_count()->signing_now, 1));
    unsigned long logouts = faulty_count()->logout;
    faulty_set(script);
    assert_false(rig_signs(it.outbound, &node));
    assert_int_equal(faulty_count()->finalize, finalized);
    assert_int_equal(faulty_count()->logout, logouts);
    faulty_set("");
    assert_true(end(&hung));
    assert_true(recorder_waits_for(log_lines, HEALED, PATIENCE_MS) ||
                rig_signs(it.outbound, &node));
    must_sign(it.outbound);
    close_it(&it);
    close_it(&direct);
}

/* --- a token that fails --- */

static void errors_in_a_row_open_the_breaker(void **state)
{
    (void)state;
    struct open it = open_it(&node, &(struct rig_terms){ .sign_timeout_ms = LONG_MS });
    faulty_set(DEVICE_ERROR);
    for (int i = 0; i < 3; i++) {
        assert_false(recorder_has(log_lines, "signatures fail at once"));
        assert_false(rig_signs(it.outbound, &node));
    }
    assert_true(
        recorder_has(log_lines, "3 errors in a row, the last CKR_DEVICE_ERROR; signatures"));
    (void)rig_queue_has("");
    assert_false(rig_signs(it.inbound, &node));
    assert_true(rig_queue_has("it has stopped answering"));
    faulty_set("");
    assert_true(recorder_waits_for(log_lines, HEALED, PATIENCE_MS)); /* nobody asked */
    must_sign(it.inbound);
    close_it(&it);
}

static void a_token_that_was_away_serves_again(void **state)
{
    (void)state;
    struct open it = open_it(&node, &(struct rig_terms){ .sign_timeout_ms = LONG_MS });
    softhsm_unplug();
    for (int i = 0; i < 4; i++) {
        assert_false(rig_signs(it.outbound, &node));
    }
    assert_true(recorder_has(log_lines, "signatures fail at once"));
    softhsm_replug();
    assert_true(recorder_waits_for(log_lines, HEALED, PATIENCE_MS));
    must_sign(it.outbound);
    close_it(&it);
}

static void another_instance_heals_when_the_first_is_closed(void **state)
{
    (void)state;
    struct open first = open_it(&node, &(struct rig_terms){ .sign_timeout_ms = LONG_MS });
    struct open second = open_it(&node, &(struct rig_terms){ .sign_timeout_ms = LONG_MS });
    faulty_set(DEVICE_ERROR);
    for (int i = 0; i < 3; i++) {
        assert_false(rig_signs(first.outbound, &node));
    }
    close_it(&first); /* and with it the one that probes */
    faulty_set("");
    bool healed = false;
    for (int i = 0; i < 200 && !healed; i++) {
        healed = rig_signs(second.outbound, &node);
        pause_ms(100);
    }
    assert_true(healed);
    close_it(&second);
}

/* --- strangers and we --- */

/* Run in direct mode and with a deadline that is far away. */
static void one_session_is_kept_for_us(void **state)
{
    const struct rig_terms *mode = *state;
    struct signer strangers[4];
    struct signer us;
    struct open it = open_it(
        &node, &(struct rig_terms){ .sign_timeout_ms = mode->sign_timeout_ms, .max_sessions = 3 });
    faulty_set(HANG);
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        begin(&strangers[i], it.inbound);
    }
    assert_true(comes_to(&faulty_count()->signing_now, 2));
    pause_ms(100);
    assert_int_equal(faulty_count()->signing_now, 2);
    begin(&us, it.outbound);
    assert_true(comes_to(&faulty_count()->signing_now, 3));
    faulty_set("");
    assert_true(end(&us));
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        assert_true(end(&strangers[i]));
    }
    close_it(&it);
}

static void the_only_session_serves_both(void **state)
{
    const struct rig_terms *mode = *state;
    struct open it = open_it(
        &node, &(struct rig_terms){ .sign_timeout_ms = mode->sign_timeout_ms, .max_sessions = 1 });
    must_sign(it.inbound);
    must_sign(it.outbound);
    must_sign(it.inbound);
    close_it(&it);
}

static void strangers_beyond_the_bound_are_refused_at_once(void **state)
{
    const struct rig_terms *mode = *state;
    struct signer strangers[4];
    struct open it = open_it(&node, &(struct rig_terms){ .sign_timeout_ms = mode->sign_timeout_ms,
                                                         .max_sessions = 2,
                                                         .max_waiting_inbound = 1 });
    faulty_set(HANG);
    begin(&strangers[0], it.inbound);
    assert_true(comes_to(&faulty_count()->signing_now, 1));
    signers_done = 0;
    for (size_t i = 1; i < ARRAY_LEN(strangers); i++) {
        begin(&strangers[i], it.inbound);
    }
    assert_true(comes_to(&signers_done, 2)); /* of three: one may wait */
    pause_ms(100);
    assert_int_equal(signers_done, 2);
    assert_true(recorder_has(log_lines, "busy, too many wait for it"));
    faulty_set("");
    unsigned signatures = 0;
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        signatures += end(&strangers[i]) ? 1 : 0;
    }
    assert_int_equal(signatures, 2);
    close_it(&it);
}

/* --- close --- */

static void a_close_leaves_a_hung_call_behind(void **state)
{
    (void)state;
    struct open it = open_it(&spare, &with_deadline);
    unsigned long logouts = faulty_count()->logout;
    faulty_set(HANG);
    assert_false(rig_signs(it.outbound, &spare));
    close_it(&it);
    assert_true(recorder_has(log_lines, "it is left behind"));
    assert_int_equal(faulty_count()->logout, logouts);
    faulty_set("");
    assert_true(comes_to(&faulty_count()->logout, logouts + 1)); /* when it comes back after all */
}

/* After the close the program may have thrown away what its log function works with. */
static void what_a_close_left_behind_logs_nothing(void **state)
{
    (void)state;
    struct open it = open_it(&spare, &with_deadline);
    unsigned long logouts = faulty_count()->logout;
    faulty_set(HANG);
    assert_false(rig_signs(it.outbound, &spare));
    close_it(&it);
    recorder_clear(log_lines);
    faulty_set("sign_error=0xb3\n"); /* CKR_SESSION_HANDLE_INVALID: another one would do */
    assert_true(comes_to(&faulty_count()->logout, logouts + 1));
    assert_false(recorder_has(log_lines, "token"));
    faulty_set("");
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("node");
    softhsm_token("spare");
    log_lines = rig_start(faulty_start());
    node = identity_make("node", "identity", "01", "P-256");
    spare = identity_make("spare", "identity", "01", "P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    identity_free(&node);
    identity_free(&spare);
    return 0;
}

#define IN_MODE(test, mode)                                                                        \
    {                                                                                              \
#test ": " #mode, test, NULL, NULL, &mode                                                  \
    }

int main(void)
{
    static char device_error[] = "sign_hang=1\nsign_init_error=0x30\n";
    static char device_removed[] = "sign_hang=1\nsign_init_error=0x32\n";
    static struct rig_terms direct;
    static struct rig_terms deadline = { .sign_timeout_ms = LONG_MS };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_in_time),
        cmocka_unit_test(a_hung_call_never_holds_its_caller),
        cmocka_unit_test(nobody_asks_while_it_is_silent),
        cmocka_unit_test(those_who_came_later_leave_with_the_first),
        cmocka_unit_test(hung_threads_are_bounded),
        IN_MODE(no_restart_of_the_module_under_a_hung_call, device_error),
        IN_MODE(no_restart_of_the_module_under_a_hung_call, device_removed),
        cmocka_unit_test(errors_in_a_row_open_the_breaker),
        cmocka_unit_test(a_token_that_was_away_serves_again),
        cmocka_unit_test(another_instance_heals_when_the_first_is_closed),
        IN_MODE(one_session_is_kept_for_us, direct),
        IN_MODE(one_session_is_kept_for_us, deadline),
        IN_MODE(the_only_session_serves_both, direct),
        IN_MODE(the_only_session_serves_both, deadline),
        IN_MODE(strangers_beyond_the_bound_are_refused_at_once, direct),
        IN_MODE(strangers_beyond_the_bound_are_refused_at_once, deadline),
        cmocka_unit_test(a_close_leaves_a_hung_call_behind),
        cmocka_unit_test(what_a_close_left_behind_logs_nothing),
    };
    return cmocka_run_group_tests_name("fault_deadline", tests, start, stop);
}
