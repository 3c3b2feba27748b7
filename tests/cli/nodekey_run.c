/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/nodekey_run.h"

#include <pty.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"

#define STDERR_MAX_BYTES 65536
#define SHOWN_MAX_BYTES 65536

static char *read_stderr(const char *path)
{
    char *text = calloc(1, STDERR_MAX_BYTES);
    FILE *file = fopen(path, "r");
    assert_non_null(text);
    assert_non_null(file);
    assert_true(fread(text, 1, STDERR_MAX_BYTES - 1, file) < STDERR_MAX_BYTES - 1);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* In a session of its own, so that no terminal is there to be asked for PINs. */
struct nodekey_end nodekey_run(const char *folder, const char *arguments, const char *in)
{
    const char *err_path = path_of("%s/stderr", scratch_folder());
    const char *other = getenv("NODEKEY_COMMAND"); /* another build's */
    const char *script = path_of("cd '%s' && exec setsid -w '%s' %s 2>'%s'", folder,
                                 other != NULL ? other : NODEKEY, arguments, err_path);
    const char *const argv[] = { "sh", "-c", script, NULL };
    const struct process process = { .argv = argv,
                                     .in = in,
                                     .in_len = in != NULL ? strlen(in) : 0 };
    struct process_end ended = process_run(&process);
    struct nodekey_end end = { .code = WIFEXITED(ended.status) ? WEXITSTATUS(ended.status) : -1,
                               .out = ended.out,
                               .err = read_stderr(err_path) };
    assert_null(strstr(end.out, SOFTHSM_PIN)); /* the SO PIN has it in it */
    assert_null(strstr(end.err, SOFTHSM_PIN));
    return end;
}

char *nodekey_typed(const char *const argv[], const char *const *answers, int *ret_code)
{
    const char *other = getenv("NODEKEY_COMMAND");
    size_t len = 0;
    char *shown = calloc(1, SHOWN_MAX_BYTES);
    int terminal = -1;
    int status = 0;
    assert_non_null(shown);
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(child >= 0);
    if (child == 0) {
        execv(other != NULL ? other : NODEKEY, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    for (;;) { /* a terminal whose other end is gone gives an error, not an end */
        ssize_t got = read(terminal, shown + len, SHOWN_MAX_BYTES - 1 - len);
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
        if (len > 2 && strcmp(shown + len - 2, ": ") == 0 && *answers != NULL) {
            assert_int_equal(write(terminal, *answers, strlen(*answers)), strlen(*answers));
            assert_int_equal(write(terminal, "\n", 1), 1);
            answers++;
        }
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    close(terminal);
    *ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return shown;
}

void nodekey_end_clear(struct nodekey_end *end)
{
    free(end->out);
    free(end->err);
}

void nodekey_ends(const char *folder, const char *arguments, const char *in, int code,
                  const char *out_piece, const char *err_piece)
{
    struct nodekey_end end = nodekey_run(folder, arguments, in);
    if (end.code != code || (out_piece != NULL && strstr(end.out, out_piece) == NULL) ||
        (err_piece != NULL && strstr(end.err, err_piece) == NULL)) {
        fail_msg("nodekey %s: code %d, wanted %d, \"%s\" and \"%s\"\nstdout: %s\nstderr: %s",
                 arguments, end.code, code, out_piece != NULL ? out_piece : "",
                 err_piece != NULL ? err_piece : "", end.out, end.err);
    }
    nodekey_end_clear(&end);
}
