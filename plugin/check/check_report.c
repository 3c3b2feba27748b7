/* SPDX-License-Identifier: Apache-2.0 */
#include "check/check_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void clear_finding(struct check_finding *finding)
{
    free(finding->topic);
    free(finding->text);
    free(finding->cure);
}

void check_report_clear(struct check_report *report)
{
    for (size_t i = 0; i < report->len; i++) {
        clear_finding(&report->findings[i]);
    }
    free(report->findings);
    json_decref(report->against);
    *report = (struct check_report){ .findings = NULL };
}

size_t check_count(const struct check_report *report, enum check_mark mark)
{
    size_t count = 0;

    for (size_t i = 0; i < report->len; i++) {
        count += report->findings[i].mark == mark;
    }
    return count;
}

bool check_is_sound(const struct check_report *report)
{
    return !report->no_memory && check_count(report, CHECK_BAD) == 0;
}

/* A fault of both identities has one cause, and is told of the first. */
static bool is_told(const struct check_report *report, const struct check_finding *finding)
{
    for (size_t i = 0; i < report->len; i++) {
        const struct check_finding *other = &report->findings[i];
        bool same_topic = strcmp(other->topic, finding->topic) == 0 ||
                          (other->mark == CHECK_BAD && finding->mark == CHECK_BAD);
        if (same_topic && strcmp(other->text, finding->text) == 0) {
            return true;
        }
    }
    return false;
}

static bool append_finding(struct check_report *report, const struct check_finding *finding)
{
    struct check_finding *grown =
        realloc(report->findings, (report->len + 1) * sizeof(*report->findings));

    if (grown == NULL) {
        return false;
    }
    report->findings = grown;
    grown[report->len++] = *finding;
    return true;
}

/* Errors name the member themselves, since logs have no topic. */
static void drop_topic(char *text, const char *topic)
{
    size_t len = strlen(topic);

    if (strncmp(text, topic, len) == 0 && strncmp(text + len, ": ", 2) == 0) {
        memmove(text, text + len + 2, strlen(text + len + 2) + 1);
    }
}

void check_add(struct check_report *report, enum check_mark mark, const char *topic,
               const char *cure, const char *fmt, ...)
{
    struct check_finding finding = { .mark = mark,
                                     .topic = strdup(topic),
                                     .cure = cure != NULL ? strdup(cure) : NULL };
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&finding.text, fmt, args);
    va_end(args);
    finding.text = len >= 0 ? finding.text : NULL;
    bool whole =
        finding.topic != NULL && finding.text != NULL && (cure == NULL || finding.cure != NULL);
    if (whole) {
        text_flatten(finding.text, (size_t)len, TEXT_ONE_LINE);
        drop_topic(finding.text, finding.topic);
    }
    bool told = whole && is_told(report, &finding);
    if (told || !whole || !append_finding(report, &finding)) {
        clear_finding(&finding);
        report->no_memory = report->no_memory || !told;
    }
}

static void hear_line(void *host_data, int32_t level, const char *line)
{
    const struct check_ear *ear = host_data;

    if (ear->report != NULL && (level == NK_LOG_ERROR || level == NK_LOG_WARNING)) {
        check_add(ear->report, level == NK_LOG_ERROR ? CHECK_BAD : CHECK_WARNING, ear->topic, NULL,
                  "%s", line);
    }
}

static nk_status ask_other(void *host_data, const char *token_label, char *buf, size_t room,
                           size_t *ret_len)
{
    const struct check_ear *ear = host_data;

    return ear->asked->ask_pin(ear->asked->host_data, token_label, buf, room, ret_len);
}

void check_listen(struct check_ear *ear, struct check_report *report, const char *topic,
                  const nk_host *asked)
{
    bool asks = asked != NULL && asked->ask_pin != NULL;

    *ear = (struct check_ear){ .report = report, .topic = topic, .asked = asked };
    ear->host = (nk_host){ .struct_size = sizeof(ear->host),
                           .host_data = ear,
                           .log = hear_line,
                           .ask_pin = asks ? ask_other : NULL };
}
