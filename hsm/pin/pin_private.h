/* SPDX-License-Identifier: Apache-2.0
 * For pin.c (the sources of a PIN) and pin_next.c (a change of the PIN that was interrupted). */
#ifndef NODEKEY_PIN_PRIVATE_H
#define NODEKEY_PIN_PRIVATE_H

#include <time.h>

#include "base/path_terms.h"
#include "pin/pin.h"

struct pin {
    unsigned char *bytes; /* the page */
    size_t len;
    char *path;               /* of `file` and `credential`; else NULL */
    struct path_terms *terms; /* of whoever gave the path; counted */
    struct timespec written;  /* when the file that the bytes are of was written */
    bool is_credential;
    bool is_next; /* the bytes are of PATH.next */
    bool has_worked;
    bool is_protected;
    bool is_lost; /* this process was forked, and its page is zero */
};

/* Reads another file on the terms of `pin` into a page of its own. secret_page_free(bytes), which
 * may be NULL, whatever the status. */
MUST_USE nk_status pin_read_aside(const struct pin *pin, char *path, struct pin *ret_aside,
                                  nk_error *err);
/* The bytes of `aside` become those of `pin`, and the other way round. */
void pin_swap_bytes(struct pin *pin, struct pin *aside);

#endif
