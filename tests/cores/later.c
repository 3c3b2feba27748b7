/* SPDX-License-Identifier: Apache-2.0
 * An OpenSSL of another version, which the loader keeps apart by the version of its symbols. Each
 * function ends the process. */
#include "nodekey/detail/core_names.h"

#define TRAP(name)                                                                                 \
    void name(void);                                                                               \
    void name(void)                                                                                \
    {                                                                                              \
        __builtin_trap();                                                                          \
    }
NK_CORE_CRYPTO(TRAP)
