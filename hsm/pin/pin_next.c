/* SPDX-License-Identifier: Apache-2.0
 * What a change of the PIN that was interrupted leaves, as a login meets it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/secret_page.h"
#include "pin/pin_place.h"
#include "pin/pin_private.h"

static bool name_next(const struct pin *pin, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s" PIN_NEXT_SUFFIX, pin->path) < PATH_MAX;
}

/* FILE.next has the time of the file that it is for: once an operator writes a PIN there by hand,
 * what an old change left is not sent after a wrong one. */
static bool is_for(const struct pin *next, const struct pin *pin)
{
    return next->written.tv_sec == pin->written.tv_sec &&
           next->written.tv_nsec == pin->written.tv_nsec;
}

static bool take_from(struct pin *pin, char *path, bool is_next)
{
    struct pin aside;
    bool taken = pin_read_aside(pin, path, &aside, NULL) == NK_OK && !pin_equal(&aside, pin) &&
                 (!is_next || is_for(&aside, pin));
    if (taken) {
        pin_swap_bytes(pin, &aside);
        pin->is_next = is_next;
    }
    secret_page_free(aside.bytes);
    return taken;
}

bool pin_take_other(struct pin *pin)
{
    char next[PATH_MAX];

    if (pin->path == NULL || pin->is_credential) {
        return false;
    }
    return take_from(pin, pin->path, false) || (name_next(pin, next) && take_from(pin, next, true));
}

bool pin_is_next(const struct pin *pin)
{
    return pin->is_next;
}

bool pin_follows(const struct pin *pin, const struct pin *before)
{
    if (pin->path == NULL || before->path == NULL || strcmp(pin->path, before->path) != 0) {
        return false;
    }
    path_terms_note(pin->terms,
                    "%s: was written since this process logged in with what it held; the token is "
                    "asked at the next login whether it takes this PIN",
                    pin->path);
    return true;
}

/* Under the lock of changes: what worked is still the PIN that the change left. */
static bool is_still_next(const struct pin *pin)
{
    struct pin aside;
    char next[PATH_MAX];
    if (!name_next(pin, next)) {
        return false;
    }
    bool same = pin_read_aside(pin, next, &aside, NULL) == NK_OK && pin_equal(&aside, pin);
    secret_page_free(aside.bytes);
    return same;
}

void pin_finish_change(struct pin *pin)
{
    struct pin_place place;
    nk_error own = { .struct_size = sizeof(own) };
    if (!pin->is_next) {
        return;
    }
    nk_status status = pin_place_lock(pin->path, 0, &place, &own);
    bool under_way = own.native_kind == NK_NATIVE_ERRNO && own.native == EWOULDBLOCK;
    bool finished =
        status == NK_OK && is_still_next(pin) && pin_place_finish(&place, NULL) == NK_OK;
    pin_place_unlock(&place);
    if (finished) {
        path_terms_note(pin->terms,
                        "%s" PIN_NEXT_SUFFIX ": the token takes this PIN, since a change of it was "
                        "interrupted; the change is finished, and %s holds it now",
                        pin->path, pin->path);
    } else if (!under_way) {
        path_terms_note(pin->terms,
                        "%s" PIN_NEXT_SUFFIX ": the token takes this PIN and not that of %s, since "
                        "a change of it was interrupted; rename the first to the second",
                        pin->path, pin->path);
    }
}
