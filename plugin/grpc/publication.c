/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/publication.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/report.h"
#include "config/config.h"
#include "grpc/core.h"
#include "grpc/private_folder.h"
#include "grpc/told_identity.h"
#include "hsm.h"

static const char *const file_names[OUR_ROLES] = {
    [OUR_SERVER] = "server.pem", [OUR_CLIENT] = "client.pem"
};

struct publication {
    atomic_uint refs;
    struct hsm_key *keys[OUR_ROLES]; /* that what is published refers to; counted */
    struct told_identity *told;      /* NULL: the core is an older one, for which the rest is */
    struct private_folder folder;
    char path[OUR_ROLES][PATH_MAX];
    time_t last_mtime[OUR_ROLES];
    long long written_ms; /* by the monotonic clock */
};

DEFINE_AUTO(struct publication *, publication_unref);

static void name_file(const struct publication *publication, const char *name, char path[PATH_MAX])
{
    (void)!snprintf(path, PATH_MAX, "%s/%s", publication->folder.path, name);
}

static nk_status make_files(struct publication *publication, nk_error *err)
{
    nk_status status = private_folder_make(&publication->folder, err);

    for (int role = 0; role < OUR_ROLES && status == NK_OK; role++) {
        name_file(publication, file_names[role], publication->path[role]);
    }
    return status;
}

nk_status publication_open(const nk_host *host, struct publication **ret_publication, nk_error *err)
{
    AUTO(publication_unref) struct publication *publication = calloc(1, sizeof(*publication));
    if (publication == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    atomic_init(&publication->refs, 1);
    publication->folder.fd = -1;
    nk_status status = core_is_told() ? told_identity_new(host, &publication->told, err)
                                      : make_files(publication, err);
    if (status != NK_OK) {
        return status;
    }
    *ret_publication = publication;
    publication = NULL;
    return NK_OK;
}

nk_status publication_check_folder(const struct publication *publication, nk_error *err)
{
    return publication->told != NULL ? NK_OK : private_folder_check(&publication->folder, err);
}

static nk_status write_file(struct publication *publication, int our_role, const char *pem,
                            nk_error *err)
{
    nk_status status = publication_check_folder(publication, err);
    if (status != NK_OK) {
        return status;
    }
    time_t now = time(NULL);
    time_t after = publication->last_mtime[our_role] + 1;
    const struct timespec mtime = { .tv_sec = now > after ? now : after };
    struct atomic_file file = { .folder = publication->folder.fd,
                                .name = file_names[our_role],
                                .mtime = &mtime };
    bool written = atomic_file_write(&file, pem, strlen(pem));
    publication->last_mtime[our_role] = mtime.tv_sec;
    publication->written_ms = clock_now_ms();
    return written ? NK_OK
                   : report_errno(err, NK_E_INTERNAL, "write to %s", publication->folder.path);
}

nk_status publication_write(struct publication *publication, int our_role, struct hsm_key *key,
                            const char *pem, nk_error *err)
{
    nk_status status = publication->told != NULL
                           ? told_identity_tell(publication->told, our_role, key, pem, err)
                           : write_file(publication, our_role, pem, err);
    if (status != NK_OK) {
        return status;
    }
    hsm_key_ref(key);
    hsm_key_unref(publication->keys[our_role]);
    publication->keys[our_role] = key;
    return NK_OK;
}

bool publication_due(const struct publication *publication)
{
    return publication->told != NULL ||
           clock_now_ms() - publication->written_ms > 2000LL * PUBLICATION_WATCH_SECONDS;
}

nk_status publication_check(const struct publication *publication, int our_role, nk_error *err)
{
    nk_status status = publication_check_folder(publication, err);
    if (status != NK_OK || publication->told != NULL) {
        return status;
    }
    if (faccessat(publication->folder.fd, file_names[our_role], R_OK, AT_EACCESS) != 0) {
        return report(err, NK_E_INTERNAL,
                      "somebody removed %s/%s, through which gRPC reads our certificates; open "
                      "again, and keep cleaners out or set RUNTIME_DIRECTORY",
                      publication->folder.path, file_names[our_role]);
    }
    return NK_OK;
}

void publication_drop_sessions(const struct publication *publication)
{
    if (publication->told != NULL) {
        told_identity_drop_sessions(publication->told);
    }
}

struct told_identity *publication_told(const struct publication *publication)
{
    return publication->told;
}

const char *publication_path(const struct publication *publication, int our_role)
{
    return publication->path[our_role];
}

void publication_socket(const struct publication *publication, char *path, size_t room)
{
    snprintf(path, room, "%s/watch", publication->folder.path);
}

struct publication *publication_ref(struct publication *publication)
{
    atomic_fetch_add(&publication->refs, 1);
    return publication;
}

void publication_unref(struct publication *publication)
{
    if (publication == NULL || atomic_fetch_sub(&publication->refs, 1) != 1) {
        return;
    }
    if (publication->told != NULL) {
        told_identity_free(publication->told);
    } else {
        private_folder_remove(&publication->folder);
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        hsm_key_unref(publication->keys[role]);
    }
    free(publication);
}
