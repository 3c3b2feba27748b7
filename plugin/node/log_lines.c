/* SPDX-License-Identifier: Apache-2.0 */
#include "node/log_lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"

struct log_line {
    struct log_line *next;
    int32_t level;
    char text[];
};

/* A line is lost when there is no memory, as any log line may be. */
static void keep_line(void *host_data, int32_t level, const char *text)
{
    struct log_lines *lines = host_data;
    size_t size = strlen(text) + 1;
    struct log_line *line = malloc(sizeof(*line) + size);

    if (line == NULL) {
        return;
    }
    line->next = NULL;
    line->level = level;
    memcpy(line->text, text, size);
    *lines->end = line;
    lines->end = &line->next;
}

nk_host log_lines_host(struct log_lines *lines)
{
    lines->end = &lines->first;
    return (nk_host){ .struct_size = sizeof(nk_host), .host_data = lines, .log = keep_line };
}

void log_lines_say(const struct log_lines *lines, const nk_host *host)
{
    for (const struct log_line *line = lines->first; line != NULL; line = line->next) {
        log_line(host, line->level, "%s", line->text);
    }
}

void log_lines_clear(struct log_lines *lines)
{
    while (lines->first != NULL) {
        struct log_line *line = lines->first;
        lines->first = line->next;
        free(line);
    }
}
