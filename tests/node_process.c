/* SPDX-License-Identifier: Apache-2.0 */
#include "node_process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rpc.h"

struct node_process {
    pid_t pid;
    int line; /* its port comes, and then nothing; shut down, it ends */
    int port;
};

static void die(const char *what)
{
    fprintf(stderr, "node process: %s\n", what);
    abort();
}

static void serve(int line, const struct member *member, const char *patch, unsigned threads)
{
    struct node node;
    char nothing = 0;
    grpc_init();
    node_open(&node, member, patch);
    struct rpc_server *server = rpc_server_start(node.server, threads, NULL, NULL);
    int port = rpc_server_port(server);
    if (write(line, &port, sizeof(port)) != (ssize_t)sizeof(port)) {
        die("nobody wants the port");
    }
    (void)!read(line, &nothing, sizeof(nothing));
    rpc_server_stop(server);
    node_close(&node);
    rpc_shutdown();
}

struct node_process *node_process_start(const struct member *member, const char *patch,
                                        unsigned threads)
{
    struct node_process *process = calloc(1, sizeof(*process));
    int ends[2];
    if (process == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        die("starting");
    }
    process->pid = fork();
    if (process->pid < 0) {
        die("fork failed");
    }
    if (process->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that aborts must not leave it behind */
        close(ends[0]);
        serve(ends[1], member, patch, threads);
        _exit(0); /* what our parent made for its own end is not ours */
    }
    close(ends[1]);
    process->line = ends[0];
    if (read(process->line, &process->port, sizeof(process->port)) !=
        (ssize_t)sizeof(process->port)) {
        die("it does not serve");
    }
    return process;
}

int node_process_port(const struct node_process *process)
{
    return process->port;
}

void node_process_stop(struct node_process *process)
{
    int status = 0;
    shutdown(process->line, SHUT_RDWR); /* a node that was started later has it, too */
    close(process->line);
    if (waitpid(process->pid, &status, 0) != process->pid || status != 0) {
        die("it did not end well");
    }
    free(process);
}
