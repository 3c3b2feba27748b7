/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/nodekey_killed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define PATH_BYTES 256
#define PAGE_BYTES 4096

/* LeakSanitizer traces its own process at the end, which one tracer alone can. */
static void run_child(const char *folder, const char *const argv[])
{
    const char *other = getenv("NODEKEY_COMMAND");
    const char *options = getenv("ASAN_OPTIONS");
    int out = -1;

    setenv("ASAN_OPTIONS", path_of("%s:detect_leaks=0", options != NULL ? options : ""), 1);
    if (chdir(folder) == 0 && setsid() > 0 &&
        (out = open("killed.out", O_WRONLY | O_CREAT | O_TRUNC, 0600)) >= 0 && dup2(out, 1) == 1 &&
        dup2(out, 2) == 2 && ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0) {
        execv(other != NULL ? other : NODEKEY, (char *const *)(uintptr_t)argv);
    }
    _exit(99);
}

static pid_t start_traced(const char *const argv[])
{
    int status = 0;
    const char *folder = scratch_folder(); /* a child would make another */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run_child(folder, argv);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status)) {
        fail_msg("no program can be traced here: allow ptrace");
    }
    assert_int_equal(
        ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)),
        0);
    return child;
}

/* The path that a system call names at its entry: of a rename the new one. "" for other calls. */
static const char *find_path(pid_t child, char path[PATH_BYTES])
{
    struct __ptrace_syscall_info info = { .op = 0 };
    struct iovec here = { path, PATH_BYTES - 1 };
    struct iovec there = { .iov_len = PATH_BYTES - 1 };

    memset(path, 0, PATH_BYTES);
    ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        there.iov_base = info.entry.nr == SYS_openat ? (void *)(uintptr_t)info.entry.args[1]
                         : info.entry.nr == SYS_renameat || info.entry.nr == SYS_renameat2
                             ? (void *)(uintptr_t)info.entry.args[3]
                             : NULL;
    }
    if (there.iov_base != NULL) { /* up to the end of a page, should the next one be missing */
        size_t page = PAGE_BYTES - (uintptr_t)there.iov_base % PAGE_BYTES;
        there.iov_len = page < there.iov_len ? page : there.iov_len;
        (void)process_vm_readv(child, &here, 1, &there, 1, 0);
    }
    return path;
}

static void note_step(pid_t child, struct killed_run *run)
{
    char room[PATH_BYTES];
    const char *path = find_path(child, room);
    const char *log = getenv("FAULTY_LOG");

    if (strcmp(path, "node.pin.next") == 0 && run->at[STEP_NEXT] == 0) {
        run->at[STEP_NEXT] = run->stops;
    } else if (log != NULL && strcmp(path, log) == 0 && run->at[STEP_NEXT] != 0 &&
               run->at[STEP_SET] == 0) {
        run->at[STEP_SET] = run->stops;
    } else if (strcmp(path, "node.pin") == 0 && run->at[STEP_SET] != 0) {
        run->at[STEP_PLACED] = run->stops;
    }
}

/* SoftHSM writes a token's file in place at each login: between its ftruncate to 0 bytes and the
 * end of its write the token is in the process's memory alone, and a kill costs it whatever the
 * caller does. Such a moment is passed over. */
enum store { STORE_WHOLE, STORE_EMPTY, STORE_WRITTEN };

static enum store follow_store(pid_t child, enum store store)
{
    struct __ptrace_syscall_info info = { .op = 0 };

    ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) {
        return store == STORE_WRITTEN ? STORE_WHOLE : store;
    }
    if (info.entry.nr == SYS_ftruncate && info.entry.args[1] == 0) {
        return STORE_EMPTY;
    }
    return store == STORE_EMPTY && info.entry.nr == SYS_write ? STORE_WRITTEN : store;
}

static bool is_moment(const struct killed_run *run, struct killed_moment moment)
{
    bool begun = moment.step == STEP_START || run->at[moment.step] != 0;

    return moment.stops != 0 && begun && run->stops >= run->at[moment.step] + moment.stops;
}

struct killed_run nodekey_killed(const char *const argv[], struct killed_moment moment)
{
    struct killed_run run = { .stops = 0 };
    pid_t child = start_traced(argv);
    int status = 0;
    int pass = 0;
    enum store store = STORE_WHOLE;

    while (!run.killed && ptrace(PTRACE_SYSCALL, child, NULL, (void *)(long)pass) == 0 &&
           waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) != SYSCALL_STOP) {
            pass = WSTOPSIG(status);
            continue;
        }
        pass = 0;
        run.stops++;
        note_step(child, &run);
        store = follow_store(child, store);
        if (store == STORE_WHOLE && is_moment(&run, moment)) {
            kill(child, SIGKILL);
            run.killed = waitpid(child, &status, 0) == child;
        }
    }
    if (run.killed ? !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL
                   : !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("at stop %u of %s: status %#x, see killed.out", run.stops, argv[1],
                 (unsigned)status);
    }
    return run;
}
