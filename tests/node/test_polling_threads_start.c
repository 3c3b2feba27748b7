/* SPDX-License-Identifier: Apache-2.0
 * Lent threads by themselves: all of them or none, and gRPC is given back whoever is the last. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <grpc/grpc.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/thread.h"
#include "fixtures/check.h"
#include "fixtures/wire/rpc.h"
#include "grpc/core.h"
#include "grpc/polling_threads.h"

#define PATIENCE_MS 30000

static unsigned threads_left; /* that the system has for us */

bool __real_thread_start(pthread_t *ret_thread, void *(*run)(void *), void *arg);
bool __wrap_thread_start(pthread_t *ret_thread, void *(*run)(void *), void *arg);

bool __wrap_thread_start(pthread_t *ret_thread, void *(*run)(void *), void *arg)
{
    if (threads_left == 0) {
        return false;
    }
    threads_left--;
    return __real_thread_start(ret_thread, run, arg);
}

static bool grpc_ends(void)
{
    for (long long start = clock_now_ms(); grpc_is_initialized() != 0;) {
        if (clock_now_ms() - start > PATIENCE_MS) {
            return false;
        }
        clock_sleep_ms(1);
    }
    return true;
}

static void all_of_them(void **state)
{
    (void)state;
    struct polling_threads *lent = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    threads_left = 9;
    assert_int_equal(polling_threads_start(9, &lent, &err), NK_OK);
    assert_int_equal(threads_left, 0);
    assert_int_equal(grpc_is_initialized(), 1);
    polling_threads_dismiss(lent);
    polling_threads_dismiss(lent); /* again is no harm */
    assert_int_equal(polling_threads_join(lent, clock_now_ms() + PATIENCE_MS), 0);
    assert_true(grpc_ends());
}

static void or_none(void **state)
{
    unsigned few = (unsigned)(uintptr_t)*state;
    struct polling_threads *lent = NULL;
    char says[64];
    nk_error err = { .struct_size = sizeof(err) };
    threads_left = few;
    assert_int_equal(polling_threads_start(9, &lent, &err), NK_E_INTERNAL);
    assert_null(lent);
    snprintf(says, sizeof(says), "grpc.lent_threads: the system gives us %u of 9 threads; ", few);
    assert_non_null(strstr(err.text, says));
    assert_true(grpc_ends()); /* those that were made have ended, too */
}

static void who_does_not_wait_leaves_it_to_them(void **state)
{
    (void)state;
    struct polling_threads *lent = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    threads_left = 9;
    assert_int_equal(polling_threads_start(9, &lent, &err), NK_OK);
    assert_int_equal(polling_threads_join(lent, clock_now_ms()), 9); /* nobody has told them */
    assert_int_equal(grpc_is_initialized(), 1);
    polling_threads_dismiss(lent); /* what they poll is theirs now, and stays until then */
    assert_true(grpc_ends());
}

static void without_any(void **state)
{
    (void)state;
    polling_threads_dismiss(NULL);
    assert_int_equal(polling_threads_join(NULL, 0), 0);
}

static int bind_core(void **state)
{
    const nk_host host = { .struct_size = sizeof(host), .grpc_version = grpc_version_string };
    nk_error err = { .struct_size = sizeof(err) };

    (void)state;
    return core_bind(&host, &err) == NK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_them),
        { "none at all", or_none, NULL, NULL, (void *)0 },
        { "or none, of one", or_none, NULL, NULL, (void *)1 },
        { "or none, of eight", or_none, NULL, NULL, (void *)8 },
        cmocka_unit_test(who_does_not_wait_leaves_it_to_them),
        cmocka_unit_test(without_any),
    };
    return cmocka_run_group_tests_name("lent_start", tests, bind_core, NULL);
}
