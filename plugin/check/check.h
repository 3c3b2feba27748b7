/* SPDX-License-Identifier: Apache-2.0
 * A look at a node's whole set-up, short of starting it: every check in order, all findings. */
#ifndef NODEKEY_CHECK_H
#define NODEKEY_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "check/check_report.h"

struct check_order {
    const char *path;    /* of the configuration */
    int role;            /* OUR_...; -1: both */
    bool token;          /* false: the module is not loaded, and no PIN is sent */
    const char *against; /* HOST:PORT of a peer to dial, see dial_target_read; NULL: none */
    const nk_host *host; /* asked for a PIN */
};

/* Looks at configuration, files, token, key, certificates, roots, lists, rules and machine. Logs in
 * to each token once at most, under the rules of `open`: a PIN that is refused is remembered in
 * state_dir, and nothing else is ever written. `report` is zeroed, and owned: check_report_clear.
 * [one] */
void check_run(const struct check_order *order, struct check_report *report);

#endif
