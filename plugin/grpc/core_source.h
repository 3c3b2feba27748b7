/* SPDX-License-Identifier: Apache-2.0
 * Where the functions of a host's core are: beside grpc_version in a shared one, else what the host
 * hands out. */
#ifndef NODEKEY_CORE_SOURCE_H
#define NODEKEY_CORE_SOURCE_H

#include <stdbool.h>

#include "nodekey/plugin.h"

struct link_map;

struct core_source {
    nk_function (*symbol)(const char *name); /* the host's; NULL: a library is looked through */
    void *handle;                            /* of dlopen */
    const struct link_map *object;           /* has functions of a core; NULL: none found yet */
};

/* Functions that the program shows to all. */
struct core_source core_source_shown(void);
/* The source of the functions of grpc_version, which is set. [any] */
void core_source_open(const nk_host *host, struct core_source *ret_source);
/* Whether the host's core is in another namespace of the dynamic linker, that of dlmopen. [any] */
bool core_source_is_away(const nk_host *host);
/* Writes a function's pointer to what `function` points to; false: there is none of that name. */
bool core_source_find(struct core_source *source, const char *name, void *function);
/* Whether what was found is a core that the program itself carries and shows. It may still hide the
 * OpenSSL which that uses. */
bool core_source_is_program(const struct core_source *source);

#endif
