/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/verdict_log.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_share.h"
#include "base/clock.h"
#include "base/report.h"

#define PEER_TEXT_BYTES 512
#define TELL_EVERY_MS 60000

struct verdict_log {
    const nk_host *host;
    pthread_mutex_t lock; /* guards what follows */
    struct audit_share *inbound;
    struct audit_share *outbound; /* of its own: strangers do not make us dial */
    unsigned long long held_back; /* refusals, since open */

    /* of the thread that tells */
    unsigned long long told;
    long long told_ms;
};

struct verdict_log *verdict_log_new(const nk_host *host)
{
    struct verdict_log *log = calloc(1, sizeof(*log));

    if (log == NULL) {
        return NULL;
    }
    log->host = host;
    pthread_mutex_init(&log->lock, NULL);
    log->inbound = audit_share_new(VERDICT_LOG_PER_PEER);
    log->outbound = audit_share_new(VERDICT_LOG_PER_PEER);
    if (log->inbound == NULL || log->outbound == NULL) {
        verdict_log_free(log);
        return NULL;
    }
    return log;
}

void verdict_log_free(struct verdict_log *log)
{
    if (log != NULL) {
        audit_share_free(log->inbound);
        audit_share_free(log->outbound);
        pthread_mutex_destroy(&log->lock);
        free(log);
    }
}

static bool take_turn(struct verdict_log *log, const struct verdict_event *event)
{
    const struct audit_seen seen = {
        .fingerprint = event->peer != NULL ? event->peer->facts.leaf_sha256 : NULL,
        .role = event->role,
        .decision = event->opinion->verdict.decision,
    };
    struct audit_turn turn; /* its counts are the audit's to tell, line by line */

    pthread_mutex_lock(&log->lock);
    bool taken = audit_share_take(seen.role == NK_PEER_IS_SERVER ? log->outbound : log->inbound,
                                  &seen, clock_now_ms() / 1000, &turn);
    log->held_back += !taken && seen.decision != NK_ALLOW ? 1 : 0;
    pthread_mutex_unlock(&log->lock);
    return taken;
}

static void write_verdict(const struct verdict_log *log, const struct verdict_event *event,
                          const char *direction, const char *who)
{
    const nk_verdict *verdict = &event->opinion->verdict;

    if (verdict->decision == NK_ALLOW) {
        log_line(log->host, NK_LOG_DEBUG, "admitted %s peer %s by rule %s", direction, who,
                 verdict->rule);
    } else {
        bool connects = strcmp(event->occasion, "handshake") == 0;
        log_line(log->host, NK_LOG_WARNING, "refused %s %s %s%s%s: %s: %s", direction,
                 connects ? "peer" : "call of connected peer", who,
                 event->address != NULL ? " at " : "", event->address != NULL ? event->address : "",
                 verdict->reason, verdict->detail);
    }
}

static void write_candidate(const struct verdict_log *log, const struct opinion *opinion,
                            const char *direction, const char *who)
{
    bool would = opinion->candidate[0] != '\0';

    if (opinion->has_candidate && would != (opinion->verdict.decision == NK_ALLOW)) {
        log_line(log->host, NK_LOG_INFO, "admit_candidate differs for %s peer %s: %s%s", direction,
                 who, would ? "admitted by " : "no rule matches", opinion->candidate);
    }
}

void verdict_log_write(struct verdict_log *log, const struct verdict_event *event)
{
    const char *direction = event->role == NK_PEER_IS_CLIENT ? "inbound" : "outbound";
    char who[PEER_TEXT_BYTES] = "(unreadable)";

    if (!take_turn(log, event)) {
        return;
    }
    if (event->peer != NULL) {
        peer_describe(event->peer, who, sizeof(who));
    }
    write_verdict(log, event, direction, who);
    if (event->opinion->note[0] != '\0') {
        log_line(log->host, NK_LOG_WARNING, "%s peer %s: %s", direction, who, event->opinion->note);
    }
    write_candidate(log, event->opinion, direction, who);
}

void verdict_log_tell(struct verdict_log *log, long long now_ms, bool last)
{
    pthread_mutex_lock(&log->lock);
    unsigned long long held_back = log->held_back;
    pthread_mutex_unlock(&log->lock);

    if (held_back == log->told ||
        (!last && log->told > 0 && now_ms - log->told_ms < TELL_EVERY_MS)) {
        return;
    }
    log_line(log->host, NK_LOG_WARNING,
             "%llu refusals (%llu since open) are not in this log: no peer gets more than %d lines "
             "a minute, and all strangers together get no more than %u; an audit counts them by "
             "peer",
             held_back - log->told, held_back, VERDICT_LOG_PER_PEER,
             AUDIT_SHARE_REFUSED * VERDICT_LOG_PER_PEER);
    log->told = held_back;
    log->told_ms = now_ms;
}
