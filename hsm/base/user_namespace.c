/* SPDX-License-Identifier: Apache-2.0 */
#include "base/user_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALL_IDS UINT32_MAX /* the number of ids that the first namespace maps */

static bool read_line(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = TEMP_FAILURE_RETRY(read(fd, text, room - 1)); /* whole: it is of one page */
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    return len >= 0;
}

/* Some ids of outside have no number here: the map is not one line that maps all to themselves. */
static bool is_partial(const char *map)
{
    char text[128];
    char *end = text;

    if (!read_line(map, text, sizeof(text))) {
        return false;
    }
    unsigned long inside = strtoul(text, &end, 10);
    unsigned long outside = strtoul(end, &end, 10);
    unsigned long len = strtoul(end, &end, 10);
    return inside != 0 || outside != 0 || len != ALL_IDS || strcmp(end, "\n") != 0;
}

static bool is_overflow(const char *path, unsigned id)
{
    char text[32];
    char *end = text;

    return read_line(path, text, sizeof(text)) && strtoul(text, &end, 10) == id && end != text;
}

bool user_namespace_hides_uid(uid_t uid)
{
    return is_overflow("/proc/sys/kernel/overflowuid", uid) && is_partial("/proc/self/uid_map");
}

bool user_namespace_hides_gid(gid_t gid)
{
    return is_overflow("/proc/sys/kernel/overflowgid", gid) && is_partial("/proc/self/gid_map");
}
