/* SPDX-License-Identifier: Apache-2.0
 * The token's own cost: C_SignInit and C_Sign, a session for each thread, and nothing else. */
#ifndef NODEKEY_BENCH_BARE_H
#define NODEKEY_BENCH_BARE_H

#include <stdbool.h>

#include <p11-kit/pkcs11.h>

#include "bench/sides/team.h"

struct bare {
    CK_FUNCTION_LIST *call;
    CK_SESSION_HANDLE sessions[TEAM_MAX];
    CK_OBJECT_HANDLE key;
    CK_RSA_PKCS_PSS_PARAMS pss;
    CK_MECHANISM mechanism;
    CK_BYTE input[BENCH_MESSAGE_BYTES];
    CK_ULONG input_len;
};

/* The key OBJECT on the token LABEL, with this many sessions. Another user of the module in this
 * process is put up with. Aborts on failure. */
void bare_open(struct bare *bare, const char *module, const char *label, const char *object,
               const char *key_type, unsigned sessions);
/* A team_operation; `user` is the struct bare. */
bool bare_sign(void *user, unsigned seat);

#endif
