/* SPDX-License-Identifier: Apache-2.0
 * What this process keeps in memory. Included once per program. */
#ifndef NODEKEY_TESTS_RESIDENT_H
#define NODEKEY_TESTS_RESIDENT_H

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long resident_kib(void)
{
    char line[128];
    long kib = -1;
    malloc_trim(0);
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    if (status == NULL || kib < 0) {
        abort();
    }
    fclose(status);
    return kib;
}

#endif
