/* SPDX-License-Identifier: Apache-2.0
 * gRPC does not live through a fork: its threads stay behind, and its locks as they were. */
#ifndef NODEKEY_FORKED_H
#define NODEKEY_FORKED_H

#include <stdbool.h>

/* Was gRPC initialised when this process, or one before it, was forked? [any] */
bool forked_after_grpc(void);

#endif
