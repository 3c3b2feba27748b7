/* SPDX-License-Identifier: Apache-2.0 */
#include "module/module_name.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"
#include "base/trusted_path.h"
#include "base/words.h"

/* Names of ours, and where Debian puts these modules. %s is p11-kit's module folder. */
static const struct known {
    const char *name;
    const char *pattern;
} known[] = {
    { "softhsm", "/usr/lib/softhsm/libsofthsm2.so" },
    { "softhsm", "%s/libsofthsm2.so" },
    { "tpm2", "%s/libtpm2_pkcs11.so" },
    { "p11-kit", "%s/p11-kit-client.so" },
};
/* A bare name may also be a file in that folder. */
static const char *const spellings[] = { "/%s", "/%s.so", "/lib%s.so" };

static char *copy_existing(const char *path)
{
    return access(path, F_OK) == 0 ? strdup(path) : NULL;
}

static char *find_known(const char *name)
{
    char path[PATH_MAX];
    char *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(known) && found == NULL; i++) {
        if (strcmp(known[i].name, name) != 0) {
            continue;
        }
        const char *rest = strncmp(known[i].pattern, "%s", 2) == 0 ? known[i].pattern + 2 : NULL;
        snprintf(path, sizeof(path), "%s%s", rest != NULL ? NODEKEY_P11_MODULE_DIR : "",
                 rest != NULL ? rest : known[i].pattern);
        found = copy_existing(path);
    }
    return found;
}

static char *find_in_folder(const char *name)
{
    char path[PATH_MAX];
    char *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(spellings) && found == NULL; i++) {
        const char *slot = strstr(spellings[i], "%s");
        snprintf(path, sizeof(path), NODEKEY_P11_MODULE_DIR "%.*s%s%s", (int)(slot - spellings[i]),
                 spellings[i], name, slot + 2);
        found = copy_existing(path);
    }
    return found;
}

static nk_status report_absence(const char *path, int cause, nk_error *err)
{
    errno = cause;
    return report_errno(err, NK_E_CONFIG,
                        "%s: no PKCS#11 module at %s; install it or correct the path",
                        words()->module, path);
}

/* Only root and we can put another file behind the path afterwards, so that dlopen, which knows a
 * module by its path, loads what is looked at here. What the module itself needs is loaded from
 * where the system says. */
static nk_status check_file(const char *path, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };
    int fd = -1;
    nk_status status = trusted_open_file(path, NK_E_CONFIG, &fd, &own);

    if (status == NK_OK) {
        close(fd);
        return NK_OK;
    }
    if (own.native_kind == NK_NATIVE_ERRNO) {
        return report_absence(path, (int)own.native, err);
    }
    return report(err, status, "%s: %s", words()->module, own.text);
}

/* A bare name; NULL: there is none such. Owned: free. */
static char *find_name(const char *name)
{
    /* "." and ".." would be found as folders. */
    if (strchr(name, '/') != NULL || name[0] == '.') {
        return NULL;
    }
    char *path = find_known(name);
    return path != NULL ? path : find_in_folder(name);
}

nk_status module_name_resolve(const char *name, char **ret_path, nk_error *err)
{
    AUTO(free) char *path = name[0] == '/' ? strdup(name) : find_name(name);
    if (path == NULL) {
        return report(err, NK_E_CONFIG,
                      "%s: no module is called \"%s\": not softhsm, tpm2 or p11-kit as "
                      "Debian installs them, nor a file in " NODEKEY_P11_MODULE_DIR
                      "; install the module's package or give its absolute path",
                      words()->module, name);
    }
    nk_status status = check_file(path, err);
    if (status != NK_OK) {
        return status;
    }
    char *real = realpath(path, NULL);
    if (real == NULL) {
        return report_absence(path, errno, err);
    }
    *ret_path = real;
    return NK_OK;
}
