/* SPDX-License-Identifier: Apache-2.0
 * A remote token (p11-kit). One whose server dies raises SIGPIPE in whoever calls the module: it
 * ends nobody, and neither the host's disposition nor its mask is touched. One whose server stops
 * holds neither open nor close. The node under test is a program of its own, since the fault is its
 * death. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sigpipe.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define ROUNDS 4
#define PATIENCE_MS 20000
#define HASTY_MS 1000
#define HOST_ADDRESS "P11_KIT_SERVER_ADDRESS"

extern char **environ;

/* --- the node --- */

static const char *address;
static pid_t server;
static volatile sig_atomic_t handled;

static void need(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "node: %s\n", what);
        if (server > 0) {
            kill(-server, SIGKILL);
        }
        exit(1);
    }
}

static void pause_1ms(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* Its socket is there a moment before it listens. */
static bool listens(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    close(fd);
    return connected;
}

/* In a process group of its own: each client has a process of the server's to itself. */
static void start_server(void)
{
    const char *argv[] = { "p11-kit", "server", "-f",      "--provider", SOFTHSM_MODULE,
                           "-n",      address,  "pkcs11:", NULL };
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t actions;
    sigset_t none, only;
    sigemptyset(&none);
    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    unlink(address);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &only);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    need(posix_spawnp(&server, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, environ) ==
             0,
         "p11-kit server does not start");
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    for (int waited = 0; !listens(); waited++) {
        need(waited < PATIENCE_MS, "p11-kit server does not listen");
        pause_1ms();
    }
}

/* With all of its children, whom we reap: then the next write finds the other end closed. */
static void kill_server(void)
{
    kill(-server, SIGKILL);
    while (waitpid(-server, NULL, 0) > 0 || errno == EINTR) {
    }
}

static void count(int number)
{
    (void)number;
    handled++;
}

static bool is_in(int how_many, const sigset_t *set)
{
    return how_many == 0 && sigismember(set, SIGPIPE) == 1;
}

static bool is_blocked(void)
{
    sigset_t mask;
    return is_in(pthread_sigmask(SIG_BLOCK, NULL, &mask), &mask);
}

static bool is_pending(void)
{
    sigset_t set;
    return is_in(sigpending(&set), &set);
}

static void block(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void serve(const struct identity *identity, unsigned sign_timeout_ms)
{
    struct hsm_key *key = NULL;
    nk_error err;
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = sign_timeout_ms });
    start_server();
    need(identity_open(identity, &key, &err) == NK_OK, err.text);
    EVP_PKEY *loaded = rig_load(key);
    for (int i = 0; i < ROUNDS; i++) {
        need(rig_signs(loaded, identity), "no signature");
        kill_server();
        need(!rig_signs(loaded, identity), "a signature by nobody");
        need(rig_queue_has("token node"), "no reason is told");
        start_server();
        for (int waited = 0; sign_timeout_ms > 0 && !rig_signs(loaded, identity); waited++) {
            need(waited < PATIENCE_MS, "the breaker stays open");
            pause_1ms();
        }
        need(rig_signs(loaded, identity), "no signature after the cure");
    }
    kill_server(); /* close meets it, too */
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

static void stop_and_go(const struct identity *identity, struct recorder *log_lines)
{
    struct hsm_key *key = NULL;
    nk_error err;
    rig_set_terms(&(struct rig_terms){ .login_timeout_ms = HASTY_MS });
    start_server();
    kill(-server, SIGSTOP);
    need(identity_open(identity, &key, &err) == NK_E_TOKEN, "open did not fail");
    need(strstr(err.text, "has not come back from C_Initialize") != NULL, err.text);
    kill(-server, SIGCONT);
    rig_set_terms(&(struct rig_terms){ .login_timeout_ms = PATIENCE_MS });
    need(identity_open(identity, &key, &err) == NK_OK, err.text);
    EVP_PKEY *loaded = rig_load(key);
    need(rig_signs(loaded, identity), "no signature");
    EVP_PKEY_free(loaded);
    kill(-server, SIGSTOP);
    rig_shut(key);
    need(recorder_has(log_lines, "left behind"), "close does not say what it left behind");
    kill(-server, SIGCONT);
    rig_set_terms(&(struct rig_terms){ .login_timeout_ms = PATIENCE_MS });
    need(identity_open(identity, &key, &err) == NK_OK, err.text); /* behind the one that was late */
    rig_shut(key);
    kill_server();
}

static int be_a_node(const char *host)
{
    struct sigaction handler = { .sa_handler = strcmp(host, "ignores") == 0  ? SIG_IGN
                                               : strcmp(host, "counts") == 0 ? count
                                                                             : SIG_DFL };
    struct sigaction after;
    need(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl");
    softhsm_start();
    softhsm_token("node");
    struct recorder *log_lines = rig_start("p11-kit");
    address = path_of("%s/remote", scratch_folder());
    setenv(HOST_ADDRESS, path_of("unix:path=%s", address), 1);
    struct identity identity = identity_make("node", "identity", "01", "P-256");
    sigaction(SIGPIPE, &handler, NULL);
    if (strcmp(host, "blocks") == 0) {
        block();
    }
    if (strcmp(host, "waits") == 0) {
        stop_and_go(&identity, log_lines);
    } else {
        serve(&identity, strcmp(host, "deadline") == 0 ? 5000 : 0);
    }
    need(sigaction(SIGPIPE, NULL, &after) == 0 && after.sa_handler == handler.sa_handler,
         "the host's disposition changed");
    need(is_blocked() == (strcmp(host, "blocks") == 0), "the host's mask changed");
    need(!is_pending(), "SIGPIPE is left pending");
    need(handled == 0, "the host's handler was called");
    identity_free(&identity);
    return 0;
}

static void a_node_lives(void **state)
{
    const char *const argv[] = { "/proc/self/exe", "node", *state, NULL };
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    if (end.status != 0) {
        fail_msg("status 0x%x: %s", (unsigned)end.status, end.out);
    }
    free(end.out);
}

/* --- one stay --- */

static void restore(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    while (is_pending()) {
        (void)sigwaitinfo(&set, NULL);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void one_that_comes_in_a_stay_is_taken_away(void **state)
{
    (void)state;
    sigpipe_hold();
    sigpipe_hold();
    raise(SIGPIPE);
    sigpipe_release();
    assert_true(is_blocked()); /* stays nest */
    errno = E2BIG;
    sigpipe_release();
    assert_int_equal(errno, E2BIG);
    assert_false(is_blocked());
    assert_false(is_pending());
}

static void a_host_that_blocks_it_finds_none_of_ours(void **state)
{
    (void)state;
    block();
    sigpipe_hold();
    raise(SIGPIPE);
    sigpipe_release();
    assert_true(is_blocked());
    assert_false(is_pending());
    restore();
}

static void one_that_was_pending_stays_so(void **state)
{
    (void)state;
    block();
    raise(SIGPIPE);
    sigpipe_hold();
    raise(SIGPIPE);
    sigpipe_release();
    assert_true(is_pending());
    restore();
}

static void one_from_another_process_reaches_the_host(void **state)
{
    (void)state;
    struct sigaction before, handler = { .sa_handler = count };
    int status = -1;
    handled = 0;
    sigaction(SIGPIPE, &handler, &before);
    sigpipe_hold();
    pid_t child = fork();
    if (child == 0) {
        _exit(kill(getppid(), SIGPIPE) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(handled, 0);
    sigpipe_release();
    assert_int_equal(handled, 1);
    sigaction(SIGPIPE, &before, NULL);
}

#define HOST(what)                                                                                 \
    {                                                                                              \
        "a dead server ends nobody: the host " #what, a_node_lives, NULL, NULL, #what              \
    }

int main(int argc, char **argv)
{
    if (argc > 2) {
        return be_a_node(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_comes_in_a_stay_is_taken_away),
        cmocka_unit_test(a_host_that_blocks_it_finds_none_of_ours),
        cmocka_unit_test(one_that_was_pending_stays_so),
        cmocka_unit_test(one_from_another_process_reaches_the_host),
        HOST(defaults),
        HOST(ignores),
        HOST(counts),
        HOST(blocks),
        HOST(deadline),
        { "a server that stops holds nobody", a_node_lives, NULL, NULL, "waits" },
    };
    return cmocka_run_group_tests_name("fault_remote", tests, NULL, NULL);
}
