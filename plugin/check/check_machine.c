/* SPDX-License-Identifier: Apache-2.0
 * The machine: its clock, and the libraries that a node would meet. */
#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>

#include <openssl/crypto.h>

#include "base/text.h"
#include "check/check_private.h"

#define CORE_NAME "libgrpc.so.29" /* of gRPC 1.51 */
#define SLACK_SECONDS 120         /* between machines that share a file system */

/* A file from the future tells of a clock that is behind, without a server to ask. */
static bool is_behind(const char *path, time_t now)
{
    struct stat info;

    return stat(path, &info) == 0 && info.st_mtime > now + SLACK_SECONDS;
}

static void check_clock(const struct check *check)
{
    char at[TEXT_TIME_BYTES];
    struct timex kernel = { .modes = 0 };
    time_t now = time(NULL);

    text_time(at, now);
    if (is_behind(check->order->path, now)) {
        check_add(check->report, CHECK_BAD, "clock", NULL,
                  "%s, but %s was changed later than that: set the clock", at, check->order->path);
    } else if (adjtimex(&kernel) == TIME_ERROR || (kernel.status & STA_UNSYNC) != 0) {
        check_add(check->report, CHECK_WARNING, "clock", NULL,
                  "%s; the kernel does not call it synchronised (an NTP service does)", at);
    } else {
        check_add(check->report, CHECK_GOOD, "clock", NULL, "%s, synchronised", at);
    }
}

static void check_openssl(const struct check *check)
{
    check_add(check->report, CHECK_GOOD, "OpenSSL", NULL, "%s",
              OpenSSL_version(OPENSSL_VERSION_STRING));
}

static void check_core(const struct check *check)
{
    const char *(*version)(void) = NULL;
    void *core = dlopen(CORE_NAME, RTLD_LAZY | RTLD_LOCAL);
    void *symbol = core != NULL ? dlsym(core, "grpc_version_string") : NULL;

    memcpy(&version, &symbol, sizeof(version));
    if (version == NULL) {
        check_add(check->report, CHECK_WARNING, "gRPC", NULL,
                  "no " CORE_NAME " here (package libgrpc29), in which the plugin works");
    } else {
        check_add(check->report, CHECK_GOOD, "gRPC", NULL,
                  "core %s: signs on the threads that poll (grpc.lent_threads), and no peer on "
                  "BoringSSL takes Ed25519",
                  version());
    }
}

void check_machine(const struct check *check)
{
    check_clock(check);
    check_openssl(check);
    check_core(check);
}
