/* SPDX-License-Identifier: Apache-2.0
 * Makes a node's gRPC credentials take another key and chain than the plugin's, with a key in
 * memory. No configuration can ask for that; here it tells what keys cost from all else. */
#ifndef NODEKEY_BENCH_SWAP_KEY_H
#define NODEKEY_BENCH_SWAP_KEY_H

#include "bench/plain_tls.h"

/* From here on, for all credentials of hosts with swap_key_symbol. `path` is of a file with key and
 * chain. Borrowed. */
void swap_key_for(const char *path, const struct plain_tls *end);
/* nk_host.symbol: gRPC's functions, but for those that take the plugin's key. */
nk_function swap_key_symbol(const char *name);
/* How many credentials have been given it. */
unsigned swap_key_count(void);

#endif
