/* SPDX-License-Identifier: Apache-2.0
 * Who may decide what a path leads to: at open, and at reload where the input is read again.
 * Prints each row and what was said; NODEKEY_BEFORE=nodekey.so, what that one says, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "node/folders_scene.h"

#include "fixtures/rows.h"

#define EVERYBODY "everybody may replace what is in it"
#define STICKY_CURE "; chmod go-w it, or set its sticky bit (chmod +t)"
#define A_GROUP "its group may replace what is in it"
#define GROUP_CURE "; chmod g-w it, or chgrp it to root"
#define NOT_ROOTS ", not to root or us (uid 0); chown it, or run as that user"

static const struct row rows[] = {
    /* --- Kubernetes --- */
    { .name = "secret volume",
      .path = "vol/ca.pem",
      .entries = { A_FOLDER("vol", 01777, 0, 0), A_FOLDER("vol/..2026_11_30", 0755, 0, 0),
                   A_FILE("vol/..2026_11_30/ca.pem", 0644, 0, 0),
                   A_LINK("vol/..data", 0, "..2026_11_30"),
                   A_LINK("vol/ca.pem", 0, "..data/ca.pem") },
      .held = true },
    { .name = "secret volume, fsGroup",
      .path = "vol/ca.pem",
      .who = MEMBER,
      .entries = { A_FOLDER("vol", 03777, 0, SHARED),
                   A_FOLDER("vol/..2026_11_30", 02755, 0, SHARED),
                   A_FILE("vol/..2026_11_30/ca.pem", 0440, 0, SHARED),
                   A_LINK("vol/..data", 0, "..2026_11_30"),
                   A_LINK("vol/ca.pem", 0, "..data/ca.pem") },
      .held = true },
    { .name = "projected volume of CRLs",
      .input = CRLS,
      .path = "vol",
      .entries = { A_FOLDER("vol", 01777, 0, 0), A_FOLDER("vol/..2026_11_30", 0755, 0, 0),
                   A_FILE("vol/..2026_11_30/root.crl", 0644, 0, 0),
                   A_FILE("vol/..2026_11_30/intermediate.crl", 0644, 0, 0),
                   A_LINK("vol/..data", 0, "..2026_11_30"),
                   A_LINK("vol/root.crl", 0, "..data/root.crl"),
                   A_LINK("vol/intermediate.crl", 0, "..data/intermediate.crl") } },
    { .name = "secret volume, ..data of another",
      .path = "vol/ca.pem",
      .entries = { A_FOLDER("vol", 01777, 0, 0), A_FOLDER("vol/..2026_11_30", 0755, 0, 0),
                   A_FILE("vol/..2026_11_30/ca.pem", 0644, 0, 0),
                   A_LINK("vol/..data", OTHER, "..2026_11_30"),
                   A_LINK("vol/ca.pem", 0, "..data/ca.pem") },
      .says = "link @/vol/..data: belongs to uid 12346 (mode 0777), not to root or us (uid 0); "
              "chown -h" },
    { .name = "emptyDir",
      .path = "vol/ca.pem",
      .entries = { A_FOLDER("vol", 0777, 0, 0), A_FILE("vol/ca.pem", 0644, 0, 0) },
      .says = "folder @/vol: " EVERYBODY " (uid 0, gid 0, mode 0777)" STICKY_CURE },
    { .name = "emptyDir, fsGroup",
      .path = "vol/ca.pem",
      .who = MEMBER,
      .entries = { A_FOLDER("vol", 02777, 0, SHARED), A_FILE("vol/ca.pem", 0644, 0, SHARED) },
      .says = "folder @/vol: " EVERYBODY " (uid 0, gid 23456, mode 2777)" },
    { .name = "claimed volume, fsGroup",
      .path = "vol/ca.pem",
      .who = MEMBER,
      .entries = { A_FOLDER("vol", 02775, 0, SHARED), A_FILE("vol/ca.pem", 0644, 0, SHARED) },
      .says = "folder @/vol: " A_GROUP " (uid 0, gid 23456, mode 2775)" GROUP_CURE },
    { .name = "claimed volume, fsGroup is runAsGroup",
      .path = "vol/ca.pem",
      .who = GROUPED,
      .entries = { A_FOLDER("vol", 02775, 0, SHARED), A_FILE("vol/ca.pem", 0644, 0, SHARED) },
      .says = "warning: @/vol: group 23456 may write to it (mode 2775)" },
    { .name = "OpenShift: gid 0, 0775",
      .path = "vol/ca.pem",
      .who = USER,
      .entries = { A_FOLDER("vol", 0775, OURS, 0), A_FILE("vol/ca.pem", 0664, OURS, 0) },
      .held = true },

    /* --- systemd --- */
    { .name = "credential",
      .input = CREDENTIAL,
      .path = "creds",
      .entries = { A_FOLDER("creds", 0500, 0, 0), A_FILE("creds/pin", 0440, 0, 0) },
      .held = true },
    { .name = "credential, ACL",
      .input = CREDENTIAL,
      .path = "creds",
      .who = USER,
      .entries = { ACL_FOLDER("creds", 0500, OURS), ACL_FILE("creds/pin", 0400, OURS) },
      .held = true },
    { .name = "roots as credential, ACL",
      .path = "creds/ca.pem",
      .who = USER,
      .entries = { ACL_FOLDER("creds", 0500, OURS), ACL_FILE("creds/ca.pem", 0400, OURS) },
      .held = true },
    { .name = "dynamic user's state below private",
      .input = STATE_DIR,
      .path = "node",
      .who = USER,
      .entries = { A_FOLDER("private", 0711, 0, 0), A_FOLDER("private/node", 0700, OURS, OURS),
                   A_LINK("node", 0, "private/node") },
      .held = true },

    /* --- stores, homes, namespaces --- */
    { .name = "store of 1775",
      .path = "store/x/ca.pem",
      .entries = { A_FOLDER("store", 01775, 0, SHARED), A_FOLDER("store/x", 0555, 0, 0),
                   A_FILE("store/x/ca.pem", 0444, 0, 0) },
      .held = true },
    { .name = "store of 1775, entry of a builder",
      .path = "store/x/ca.pem",
      .entries = { A_FOLDER("store", 01775, 0, SHARED), A_FOLDER("store/x", 0555, OTHER, SHARED),
                   A_FILE("store/x/ca.pem", 0444, 0, 0) },
      .says = "folder @/store/x: belongs to uid 12346 (mode 0555)" NOT_ROOTS },
    { .name = "home of umask 002",
      .path = "home/ca.pem",
      .who = USER,
      .entries = { A_FOLDER("home", 0775, OURS, OURS), A_FILE("home/ca.pem", 0644, OURS, OURS) },
      .says = "warning: @/home: group 12345 may write to it (mode 0775)" },
    { .name = "file of umask 002",
      .path = "home/ca.pem",
      .who = USER,
      .entries = { A_FOLDER("home", 0755, OURS, OURS), A_FILE("home/ca.pem", 0664, OURS, OURS) },
      .says = "warning: @/home/ca.pem: group 12345 may write to it (mode 0664)" },
    { .name = "home of another group",
      .path = "home/ca.pem",
      .who = USER,
      .entries = { A_FOLDER("home", 0775, OURS, SHARED), A_FILE("home/ca.pem", 0644, OURS, OURS) },
      .says = "folder @/home: " A_GROUP " (uid 12345, gid 23456, mode 0775)" GROUP_CURE },
    { .name = "user namespace",
      .path = "vol/ca.pem",
      .who = GUEST,
      .entries = { A_FOLDER("vol", 0775, 0, 0), A_FILE("vol/ca.pem", 0644, 0, 0) },
      .says = "warning: owners that this user namespace hides count as root: first seen at /" },
    { .name = "user namespace, 0777",
      .path = "vol/ca.pem",
      .who = GUEST,
      .entries = { A_FOLDER("vol", 0777, 0, 0), A_FILE("vol/ca.pem", 0644, 0, 0) },
      .says = "folder @/vol: " EVERYBODY " (uid 65534, gid 65534, mode 0777)",
      .held = true },

    /* --- folders and files of others --- */
    { .name = "sticky",
      .path = "tmp/ca.pem",
      .entries = { A_FOLDER("tmp", 01777, 0, 0), A_FILE("tmp/ca.pem", 0644, 0, 0) },
      .held = true },
    { .name = "sticky, of another user",
      .path = "tmp/ca.pem",
      .entries = { A_FOLDER("tmp", 01777, OTHER, 0), A_FILE("tmp/ca.pem", 0644, 0, 0) },
      .says = "folder @/tmp: belongs to uid 12346 (mode 1777)" NOT_ROOTS },
    { .name = "sticky, folder of another user in it",
      .path = "tmp/x/ca.pem",
      .entries = { A_FOLDER("tmp", 01777, 0, 0), A_FOLDER("tmp/x", 0755, OTHER, 0),
                   A_FILE("tmp/x/ca.pem", 0644, 0, 0) },
      .says = "folder @/tmp/x: belongs to uid 12346 (mode 0755)" NOT_ROOTS },
    { .name = "0777 above a closed folder",
      .path = "open/shut/ca.pem",
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FOLDER("open/shut", 0700, 0, 0),
                   A_FILE("open/shut/ca.pem", 0600, 0, 0) },
      .says = "folder @/open: " EVERYBODY " (uid 0, gid 0, mode 0777)" STICKY_CURE },
    { .name = "file of another user",
      .path = "ca.pem",
      .entries = { A_FILE("ca.pem", 0644, OTHER, 0) },
      .says = "@/ca.pem: belongs to uid 12346 (mode 0644)" NOT_ROOTS,
      .held = true },
    { .name = "file of everybody",
      .path = "ca.pem",
      .entries = { A_FILE("ca.pem", 0666, 0, 0) },
      .says = "@/ca.pem: everybody may write to it (uid 0, gid 0, mode 0666); chmod go-w it",
      .held = true },
    { .name = "file of a group",
      .path = "ca.pem",
      .entries = { A_FILE("ca.pem", 0664, 0, SHARED) },
      .says = "@/ca.pem: its group may write to it (uid 0, gid 23456, mode 0664)" GROUP_CURE },

    { .name = "folder of root's group, ACL of another",
      .path = "acl/ca.pem",
      .entries = { ACL_FOLDER("acl", 0700, OTHER), A_FILE("acl/ca.pem", 0644, 0, 0) },
      .says = "folder @/acl: its ACL lets others replace what is in it (uid 0, gid 0, mode 0770); "
              "chmod g-w it, or setfacl -b it" },
    { .name = "file of root's group, ACL of another",
      .path = "ca.pem",
      .entries = { ACL_FILE("ca.pem", 0600, OTHER) },
      .says = "@/ca.pem: its ACL lets others write to it (uid 0, gid 0, mode 0660)" },

    /* --- links --- */
    { .name = "link of another in a sticky folder",
      .path = "tmp/ca.pem",
      .entries = { A_FILE("ca.pem", 0644, 0, 0), A_FOLDER("tmp", 01777, 0, 0),
                   A_LINK("tmp/ca.pem", OTHER, "@/ca.pem") },
      .says =
          "@/tmp/ca.pem: belongs to uid 12346 (mode 0777), not to root or us (uid 0); chown -h" },
    { .name = "link of root in a sticky folder",
      .path = "tmp/ca.pem",
      .entries = { A_FILE("ca.pem", 0644, 0, 0), A_FOLDER("tmp", 01777, 0, 0),
                   A_LINK("tmp/ca.pem", 0, "@/ca.pem") },
      .held = true },
    { .name = "link through 0777",
      .path = "ca.pem",
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FILE("open/ca.pem", 0644, 0, 0),
                   A_LINK("ca.pem", 0, "open/ca.pem") },
      .says = "@/ca.pem: folder @/open: " EVERYBODY },
    { .name = "link out of a folder of another",
      .path = "theirs/ca.pem",
      .entries = { A_FILE("ca.pem", 0644, 0, 0), A_FOLDER("theirs", 0755, OTHER, 0),
                   A_LINK("theirs/ca.pem", 0, "../ca.pem") },
      .says = "folder @/theirs: belongs to uid 12346 (mode 0755)" NOT_ROOTS },
    { .name = ".. out of a folder of another",
      .path = "theirs/../ca.pem",
      .entries = { A_FOLDER("theirs", 0755, OTHER, 0), A_FILE("ca.pem", 0644, 0, 0) },
      .says = "folder @/theirs: belongs to uid 12346 (mode 0755)" NOT_ROOTS },
    { .name = ".. and . and //",
      .path = "ours/.././/ours//ca.pem",
      .entries = { A_FOLDER("ours", 0755, 0, 0), A_FILE("ours/ca.pem", 0644, 0, 0) },
      .held = true },
    { .name = "40 links",
      .path = "ca.pem",
      .links = 40,
      .entries = { A_FILE("ca.pem", 0644, 0, 0) },
      .held = true },
    { .name = "41 links",
      .path = "ca.pem",
      .links = 41,
      .entries = { A_FILE("ca.pem", 0644, 0, 0) },
      .says = "@/links/1: Too many levels of symbolic links",
      .held = true },
    { .name = "links in a circle",
      .path = "a/ca.pem",
      .entries = { A_LINK("a", 0, "b"), A_LINK("b", 0, "a") },
      .says = "@/a/ca.pem: Too many levels of symbolic links",
      .held = true },
    { .name = "a file on the way",
      .path = "a/ca.pem",
      .entries = { A_FILE("a", 0644, 0, 0) },
      .says = "@/a/ca.pem: Not a directory",
      .held = true },

    /* --- each input --- */
    { .name = "configuration through 0777",
      .input = CONFIG,
      .path = "open/node.json",
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FILE("open/node.json", 0644, 0, 0) },
      .says = "folder @/open: " EVERYBODY },
    { .name = "configuration by a link of another",
      .input = CONFIG,
      .path = "tmp/node.json",
      .entries = { A_FILE("node.json", 0644, 0, 0), A_FOLDER("tmp", 01777, 0, 0),
                   A_LINK("tmp/node.json", OTHER, "../node.json") },
      .says = "@/tmp/node.json: belongs to uid 12346 (mode 0777)" },
    { .name = "certificate through 0777",
      .input = CERTIFICATE,
      .path = "open/alice.pem",
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FILE("open/alice.pem", 0644, 0, 0) },
      .says = "node.certificate: @/open/alice.pem: folder @/open: " EVERYBODY },
    { .name = "certificate in a folder of another",
      .input = CERTIFICATE,
      .path = "open/alice.pem",
      .entries = { A_FOLDER("open", 0755, OTHER, 0), A_FILE("open/alice.pem", 0644, 0, 0) },
      .says = "folder @/open: belongs to uid 12346 (mode 0755)" NOT_ROOTS },
    { .name = "CRLs below 0777",
      .input = CRLS,
      .path = "open/crls",
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FOLDER("open/crls", 0755, 0, 0),
                   A_FILE("open/crls/root.crl", 0644, 0, 0),
                   A_FILE("open/crls/intermediate.crl", 0644, 0, 0) },
      .says = "@/open/crls: folder @/open: " EVERYBODY },
    { .name = "CRLs in 0777",
      .input = CRLS,
      .path = "crls",
      .entries = { A_FOLDER("crls", 0777, 0, 0), A_FILE("crls/root.crl", 0644, 0, 0),
                   A_FILE("crls/intermediate.crl", 0644, 0, 0) },
      .says = "@/crls: " EVERYBODY,
      .held = true },
    { .name = "CRLs in a folder of a group",
      .input = CRLS,
      .path = "crls",
      .entries = { A_FOLDER("crls", 0775, 0, SHARED), A_FILE("crls/root.crl", 0644, 0, 0),
                   A_FILE("crls/intermediate.crl", 0644, 0, 0) },
      .says = "@/crls: " A_GROUP },
    { .name = "CRL of another in a sticky folder",
      .input = CRLS,
      .path = "crls",
      .entries = { A_FOLDER("crls", 01777, 0, 0), A_FILE("crls/root.crl", 0644, 0, 0),
                   A_FILE("crls/intermediate.crl", 0644, OTHER, 0) },
      .says = "@/crls/intermediate.crl: belongs to uid 12346 (mode 0644)" NOT_ROOTS,
      .held = true },
    { .name = "CRL by a link through 0777",
      .input = CRLS,
      .path = "crls",
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FILE("open/intermediate.crl", 0644, 0, 0),
                   A_FOLDER("crls", 0755, 0, 0), A_FILE("crls/root.crl", 0644, 0, 0),
                   A_LINK("crls/intermediate.crl", 0, "../open/intermediate.crl") },
      .says = "@/crls/intermediate.crl: folder @/open: " EVERYBODY },
    { .name = "PIN through 0777",
      .input = PIN,
      .path = "open/pin",
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FILE("open/pin", 0600, 0, 0) },
      .says = "node.pin: @/open/pin: folder @/open: " EVERYBODY },
    { .name = "PIN in a folder of another",
      .input = PIN,
      .path = "open/pin",
      .entries = { A_FOLDER("open", 0755, OTHER, 0), A_FILE("open/pin", 0600, 0, 0) },
      .says = "node.pin: @/open/pin: folder @/open: belongs to uid 12346 (mode 0755)" NOT_ROOTS },
    { .name = "credential in a folder of another",
      .input = CREDENTIAL,
      .path = "creds",
      .entries = { A_FOLDER("creds", 0755, OTHER, 0), A_FILE("creds/pin", 0400, 0, 0) },
      .says = "folder @/creds: belongs to uid 12346 (mode 0755)" NOT_ROOTS },
    { .name = "module",
      .input = MODULE,
      .path = "p11.so",
      .entries = { A_FILE("p11.so", 0644, 0, 0) },
      .held = true },
    { .name = "module of nobody",
      .input = MODULE,
      .path = "p11.so",
      .entries = { A_FILE("p11.so", 0644, 65534, 65534) },
      .says = "node.module: @/p11.so: belongs to uid 65534 (mode 0644)" NOT_ROOTS },
    { .name = "module of a group",
      .input = MODULE,
      .path = "p11.so",
      .entries = { A_FILE("p11.so", 0664, 0, SHARED) },
      .says = "node.module: @/p11.so: its group may write to it" },
    { .name = "module through 0777",
      .input = MODULE,
      .path = "open/p11.so",
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FILE("open/p11.so", 0644, 0, 0) },
      .says = "node.module: @/open/p11.so: folder @/open: " EVERYBODY },
    { .name = "module by a link of another",
      .input = MODULE,
      .path = "tmp/p11.so",
      .entries = { A_FOLDER("tmp", 01777, 0, 0), A_LINK("tmp/p11.so", OTHER, "@/p11.so"),
                   A_FILE("p11.so", 0644, 0, 0) },
      .says = "node.module: @/tmp/p11.so: belongs to uid 12346 (mode 0777)" },
    { .name = "state_dir below 0777",
      .input = STATE_DIR,
      .path = "open/state",
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FOLDER("open/state", 0700, 0, 0) },
      .says = "@/open/state: folder @/open: " EVERYBODY },
    { .name = "state_dir that is sticky",
      .input = STATE_DIR,
      .path = "state",
      .entries = { A_FOLDER("state", 01777, 0, 0) },
      .says = "@/state: others may write to this folder (uid 0, gid 0, mode 1777); chmod g-w,o-w",
      .held = true },
    { .name = "audit through 0777",
      .input = AUDIT,
      .path = "open/audit",
      .entries = { A_FOLDER("open", 0777, 0, 0) },
      .says = "@/open/audit: @/open: " EVERYBODY },
    { .name = "audit in /var/log of 0775",
      .input = AUDIT,
      .path = "log/audit",
      .entries = { A_FOLDER("log", 0775, 0, SHARED) },
      .says = "warning: @/log: group 23456 may write to it (mode 0775)" },
    { .name = "TMPDIR",
      .input = TMPDIR,
      .path = "tmp",
      .entries = { A_FOLDER("tmp", 01777, 0, 0) },
      .held = true },
    { .name = "TMPDIR of another user",
      .input = TMPDIR,
      .path = "tmp",
      .entries = { A_FOLDER("tmp", 01777, OTHER, 0) },
      .says = "@/tmp: belongs to uid 12346 (mode 1777)" NOT_ROOTS },
    { .name = "TMPDIR of everybody",
      .input = TMPDIR,
      .path = "tmp",
      .entries = { A_FOLDER("tmp", 0777, 0, 0) },
      .says = "@/tmp: " EVERYBODY " (uid 0, gid 0, mode 0777)" STICKY_CURE },
    { .name = "TMPDIR below a folder of a group",
      .input = TMPDIR,
      .path = "shared/tmp",
      .entries = { A_FOLDER("shared", 0775, 0, SHARED), A_FOLDER("shared/tmp", 0700, 0, 0) },
      .says = "@/shared/tmp: folder @/shared: " A_GROUP },
    { .name = "RUNTIME_DIRECTORY of another user",
      .input = RUNTIME_DIRECTORY,
      .path = "run",
      .entries = { A_FOLDER("run", 0755, OTHER, 0) },
      .says = "@/run: belongs to uid 12346 (mode 0755)" NOT_ROOTS },

    /* --- by leave of whoever starts the process --- */
    { .name = "on trust: through 0777",
      .path = "open/ca.pem",
      .trusting = true,
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FILE("open/ca.pem", 0644, 0, 0) },
      .held = true },
    { .name = "on trust: TMPDIR of another user",
      .input = TMPDIR,
      .path = "tmp",
      .trusting = true,
      .entries = { A_FOLDER("tmp", 01777, OTHER, 0) },
      .held = true },
    { .name = "on trust: PIN through 0777",
      .input = PIN,
      .path = "open/pin",
      .trusting = true,
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FILE("open/pin", 0600, 0, 0) },
      .held = true },
    { .name = "on trust: module through 0777",
      .input = MODULE,
      .path = "open/p11.so",
      .trusting = true,
      .entries = { A_FOLDER("open", 0777, 0, 0), A_FILE("open/p11.so", 0644, 0, 0) },
      .held = true },
    { .name = "on trust: module of nobody",
      .input = MODULE,
      .path = "p11.so",
      .trusting = true,
      .entries = { A_FILE("p11.so", 0644, 65534, 65534) },
      .says = "node.module: @/p11.so: belongs to uid 65534 (mode 0644)" NOT_ROOTS },
    { .name = "on trust: file of everybody",
      .path = "ca.pem",
      .trusting = true,
      .entries = { A_FILE("ca.pem", 0666, 0, 0) },
      .says = "@/ca.pem: everybody may write to it (uid 0, gid 0, mode 0666)",
      .held = true },
    { .name = "on trust: CRLs in 0777",
      .input = CRLS,
      .path = "crls",
      .trusting = true,
      .entries = { A_FOLDER("crls", 0777, 0, 0), A_FILE("crls/root.crl", 0644, 0, 0),
                   A_FILE("crls/intermediate.crl", 0644, 0, 0) },
      .says = "@/crls: " EVERYBODY,
      .held = true },
    { .name = "on trust: state_dir that is sticky",
      .input = STATE_DIR,
      .path = "state",
      .trusting = true,
      .entries = { A_FOLDER("state", 01777, 0, 0) },
      .says = "@/state: others may write to this folder",
      .held = true },
};

/* --- one row --- */

static nk_status refusal_of(const struct row *row)
{
    switch (row->input) {
    case ROOTS:
    case CRLS:
        return NK_E_TRUST;
    case CERTIFICATE:
        return NK_E_IDENTITY;
    case PIN:
    case CREDENTIAL:
        return NK_E_PIN;
    default:
        return NK_E_CONFIG;
    }
}

static size_t count_lines(const char *text, const char *piece)
{
    size_t count = 0;
    for (const char *at = strstr(text, piece); at != NULL; at = strstr(at + 1, piece)) {
        count++;
    }
    return count;
}

static void check_outcome(const struct row *row, bool at_reload, const struct outcome *outcome)
{
    const char *says = row->says != NULL ? folders_text(row->says) : NULL;
    bool warns = says != NULL && strncmp(says, "warning: ", 9) == 0;
    bool refused = says != NULL && !warns;
    /* A namespace hides the owner of "/", too: at reload that was told. */
    warns = warns && (row->who != GUEST || !at_reload);

    if (outcome->status != (refused ? refusal_of(row) : NK_OK)) {
        fail_msg("status %d: %s", (int)outcome->status, outcome->text);
    }
    if (refused && strstr(outcome->text, says) == NULL) {
        fail_msg("wanted %s, got %s", says, outcome->text);
    }
    size_t warnings = count_lines(outcome->log, "may write to it") +
                      count_lines(outcome->log, "user namespace hides");
    if (!refused && warnings != (warns ? 1 : 0)) {
        fail_msg("%zu warnings: %s", warnings, outcome->log);
    }
    if (warns && strstr(outcome->log, says) == NULL) {
        fail_msg("wanted %s, got %s", says, outcome->log);
    }
}

/* The line of the log that is about folders; NULL: none. */
static const char *find_warning(const char *log)
{
    for (const char *end = strchr(log, '\n'); end != NULL; end = strchr(log, '\n')) {
        const char *line = path_of("%.*s", (int)(end - log), log);
        if (count_lines(line, "may write to it") + count_lines(line, "user namespace hides") > 0) {
            return line;
        }
        log = end + 1;
    }
    return NULL;
}

static void print_outcome(const struct row *row, const char *when, const struct outcome *outcome)
{
    const char *warning = find_warning(outcome->log);

    print_message("%s | %s%s | %s\n", row->name, when, row->held ? ", held before" : "",
                  outcome->status != NK_OK ? outcome->text
                  : warning != NULL        ? warning
                                           : "taken");
}

/* With a plugin of before in $NODEKEY_BEFORE, rows that held are told from those that did not. */
static void check_before(const struct row *row, bool at_reload, bool taken_now)
{
    struct outcome before;
    const char *plugin = getenv("NODEKEY_BEFORE");

    if (plugin == NULL) {
        return;
    }
    folders_run(row, at_reload, plugin, &before);
    print_outcome(row, "before", &before);
    bool warns = row->says != NULL && strncmp(row->says, "warning: ", 9) == 0;
    assert_int_equal(row->held, (before.status == NK_OK) == taken_now && !warns);
}

static void check_row(const struct row *row, bool at_reload)
{
    struct outcome outcome;

    folders_run(row, at_reload, NULL, &outcome);
    if (outcome.left_out) {
        print_message("%s | left out: no user namespaces here\n", row->name);
        skip();
    }
    print_outcome(row, at_reload ? "reload" : "open", &outcome);
    check_outcome(row, at_reload, &outcome);
    check_before(row, at_reload, outcome.status == NK_OK);
}

static void at_open(void **state)
{
    check_row(*state, false);
}

static void at_reload(void **state)
{
    check_row(*state, true);
}

static int start(void **state)
{
    (void)state;
    folders_start();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    folders_stop();
    return 0;
}

int main(void)
{
    ROWS_OF(rows, at_open)
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].input < RELOADED) {
            rows_add(rows[i].name, at_reload, &rows[i]);
        }
    }
    return ROWS_RUN("folders", start, stop);
}
