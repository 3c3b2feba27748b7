/* SPDX-License-Identifier: Apache-2.0 */
#include "fork/remote_token.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixtures/authority.h"
#include "fixtures/softhsm/softhsm.h"

#define WAIT_MS 10000
#define STEP_MS 5

extern char **environ;

static pid_t starter;
static pid_t server; /* leads a group with those that it forks for each client */

static void die(const char *what)
{
    fprintf(stderr, "remote token: %s: %s\n", what, strerror(errno));
    abort();
}

static void end(void)
{
    if (getpid() == starter) {
        kill(-server, SIGKILL);
        waitpid(server, NULL, 0);
    }
}

const char *remote_start(void)
{
    const char *socket = path_of("%s/p11", scratch_folder());
    const char *const argv[] = { "p11-kit", "server", "-f",      "--provider", SOFTHSM_MODULE,
                                 "-n",      socket,   "pkcs11:", NULL };
    posix_spawnattr_t attr;

    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    errno = posix_spawnp(&server, argv[0], NULL, &attr, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attr);
    if (errno != 0) {
        die(argv[0]);
    }
    starter = getpid();
    atexit(end);
    setenv("P11_KIT_SERVER_ADDRESS", path_of("unix:path=%s", socket), 1);
    for (int waited = 0; access(socket, F_OK) != 0; waited += STEP_MS) {
        if (waited >= WAIT_MS) {
            die(socket);
        }
        usleep(STEP_MS * 1000);
    }
    return "p11-kit";
}
