/* SPDX-License-Identifier: Apache-2.0
 * A real p11-kit server in front of SoftHSM: the token is in another process, and p11-kit-client.so
 * reaches it. Failures abort. */
#ifndef NODEKEY_TESTS_REMOTE_TOKEN_H
#define NODEKEY_TESTS_REMOTE_TOKEN_H

/* Listens when it returns; sets $P11_KIT_SERVER_ADDRESS. softhsm_start comes first. Ended at exit
 * of this process, with all that it started. Returns what "node.module" is to be. */
const char *remote_start(void);

#endif
