/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "audit/audit_file.h"
#include "audit/audit_line.h"
#include "audit/audit_share.h"
#include "base/report.h"

#define COMPLAINT_SECONDS 60

struct audit {
    const nk_host *host;
    pthread_mutex_t lock; /* guards what follows */
    struct audit_file *file;
    struct audit_share *share;
    uint64_t lost; /* lines since the last that was written */
    bool complained;
    int64_t complained_seconds;
    char text[1 + AUDIT_LINE_MAX_BYTES + 1]; /* a newline before and after the line */
};

/* --- life --- */

nk_status audit_open(const char *path, unsigned per_peer_per_minute, const nk_host *host,
                     struct audit **ret_audit, nk_error *err)
{
    if (per_peer_per_minute == 0) {
        return report(err, NK_E_CONFIG,
                      "per_peer_per_minute is 0, so nothing would be written; leave audit out for "
                      "that");
    }
    struct audit *audit = calloc(1, sizeof(*audit));
    if (audit == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    audit->host = host;
    audit->text[0] = '\n';
    pthread_mutex_init(&audit->lock, NULL);
    audit->share = audit_share_new(per_peer_per_minute);
    nk_status status = audit->share != NULL ? audit_file_open(path, &audit->file, err)
                                            : report(err, NK_E_NOMEM, "out of memory");
    if (status != NK_OK) {
        audit_close(audit);
        return status;
    }
    *ret_audit = audit;
    return NK_OK;
}

/* --- lines --- */

static nk_status write_line_locked(struct audit *audit, const struct audit_entry *entry,
                                   const struct audit_turn *turn, nk_error *err)
{
    const struct audit_counts counts = { .held_back = turn->held_back,
                                         .held_back_others = turn->held_back_others,
                                         .lost = audit->lost };
    struct timespec now = { 0 };
    char *line = audit->text + 1;

    clock_gettime(CLOCK_REALTIME, &now);
    size_t len = audit_line_print(entry, &counts, &now, line, AUDIT_LINE_MAX_BYTES);
    if (len == 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    line[len] = '\n';
    return audit_file_write(audit->file, line, len + 1, err);
}

static void record_entry_locked(struct audit *audit, const struct audit_entry *entry,
                                int64_t now_seconds, nk_error *err)
{
    const struct audit_seen seen = {
        .fingerprint = entry->peer != NULL ? entry->peer->leaf_sha256 : NULL,
        .role = entry->role,
        .decision = entry->verdict->decision,
    };
    struct audit_turn turn;

    if (!audit_share_take(audit->share, &seen, now_seconds, &turn)) {
        return;
    }
    /* Where the new file is refused, the old one is better than none; `err` keeps the refusal. */
    (void)!audit_file_follow(audit->file, now_seconds, err);
    nk_status status = write_line_locked(audit, entry, &turn, err);
    if (status == NK_OK) {
        audit->lost = 0;
        return;
    }
    audit_share_untake(audit->share, &turn);
    audit->lost++;
}

static bool may_complain_locked(struct audit *audit, int64_t now_seconds)
{
    if (audit->complained && now_seconds - audit->complained_seconds < COMPLAINT_SECONDS) {
        return false;
    }
    audit->complained = true;
    audit->complained_seconds = now_seconds;
    return true;
}

void audit_write(struct audit *audit, const struct audit_entry *entry)
{
    nk_error err = { .struct_size = sizeof(err) };
    struct timespec now = { 0 };

    pthread_mutex_lock(&audit->lock);
    clock_gettime(CLOCK_MONOTONIC, &now);
    record_entry_locked(audit, entry, now.tv_sec, &err);
    uint64_t lost = audit->lost;
    bool complain = err.status != NK_OK && may_complain_locked(audit, now.tv_sec);
    pthread_mutex_unlock(&audit->lock);
    if (complain) { /* not under the lock: the host may come back to us */
        log_line(audit->host, NK_LOG_ERROR,
                 "audit: %s (%llu lines lost so far; verdicts are given all the same)", err.text,
                 (unsigned long long)lost);
    }
}

void audit_close(struct audit *audit)
{
    if (audit == NULL) {
        return;
    }
    const struct audit_turn untold = {
        .held_back_others = audit->share != NULL ? audit_share_untold(audit->share) : 0,
    };
    nk_error err = { .struct_size = sizeof(err) };
    if (audit->file != NULL && (untold.held_back_others > 0 || audit->lost > 0) &&
        write_line_locked(audit, NULL, &untold, &err) != NK_OK) {
        log_line(audit->host, NK_LOG_ERROR,
                 "audit: %s (%llu lines lost, %llu held back and told by no line)", err.text,
                 (unsigned long long)audit->lost, (unsigned long long)untold.held_back_others);
    }
    audit_file_close(audit->file);
    audit_share_free(audit->share);
    pthread_mutex_destroy(&audit->lock);
    free(audit);
}
