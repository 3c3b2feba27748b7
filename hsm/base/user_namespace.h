/* SPDX-License-Identifier: Apache-2.0
 * Owners that cannot be told: in a user namespace everybody whom it has no number for shows as the
 * overflow id (65534). [any] */
#ifndef NODEKEY_USER_NAMESPACE_H
#define NODEKEY_USER_NAMESPACE_H

#include <stdbool.h>
#include <sys/types.h>

/* The id may stand for root outside, or for anybody else. False where /proc does not tell. */
bool user_namespace_hides_uid(uid_t uid);
bool user_namespace_hides_gid(gid_t gid);

#endif
