/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_read.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/report.h"

#define SENT_MAX_BYTES ((size_t)256 * 1024)

const char *sent_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static nk_status read_fd(int fd, const char *name, const char *what, char **ret_text,
                         size_t *ret_len, nk_error *err)
{
    AUTO(free) char *text = calloc(1, SENT_MAX_BYTES + 1);
    if (text == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    ssize_t len = file_read_fd(fd, text, SENT_MAX_BYTES);
    if (len < 0) {
        return report_errno(err, NK_E_IDENTITY, "%s", name);
    }
    if ((size_t)len == SENT_MAX_BYTES) {
        return report(err, NK_E_IDENTITY, "%s: is longer than %zu bytes, so it is no %s", name,
                      SENT_MAX_BYTES - 1, what);
    }
    *ret_text = text;
    *ret_len = (size_t)len;
    text = NULL;
    return NK_OK;
}

nk_status sent_read(const char *path, const char *what, char **ret_text, size_t *ret_len,
                    nk_error *err)
{
    if (strcmp(path, "-") == 0) {
        return read_fd(STDIN_FILENO, sent_name(path), what, ret_text, ret_len, err);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return report_errno(err, NK_E_IDENTITY, "%s", path);
    }
    nk_status status = read_fd(fd, path, what, ret_text, ret_len, err);
    close(fd);
    return status;
}
