/* SPDX-License-Identifier: Apache-2.0
 * What all targets share. A target defines LLVMFuzzerTestOneInput, and LLVMFuzzerInitialize too if
 * it prepares anything; libFuzzer or replay.c calls them. */
#ifndef NODEKEY_TESTS_FUZZ_H
#define NODEKEY_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodekey/plugin.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Aborts with the words unless `held`: a target's claim is broken. */
void fuzz_require(bool held, const char *what);
/* Input as text, which ends at its first NUL at the latest. Owned: free. */
char *fuzz_text(const uint8_t *data, size_t len);
/* The text up to the next line end, which becomes its NUL; *at then is behind it. "" at the end. */
char *fuzz_line(char **at);
/* Makes or replaces the file. Not by O_TRUNC: ext4 would write each to the disk at once. */
void fuzz_write_file(const char *path, const uint8_t *data, size_t len);
/* Claims of every refusal: one of the statuses in the mask of 1 << NK_E_...; one line that is valid
 * UTF-8, and not empty. */
void fuzz_check_error(const nk_error *err, nk_status status, unsigned statuses);
/* OpenSSL's queue of this thread is as empty as before. */
void fuzz_check_queue(void);

#endif
