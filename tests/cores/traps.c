/* SPDX-License-Identifier: Apache-2.0
 * Functions of OpenSSL's names, TRAPS, each of which ends the process. */
#define TRAP(name)                                                                                 \
    void name(void);                                                                               \
    void name(void)                                                                                \
    {                                                                                              \
        __builtin_trap();                                                                          \
    }
TRAPS
