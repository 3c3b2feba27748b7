/* SPDX-License-Identifier: Apache-2.0
 * A child program, run to its end. Failures of the fixture abort. */
#ifndef NODEKEY_TESTS_PROCESS_H
#define NODEKEY_TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

struct process {
    const char *const *argv; /* NULL-terminated; argv[0] is searched in $PATH */
    const void *in;          /* its stdin, at most a pipe's buffer */
    size_t in_len;
    bool with_stderr; /* in the output, too; else it goes where ours goes */
};

struct process_end {
    int status; /* as of waitpid */
    char *out;  /* owned: free; NUL-terminated */
    size_t out_len;
};

struct process_end process_run(const struct process *process);

#endif
