/* SPDX-License-Identifier: Apache-2.0 */
#include "pin/pin_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/report.h"
#include "base/words.h"

static bool is_our_group(gid_t group)
{
    int len = getgroups(0, NULL);
    AUTO(free) gid_t *groups = len > 0 ? calloc((size_t)len, sizeof(*groups)) : NULL;

    if (group == getegid()) {
        return true;
    }
    len = groups != NULL ? getgroups(len, groups) : 0;
    for (int i = 0; i < len; i++) {
        if (groups[i] == group) {
            return true;
        }
    }
    return false;
}

/* A file of root's with mode 0600 is out of our reach. */
static const char *mode_cure(const struct stat *info)
{
    return info->st_uid == geteuid()
               ? "chmod 600 it"
               : "chmod 440 it, and chgrp it to a group of ours (Kubernetes: defaultMode, fsGroup)";
}

/* The mode of a file with an ACL shows the ACL's mask as if it were the group's. */
static bool has_acl(int fd)
{
    return fgetxattr(fd, "system.posix_acl_access", NULL, 0) > 0;
}

static nk_status check_readers(int fd, const struct stat *info, const char *path, nk_error *err)
{
    unsigned mode = info->st_mode & 0777;

    if ((mode & S_IRWXG) == 0) {
        return NK_OK;
    }
    if (has_acl(fd)) {
        return report(err, NK_E_PIN,
                      "%s: %s can be reached by those in its ACL (mode %03o); setfacl -b it, and "
                      "chmod 600 it",
                      words()->pin, path, mode);
    }
    if (!is_our_group(info->st_gid)) {
        return report(err, NK_E_PIN,
                      "%s: %s can be reached by group %ld, which is not one of ours (mode %03o); "
                      "%s, and change the PIN if somebody may have read it",
                      words()->pin, path, (long)info->st_gid, mode, mode_cure(info));
    }
    return NK_OK;
}

/* An option may name the file of a credential where the configuration would have its name. */
static bool lies_among_credentials(const char *path)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    size_t len = folder != NULL && folder[0] == '/' ? strlen(folder) : 0;

    return len > 0 && strncmp(path, folder, len) == 0 && path[len] == '/' &&
           strchr(path + len + 1, '/') == NULL;
}

nk_status pin_file_check(int fd, const char *path, bool is_credential, nk_error *err)
{
    struct stat info = { 0 };

    (void)fstat(fd, &info); /* after a failure it is of no kind */
    switch (file_find_flaw(&info, S_IFREG, S_IWGRP | S_IRWXO)) {
    case FILE_SOUND:
        /* systemd's credentials are 0440 with an ACL for the service's user. */
        return is_credential || lies_among_credentials(path) ? NK_OK
                                                             : check_readers(fd, &info, path, err);
    case FILE_ODD_KIND:
        return report(err, NK_E_PIN, "%s: %s is not a regular file", words()->pin, path);
    case FILE_ODD_OWNER:
        return report(err, NK_E_PIN,
                      "%s: %s belongs to uid %ld, not to us (uid %ld); chown it, "
                      "or run as that user",
                      words()->pin, path, (long)info.st_uid, (long)geteuid());
    case FILE_EXPOSED:
        break;
    }
    return report(err, NK_E_PIN,
                  "%s: %s can be reached by others (mode %03o); %s, and change the PIN if somebody "
                  "may have read it",
                  words()->pin, path, (unsigned)(info.st_mode & 0777), mode_cure(&info));
}
