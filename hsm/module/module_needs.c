/* SPDX-License-Identifier: Apache-2.0 */
#include "module/module_needs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/text.h"

#define LINE_MAX_BYTES 4096

static void close_file(FILE *file)
{
    fclose(file);
}
DEFINE_AUTO(FILE *, close_file);

/* errno of an access by what we are now, as the module's open will be; 0: it may. */
static int refusal_of(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : errno;
}

/* --- SoftHSM 2.6 --- */

#define SOFTHSM_FILE "/etc/softhsm/softhsm2.conf"
#define SOFTHSM_FOLDER "/var/lib/softhsm/tokens/"
#define SOFTHSM_CURE                                                                               \
    "write a file of your own with a line \"directories.tokendir = FOLDER\" and name it by "       \
    "SOFTHSM2_CONF, or join the group softhsm and log in anew"

/* SimpleConfigLoader's order: the variable, the user's file where it can be read, the system's. */
static void find_softhsm_file(char path[PATH_MAX])
{
    const char *named = getenv("SOFTHSM2_CONF");
    const char *home = getenv("HOME");

    if (named != NULL) {
        snprintf(path, PATH_MAX, "%s", named);
        return;
    }
    snprintf(path, PATH_MAX, "%s/.config/softhsm2/softhsm2.conf", home != NULL ? home : "");
    if (home == NULL || refusal_of(path, R_OK) != 0) {
        snprintf(path, PATH_MAX, "%s", SOFTHSM_FILE);
    }
}

/* The value in a line "directories.tokendir = FOLDER"; false: the line is another. */
static bool read_folder_line(char *line, char folder[PATH_MAX])
{
    static const char blanks[] = " \t";
    char *value = strchr(line, '=');

    line += strspn(line, blanks);
    if (strncmp(line, "directories.tokendir", strlen("directories.tokendir")) != 0 ||
        value == NULL) {
        return false;
    }
    value += 1 + strspn(value + 1, blanks);
    size_t len = strcspn(value, "#\r\n");
    while (len > 0 && strchr(blanks, value[len - 1]) != NULL) {
        len--;
    }
    snprintf(folder, PATH_MAX, "%.*s", (int)len, value);
    return true;
}

static void find_softhsm_folder(FILE *file, char folder[PATH_MAX])
{
    char line[LINE_MAX_BYTES];

    snprintf(folder, PATH_MAX, "%s", SOFTHSM_FOLDER);
    while (fgets(line, sizeof(line), file) != NULL && !read_folder_line(line, folder)) {
    }
}

static bool softhsm_lacks(char *text, size_t room)
{
    char path[PATH_MAX];
    char folder[PATH_MAX];

    find_softhsm_file(path);
    AUTO(close_file) FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(text, room, "it cannot read %s (%s); " SOFTHSM_CURE, path, strerror(errno));
        return true;
    }
    find_softhsm_folder(file, folder);
    int refused = refusal_of(folder, R_OK | X_OK);
    if (refused != 0) {
        snprintf(text, room, "it cannot read %s, the folder of tokens of %s (%s); %s", folder, path,
                 strerror(refused),
                 refused == ENOENT ? "make it, or correct directories.tokendir" : SOFTHSM_CURE);
    }
    return refused != 0;
}

/* --- tpm2-pkcs11 1.9 --- */

#define TPM_DEVICE "/dev/tpmrm0"

/* NULL: TPM2_PKCS11_TCTI names what is no device, such as a resource manager. */
static const char *find_tpm_device(void)
{
    static const char prefix[] = "device:";
    const char *named = getenv("TPM2_PKCS11_TCTI");

    if (named == NULL) {
        return TPM_DEVICE;
    }
    return strncmp(named, prefix, strlen(prefix)) == 0 ? named + strlen(prefix) : NULL;
}

static bool tpm_lacks(char *text, size_t room)
{
    const char *store = getenv("TPM2_PKCS11_STORE");
    const char *device = find_tpm_device();
    int refused = store != NULL ? refusal_of(store, R_OK | W_OK | X_OK) : 0;

    if (refused != 0) {
        snprintf(text, room, "it cannot write its store %s (%s); make that folder as this user",
                 store, strerror(refused));
        return true;
    }
    refused = device != NULL ? refusal_of(device, R_OK | W_OK) : 0;
    if (refused != 0) {
        snprintf(text, room, "it cannot open %s (%s); %s", device, strerror(refused),
                 refused == ENOENT ? "switch the TPM 2.0 on in the firmware and pass the device to "
                                     "a container, or name another by TPM2_PKCS11_TCTI"
                                   : "join the group tss and log in anew");
    }
    return refused != 0;
}

/* --- NSS --- */

static bool softokn_lacks(char *text, size_t room)
{
    snprintf(
        text, room,
        "it takes its folder from an init argument: put that as x-init-reserved into a file of "
        "p11-kit's, and name p11-kit-proxy.so instead");
    return true;
}

/* --- all of them --- */

#define STEMS_MAX 2
#define PROXY "libp11-kit" /* where the link p11-kit-proxy.so leads */

static const struct known {
    const char *stem; /* what the file's name begins with */
    bool (*lacks)(char *text, size_t room);
} known[] = {
    { "libsofthsm2", softhsm_lacks },
    { "libtpm2_pkcs11", tpm_lacks },
    { "libsoftokn3", softokn_lacks },
};

/* p11-kit's proxy shows the tokens of the other modules, as they are told by their variables. */
static const struct variable {
    const char *name;
    const char *stems[STEMS_MAX]; /* of the modules that read it */
} variables[] = {
    { "SOFTHSM2_CONF", { "libsofthsm2", PROXY } },
    { "TPM2_PKCS11_STORE", { "libtpm2_pkcs11", PROXY } },
    { "TPM2_PKCS11_TCTI", { "libtpm2_pkcs11" } },
    { "TSS2_TCTI", { "libtpm2_pkcs11" } },
    { "P11_KIT_SERVER_ADDRESS", { "p11-kit-client" } },
};

static bool is_of(const char *stem, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    return strncmp(name, stem, strlen(stem)) == 0;
}

static bool is_read_by(const struct variable *variable, const char *path)
{
    bool reads = false;

    for (size_t i = 0; i < STEMS_MAX && variable->stems[i] != NULL; i++) {
        reads = reads || is_of(variable->stems[i], path);
    }
    return reads;
}

void module_surroundings(const char *path, char *text, size_t room)
{
    size_t used =
        (size_t)snprintf(text, room, "uid %ld, gid %ld", (long)geteuid(), (long)getegid());

    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        const char *value = getenv(variables[i].name);
        if (used < room && (value != NULL || is_read_by(&variables[i], path))) {
            used += (size_t)snprintf(text + used, room - used, ", %s%s%s", variables[i].name,
                                     value != NULL ? "=" : " not set", value != NULL ? value : "");
        }
    }
    text_flatten(text, strlen(text), TEXT_ONE_LINE);
}

void module_needs(const char *path, char *text, size_t room)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (is_of(known[i].stem, path) && known[i].lacks(text, room)) {
            text_flatten(text, strlen(text), TEXT_ONE_LINE);
            return;
        }
    }
    snprintf(text, room, "is its own configuration, service or device there?");
}
