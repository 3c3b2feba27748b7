/* SPDX-License-Identifier: Apache-2.0
 * Places in a JSON text: "admit[0].uri[1]" and its line, which jansson does not keep. */
#ifndef NODEKEY_JSON_LINES_H
#define NODEKEY_JSON_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

#define PLACE_PATH_BYTES 256

/* Faults of a document that is examined, not used: each is told, and the walk goes on. */
struct json_faults {
    void (*found)(void *arg, const nk_error *fault);
    void *arg;
    size_t len; /* so far */
};

struct json_source {
    const char *name;     /* a file to name in errors, or NULL */
    const char *base_dir; /* absolute: what relative paths are relative to */
    const char *text;     /* accepted by jansson before any line is asked for */
    size_t len;
    struct json_faults *faults; /* NULL: the first one ends the walk */
};

/* A place in the document. Places live on the stack of whoever walks it: a path is a chain of
 * frames, nothing is allocated, and the text is scanned only when something is wrong. */
struct place {
    const struct json_source *source;
    const struct place *up; /* NULL: the root */
    const char *name;       /* of a member of an object; NULL: an element of an array */
    size_t index;
};

struct place place_root(const struct json_source *source);
struct place place_member(const struct place *up, const char *name);
struct place place_element(const struct place *up, size_t index);

/* report(), with "<file> line <n>: <path>: " before the text. */
nk_status place_report(nk_error *err, nk_status status, const struct place *at, const char *fmt,
                       ...) PRINTF_LIKE(4, 5);
size_t place_faults(const struct place *at); /* told so far; 0 unless the document is examined */
/* Whether a walk goes on after a step that ended with *status: also after a fault of a document
 * that is examined, which is told; then *status is NK_OK, and `err`, which is not NULL, empty. */
MUST_USE bool place_goes_on(const struct place *at, nk_status *status, nk_error *err);
/* Likewise, before a text that another module has just reported. */
nk_status place_where(nk_error *err, nk_status status, const struct place *at);

#endif
