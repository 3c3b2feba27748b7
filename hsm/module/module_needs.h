/* SPDX-License-Identifier: Apache-2.0
 * Files and devices that the known modules need before they answer anything. */
#ifndef NODEKEY_MODULE_NEEDS_H
#define NODEKEY_MODULE_NEEDS_H

#include <stddef.h>

/* Every environment variable that the known modules read, with its value, those of the module at
 * `path` also when they are not set, uid and gid; and which of its files this user may not write:
 * for "no such token", "does not initialise" and tokens or keys that cannot be made, which mostly
 * mean that the module was told something else than the operator thinks. [any] */
void module_surroundings(const char *path, char *text, size_t room);

/* The file or device that the module at `path` needs and this process cannot have, and the cure, as
 * the rest of a sentence about the module; a question where no lack is known. [any] */
void module_needs(const char *path, char *text, size_t room);

#endif
