/* SPDX-License-Identifier: Apache-2.0
 * Hosts built outside of the tree against what is installed, by gcc and by clang where it is there:
 * those that README shows, examples/host.cc, and strangers in C and C++ that talk to each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define URI "spiffe://federation.example/node/"
#define TALKED "talked to " URI "node-a, which saw " URI "node-b\n"
#define SERVED "the server's exit status: 0\n"

static struct federation federation;
static struct member member_a, member_b;
static char plugin[4096];

/* A program alone. */
static const struct alone {
    const char *name;
    const char *program; /* in FOLDER/COMPILER */
    const char *address; /* its last argument, or NULL */
    const char *says;
} alones[] = {
    { "README's host in C", "readme_c", NULL, "ready" },
    { "README's host in C++", "readme_cpp", NULL, "ready" },
    { "examples/host.cc", "example_cpp", "127.0.0.1:0",
      "talked to " URI "node-a\nhost: who calls us " URI "node-a" },
};

/* A server and who dials it. */
static const struct pair {
    const char *name;
    const char *server;
    const char *verb;
    const char *dialer;
    const char *dials;
    size_t talks;
    const char *says; /* the log of either */
} pairs[] = {
    { "C serves C", "talk_c", "serve", "talk_c", "2", 2, "nodekey: our identity" },
    { "C serves C++", "talk_c", "serve", "talk_cpp", "1", 1, "nodekey: our identity" },
    { "C++ serves C", "talk_cpp", "serve", "talk_c", "1", 1, "nodekey: our identity" },
    { "C++ serves C++", "talk_cpp", "serve", "talk_cpp", "1", 1, "nodekey: our identity" },
    { "a verify hook that throws: the first is refused, the second served", "talk_cpp", "throw",
      "talk_cpp", "2", 1, "hook-refused: the verify hook threw: no database" },
};

static const char *compiler; /* the folder of those programs that run now */

static char *run(const char *const *argv, int *ret_status)
{
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    *ret_status = end.status;
    return end.out;
}

static const char *program(const char *name)
{
    return path_of("%s/%s/%s", scratch_folder(), compiler, name);
}

static size_t count(const char *text, const char *piece)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, piece)) != NULL; at++) {
        found++;
    }
    return found;
}

/* A second compiler, where there is one: its rows are left out, not passed over. */
static bool has_clang(void)
{
    const char *const argv[] = { "sh", "-c", "command -v clang++", NULL };
    int status = -1;

    free(run(argv, &status));
    return status == 0;
}

static void check_alone(void **state)
{
    const struct alone *row = *state;
    int status = -1;
    const char *const argv[] = { program(row->program), plugin,
                                 path_of("%s/node-a.json", federation.folder), row->address, NULL };
    char *out = run(argv, &status);
    if (status != 0 || strstr(out, row->says) == NULL || strstr(out, "nodekey: our") == NULL) {
        fail_msg("%s, status %d:\n%s", compiler, status, out);
    }
    free(out);
}

static void check_pair(void **state)
{
    const struct pair *row = *state;
    int status = -1;
    const char *const argv[] = { INSTALLED_SH, "talk",
                                 row->dials,   program(row->server),
                                 row->verb,    program(row->dialer),
                                 plugin,       federation.folder,
                                 NULL };
    char *out = run(argv, &status);
    if (status != 0 || count(out, TALKED) != row->talks || strstr(out, SERVED) == NULL ||
        strstr(out, row->says) == NULL) {
        fail_msg("%s, status %d:\n%s", compiler, status, out);
    }
    free(out);
}

static int with_gcc(void **state)
{
    (void)state;
    compiler = "gcc";
    return 0;
}

static int with_clang(void **state)
{
    (void)state;
    compiler = "clang";
    return 0;
}

static void the_headers_are_installed(void **state)
{
    (void)state;
    static const char *const headers[] = { "plugin.h",    "load.h",    "grpcpp.h",
                                           "nodekey.hpp", "hooks.hpp", "detail/instance.hpp" };
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        const char *path = path_of("%s/prefix/include/nodekey/%s", scratch_folder(), headers[i]);
        if (access(path, R_OK) != 0) {
            fail_msg("%s is missing", path);
        }
    }
}

static int build_all(void **state)
{
    (void)state;
    int status = -1;
    const char *const argv[] = { INSTALLED_SH, "build", BUILD_FOLDER, scratch_folder(), NULL };
    char *out = run(argv, &status);
    FILE *file = fopen(path_of("%s/plugin", scratch_folder()), "r");
    bool read = file != NULL && fgets(plugin, sizeof(plugin), file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    plugin[strcspn(plugin, "\n")] = '\0';
    if (status != 0 || !read) {
        fprintf(stderr, "installed.sh build: status %d:\n%s", status, out);
    }
    free(out);
    return status == 0 && read ? 0 : -1;
}

int main(void)
{
    softhsm_start();
    federation_make(&federation, "federation.example");
    federation_enrol(&federation, &member_a, "node-a", "P-256");
    federation_enrol(&federation, &member_b, "node-b", "P-256");
    ROWS_TEST(the_headers_are_installed);
    rows_each(with_gcc, NULL);
    ROWS_OF(alones, check_alone);
    ROWS_OF(pairs, check_pair);
    if (has_clang()) {
        rows_each(with_clang, NULL);
        ROWS_OF(alones, check_alone);
        ROWS_OF(pairs, check_pair);
    }
    int failed = ROWS_RUN("host_installed", build_all, NULL);
    member_free(&member_a);
    member_free(&member_b);
    federation_free(&federation);
    return failed;
}
