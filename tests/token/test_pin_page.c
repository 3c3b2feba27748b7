/* SPDX-License-Identifier: Apache-2.0
 * Pages for secrets where the kernel refuses what they ask of it: one that does not wipe pages for
 * children (gVisor, Linux before 4.14), and one that does not leave them out of core dumps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fork.h"
#include "base/secret_page.h"
#include "fixtures/authority.h"
#include "fixtures/child.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define PAGES 100

/* What the kernel does not know; 0: it knows all. */
static int unknown;
static unsigned refusals;
static struct identity alice;

int __real_madvise(void *at, size_t len, int advice);
int __wrap_madvise(void *at, size_t len, int advice);
int __wrap_madvise(void *at, size_t len, int advice)
{
    if (advice == unknown) {
        refusals++;
        errno = EINVAL;
        return -1;
    }
    return __real_madvise(at, len, advice);
}

struct kernel {
    const char *name;
    int unknown;
};
static const struct kernel kernels[] = {
    { "by the fork handler", MADV_WIPEONFORK }, { "by the kernel", 0 }, /* held before */
};

static void run_on(const struct kernel *kernel)
{
    unknown = kernel->unknown;
    refusals = 0;
}

/* Failed: the test would show nothing of its kernel. */
static void assert_was_refused(const struct kernel *kernel)
{
    assert_int_equal(refusals > 0, kernel->unknown != 0);
    unknown = 0;
}

static bool is_zero(const unsigned char *page)
{
    for (size_t i = 0; i < SECRET_PAGE_BYTES; i++) {
        if (page[i] != 0) {
            return false;
        }
    }
    return true;
}

static bool is_full(const unsigned char *page)
{
    return page[0] == 'x' && page[SECRET_PAGE_BYTES - 1] == 'x';
}

static unsigned char *full_page(enum secret_page_children children)
{
    unsigned char *page = secret_page_new(children);
    assert_non_null(page);
    memset(page, 'x', SECRET_PAGE_BYTES);
    return page;
}

static void children_find_zeros(void **state)
{
    unsigned char *pages[PAGES];
    run_on(*state);
    for (size_t i = 0; i < PAGES; i++) {
        pages[i] = full_page(SECRET_PAGE_WIPED);
    }
    for (size_t i = 0; i < PAGES; i += 2) { /* what is gone must not be touched */
        secret_page_free(pages[i]);
    }
    pages[0] = full_page(SECRET_PAGE_WIPED);
    pid_t child = child_fork(true);
    if (child == 0) {
        bool zero = is_zero(pages[0]);
        for (size_t i = 1; i < PAGES; i += 2) {
            zero &= is_zero(pages[i]);
        }
        exit(zero ? 0 : 1);
    }
    assert_true(child_is_fine(child));
    assert_true(is_full(pages[0]));
    for (size_t i = 1; i < PAGES; i += 2) {
        assert_true(is_full(pages[i]));
        secret_page_free(pages[i]);
    }
    secret_page_free(pages[0]);
    assert_was_refused(*state);
}

/* A module that forks inside C_Login: no other hook of ours runs there. */
static void children_of_a_module_find_zeros(void **state)
{
    run_on(*state);
    unsigned char *page = full_page(SECRET_PAGE_WIPED);
    fork_enter_call();
    pid_t child = child_fork(true);
    if (child == 0) {
        exit(is_zero(page) ? 0 : 1);
    }
    fork_leave_call();
    assert_true(child_is_fine(child));
    assert_true(is_full(page));
    secret_page_free(page);
    assert_was_refused(*state);
}

static void children_find_what_is_kept_for_them(void **state)
{
    run_on(*state);
    unsigned char *page = full_page(SECRET_PAGE_KEPT);
    pid_t child = child_fork(true);
    if (child == 0) {
        exit(is_full(page) ? 0 : 1);
    }
    assert_true(child_is_fine(child));
    secret_page_free(page);
    unknown = 0;
}

static void log_out(void)
{
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, "alice", 0);
    assert_int_equal(softhsm->C_Logout(session), CKR_OK);
    softhsm->C_CloseSession(session);
}

/* A key whose PIN came once, by a descriptor. */
static nk_status open_given(struct hsm_key **ret_key, nk_error *err)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], SOFTHSM_PIN, strlen(SOFTHSM_PIN)), strlen(SOFTHSM_PIN));
    close(ends[1]);
    const struct hsm_key_request request = { .module = SOFTHSM_MODULE,
                                             .uri = alice.uri,
                                             .pin = { .kind = HSM_PIN_FD, .fd = ends[0] },
                                             .token = { .max_sessions = 4,
                                                        .login_timeout_ms = 2000 } };
    return hsm_key_open(&request, alice.public_key, ret_key, err);
}

static void the_parent_logs_in_again(void **state)
{
    struct hsm_key *key = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    run_on(*state);
    if (open_given(&key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    EVP_PKEY *loaded = rig_load(key);
    pid_t child = child_fork(true);
    if (child == 0) {
        exit(0);
    }
    assert_true(child_is_fine(child));
    log_out();
    assert_true(rig_signs(loaded, &alice));
    EVP_PKEY_free(loaded);
    rig_shut(key);
    assert_was_refused(*state);
}

static void a_kernel_that_dumps_it_gets_no_secret(void **state)
{
    (void)state; /* held before */
    unknown = MADV_DONTDUMP;
    errno = 0;
    assert_null(secret_page_new(SECRET_PAGE_WIPED));
    assert_int_equal(errno, EINVAL);
    unknown = 0;
}

static int start(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    softhsm_start();
    softhsm_token("alice");
    rig_start(SOFTHSM_MODULE);
    alice = identity_make("alice", "identity", "01", "P-256");
    return hsm_provider_register(NULL, &err) == NK_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    identity_free(&alice);
    return 0;
}

int main(void)
{
    static const struct {
        const char *name;
        CMUnitTestFunction check;
    } tests[] = {
        { "children find zeros", children_find_zeros },
        { "children of a module find zeros", children_of_a_module_find_zeros },
        { "children find what is kept for them", children_find_what_is_kept_for_them },
        { "the parent logs in again", the_parent_logs_in_again },
    };
    for (size_t i = 0; i < ARRAY_LEN(kernels); i++) {
        for (size_t k = 0; k < ARRAY_LEN(tests); k++) {
            rows_add(path_of("%s, %s", tests[k].name, kernels[i].name), tests[k].check,
                     &kernels[i]);
        }
    }
    ROWS_TEST(a_kernel_that_dumps_it_gets_no_secret);
    return ROWS_RUN("pin_page", start, stop);
}
