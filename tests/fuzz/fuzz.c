/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/err.h>

#include "base/file.h"
#include "base/text.h"

void fuzz_require(bool held, const char *what)
{
    if (!held) {
        fprintf(stderr, "fuzz: %s\n", what);
        abort();
    }
}

char *fuzz_text(const uint8_t *data, size_t len)
{
    char *text = strndup((const char *)data, len);
    fuzz_require(text != NULL, "memory");
    return text;
}

char *fuzz_line(char **at)
{
    char *line = *at;
    size_t len = strcspn(line, "\n");
    *at = line + len + (line[len] == '\n' ? 1 : 0);
    line[len] = '\0';
    return line;
}

void fuzz_write_file(const char *path, const uint8_t *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    fuzz_require(fd >= 0 && file_write_fd(fd, data, len) && ftruncate(fd, (off_t)len) == 0, path);
    close(fd);
}

void fuzz_check_error(const nk_error *err, nk_status status, unsigned statuses)
{
    fuzz_require(status > 0 && (statuses & 1u << (unsigned)status) != 0, err->text);
    fuzz_require(err->status == status, "the error has another status");
    fuzz_require(err->text[0] != '\0', "the error has no text");
    fuzz_require(text_is(err->text, TEXT_ONE_LINE), "the error's text is not one line");
    json_t *json = json_string(err->text);
    fuzz_require(json != NULL, "the error's text is not UTF-8");
    json_decref(json);
}

void fuzz_check_queue(void)
{
    fuzz_require(ERR_peek_error() == 0, "an error is left in OpenSSL's queue");
}
