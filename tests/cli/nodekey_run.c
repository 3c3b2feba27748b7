/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/nodekey_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"

#define STDERR_MAX_BYTES 65536

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
