/* SPDX-License-Identifier: Apache-2.0
 * PIN files as operators, editors and orchestrators leave them: whose they are, and how their text
 * is read. Runs as root: files are given to others. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <grpc/grpc.h>

#include "base/auto.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define OURS 4242   /* a group of this process */
#define THEIRS 4243 /* a group that it is not in */
#define ALIEN 12345 /* a user that it is not */

#define BLANK "begins or ends with a blank"

enum source { BY_FILE, BY_CREDENTIAL, BY_FILE_OF_CREDENTIAL, BY_FD };

/* Rows of the second table held before the files of Kubernetes and of editors were taken. */
struct row {
    const char *name;
    enum source source;
    const char *text;
    size_t len;
    mode_t mode;
    uid_t owner;
    gid_t group;
    bool acl;
    nk_status status;
    const char *piece; /* of the error */
    bool warned;       /* of blanks */
    unsigned sent;     /* C_Logins: the error is not told by the token */
};

#define TEXT(text) (text), sizeof(text) - 1
#define PIN TEXT(SOFTHSM_PIN)
#define GOOD NK_OK, "", false, 1
#define REFUSED(piece) NK_E_PIN, piece, false, 0
#define WARNED NK_E_PIN, "node.pin, which " BLANK "; correct it", true, 1
#define ORDINARY 0600, 0, 0, false

static const struct row rows[] = {
    { "fsGroup: root's, 0440, of a group of ours", BY_FILE, PIN, 0440, 0, OURS, false, GOOD },
    { "fsGroup: root's, 0640, of a group of ours", BY_FILE, PIN, 0640, 0, OURS, false, GOOD },
    { "a secret without fsGroup, 0440 root:root", BY_FILE, PIN, 0440, 0, 0, false, GOOD },
    { "0440 of another group", BY_FILE, PIN, 0440, 0, THEIRS, false,
      REFUSED("can be reached by group 4243, which is not one of ours (mode 440); chmod 600 it") },
    { "0440 of a group of ours, and an ACL", BY_FILE, PIN, 0440, 0, OURS, true,
      REFUSED("can be reached by those in its ACL (mode 440); setfacl -b it") },
    { "the file of a credential, 0440, with an ACL", BY_FILE_OF_CREDENTIAL, PIN, 0440, 0, THEIRS,
      true, GOOD },
    { "a mark of UTF-8", BY_FILE, TEXT("\xef\xbb\xbf" SOFTHSM_PIN "\r\n"), ORDINARY, GOOD },
    { "a mark of UTF-8 by a descriptor", BY_FD, TEXT("\xef\xbb\xbf" SOFTHSM_PIN), ORDINARY, GOOD },
    { "a mark of UTF-8 in a credential", BY_CREDENTIAL, TEXT("\xef\xbb\xbf" SOFTHSM_PIN), ORDINARY,
      GOOD },
    { "a mark of UTF-8 and no more", BY_FILE, TEXT("\xef\xbb\xbf\r\n"), ORDINARY,
      REFUSED("is empty; write the user PIN there") },
    { "UTF-16, little-endian", BY_FILE,
      TEXT("\xff\xfe"
           "1\0002\0003\0004\0\n\0"),
      ORDINARY, REFUSED("is UTF-16, or no text at all; write it as plain text") },
    { "UTF-16, big-endian", BY_FILE,
      TEXT("\xfe\xff"
           "\0001\0002\0003\0004\0\n"),
      ORDINARY, REFUSED("is UTF-16, or no text at all; write it as plain text") },
    { "UTF-16 without a mark", BY_FILE, TEXT("1\0002\0003\0004\0"), ORDINARY,
      REFUSED("is UTF-16, or no text at all; write it as plain text") },
    { "a mark of UTF-16 and no more", BY_FD, TEXT("\xff\xfe"), ORDINARY,
      REFUSED("is UTF-16, or no text at all; write it as plain text") },
    { "a space behind", BY_FILE, TEXT(SOFTHSM_PIN " "), ORDINARY, WARNED },
    { "a space behind, and a line end", BY_FILE, TEXT(SOFTHSM_PIN "  \n"), ORDINARY, WARNED },
    { "a space before", BY_FILE, TEXT(" " SOFTHSM_PIN), ORDINARY, WARNED },
    { "a tab behind", BY_FILE, TEXT(SOFTHSM_PIN "\t\r\n"), ORDINARY, WARNED },
    { "a carriage return behind", BY_FILE, TEXT(SOFTHSM_PIN "\r"), ORDINARY, WARNED },
    { "a space behind, in a credential", BY_CREDENTIAL, TEXT(SOFTHSM_PIN "   "), ORDINARY, WARNED },
    { "a space behind, by a descriptor", BY_FD, TEXT(SOFTHSM_PIN "    "), ORDINARY, WARNED },
    { "a mark of UTF-8, and a space", BY_FILE, TEXT("\xef\xbb\xbf  " SOFTHSM_PIN), ORDINARY,
      WARNED },
};

static const struct row held[] = {
    { "ours alone", BY_FILE, PIN, 0600, 0, 0, false, GOOD },
    { "ours alone, read-only", BY_FILE, PIN, 0400, 0, OURS, false, GOOD },
    { "a line end of Unix", BY_FILE, TEXT(SOFTHSM_PIN "\n"), ORDINARY, GOOD },
    { "a line end of Windows", BY_FILE, TEXT(SOFTHSM_PIN "\r\n"), ORDINARY, GOOD },
    { "a credential, 0440, of whatever group", BY_CREDENTIAL, PIN, 0440, 0, THEIRS, false, GOOD },
    { "a credential, 0440, with an ACL", BY_CREDENTIAL, PIN, 0440, 0, THEIRS, true, GOOD },
    { "a group of ours may write", BY_FILE, PIN, 0660, 0, OURS, false,
      REFUSED("can be reached by others (mode 660); chmod 600 it, and change the PIN") },
    { "others may read", BY_FILE, PIN, 0444, 0, OURS, false,
      REFUSED("can be reached by others (mode 444); chmod 600 it") },
    { "others may write", BY_FILE, PIN, 0602, 0, 0, false, REFUSED("(mode 602)") },
    { "others may read a credential", BY_CREDENTIAL, PIN, 0444, 0, 0, false,
      REFUSED("(mode 444)") },
    { "another's, of a group of ours", BY_FILE, PIN, 0440, ALIEN, OURS, false,
      REFUSED("belongs to uid 12345, not to us (uid 0); chown it") },
    { "others may read the file of a credential", BY_FILE_OF_CREDENTIAL, PIN, 0444, 0, 0, false,
      REFUSED("(mode 444)") },
    { "nothing", BY_FILE, TEXT(""), ORDINARY, REFUSED("is empty") },
    { "a line end and no more", BY_FILE, TEXT("\r\n"), ORDINARY, REFUSED("is empty") },
    { "two line ends", BY_FILE, TEXT(SOFTHSM_PIN "\n\n"), ORDINARY, REFUSED("more than one line") },
    { "a blank inside", BY_FILE, TEXT("8461 spruce"), ORDINARY, NK_E_PIN,
      "refuses the PIN of node.pin; correct it", false, 1 },
};

static struct federation federation;
static struct member alice;
static const char *path;

/* What the token had been sent when the warning came. */
static bool warned;
static unsigned sent_at_warning;
static unsigned sent_before;

static unsigned sent(void)
{
    return (unsigned)faulty_count()->login - sent_before;
}

static void look_for_warning(void *host_data, int32_t level, const char *line)
{
    (void)host_data;
    assert_null(strstr(line, SOFTHSM_PIN));
    if (strstr(line, BLANK) != NULL && level == NK_LOG_WARNING) {
        assert_non_null(strstr(line, "node.pin"));
        assert_false(warned);
        warned = true;
        sent_at_warning = sent();
    }
}

/* As setfacl -m u:ALIEN:r writes it: version 2; owner, that user, group, mask, others. */
static void add_acl(void)
{
    static const unsigned char acl[] = {
        2,  0, 0, 0,                                       /* version */
        1,  0, 4, 0, 0xff,         0xff,       0xff, 0xff, /* the owner */
        2,  0, 4, 0, ALIEN & 0xff, ALIEN >> 8, 0,    0,    /* that user */
        4,  0, 4, 0, 0xff,         0xff,       0xff, 0xff, /* the group */
        16, 0, 4, 0, 0xff,         0xff,       0xff, 0xff, /* the mask */
        32, 0, 0, 0, 0xff,         0xff,       0xff, 0xff, /* others */
    };
    if (setxattr(path, "system.posix_acl_access", acl, sizeof(acl), 0) != 0) {
        fail_msg("no ACL on %s: %s", path, strerror(errno));
    }
}

static void write_pin_file(const struct row *row)
{
    (void)unlink(path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(row->text, 1, row->len, file), row->len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chown(path, row->owner, row->group), 0);
    assert_int_equal(chmod(path, row->mode), 0);
    if (row->acl) {
        add_acl();
    }
}

static const char *pin_source(const struct row *row)
{
    int ends[2];

    switch (row->source) {
    case BY_FILE:
    case BY_FILE_OF_CREDENTIAL:
        return "\"file\": \"row.pin\"";
    case BY_CREDENTIAL:
        return "\"file\": null, \"credential\": \"row.pin\"";
    case BY_FD:
        break;
    }
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], row->text, row->len), (ssize_t)row->len);
    close(ends[1]);
    return path_of("\"file\": null, \"fd\": %d", ends[0]);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    const nk_host host = { .struct_size = sizeof(host),
                           .grpc_version = grpc_version_string,
                           .log = look_for_warning };
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;

    write_pin_file(row);
    setenv("CREDENTIALS_DIRECTORY", row->source == BY_FILE ? "/run/credentials" : federation.folder,
           1);
    char *config = member_config(&alice, path_of("{\"node\": {\"pin\": {%s}}}", pin_source(row)));
    warned = false;
    sent_before = (unsigned)faulty_count()->login;
    nk_status status = plugin_load()->open_text(&host, config, federation.folder, &instance, &err);
    free(config);
    if (status != row->status || strstr(err.text, row->piece) == NULL) {
        fail_msg("%d: %s", (int)status, err.text);
    }
    assert_null(strstr(err.text, SOFTHSM_PIN));
    assert_int_equal(sent(), row->sent);
    assert_int_equal(warned, row->warned);
    assert_int_equal(warned ? sent_at_warning : 0, 0);
    if (status == NK_OK) {
        plugin_load()->close(instance, NULL);
    }
}

static int start(void **state)
{
    (void)state;
    const gid_t groups[] = { OURS };
    struct node node;
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    alice.module = faulty_start();
    path = path_of("%s/row.pin", federation.folder);
    node_open(&node, &alice, "{}"); /* faulty_count asks the module that is loaded */
    node_close(&node);
    return setgroups(ARRAY_LEN(groups), groups);
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    return 0;
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_OF(held, check_row)
    grpc_init();
    int failed = ROWS_RUN("pin_file", start, stop);
    rpc_shutdown();
    return failed;
}
