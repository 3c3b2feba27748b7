/* SPDX-License-Identifier: Apache-2.0
 * A core dump of a node that signs does not hold the PIN: not whole, not in pieces of eight bytes,
 * not as the words that a hash is fed with. Searched are a dump by gcore and, where the kernel
 * writes cores to files, the kernel's own after an abort; one of the two must be to be had. What
 * the module keeps is in the same memory: SoftHSM wipes its copies. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/text.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define DRAWN_BYTES 12
#define PIN_BYTES ((size_t)2 * DRAWN_BYTES)
#define PIECE_BYTES 8
#define CHILD_MAX_S 100

static struct federation federation;
static struct member alice;
static char pin[PIN_BYTES + 1];    /* drawn, so that it is in no program's constants */
static char marker[PIN_BYTES + 1]; /* likewise; the node has it backwards, in its heap */
static const char *config_path;
static const char *folder; /* of the kernel's cores */

/* --- the node --- */

struct running {
    pid_t pid;
    int in;
};

static void run_child(int in, int out)
{
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    (void)setrlimit(RLIMIT_CORE, &all);
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || chdir(folder) != 0) {
        _exit(1);
    }
    setenv("MALLOC_ARENA_MAX", "1", 1); /* gdb writes out what others only reserve */
    alarm(CHILD_MAX_S);
    execl(DUMP_CHILD, DUMP_CHILD, config_path, marker, NULL);
    _exit(1);
}

/* Returns when it signs. */
static struct running start_node(void)
{
    int to[2];
    int from[2];
    char line[16] = "";
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    struct running node = { .pid = fork(), .in = to[1] };
    if (node.pid == 0) {
        run_child(to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    FILE *out = fdopen(from[0], "re");
    assert_non_null(out);
    if (fgets(line, sizeof(line), out) == NULL || strcmp(line, "signing\n") != 0) {
        fail_msg("the node does not sign");
    }
    fclose(out);
    return node;
}

static int end_node(struct running *node)
{
    int status = -1;
    close(node->in);
    assert_int_equal(waitpid(node->pid, &status, 0), node->pid);
    return status;
}

/* --- cores --- */

/* NULL: no such file. */
static const char *gcore(const struct running *node, const char *option)
{
    const char *prefix = path_of("%s/by-gcore%s", folder, option);
    const char *const argv[] = { "gcore", "-o", prefix, path_of("%d", (int)node->pid), NULL };
    const char *const all[] = {
        "gcore", option, "-o", prefix, path_of("%d", (int)node->pid), NULL
    };
    const struct process process = { .argv = option[0] != '\0' ? all : argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    const char *core = path_of("%s.%d", prefix, (int)node->pid);
    if (end.status != 0 || access(core, R_OK) != 0) {
        print_message("gcore: status 0x%x: %s\n", (unsigned)end.status, end.out);
        core = NULL;
    }
    free(end.out);
    return core;
}

/* What an abort leaves in the folder. NULL: the kernel writes no core there. */
static const char *kernel_core(struct running *node)
{
    const char *const names[] = { path_of("%s/core", folder),
                                  path_of("%s/core.%d", folder, (int)node->pid) };
    assert_int_equal(kill(node->pid, SIGABRT), 0);
    int status = end_node(node);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (access(names[i], R_OK) == 0) {
            return names[i];
        }
    }
    print_message("the kernel writes no core to a file of ours\n");
    return NULL;
}

struct core {
    const unsigned char *bytes;
    size_t len;
};

static struct core map_core(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    close(fd);
    return (struct core){ bytes, (size_t)info.st_size };
}

static void drop_core(const struct core *core, const char *path)
{
    munmap((void *)(uintptr_t)core->bytes, core->len);
    assert_int_equal(unlink(path), 0); /* they are large */
}

static size_t count_pieces(const struct core *core, const char *piece, size_t len)
{
    size_t found = 0;
    const unsigned char *at = core->bytes;
    const unsigned char *end = core->bytes + core->len;
    while ((at = memmem(at, (size_t)(end - at), piece, len)) != NULL) {
        found++;
        at++;
    }
    return found;
}

static void swap_words(char piece[PIECE_BYTES])
{
    for (size_t i = 0; i < PIECE_BYTES; i += 4) {
        const char word[4] = { piece[i], piece[i + 1], piece[i + 2], piece[i + 3] };
        for (size_t k = 0; k < 4; k++) {
            piece[i + k] = word[3 - k];
        }
    }
}

/* Of all pieces of the PIN, as bytes and as the words of SHA-256 in memory. */
static size_t count_pin(const struct core *core)
{
    size_t found = 0;
    for (size_t i = 0; i + PIECE_BYTES <= PIN_BYTES; i++) {
        char piece[PIECE_BYTES];
        memcpy(piece, pin + i, PIECE_BYTES);
        found += count_pieces(core, piece, PIECE_BYTES);
        swap_words(piece);
        found += count_pieces(core, piece, PIECE_BYTES);
    }
    return found;
}

static void assert_no_pin(const char *path)
{
    char control[sizeof(marker)] = "";
    for (size_t i = 0; i < PIN_BYTES; i++) {
        control[i] = marker[PIN_BYTES - 1 - i];
    }
    struct core core = map_core(path);
    print_message("%s: %zu bytes, the marker %zu times, pieces of the PIN %zu times\n", path,
                  core.len, count_pieces(&core, control, PIN_BYTES), count_pin(&core));
    assert_true(count_pieces(&core, control, PIN_BYTES) > 0);
    assert_int_equal(count_pin(&core), 0);
    drop_core(&core, path);
}

/* --- --- */

static void the_pin_is_in_no_core(void **state)
{
    (void)state;
    struct running node = start_node();
    const char *by_gcore = gcore(&node, "");
    if (by_gcore != NULL) {
        assert_no_pin(by_gcore);
    }
    const char *by_kernel = kernel_core(&node);
    if (by_kernel != NULL) {
        assert_no_pin(by_kernel);
    }
    if (by_gcore == NULL && by_kernel == NULL) {
        fail_msg("no core can be made here: install gdb and allow ptrace, or let "
                 "/proc/sys/kernel/core_pattern name a file in the working folder");
    }
}

static void the_search_finds_it_where_nothing_is_left_out(void **state)
{
    (void)state;
    struct running node = start_node();
    const char *all = gcore(&node, "-a");
    assert_int_equal(end_node(&node), 0);
    assert_non_null(all);
    struct core core = map_core(all);
    size_t whole = count_pieces(&core, pin, PIN_BYTES);
    print_message("%s: the PIN %zu times\n", all, whole);
    assert_true(whole > 0);
    drop_core(&core, all);
}

static void draw(char text[PIN_BYTES + 1])
{
    unsigned char drawn[DRAWN_BYTES];
    assert_int_equal(getentropy(drawn, sizeof(drawn)), 0);
    for (size_t i = 0; i < sizeof(drawn); i++) {
        snprintf(text + 2 * i, 3, "%02x", drawn[i]);
    }
}

static void change_pin(void)
{
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    (void)softhsm->C_Initialize(&args);
    CK_SESSION_HANDLE session = rig_session(softhsm, "alice", CKF_RW_SESSION);
    assert_int_equal(softhsm->C_SetPIN(session, (CK_UTF8CHAR *)(uintptr_t)SOFTHSM_PIN,
                                       strlen(SOFTHSM_PIN), (CK_UTF8CHAR *)pin, PIN_BYTES),
                     CKR_OK);
    softhsm->C_Finalize(NULL);
    write_file(path_of("%s/alice.pin", federation.folder), pin, 0600);
}

static int start(void **state)
{
    (void)state;
    draw(pin);
    draw(marker);
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    change_pin();
    config_path = path_of("%s/dumped.json", federation.folder);
    char *config = member_config(&alice, "{}");
    write_file(config_path, config, 0600);
    free(config);
    folder = path_of("%s/cores", scratch_folder());
    return mkdir(folder, 0700);
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    return 0;
}

int main(void)
{
    setenv("DEBUGINFOD_URLS", "", 1);
    ROWS_TEST(the_pin_is_in_no_core);
    ROWS_TEST(the_search_finds_it_where_nothing_is_left_out);
    return ROWS_RUN("pin_dump", start, stop);
}
