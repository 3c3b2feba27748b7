/* SPDX-License-Identifier: Apache-2.0
 * The operator's command, run as a program in a folder. */
#ifndef NODEKEY_TESTS_NODEKEY_RUN_H
#define NODEKEY_TESTS_NODEKEY_RUN_H

struct nodekey_end {
    int code;  /* -1: killed */
    char *out; /* both owned: nodekey_end_clear */
    char *err;
};

/* `arguments` are words for a shell that stands in `folder`; `in` is stdin, or NULL. Fails the test
 * when a PIN of the SoftHSM fixture is in what it printed. */
struct nodekey_end nodekey_run(const char *folder, const char *arguments, const char *in);
void nodekey_end_clear(struct nodekey_end *end);

/* On a terminal of its own, with the answers in turn, each after a text that ends in ": ".
 * *ret_code is the exit code. What the terminal showed is owned: free. */
char *nodekey_typed(const char *const argv[], const char *const *answers, int *ret_code);

/* Fails the test, showing both texts, unless the code is this and both pieces are there; NULL: that
 * text is not looked at. */
void nodekey_ends(const char *folder, const char *arguments, const char *in, int code,
                  const char *out_piece, const char *err_piece);

#endif
