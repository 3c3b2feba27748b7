/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sides/outpost.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct outpost {
    const char *name;
    pid_t process;
    int channel; /* -1: nobody there */
};

struct report {
    bool ready;
    char why[OUTPOST_WHY_MAX_BYTES];
};

static void die(const char *name, const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", name, what);
    abort();
}

/* --- there --- */

static void serve(int channel, const struct outpost_work *work, void *user)
{
    struct report report = { .ready = false };
    struct bounded_call bounded;
    report.ready = work->start(user, report.why, sizeof(report.why));
    if (write(channel, &report, sizeof(report)) != (ssize_t)sizeof(report)) {
        _exit(1);
    }
    while (report.ready && read(channel, &bounded, sizeof(bounded)) == (ssize_t)sizeof(bounded)) {
        struct contest_cost cost = work->run(user, &bounded);
        if (write(channel, &cost, sizeof(cost)) != (ssize_t)sizeof(cost)) {
            _exit(1);
        }
    }
    if (work->stop == NULL) {
        _exit(0);
    }
    work->stop(user);
    exit(0);
}

/* --- here --- */

static void give_up(struct outpost *outpost)
{
    close(outpost->channel);
    outpost->channel = -1;
}

static void hear_report(struct outpost *outpost)
{
    struct report report;
    bool heard = read(outpost->channel, &report, sizeof(report)) == (ssize_t)sizeof(report);
    if (heard && report.ready) {
        return;
    }
    fprintf(stderr, "bench: %s cannot: %s\n", outpost->name,
            heard ? report.why : "its process has ended");
    give_up(outpost);
}

struct outpost *outpost_start(const char *name, const struct outpost_work *work, void *user)
{
    struct outpost *outpost = calloc(1, sizeof(*outpost));
    int ends[2];
    if (outpost == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        die(name, "no socket pair");
    }
    fflush(NULL); /* or the process says again what this one has not said yet */
    outpost->name = name;
    outpost->process = fork();
    if (outpost->process < 0) {
        die(name, "fork failed");
    }
    if (outpost->process == 0) {
        close(ends[0]);
        serve(ends[1], work, user);
    }
    close(ends[1]);
    outpost->channel = ends[0];
    hear_report(outpost);
    return outpost;
}

bool outpost_send(struct outpost *outpost, const struct bounded_call *bounded,
                  struct contest_cost *ret_cost)
{
    struct contest_cost cost;
    if (outpost->channel < 0) {
        return false;
    }
    if (send(outpost->channel, bounded, sizeof(*bounded), MSG_NOSIGNAL) !=
            (ssize_t)sizeof(*bounded) ||
        read(outpost->channel, &cost, sizeof(cost)) != (ssize_t)sizeof(cost)) {
        fprintf(stderr, "bench: %s: its process has ended\n", outpost->name);
        give_up(outpost);
        return false;
    }
    *ret_cost = cost;
    return true;
}

void outpost_stop(struct outpost *outpost)
{
    int status = 0;
    if (outpost == NULL) {
        return;
    }
    if (outpost->channel >= 0) {
        close(outpost->channel);
    }
    if (waitpid(outpost->process, &status, 0) != outpost->process || status != 0) {
        fprintf(stderr, "bench: %s: its process ended with status 0x%x\n", outpost->name,
                (unsigned)status);
    }
    free(outpost);
}
