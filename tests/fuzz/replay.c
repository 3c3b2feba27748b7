/* SPDX-License-Identifier: Apache-2.0
 * In libFuzzer's place where there is none: runs a target once for every file of the folders and
 * files that are its arguments, and for no input at all. Prints the number. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

#define INPUT_MAX_BYTES ((size_t)1024 * 1024)

static unsigned runs;

#pragma weak LLVMFuzzerInitialize

static void run_file(const char *path)
{
    uint8_t *data = malloc(INPUT_MAX_BYTES);
    FILE *file = fopen(path, "re");
    if (data == NULL || file == NULL) {
        perror(path);
        exit(1);
    }
    size_t len = fread(data, 1, INPUT_MAX_BYTES, file);
    fclose(file);
    uint8_t *exact = malloc(len > 0 ? len : 1); /* so that a read beyond the end is seen */
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, data, len);
    free(data);
    fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    runs++;
}

static void run_path(const char *path)
{
    struct dirent **names = NULL;
    struct stat info;
    char inner[4096];

    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        run_file(path);
        return;
    }
    int len = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < len; i++) {
        if (names[i]->d_name[0] != '.') {
            snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
            run_file(inner);
        }
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize != NULL) {
        LLVMFuzzerInitialize(&argc, &argv);
    }
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        run_path(argv[i]);
    }
    printf("%u inputs\n", runs);
    return runs > 0 ? 0 : 1;
}
