/* SPDX-License-Identifier: Apache-2.0 */
#include "faulty_rig.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "authority.h"
#include "softhsm.h"

const char *faulty_start(void)
{
    setenv("FAULTY_MODULE", SOFTHSM_MODULE, 1);
    setenv("FAULTY_SCRIPT", path_of("%s/faulty.script", scratch_folder()), 1);
    faulty_set("");
    return FAULTY_TOKEN;
}

void faulty_set(const char *lines)
{
    const char *path = getenv("FAULTY_SCRIPT");
    const char *next = path_of("%s.next", path);
    write_file(next, lines, 0600);
    if (rename(next, path) != 0) {
        perror(path);
        abort();
    }
}

const struct faulty_counters *faulty_count(void)
{
    void *module = dlopen(FAULTY_TOKEN, RTLD_NOW | RTLD_NOLOAD);
    faulty_counters_fn count = NULL;
    if (module != NULL) {
        *(void **)&count = dlsym(module, FAULTY_COUNTERS_SYMBOL);
    }
    if (count == NULL) {
        fprintf(stderr, "the faulty token is not loaded\n");
        abort();
    }
    return count();
}
