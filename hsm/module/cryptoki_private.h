/* SPDX-License-Identifier: Apache-2.0
 * For cryptoki.c (the wrappers) and cryptoki_list.c (the list). */
#ifndef NODEKEY_CRYPTOKI_PRIVATE_H
#define NODEKEY_CRYPTOKI_PRIVATE_H

#include "module/cryptoki.h"

struct cryptoki {
    CK_FUNCTION_LIST list; /* a copy */
};

/* The call begins now, for whoever waits for it. */
void cryptoki_begin(enum cryptoki_function function);

#endif
