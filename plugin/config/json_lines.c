/* SPDX-License-Identifier: Apache-2.0 */
#include "config/json_lines.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "base/text.h"

#define NAME_SHOWN_BYTES 48  /* of a member's name, which may be hostile and long */
#define FILE_SHOWN_BYTES 400 /* of the document's own, so that the cure fits behind it */

DEFINE_AUTO(json_t *, json_decref);

/* The scan of a text. Every step is bounded by `end`, so even a text that jansson refused only
 * gives a wrong line. */
struct scan {
    const char *at;
    const char *end;
    size_t line;
    size_t found; /* the line of the innermost place reached */
};

struct place place_root(const struct json_source *source)
{
    return (struct place){ .source = source };
}

struct place place_member(const struct place *up, const char *name)
{
    return (struct place){ .source = up->source, .up = up, .name = name };
}

struct place place_element(const struct place *up, size_t index)
{
    return (struct place){ .source = up->source, .up = up, .index = index };
}

static bool next_is(const struct scan *scan, char wanted)
{
    return scan->at < scan->end && *scan->at == wanted;
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) != NULL && *scan->at != '\0') {
        scan->line += *scan->at == '\n';
        scan->at++;
    }
}

static void skip_string(struct scan *scan)
{
    scan->at++;
    while (scan->at < scan->end && *scan->at != '"') {
        scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
    }
    if (scan->at < scan->end) {
        scan->at++;
    }
}

/* The scan goes behind the value. A counter instead of recursion: depth is the sender's. */
static void skip_value(struct scan *scan)
{
    size_t depth = 0;

    while (scan->at < scan->end) {
        skip_space(scan);
        if (scan->at == scan->end || (depth == 0 && strchr(",]}", *scan->at) != NULL)) {
            return;
        }
        if (*scan->at == '"') {
            skip_string(scan);
            continue;
        }
        if (*scan->at == '{' || *scan->at == '[') {
            depth++;
        } else if (*scan->at == '}' || *scan->at == ']') {
            depth--;
        }
        scan->at++;
    }
}

/* A name may be spelt with escapes ("\u0070in"); jansson knows them all. */
static bool spells_name(const char *quoted, size_t len, const char *name)
{
    if (memchr(quoted, '\\', len) == NULL) {
        return len == strlen(name) + 2 && memcmp(quoted + 1, name, len - 2) == 0;
    }
    AUTO(json_decref) json_t *decoded = json_loadb(quoted, len, JSON_DECODE_ANY, NULL);
    const char *text = json_string_value(decoded);
    return text != NULL && strcmp(text, name) == 0;
}

static bool enter_member(struct scan *scan, const char *name)
{
    if (!next_is(scan, '{')) {
        return false;
    }
    scan->at++;
    skip_space(scan);
    while (next_is(scan, '"')) {
        const char *quoted = scan->at;
        size_t line = scan->line;
        skip_string(scan);
        bool wanted = spells_name(quoted, (size_t)(scan->at - quoted), name);
        skip_space(scan);
        scan->at += next_is(scan, ':');
        skip_space(scan);
        if (wanted) {
            scan->found = line;
            return true;
        }
        skip_value(scan);
        scan->at += next_is(scan, ',');
        skip_space(scan);
    }
    return false;
}

static bool enter_element(struct scan *scan, size_t index)
{
    if (!next_is(scan, '[')) {
        return false;
    }
    scan->at++;
    skip_space(scan);
    for (size_t i = 0; i < index; i++) {
        skip_value(scan);
        if (!next_is(scan, ',')) {
            return false;
        }
        scan->at++;
        skip_space(scan);
    }
    scan->found = scan->line;
    return true;
}

static bool enter_place(struct scan *scan, const struct place *at)
{
    if (at->up == NULL) {
        skip_space(scan);
        scan->found = scan->line;
        return true;
    }
    if (!enter_place(scan, at->up)) {
        return false;
    }
    return at->name != NULL ? enter_member(scan, at->name) : enter_element(scan, at->index);
}

/* The line of the member's name or of the element; of the innermost one that exists. From 1. */
static size_t find_line(const struct place *at)
{
    const char *text = at->source->text;
    struct scan scan = { .at = text, .end = text + at->source->len, .line = 1, .found = 1 };

    (void)enter_place(&scan, at); /* an absent member has the line of what should hold it */
    return scan.found;
}

/* The path of a place: "admit[0].uri[1]"; "" for the root. */
static void write_path(const struct place *at, char *buf, size_t room)
{
    if (at->up == NULL) {
        buf[0] = '\0';
        return;
    }
    write_path(at->up, buf, room);
    size_t used = strlen(buf);
    if (at->name == NULL) {
        snprintf(buf + used, room - used, "[%zu]", at->index);
        return;
    }
    snprintf(buf + used, room - used, "%s%.*s", used > 0 ? "." : "", NAME_SHOWN_BYTES, at->name);
    /* A cut inside a UTF-8 sequence must not reach the operator. */
    text_flatten(buf + used, strlen(buf + used), TEXT_PRINTABLE);
}

static void write_where(const struct place *at, char *buf, size_t room)
{
    char path[PLACE_PATH_BYTES];
    const char *name = at->source->name;

    write_path(at, path, sizeof(path));
    snprintf(buf, room, "%.*s%sline %zu%s%s", FILE_SHOWN_BYTES, name != NULL ? name : "",
             name != NULL ? " " : "", find_line(at), path[0] != '\0' ? ": " : "", path);
}

nk_status place_report(nk_error *err, nk_status status, const struct place *at, const char *fmt,
                       ...)
{
    char place[NK_ERROR_TEXT_BYTES];
    char text[NK_ERROR_TEXT_BYTES];
    va_list args;

    write_where(at, place, sizeof(place));
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return report(err, status, "%s: %s", place, text);
}

size_t place_faults(const struct place *at)
{
    return at->source->faults != NULL ? at->source->faults->len : 0;
}

bool place_goes_on(const struct place *at, nk_status *status, nk_error *err)
{
    struct json_faults *faults = at->source->faults;

    if (*status == NK_OK) {
        return true;
    }
    if (faults == NULL || *status == NK_E_NOMEM) {
        return false;
    }
    if (err->status != NK_OK) { /* else the parts of it were told */
        faults->len++;
        faults->found(faults->arg, err);
    }
    *err = (nk_error){ .struct_size = sizeof(*err) };
    *status = NK_OK;
    return true;
}

nk_status place_where(nk_error *err, nk_status status, const struct place *at)
{
    char place[NK_ERROR_TEXT_BYTES];

    write_where(at, place, sizeof(place));
    return report_where(err, status, "%s", place);
}
