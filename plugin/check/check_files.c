/* SPDX-License-Identifier: Apache-2.0
 * Files and folders that no other step opens: the PIN's, the audit's, the private folder's. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/trusted_path.h"
#include "check/check_private.h"

static const char *source_of_pin(const struct hsm_pin_source *pin)
{
    switch (pin->kind) {
    case HSM_PIN_FILE:
        return pin->where;
    case HSM_PIN_CREDENTIAL:
        return "a credential of systemd's";
    case HSM_PIN_FD:
        return "a descriptor, not read here";
    case HSM_PIN_PROTECTED:
        return "typed at the token";
    default:
        return "asked for at each start";
    }
}

static void check_pin_source(const struct check *check, int role)
{
    const struct hsm_pin_source *pin = &check->config->identities[role].pin;
    char topic[CHECK_TOPIC_BYTES];
    struct check_ear ear;
    nk_error err = { .struct_size = sizeof(err) };

    check_listen(&ear, check->report, check_topic(check, role, "pin", topic), NULL);
    if (hsm_pin_source_check(pin, &ear.host, &err) == NK_OK) {
        check_add(check->report, CHECK_GOOD, topic, NULL, "%s", source_of_pin(pin));
        return;
    }
    const char *path = pin->kind == HSM_PIN_FILE ? pin->where : NULL;
    check_add_error(check, &(struct check_place){ topic, path, CHECK_SECRET }, &err);
}

/* Not opened: that would make it. */
static void check_audit(const struct check *check)
{
    const char *path = check->config->audit.file;
    nk_error err = { .struct_size = sizeof(err) };
    int fd = -1;

    if (path == NULL) {
        return;
    }
    AUTO(free) char *folder = file_folder(path);
    if (folder == NULL) {
        check->report->no_memory = true;
        return;
    }
    if (trusted_open_folder(folder, TRUSTED_TO_LOG, NK_E_CONFIG, &fd, &err) != NK_OK) {
        check_add_error(check, &(struct check_place){ "audit.file", folder, CHECK_HOLD }, &err);
        return;
    }
    bool there = faccessat(AT_FDCWD, path, F_OK, 0) == 0;
    if (faccessat(AT_FDCWD, there ? path : folder, W_OK, AT_EACCESS) != 0) {
        check_add(check->report, CHECK_BAD, "audit.file", NULL,
                  "%s: uid %ld cannot write to it: %s", there ? path : folder, (long)geteuid(),
                  strerror(errno));
    } else {
        check_add(check->report, CHECK_GOOD, "audit.file", NULL, "%s", path);
    }
    close(fd);
}

static void check_private_folder(const struct check *check)
{
    char path[PATH_MAX];
    nk_error err = { .struct_size = sizeof(err) };

    if (file_runtime_directory(path, &err) != NK_OK) {
        check_add_error(check, &(struct check_place){ "private folder", path, CHECK_HOLD }, &err);
    } else if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) != 0) {
        check_add(check->report, CHECK_BAD, "private folder", NULL,
                  "uid %ld cannot make one in %s (%s): set RUNTIME_DIRECTORY or TMPDIR to a folder "
                  "of its own",
                  (long)geteuid(), path, strerror(errno));
    } else {
        check_add(check->report, CHECK_GOOD, "private folder", NULL, "to be made in %s", path);
    }
}

void check_files(const struct check *check)
{
    for (int role = 0; role < OUR_ROLES; role++) {
        if (check_has_identity(check, role)) {
            check_pin_source(check, role);
        }
    }
    check_audit(check);
    check_private_folder(check);
}
