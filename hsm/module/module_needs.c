/* SPDX-License-Identifier: Apache-2.0 */
#include "module/module_needs.h"

#include <dirent.h>
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
#define OBSTACLE_BYTES 256

static void close_file(FILE *file)
{
    fclose(file);
}
DEFINE_AUTO(FILE *, close_file);

static void close_folder(DIR *folder)
{
    closedir(folder);
}
DEFINE_AUTO(DIR *, close_folder);

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

/* false, with errno: the file cannot be read. */
static bool find_softhsm_folder(const char *path, char folder[PATH_MAX])
{
    char line[LINE_MAX_BYTES];
    AUTO(close_file) FILE *file = fopen(path, "re");

    if (file == NULL) {
        return false;
    }
    snprintf(folder, PATH_MAX, "%s", SOFTHSM_FOLDER);
    while (fgets(line, sizeof(line), file) != NULL && !read_folder_line(line, folder)) {
    }
    return !ferror(file); /* as of a folder */
}

static const char *softhsm_folder_cure(const char *folder, int refused)
{
    if (refused != ENOENT) {
        return SOFTHSM_CURE;
    }
    return folder[0] == '/' ? "make it, or correct directories.tokendir"
                            : "SoftHSM takes directories.tokendir as it stands: write an absolute "
                              "path, without ~ or variables";
}

static bool softhsm_lacks(char *text, size_t room)
{
    char path[PATH_MAX];
    char folder[PATH_MAX];

    find_softhsm_file(path);
    if (!find_softhsm_folder(path, folder)) {
        snprintf(text, room, "it cannot read %s (%s); " SOFTHSM_CURE, path, strerror(errno));
        return true;
    }
    int refused = refusal_of(folder, R_OK | X_OK);
    if (refused != 0) {
        snprintf(text, room, "it cannot read %s, the folder of tokens of %s (%s); %s", folder, path,
                 strerror(refused), softhsm_folder_cure(folder, refused));
    }
    return refused != 0;
}

/* The folder of a token that this user may not change. */
static bool find_closed_token(const char *folder, char path[PATH_MAX])
{
    const struct dirent *entry = NULL;
    bool found = false;
    AUTO(close_folder) DIR *entries = opendir(folder);

    while (!found && entries != NULL && (entry = readdir(entries)) != NULL) {
        int len = snprintf(path, PATH_MAX, "%s/%s", folder, entry->d_name);
        found =
            entry->d_name[0] != '.' && len < PATH_MAX && refusal_of(path, R_OK | W_OK | X_OK) != 0;
    }
    return found;
}

/* SoftHSM passes over such tokens without a word. */
static bool softhsm_is_kept_from(char *text, size_t room)
{
    char path[PATH_MAX];
    char folder[PATH_MAX];

    find_softhsm_file(path);
    if (!find_softhsm_folder(path, folder) || refusal_of(folder, R_OK | X_OK) != 0) {
        return false; /* softhsm_lacks tells */
    }
    int refused = refusal_of(folder, W_OK);
    if (refused != 0) {
        snprintf(text, room, "%s cannot be written (%s)", folder, strerror(refused));
        return true;
    }
    if (!find_closed_token(folder, path)) {
        return false;
    }
    snprintf(text, room, "the token in %s is closed to this user: if another made it, chown -R it",
             path);
    return true;
}

/* --- tpm2-pkcs11 1.9 --- */

#define TPM_DEVICE "/dev/tpmrm0"
#define TPM_STORE_FILE "tpm2_pkcs11.sqlite3"

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

static bool tpm_store_lacks(const char *store, char *text, size_t room)
{
    char path[PATH_MAX];
    int refused = refusal_of(store, R_OK | W_OK | X_OK);

    if (refused != 0) {
        snprintf(text, room, "it cannot write its store %s (%s); make that folder as this user",
                 store, strerror(refused));
        return true;
    }
    snprintf(path, sizeof(path), "%s/" TPM_STORE_FILE, store);
    refused = refusal_of(path, R_OK | W_OK);
    if (refused == 0 || refused == ENOENT) {
        return false;
    }
    snprintf(text, room, "it cannot write %s (%s); if another user made it, chown it", path,
             strerror(refused));
    return true;
}

static bool tpm_lacks(char *text, size_t room)
{
    const char *store = getenv("TPM2_PKCS11_STORE");
    const char *device = find_tpm_device();

    if (store != NULL && tpm_store_lacks(store, text, room)) {
        return true;
    }
    if (device == NULL) {
        const char *named = getenv("TPM2_PKCS11_TCTI");
        snprintf(text, room,
                 "does a TPM answer this user where TPM2_PKCS11_TCTI says, and is the package "
                 "libtss2-tcti-%.*s... there?",
                 (int)strcspn(named, ":"), named);
        return true;
    }
    int refused = refusal_of(device, R_OK | W_OK);
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
    const char *stem;                              /* what the file's name begins with */
    bool (*lacks)(char *text, size_t room);        /* to initialise */
    bool (*is_kept_from)(char *text, size_t room); /* though it initialises; or NULL */
} known[] = {
    { "libsofthsm2", softhsm_lacks, softhsm_is_kept_from },
    { "libtpm2_pkcs11", tpm_lacks, NULL },
    { "libsoftokn3", softokn_lacks, NULL },
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

/* The rest of the surroundings: "; " and what the module is kept from. */
static void add_obstacle(const char *path, char *text, size_t room)
{
    char told[OBSTACLE_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (is_of(known[i].stem, path) && known[i].is_kept_from != NULL &&
            known[i].is_kept_from(told, sizeof(told))) {
            snprintf(text, room, "; %s", told);
        }
    }
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
    if (used < room) {
        add_obstacle(path, text + used, room - used);
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
