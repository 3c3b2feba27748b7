/* SPDX-License-Identifier: Apache-2.0
 * What no node shows of paths that are looked at: owners that a user namespace hides, where there
 * are none; names from the working folder; warnings; terms that outlive their call. As root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "audit/audit_file.h"
#include "base/path_terms.h"
#include "base/trusted_path.h"
#include "base/user_namespace.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "pin/pin.h"

#include "fixtures/rows.h"

#define HIDDEN 65534u
#define OTHER_ID 65533

static const char *folder;
static bool hides; /* the namespace hides HIDDEN */
static char lines[4096];

bool __wrap_user_namespace_hides_uid(uid_t uid);
bool __wrap_user_namespace_hides_uid(uid_t uid)
{
    return hides && uid == HIDDEN;
}

bool __wrap_user_namespace_hides_gid(gid_t gid);
bool __wrap_user_namespace_hides_gid(gid_t gid)
{
    return hides && gid == HIDDEN;
}

static void keep_line(void *data, int32_t level, const char *line)
{
    (void)data;
    assert_int_equal(level, NK_LOG_WARNING);
    size_t used = strlen(lines);
    snprintf(lines + used, sizeof(lines) - used, "%s\n", line);
}

static const nk_host host = { .struct_size = sizeof(host), .log = keep_line };

static const char *in_folder(const char *name)
{
    return path_of("%s/%s", folder, name);
}

static int set_up(void **state)
{
    static int count;
    (void)state;
    folder = path_of("%s/%d", scratch_folder(), count++);
    hides = false;
    lines[0] = '\0';
    if (mkdir(folder, 0700) != 0 || mkdir(in_folder("open"), 0700) != 0 ||
        mkdir(in_folder("shut"), 0700) != 0) {
        return -1;
    }
    write_file(in_folder("open/file"), "text", 0600);
    write_file(in_folder("shut/file"), "text", 0600);
    return chmod(in_folder("open"), 0777);
}

/* NK_OK, or the error's text in `lines`. */
static nk_status look(const char *path)
{
    nk_error err = { .struct_size = sizeof(err) };
    int fd = -1;
    nk_status status = trusted_open_file(path, NK_E_TRUST, &fd, &err);
    if (status == NK_OK) {
        close(fd);
    } else {
        snprintf(lines, sizeof(lines), "%s", err.text);
        assert_int_equal(fd, -1);
    }
    return status;
}

static void tells(const char *piece)
{
    if (strstr(lines, piece) == NULL) {
        fail_msg("\"%s\" is not in: %s", piece, lines);
    }
}

static size_t count_lines(void)
{
    size_t count = 0;
    for (const char *at = strchr(lines, '\n'); at != NULL; at = strchr(at + 1, '\n')) {
        count++;
    }
    return count;
}

static void owners_that_are_hidden_are_warned_of_once(void **state)
{
    (void)state;
    AUTO(path_terms_unref) struct path_terms *terms = path_terms_new(false);
    AUTO(path_terms_restore) struct path_terms *former = path_terms_use(terms);

    assert_int_equal(chown(in_folder("shut"), HIDDEN, HIDDEN), 0);
    assert_int_equal(chown(in_folder("shut/file"), HIDDEN, HIDDEN), 0);
    assert_int_equal(chmod(in_folder("shut"), 0775), 0);
    assert_int_equal(look(in_folder("shut/file")), NK_E_TRUST);
    tells("/shut: belongs to uid 65534 (mode 0775), not to root or us (uid 0); chown it");
    hides = true;
    lines[0] = '\0';
    assert_int_equal(look(in_folder("shut/file")), NK_OK);
    assert_int_equal(look(in_folder("shut/file")), NK_OK);
    path_terms_tell(terms, &host);
    assert_int_equal(count_lines(), 1);
    tells("owners that this user namespace hides count as root: first seen at ");
    tells("/shut;");
    /* what is hidden may be anybody: everybody may not write */
    assert_int_equal(chmod(in_folder("shut"), 0777), 0);
    assert_int_equal(look(in_folder("shut/file")), NK_E_TRUST);
}

static void warnings_are_told_once_for_each_path(void **state)
{
    (void)state;
    AUTO(path_terms_unref) struct path_terms *terms = path_terms_new(false);

    path_terms_note(path_terms(), "nobody asked: this is dropped");
    path_terms_note(terms, "/a: one");
    path_terms_note(terms, "/a: two");
    path_terms_note(terms, "/ab: three");
    path_terms_tell(terms, &host);
    path_terms_note(terms, "/a: four");
    path_terms_note(terms, "/b: five");
    path_terms_tell(terms, &host);
    path_terms_tell(path_terms(), &host);
    assert_string_equal(lines, "/a: one\n/ab: three\n/b: five\n");
}

static void names_are_those_of_the_working_folder(void **state)
{
    (void)state;
    int before = open(".", O_PATH | O_CLOEXEC);

    assert_int_equal(chdir(in_folder("shut")), 0);
    assert_int_equal(look("file"), NK_OK);
    assert_int_equal(look("../shut/./file"), NK_OK);
    assert_int_equal(look("../open/file"), NK_E_TRUST);
    assert_int_equal(look("none"), NK_E_TRUST);
    assert_string_equal(lines, "none: No such file or directory");
    assert_int_equal(look(""), NK_E_TRUST);
    assert_int_equal(chdir(in_folder("open")), 0);
    assert_int_equal(look("file"), NK_E_TRUST);
    tells(path_of("file: folder %s/open: everybody may replace", folder));
    assert_int_equal(fchdir(before), 0);
    close(before);
}

/* As setfacl -m u:USER:rwx,g:GROUP:rwx leaves it: the group's bits are the mask. */
static bool let_write(const char *path, uint16_t user, uint16_t group)
{
    const unsigned char low[] = { (unsigned char)user, (unsigned char)group };
    const unsigned char high[] = { (unsigned char)(user >> 8), (unsigned char)(group >> 8) };
    const unsigned char acl[] = {
        2,    0, 0, 0,                              /* version */
        0x01, 0, 7, 0, 0xff,   0xff,    0xff, 0xff, /* the owner */
        0x02, 0, 7, 0, low[0], high[0], 0,    0,    /* the user */
        0x04, 0, 5, 0, 0xff,   0xff,    0xff, 0xff, /* the group of the file */
        0x08, 0, 7, 0, low[1], high[1], 0,    0,    /* the group */
        0x10, 0, 7, 0, 0xff,   0xff,    0xff, 0xff, /* the mask */
        0x20, 0, 5, 0, 0xff,   0xff,    0xff, 0xff, /* others */
    };
    return setxattr(path, "system.posix_acl_access", acl, sizeof(acl), 0) == 0;
}

/* Asked by the name that the walk has kept, so each "." and ".." counts. */
static void acls_are_seen_by_whatever_way(void **state)
{
    static const char *const ways[] = { "shut/file", "./shut/file", "./././shut/file",
                                        "./open/../shut/./file", "./shut/.././shut/file" };
    (void)state;

    assert_int_equal(chmod(in_folder("open"), 0755), 0);
    if (!let_write(in_folder("shut"), OTHER_ID, 0)) {
        print_message("no ACLs in %s\n", folder);
        skip();
    }
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        assert_int_equal(look(in_folder(ways[i])), NK_E_TRUST);
        tells(path_of("folder %s/shut: its ACL lets others replace", folder));
    }
}

static void acls_may_let_us_and_root_write(void **state)
{
    (void)state;

    if (!let_write(in_folder("shut"), 0, 0)) {
        print_message("no ACLs in %s\n", folder);
        skip();
    }
    assert_int_equal(look(in_folder("shut/file")), NK_OK);
    /* the group of the folder does not write, though the mask shows so */
    assert_int_equal(chown(in_folder("shut"), 0, OTHER_ID), 0);
    assert_int_equal(look(in_folder("shut/file")), NK_OK);
    assert_true(let_write(in_folder("shut"), 0, OTHER_ID));
    assert_int_equal(look(in_folder("shut/file")), NK_E_TRUST);
    tells("its ACL lets others replace");
    assert_true(let_write(in_folder("shut"), OTHER_ID, 0));
    assert_int_equal(chmod(scratch_folder(), 0711), 0);
    assert_int_equal(chmod(folder, 0711), 0);
    assert_int_equal(chmod(in_folder("shut/file"), 0644), 0);
    assert_int_equal(seteuid(OTHER_ID), 0);
    nk_status status = look(in_folder("shut/file"));
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(status, NK_OK);
    assert_int_equal(look(in_folder("shut/file")), NK_E_TRUST);
}

/* debugfs mounts its "tracing" when it is first used, as autofs does a home. */
static void folders_are_mounted_at_first_use(void **state)
{
    (void)state;
    const char *folder_of_it = in_folder("shut");

    if (mount("none", folder_of_it, "debugfs", 0, NULL) != 0) {
        print_message("no debugfs may be mounted here\n");
        skip();
    }
    nk_status status = look(path_of("%s/tracing/README", folder_of_it));
    (void)umount(path_of("%s/tracing", folder_of_it));
    assert_int_equal(umount(folder_of_it), 0);
    assert_int_equal(status, NK_OK);
}

static void odd_kinds_are_not_waited_for(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    int fd = -1;

    assert_int_equal(mkfifo(in_folder("shut/fifo"), 0600), 0);
    assert_int_equal(look(in_folder("shut/fifo")), NK_E_TRUST);
    tells("is not a regular file");
    assert_int_equal(look(in_folder("shut")), NK_E_TRUST);
    tells("is not a regular file");
    assert_int_equal(look(in_folder("shut/file/")), NK_E_TRUST);
    tells("Not a directory");
    assert_int_equal(look(in_folder(path_of("%0300d", 0))), NK_E_TRUST);
    tells("name too long");
    assert_int_equal(look(in_folder(path_of("%05000d", 0))), NK_E_TRUST);
    assert_int_equal(
        trusted_open_folder(in_folder("shut/file"), TRUSTED_TO_HOLD, NK_E_CONFIG, &fd, &err),
        NK_E_CONFIG);
    assert_int_equal(err.native, ENOTDIR);
    assert_int_equal(fd, -1);
}

/* --- read again later, on threads that serve somebody else --- */

static void a_pin_is_read_again_on_its_own_terms(void **state)
{
    (void)state;
    AUTO(path_terms_unref) struct path_terms *terms = path_terms_new(true);
    const struct hsm_pin_source source = { HSM_PIN_FILE, in_folder("open/file"), -1 };
    struct pin *pin = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    assert_int_equal(pin_open(&source, "token", NULL, &pin, &err), NK_E_PIN);
    assert_non_null(strstr(err.text, "everybody may replace what is in it"));
    struct path_terms *former = path_terms_use(terms);
    assert_int_equal(pin_open(&source, "token", NULL, &pin, NULL), NK_OK);
    path_terms_restore(former);
    assert_int_equal(pin_refresh(pin, NULL), NK_OK);
    pin_free(pin);
}

/* A cure that a node of an ordinary user can live with: 0600 would shut it out. */
static void a_pin_of_roots_is_opened_to_a_group(void **state)
{
    (void)state;
    const struct hsm_pin_source source = { HSM_PIN_FILE, in_folder("pin"), -1 };
    struct pin *pin = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_error ours = { .struct_size = sizeof(ours) };

    write_file(source.where, "1234", 0644);
    assert_int_equal(pin_open(&source, "token", NULL, &pin, &ours), NK_E_PIN);
    assert_non_null(strstr(ours.text, "(mode 644); chmod 600 it"));
    assert_int_equal(chmod(scratch_folder(), 0755), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(seteuid(OTHER_ID), 0);
    nk_status status = pin_open(&source, "token", NULL, &pin, &err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(status, NK_E_PIN);
    assert_non_null(strstr(err.text, "(mode 644); chmod 440 it, and chgrp it to a group of ours"));
}

static void an_audit_is_followed_on_its_own_terms(void **state)
{
    (void)state;
    AUTO(path_terms_unref) struct path_terms *terms = path_terms_new(true);
    struct audit_file *file = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    assert_int_equal(audit_file_open(in_folder("open/audit"), &file, &err), NK_E_CONFIG);
    struct path_terms *former = path_terms_use(terms);
    assert_int_equal(audit_file_open(in_folder("open/audit"), &file, NULL), NK_OK);
    path_terms_restore(former);
    assert_int_equal(unlink(in_folder("open/audit")), 0);
    assert_int_equal(audit_file_follow(file, 1, NULL), NK_OK);
    assert_int_equal(access(in_folder("open/audit"), F_OK), 0);
    audit_file_close(file);
}

int main(void)
{
    rows_each(set_up, NULL);
    ROWS_TEST(owners_that_are_hidden_are_warned_of_once);
    ROWS_TEST(warnings_are_told_once_for_each_path);
    ROWS_TEST(names_are_those_of_the_working_folder);
    ROWS_TEST(acls_are_seen_by_whatever_way);
    ROWS_TEST(acls_may_let_us_and_root_write);
    ROWS_TEST(folders_are_mounted_at_first_use);
    ROWS_TEST(odd_kinds_are_not_waited_for);
    ROWS_TEST(a_pin_is_read_again_on_its_own_terms);
    ROWS_TEST(a_pin_of_roots_is_opened_to_a_group);
    ROWS_TEST(an_audit_is_followed_on_its_own_terms);
    return ROWS_RUN("trusted_path", NULL, NULL);
}
