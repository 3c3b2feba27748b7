/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trusted_rules.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#include "base/path_terms.h"
#include "base/report.h"
#include "base/user_namespace.h"

#define COMPONENT_BYTES (PATH_MAX + TRUSTED_NAME_BYTES + 1)
#define ACL_ENTRIES_MAX 64 /* one that has more is not read */

nk_status trusted_refuse_errno(const struct trusted_place *place, int cause)
{
    errno = cause;
    return report_errno(place->err, place->blame, "%s", place->path);
}

/* A component: the folder where the walk stands, or what it has found in it. */
enum kind { FOLDER, LINK, THE_FILE };

static const char *name_component(const struct trusted_place *place, enum kind kind,
                                  char text[COMPONENT_BYTES])
{
    bool inside = kind != FOLDER && place->name[0] != '\0';
    bool slash = inside || place->at[0] == '\0';

    snprintf(text, COMPONENT_BYTES, "%s%s%s", place->at, slash ? "/" : "",
             inside ? place->name : "");
    return text;
}

/* "PATH: TEXT", or "PATH: KIND COMPONENT: TEXT" where the path does not name the component. */
static nk_status place_refusal(const struct trusted_place *place, enum kind kind)
{
    static const char *const words[] = {
        [FOLDER] = "folder", [LINK] = "link", [THE_FILE] = "file"
    };
    char component[COMPONENT_BYTES];

    if (strcmp(name_component(place, kind, component), place->path) != 0) {
        report_where(place->err, place->blame, "%s %s", words[kind], component);
    }
    return report_where(place->err, place->blame, "%s", place->path);
}

static nk_status refuse_owner(const struct trusted_place *place, enum kind kind,
                              const struct stat *info, const char *chown)
{
    report(place->err, place->blame,
           "belongs to uid %ld (mode %04o), not to root or us (uid %ld); %s it%s",
           (long)info->st_uid, (unsigned)(info->st_mode & ALLPERMS), (long)geteuid(), chown,
           geteuid() == 0 ? ", or run as that user" : "");
    return place_refusal(place, kind);
}

static nk_status refuse_mode(const struct trusted_place *place, enum kind kind,
                             const struct stat *info, const char *flaw, const char *cure)
{
    report(place->err, place->blame, "%s (uid %ld, gid %ld, mode %04o); %s", flaw,
           (long)info->st_uid, (long)info->st_gid, (unsigned)(info->st_mode & ALLPERMS), cure);
    return place_refusal(place, kind);
}

static void note_hidden(const struct trusted_place *place, enum kind kind)
{
    char component[COMPONENT_BYTES];

    path_terms_note(path_terms(),
                    "owners that this user namespace hides count as root: first seen at %s; map "
                    "them if others than the machine's administrator may own what is loaded",
                    name_component(place, kind, component));
}

static bool owner_is_trusted(const struct trusted_place *place, enum kind kind,
                             const struct stat *info)
{
    if (info->st_uid == 0 || info->st_uid == geteuid()) {
        return true;
    }
    bool hidden = user_namespace_hides_uid(info->st_uid);
    if (hidden) {
        note_hidden(place, kind);
    }
    return hidden;
}

static void note_group(const struct trusted_place *place, enum kind kind, const struct stat *info)
{
    char component[COMPONENT_BYTES];

    path_terms_note(path_terms(),
                    "%s: group %ld may write to it (mode %04o), so its members decide what is "
                    "found there; chmod g-w it",
                    name_component(place, kind, component), (long)info->st_gid,
                    (unsigned)(info->st_mode & ALLPERMS));
}

/* Writers by the bits of the group. */
enum writers { NO_WRITERS, THE_GROUP, OTHERS };

struct acl {
    struct posix_acl_xattr_header header;
    struct posix_acl_xattr_entry entries[ACL_ENTRIES_MAX];
};

/* Root, we and root's group write already. */
static bool is_stranger(unsigned tag, uint32_t id)
{
    return (tag == ACL_USER && id != 0 && id != geteuid()) || (tag == ACL_GROUP && id != 0);
}

static enum writers find_writers_in(const struct acl *acl, size_t len)
{
    enum writers writers = NO_WRITERS;

    for (size_t i = 0; i < len && writers != OTHERS; i++) {
        unsigned tag = le16toh(acl->entries[i].e_tag);
        if ((le16toh(acl->entries[i].e_perm) & ACL_WRITE) == 0) {
            continue;
        }
        if (is_stranger(tag, le32toh(acl->entries[i].e_id))) {
            writers = OTHERS;
        } else if (tag == ACL_GROUP_OBJ) {
            writers = THE_GROUP;
        }
    }
    return writers;
}

/* The mode shows an ACL's mask as if it were the group's: who may write is in the ACL. Asked by the
 * name, which nobody can lead elsewhere any more: O_PATH tells no attributes. */
static enum writers find_writers(const struct trusted_place *place, enum kind kind,
                                 const struct stat *info)
{
    char component[COMPONENT_BYTES];
    struct acl acl;

    if ((info->st_mode & S_IWGRP) == 0) {
        return NO_WRITERS;
    }
    ssize_t len = getxattr(name_component(place, kind, component), "system.posix_acl_access", &acl,
                           sizeof(acl));
    if (len <= 0) {
        return len < 0 && errno == ERANGE ? OTHERS : THE_GROUP;
    }
    return (size_t)len >= sizeof(acl.header)
               ? find_writers_in(&acl, ((size_t)len - sizeof(acl.header)) / sizeof(acl.entries[0]))
               : OTHERS;
}

/* Our own group is warned of: where the umask is 002, each user has a group of his own. */
static bool group_is_trusted(const struct trusted_place *place, enum kind kind,
                             const struct stat *info)
{
    if (info->st_gid == 0) {
        return true;
    }
    if (place->any_group || info->st_gid == getegid() || info->st_gid == getgid()) {
        note_group(place, kind, info);
        return true;
    }
    bool hidden = user_namespace_hides_gid(info->st_gid);
    if (hidden) {
        note_hidden(place, kind);
    }
    return hidden;
}

nk_status trusted_check_folder(const struct trusted_place *place, const struct stat *info)
{
    bool sticky = (info->st_mode & S_ISVTX) != 0;
    enum writers writers = sticky ? NO_WRITERS : find_writers(place, FOLDER, info);

    if (!owner_is_trusted(place, FOLDER, info)) {
        return refuse_owner(place, FOLDER, info, "chown");
    }
    if ((info->st_mode & S_IWOTH) != 0 && !sticky) {
        return refuse_mode(place, FOLDER, info, "everybody may replace what is in it",
                           "chmod go-w it, or set its sticky bit (chmod +t)");
    }
    if (writers == OTHERS) {
        return refuse_mode(place, FOLDER, info, "its ACL lets others replace what is in it",
                           "chmod g-w it, or setfacl -b it");
    }
    if (writers == THE_GROUP && !group_is_trusted(place, FOLDER, info)) {
        return refuse_mode(place, FOLDER, info, "its group may replace what is in it",
                           "chmod g-w it, or chgrp it to root");
    }
    return NK_OK;
}

nk_status trusted_check_file(const struct trusted_place *place, const struct stat *info)
{
    if (!S_ISREG(info->st_mode)) {
        return report(place->err, place->blame, "%s: is not a regular file", place->path);
    }
    if (!owner_is_trusted(place, THE_FILE, info)) {
        return refuse_owner(place, THE_FILE, info, "chown");
    }
    if ((info->st_mode & S_IWOTH) != 0) {
        return refuse_mode(place, THE_FILE, info, "everybody may write to it", "chmod go-w it");
    }
    enum writers writers = find_writers(place, THE_FILE, info);
    if (writers == OTHERS) {
        return refuse_mode(place, THE_FILE, info, "its ACL lets others write to it",
                           "chmod g-w it, or setfacl -b it");
    }
    if (writers == THE_GROUP && !group_is_trusted(place, THE_FILE, info)) {
        return refuse_mode(place, THE_FILE, info, "its group may write to it",
                           "chmod g-w it, or chgrp it to root");
    }
    return NK_OK;
}

nk_status trusted_check_link(const struct trusted_place *place, const struct stat *info)
{
    return owner_is_trusted(place, LINK, info) ? NK_OK
                                               : refuse_owner(place, LINK, info, "chown -h");
}

nk_status trusted_check_kept(const struct trusted_place *place, const struct stat *info)
{
    if ((info->st_mode & (S_IWGRP | S_IWOTH)) != 0 && owner_is_trusted(place, FOLDER, info)) {
        return refuse_mode(place, FOLDER, info, "others may write to this folder",
                           "chmod g-w,o-w it");
    }
    return trusted_check_folder(place, info);
}
