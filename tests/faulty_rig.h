/* SPDX-License-Identifier: Apache-2.0
 * Puts the faulty token in front of SoftHSM, for this process and its children. */
#ifndef NODEKEY_TESTS_FAULTY_RIG_H
#define NODEKEY_TESTS_FAULTY_RIG_H

#include "faulty_token.h"

/* Sets $FAULTY_MODULE and $FAULTY_SCRIPT; returns the module's path for "node.module". */
const char *faulty_start(void);
/* Replaces the script: lines of key=value; "" for a token without faults. */
void faulty_set(const char *lines);
/* Of this process; the module must be loaded already. */
const struct faulty_counters *faulty_count(void);

#endif
