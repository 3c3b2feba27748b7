/* SPDX-License-Identifier: Apache-2.0
 * Load on one node: threads that dial it all the time, each dial a full handshake on a channel of
 * its own, and one connection that stands and is used all the time. */
#ifndef NODEKEY_TESTS_STORM_H
#define NODEKEY_TESTS_STORM_H

#include <stdbool.h>

#include <grpc/grpc_security.h>

#define STORM_DIALLERS_MAX 64

struct storm;

struct storm_tally { /* since the start */
    unsigned long dialled;
    unsigned long failed;
    unsigned long
        blamed; /* failed, although begun and ended while the token was said to be there */
    unsigned long called; /* on the connection that stands */
    unsigned long calls_failed;
    double longest_call_ms;
};

/* Waits until the connection that stands does. Borrows both. Aborts when it cannot be had. */
struct storm *storm_start(grpc_channel_credentials *credentials, const char *address,
                          unsigned diallers);
struct storm_tally storm_tally(struct storm *storm);
/* From here on dials may fail. */
void storm_expect_failures(struct storm *storm);
/* Waits until so many dials have failed, and so many calls were made, since storm_expect_failures;
 * false after `ms`. */
bool storm_is_felt(struct storm *storm, unsigned long failures, unsigned long calls, unsigned ms);
/* Waits for a dial that began after this call and succeeds; from then on none may fail. False after
 * `ms`. */
bool storm_heals(struct storm *storm, unsigned ms, double *ret_took_ms);
/* Waits for so many more dials, whatever their ends; false after `ms`. */
bool storm_goes_on(struct storm *storm, unsigned long dials, unsigned ms);
/* Prints what the first blamed dial, or the first failed call, ended with. */
void storm_print_blame(struct storm *storm);
/* The diallers end; then so many dials are made by as many threads as before. Returns how many
 * succeeded. */
unsigned long storm_count_successes(struct storm *storm, unsigned long dials);
void storm_stop(struct storm *storm);

#endif
