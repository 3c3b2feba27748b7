/* SPDX-License-Identifier: Apache-2.0
 * Whether a file may hold a PIN: nobody may read it who is not trusted with the PIN. */
#ifndef NODEKEY_PIN_FILE_H
#define NODEKEY_PIN_FILE_H

#include <stdbool.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* [any] Of the open file: a regular one of root's or ours, which nobody but its owner can write and
 * others cannot read. A group may read it when it is one of this process's: Kubernetes gives
 * secrets to a pod as root:fsGroup 0440. An ACL counts as others, except in systemd's own folder of
 * credentials. NK_E_PIN names the file, its mode and the cure. */
MUST_USE nk_status pin_file_check(int fd, const char *path, bool is_credential, nk_error *err);

#endif
