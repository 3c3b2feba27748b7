/* SPDX-License-Identifier: Apache-2.0
 * What a program asks OpenSSL for on its own account, with keys that are none of ours. */
#ifndef NODEKEY_BENCH_PROGRAM_WORK_H
#define NODEKEY_BENCH_PROGRAM_WORK_H

#include <stddef.h>

#include "bench/sides/outpost.h"

enum program_operation { READ_P256, READ_RSA, READ_CERTIFICATE, HANDSHAKE };

/* Texts of software keys and certificates, made before any provider but OpenSSL's is there. */
struct program_papers;
/* Lives until the process ends. */
const struct program_papers *program_papers_make(void);

struct program;
/* Reads what handshakes need, as the process is now. Lives until the process ends; so must the
 * papers. */
struct program *program_new(const struct program_papers *papers);
/* `bounded->what` is a program_operation; one thread. One that fails aborts. */
struct contest_cost program_work(const struct program *program, const struct bounded_call *bounded);

#endif
