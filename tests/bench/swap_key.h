/* SPDX-License-Identifier: Apache-2.0
 * Makes a node's gRPC credentials read another file than the plugin's, with a key in memory. No
 * configuration can ask for that; here it tells what keys cost from what all else does. */
#ifndef NODEKEY_BENCH_SWAP_KEY_H
#define NODEKEY_BENCH_SWAP_KEY_H

/* From here on, for all credentials of this process: PEM of key and chain. Borrowed. */
void swap_key_for(const char *path);
/* How many credentials have been given it. */
unsigned swap_key_count(void);

#endif
