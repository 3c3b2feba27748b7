/* SPDX-License-Identifier: Apache-2.0
 * The exit gate. During exit() the destructors of a module, and OpenSSL's cleanup, run while other
 * threads may still be inside; they crash there. So every use of a module is counted, and an
 * atexit handler, which runs before all those, lets nobody in any more and waits for those inside.
 * The decoder, signing and the verifier pass the gate, too: whatever thread is between two of them
 * gets parked at the next, before OpenSSL is gone. */
#ifndef NODEKEY_EXIT_GATE_H
#define NODEKEY_EXIT_GATE_H

#include <stdbool.h>

#include "base/auto.h"

/* To be called before anything of OpenSSL: unless the process has used it already, its cleanup does
 * not run at exit, so that no thread that nobody waits for is caught in it. [any] */
void exit_gate_keep_openssl(void);
/* Registers the handler. Must be called after the module was loaded and initialised: handlers run
 * in reverse order. Once for each module; the handler itself works once. [any] */
void exit_gate_arm(void);
/* Before and after a use; uses nest. [any], and both on the same thread. While the process exits,
 * exit_gate_enter parks every thread but the exiting one. False: at once on that one, for a parked
 * one when the exit takes suspiciously long (somebody joins it), and always in a foreign child
 * (fork.h): then nothing must be called. */
MUST_USE bool exit_gate_enter(void);
void exit_gate_leave(void);
/* A use by another thread, which begins inside one of the caller's, so that it is never parked:
 * exit_gate_lend here, then exit_gate_take_over there and exit_gate_leave there; or
 * exit_gate_take_back on any thread when that use will not happen. */
void exit_gate_lend(void);
void exit_gate_take_over(void);
void exit_gate_take_back(void);

#endif
