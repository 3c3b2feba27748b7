/* SPDX-License-Identifier: Apache-2.0 */
#include "node/changed_files.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#define PRIME 1099511628211u /* FNV-1a */
#define BASIS 14695981039346656037u

static void mix_number(uint64_t *hash, uint64_t number)
{
    *hash = (*hash ^ number) * PRIME;
    *hash ^= *hash >> 32;
}

static void mix_time(uint64_t *hash, const struct timespec *time)
{
    mix_number(hash, (uint64_t)time->tv_sec);
    mix_number(hash, (uint64_t)time->tv_nsec);
}

static bool mix_stat(uint64_t *hash, const char *path, mode_t *ret_mode)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        mix_number(hash, 0);
        return false;
    }
    mix_number(hash, info.st_dev);
    mix_number(hash, info.st_ino);
    mix_number(hash, info.st_mode);
    mix_number(hash, (uint64_t)info.st_size);
    mix_time(hash, &info.st_mtim);
    mix_time(hash, &info.st_ctim);
    *ret_mode = info.st_mode;
    return true;
}

static void mix_name(uint64_t *hash, const char *name)
{
    for (; *name != '\0'; name++) {
        mix_number(hash, (unsigned char)*name);
    }
}

/* The sum does not depend on the order in which a folder is read. */
static void mix_path(uint64_t *hash, const char *path)
{
    mode_t mode = 0;
    uint64_t sum = 0;

    if (!mix_stat(hash, path, &mode) || !S_ISDIR(mode)) {
        return;
    }
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char inside[4096];
        uint64_t one = BASIS;
        int len = snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && len < (int)sizeof(inside)) {
            mix_name(&one, entry->d_name);
            (void)mix_stat(&one, inside, &mode);
            sum += one;
        }
    }
    closedir(folder);
    mix_number(hash, sum);
}

uint64_t changed_files_fingerprint(const char *path, const struct config *config)
{
    uint64_t hash = BASIS;

    if (path != NULL) {
        mix_path(&hash, path);
    }
    for (size_t i = 0; i < config->roots.len; i++) {
        mix_path(&hash, config->roots.paths[i]);
    }
    for (size_t i = 0; i < config->crls.len; i++) {
        mix_path(&hash, config->crls.paths[i]);
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        mix_path(&hash, config->identities[role].certificate);
    }
    return hash;
}
