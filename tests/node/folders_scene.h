/* SPDX-License-Identifier: Apache-2.0
 * Trees of folders, files and links of any owner, and nodes that are led through them: each in a
 * process of its own, as the user that a row names. Root alone can make them. */
#ifndef NODEKEY_TESTS_FOLDERS_SCENE_H
#define NODEKEY_TESTS_FOLDERS_SCENE_H

#include <stdbool.h>

#include "fixtures/plugin_host.h"

#define OURS 12345u   /* the node's user and group, where the node is not root's */
#define OTHER 12346u  /* somebody else */
#define SHARED 23456u /* a group: fsGroup, store builders, operators */

/* Path in the tree; absolute targets of links begin with "@", which is the tree. */
struct entry {
    char kind; /* of those below; 0 ends */
    const char *path;
    unsigned mode; /* of a link: none */
    unsigned uid;
    unsigned gid;
    const char *target;
};
#define A_FOLDER(path, mode, uid, gid)                                                             \
    {                                                                                              \
        'd', (path), (mode), (uid), (gid), NULL                                                    \
    }
#define A_FILE(path, mode, uid, gid)                                                               \
    {                                                                                              \
        'f', (path), (mode), (uid), (gid), NULL                                                    \
    }
#define A_LINK(path, uid, target)                                                                  \
    {                                                                                              \
        'l', (path), 0, (uid), (uid), (target)                                                     \
    }
/* Of root, and of the user `by` by its ACL: both may do what the owner's bits of `mode` say. */
#define ACL_FOLDER(path, mode, by)                                                                 \
    {                                                                                              \
        'D', (path), (mode), (by), 0, NULL                                                         \
    }
#define ACL_FILE(path, mode, by)                                                                   \
    {                                                                                              \
        'F', (path), (mode), (by), 0, NULL                                                         \
    }
#define ENTRIES_MAX 8

/* The input that leads through the tree; its files have what belongs there. */
enum input {
    ROOTS,
    CONFIG,
    CERTIFICATE,
    CRLS, /* a folder; root.crl and intermediate.crl in it */
    RELOADED,
    PIN = RELOADED,
    CREDENTIAL, /* a PIN of systemd's */
    MODULE,
    STATE_DIR,
    AUDIT,
    TMPDIR,
    RUNTIME_DIRECTORY,
    INPUTS
};

enum who { ROOT, USER, MEMBER /* of SHARED, too */, GROUPED /* SHARED is its own */, GUEST };

struct row {
    const char *name;
    enum input input;
    const char *path; /* of the input, in the tree */
    struct entry entries[ENTRIES_MAX];
    /* NULL: taken, without a word about folders; "warning: ..." in the log; else the refusal. "@"
     * is the tree. */
    const char *says;
    enum who who;
    unsigned links; /* so many in a row, each to the next, before the path */
    bool trusting;  /* NK_HOST_TRUST_FOLDERS */
    bool held;      /* was so before folders were looked at */
};

struct outcome {
    nk_status status;
    char text[NK_ERROR_TEXT_BYTES];
    char log[16384];
    bool left_out; /* there are no user namespaces */
};

void folders_start(void);
void folders_stop(void);
/* Opens a node that is led through the row's tree; or, with `at_reload`, through a good one, which
 * the row's replaces before the node reloads, twice. `plugin` NULL: $NODEKEY_MODULE. */
void folders_run(const struct row *row, bool at_reload, const char *plugin,
                 struct outcome *ret_outcome);
/* The text with the tree's path for "@". */
const char *folders_text(const char *text);

#endif
