/* SPDX-License-Identifier: Apache-2.0
 * Log lines that are said later, or not at all. */
#ifndef NODEKEY_LOG_LINES_H
#define NODEKEY_LOG_LINES_H

#include "nodekey/plugin.h"

struct log_line;   /* of log_lines.c */
struct log_lines { /* zeroed: empty */
    struct log_line *first;
    struct log_line **end;
};

/* A host that only keeps its lines. `lines` must outlive it. */
nk_host log_lines_host(struct log_lines *lines);
void log_lines_say(const struct log_lines *lines, const nk_host *host);
void log_lines_clear(struct log_lines *lines);

#endif
