/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what)
{
    fprintf(stderr, "process: %s: %s\n", what, strerror(errno));
    abort();
}

static pid_t spawn(const struct process *process, int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (process->with_stderr) {
        posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    }
    pid_t pid = 0;
    errno = posix_spawnp(&pid, process->argv[0], &actions, NULL,
                         (char *const *)(uintptr_t)process->argv, environ);
    if (errno != 0) {
        die(process->argv[0]);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void read_to_end(int fd, struct process_end *end)
{
    size_t room = 0;
    ssize_t got = 0;
    do {
        if (end->out_len + 1 >= room) {
            room = room == 0 ? 16384 : 2 * room;
            end->out = realloc(end->out, room);
            if (end->out == NULL) {
                die("realloc");
            }
        }
        got = read(fd, end->out + end->out_len, room - end->out_len - 1);
        if (got < 0 && errno != EINTR) {
            die("read");
        }
        end->out_len += got > 0 ? (size_t)got : 0;
    } while (got != 0);
    end->out[end->out_len] = '\0';
}

struct process_end process_run(const struct process *process)
{
    struct process_end end = { .status = -1 };
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
        die("pipe");
    }
    pid_t pid = spawn(process, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    if (process->in_len > 0 &&
        write(to[1], process->in, process->in_len) != (ssize_t)process->in_len) {
        die("write");
    }
    close(to[1]);
    read_to_end(from[0], &end);
    close(from[0]);
    while (waitpid(pid, &end.status, 0) != pid) {
        if (errno != EINTR) {
            die("waitpid");
        }
    }
    return end;
}
