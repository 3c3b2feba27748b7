/* SPDX-License-Identifier: Apache-2.0
 * The rival: libp11's engine, Debian's package libengine-pkcs11-openssl. It takes over keys of the
 * whole process, so it only ever is loaded in one of its own. */
#ifndef NODEKEY_BENCH_RIVAL_H
#define NODEKEY_BENCH_RIVAL_H

#include <openssl/evp.h>

#include "bench/sides/outpost.h"

/* "pkcs11:..." with the PIN in it, which is how the engine is told. Lives until exit. */
const char *rival_uri(const char *label, const char *object);
/* For this process and its children: the module that the engine will load. */
void rival_use(const char *module);
/* In the process that is to load it: ends it if there is no engine; then silences stderr, to which
 * the engine writes URIs with their PINs. */
void rival_hush(void);

/* Signs with the key OBJECT on the token LABEL; stopped with outpost_stop. `public_key` proves it
 * and is borrowed. */
struct outpost *rival_start(const char *label, const char *object, EVP_PKEY *public_key);

/* The same by another rival; `load`, in its process, returns an owned key, or NULL and what OpenSSL
 * says of it. */
typedef EVP_PKEY *(*rival_load)(const char *uri);
struct outpost *rival_start_by(rival_load load, const char *name, const char *uri,
                               EVP_PKEY *public_key);

#endif
