/* SPDX-License-Identifier: Apache-2.0
 * Places in a JSON text: "admit[0].uri[1]" and its line, which jansson does not keep. */
#ifndef NODEKEY_JSON_LINES_H
#define NODEKEY_JSON_LINES_H

#include <stddef.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

#define PLACE_PATH_BYTES 256

struct json_source {
    const char *name;     /* a file to name in errors, or NULL */
    const char *base_dir; /* absolute: what relative paths are relative to */
    const char *text;     /* accepted by jansson before any line is asked for */
    size_t len;
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
/* Likewise, before a text that another module has just reported. */
nk_status place_where(nk_error *err, nk_status status, const struct place *at);

#endif
