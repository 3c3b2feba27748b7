/* SPDX-License-Identifier: Apache-2.0
 * From node.module to a file. */
#ifndef NODEKEY_MODULE_NAME_H
#define NODEKEY_MODULE_NAME_H

#include <stddef.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* *ret_path is the real path; owned: free. NK_E_CONFIG: no such module, with where it was looked
 * for. [any] */
MUST_USE nk_status module_name_resolve(const char *name, char **ret_path, nk_error *err);

#endif
