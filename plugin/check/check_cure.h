/* SPDX-License-Identifier: Apache-2.0
 * Commands that mend what a check has found. */
#ifndef NODEKEY_CHECK_CURE_H
#define NODEKEY_CHECK_CURE_H

#include "base/auto.h"

enum check_use {
    CHECK_READ,   /* a file that we read, or a folder of such */
    CHECK_SECRET, /* likewise, and nobody else */
    CHECK_KEEP,   /* a folder of ours alone */
    CHECK_HOLD,   /* a folder in which we make something */
};

/* The command that takes from the path, or from the first folder on the way to it that is at fault,
 * what its use forbids others, or makes the folder; NULL: another command would be needed, or
 * another user, or there is no memory. What is not ours, or everybody's, is left alone. Owned:
 * free. */
char *check_cure_path(const char *path, enum check_use use);
/* The command that turns a certificate in DER, as CAs hand them out, into PEM where it lies; NULL:
 * it is none. Owned: free. */
char *check_cure_der(const char *path);
/* The words joined by spaces, each quoted for a shell where it must be; NULL ends them. NULL: no
 * memory, or a terminal would not show all of it as it is. Owned: free. */
char *check_command(const char *word, ...) __attribute__((sentinel));

#endif
