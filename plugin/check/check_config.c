/* SPDX-License-Identifier: Apache-2.0
 * The configuration: all of its faults, and whether this user is the one to ask. */
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "check/check_private.h"

static void tell_fault(void *arg, const nk_error *fault)
{
    struct check *check = arg;

    check_add(check->report, CHECK_BAD, "configuration", NULL, "%s", fault->text);
}

/* Root is shown other owners than the node will be: files of the node's user are a stranger's. */
static char *command_of_owner(const char *path)
{
    struct stat info;

    if (geteuid() != 0 || stat(path, &info) != 0 || info.st_uid == 0) {
        return NULL;
    }
    const struct passwd *owner = getpwuid(info.st_uid);
    AUTO(free) char *whole = file_absolute(path);
    return owner != NULL && whole != NULL ? check_command("runuser", "-u", owner->pw_name, "--",
                                                          "nodekey", "check", whole, (char *)NULL)
                                          : NULL;
}

static void tell_unreadable(const struct check *check, const nk_error *err)
{
    const char *path = check->order->path;
    AUTO(free) char *whole = file_absolute(path);
    AUTO(free) char *other_user = command_of_owner(path);

    if (other_user != NULL) {
        check_add(check->report, CHECK_BAD, "configuration", other_user, "%s", err->text);
        return;
    }
    check_add_error(check, &(struct check_place){ "configuration", whole, CHECK_READ }, err);
}

void check_config(struct check *check)
{
    struct json_faults faults = { .found = tell_fault, .arg = check };
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = config_examine(check->order->path, &faults, &check->config, &err);

    check->faulty = faults.len > 0;
    if (status != NK_OK && err.text[0] != '\0') {
        tell_unreadable(check, &err);
    }
    if (check->config == NULL) {
        check_add(check->report, CHECK_WARNING, "configuration", NULL,
                  "nothing that it names was looked at");
    } else if (check->faulty) {
        check_add(check->report, CHECK_WARNING, "configuration", NULL,
                  "what follows is as if the members at fault were absent");
    } else {
        check_add(check->report, CHECK_GOOD, "configuration", NULL, "%s", check->order->path);
    }
}
