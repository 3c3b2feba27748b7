/* SPDX-License-Identifier: Apache-2.0
 * Where a library's references to OpenSSL's functions went. A program that shows functions of these
 * names to all (an own OpenSSL, a part of one, BoringSSL) gets the references of all libraries to
 * them, as ELF wants, whatever their versions; two libraries that know nothing of each other's
 * objects then share the calls, and the first crosses into a crash. */
#ifndef NODEKEY_BINDINGS_H
#define NODEKEY_BINDINGS_H

#include <link.h>
#include <stdbool.h>

#include "nodekey/plugin.h"

/* A reference, and where it went. */
struct binding {
    const char *name; /* NULL: none yet; as long as the library that refers is there */
    void *address;
    const struct link_map *map; /* NULL: in no library */
};

/* References of one library, its own functions included where it is libcrypto, which may call
 * itself by their names, too. */
struct bindings {
    const struct link_map *map; /* the library; as long as it is there */
    struct binding first;
    struct binding other; /* in another library than `first` */
};

/* The library with that address, or NULL. [any] */
const struct link_map *bindings_map(void *address);
/* References of the library that this is linked into. [any] */
void bindings_of_ours(struct bindings *ret);
/* Whether references of that library, or of one that it needs, went into two; `ret` has them. Where
 * they were meant for is as good as where ours went: a program that shows a part of the same
 * OpenSSL has two alike. [any] */
bool bindings_in_two(const struct link_map *map, struct bindings *ret);
/* Whether the function is without a version, so that all references of its name go there. [any] */
bool binding_has_no_version(const struct binding *binding);
/* NK_E_USAGE: the text says whose calls they are, both libraries and the cure. [any] */
nk_status bindings_report(const struct bindings *bindings, const char *whose, nk_error *err);

#endif
