/* SPDX-License-Identifier: Apache-2.0
 * Nodes that start at the same moment on one SoftHSM store: each login writes into the token's
 * file, and a token that is being written is hidden from who looks at it just then. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define PROCESSES 4
#define STARTS 24 /* of each */

static struct identity node;

/* A process of its own, as a node is: what another has cached hides the race. */
static int start_once(void)
{
    struct hsm_key *key = NULL;
    nk_error err;
    rig_start(SOFTHSM_MODULE);
    rig_set_terms(&(struct rig_terms){ .login_timeout_ms = 20000 });
    if (identity_open(&node, &key, &err) != NK_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    EVP_PKEY *loaded = rig_load(key);
    bool signs = loaded != NULL && rig_signs(loaded, &node);
    EVP_PKEY_free(loaded);
    rig_shut(key);
    return signs ? 0 : 1;
}

static pid_t fork_one(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(start_once());
    }
    assert_true(child > 0);
    return child;
}

static int failed_starts(void)
{
    pid_t children[PROCESSES];
    int failures = 0;
    for (int j = 0; j < PROCESSES; j++) {
        children[j] = fork_one();
    }
    for (int j = 0; j < PROCESSES; j++) {
        int status = -1;
        assert_int_equal(waitpid(children[j], &status, 0), children[j]);
        failures += status == 0 ? 0 : 1;
    }
    return failures;
}

static void nodes_that_start_together_all_start(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < STARTS; i++) {
        failures += failed_starts();
    }
    assert_int_equal(failures, 0);
}

/* A node in service is a process of its own, too: the parent must not have loaded a module. */
static int serve(int until)
{
    struct hsm_key *key = NULL;
    nk_error err;
    char byte = 0;
    unsigned failures = 0;
    rig_start(SOFTHSM_MODULE);
    rig_set_terms(&(struct rig_terms){ .login_timeout_ms = 20000 });
    if (identity_open(&node, &key, &err) != NK_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    EVP_PKEY *loaded = rig_load(key);
    while (read(until, &byte, 1) < 0) { /* its other end is open yet */
        failures += rig_signs(loaded, &node) ? 0 : 1;
    }
    fprintf(stderr, "%u signatures failed\n", failures);
    EVP_PKEY_free(loaded);
    rig_shut(key);
    return failures == 0 ? 0 : 1;
}

static void a_node_in_service_signs_meanwhile(void **state)
{
    (void)state;
    int until[2];
    int status = -1;
    assert_int_equal(pipe2(until, O_NONBLOCK | O_CLOEXEC), 0);
    pid_t server = fork();
    if (server == 0) {
        close(until[1]);
        _exit(serve(until[0]));
    }
    close(until[0]);
    for (int i = 0; i < STARTS / 4; i++) {
        assert_int_equal(failed_starts(), 0);
    }
    close(until[1]);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_int_equal(status, 0);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("node");
    node = identity_make("node", "identity", "01", "P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    identity_free(&node);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_that_start_together_all_start),
        cmocka_unit_test(a_node_in_service_signs_meanwhile),
    };
    return cmocka_run_group_tests_name("token_shared", tests, start, stop);
}
