/* SPDX-License-Identifier: Apache-2.0
 * Has a file changed? By what stat says of it, and of what is in its folder if it is one. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "reload.h"

static void mix(uint64_t *hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < len; i++) {
        *hash = (*hash ^ at[i]) * 1099511628211u;
    }
}

static bool mix_stat(uint64_t *hash, const char *path, mode_t *ret_mode)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        mix(hash, "-", 1);
        return false;
    }
    const int64_t facts[] = {
        (int64_t)info.st_dev,          (int64_t)info.st_ino,          (int64_t)info.st_size,
        (int64_t)info.st_mtim.tv_sec,  (int64_t)info.st_mtim.tv_nsec, (int64_t)info.st_ctim.tv_sec,
        (int64_t)info.st_ctim.tv_nsec,
    };
    mix(hash, facts, sizeof(facts));
    *ret_mode = info.st_mode;
    return true;
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
        uint64_t one = 14695981039346656037u;
        int len = snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && len < (int)sizeof(inside)) {
            mix(&one, entry->d_name, strlen(entry->d_name));
            (void)mix_stat(&one, inside, &mode);
            sum += one;
        }
    }
    closedir(folder);
    mix(hash, &sum, sizeof(sum));
}

uint64_t reload_fingerprint(struct core *core)
{
    uint64_t hash = 14695981039346656037u;

    pthread_mutex_lock(&core->reload_lock);
    const struct config *config = core->config;
    if (core->path != NULL) {
        mix_path(&hash, core->path);
    }
    for (size_t i = 0; i < config->roots_len; i++) {
        mix_path(&hash, config->roots[i]);
    }
    for (size_t i = 0; i < config->crls_len; i++) {
        mix_path(&hash, config->crls[i]);
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        mix_path(&hash, config->ours[role].certificate);
    }
    pthread_mutex_unlock(&core->reload_lock);
    return hash;
}
