/* SPDX-License-Identifier: Apache-2.0
 * Who may own one component of a path and write to it, and what is said of one who may not: the
 * rules of trusted_path.h. `info` is of fstat. All [any]. */
#ifndef NODEKEY_TRUSTED_RULES_H
#define NODEKEY_TRUSTED_RULES_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* Room for one byte more than a name can have: what is too long is refused, not cut. */
#define TRUSTED_NAME_BYTES (NAME_MAX + 2)

/* Where on the way a component is. */
struct trusted_place {
    const char *path; /* as the caller names it: begins every text */
    nk_status blame;
    nk_error *err;
    bool any_group;                /* may write to folders, with a warning */
    char at[PATH_MAX];             /* the folder, links resolved; "": the root */
    char name[TRUSTED_NAME_BYTES]; /* of what was found in it; "": the path itself */
};

/* The folder itself. */
MUST_USE nk_status trusted_check_folder(const struct trusted_place *place, const struct stat *info);
/* A folder that is ours alone: no group writes to it, sticky or not. */
MUST_USE nk_status trusted_check_kept(const struct trusted_place *place, const struct stat *info);
/* A link in the folder, a file in it. */
MUST_USE nk_status trusted_check_link(const struct trusted_place *place, const struct stat *info);
MUST_USE nk_status trusted_check_file(const struct trusted_place *place, const struct stat *info);

/* "<path>: <strerror>". */
nk_status trusted_refuse_errno(const struct trusted_place *place, int cause);

#endif
