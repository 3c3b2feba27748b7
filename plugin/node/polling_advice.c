/* SPDX-License-Identifier: Apache-2.0 */
#include "node/polling_advice.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"

#define SLOW_US 5000u
/* 32 threads for a token of 100 ms. */
#define HANDSHAKES_PER_SECOND 320u
#define THREADS_MIN 8u /* handshakes come in bursts */
#define THREADS_MAX 64u
#define US_PER_SECOND 1000000u
#define US_PER_MS 1000.0

/* As gRPC 1.51 reads the variable: the first name that it knows decides. */
static bool polls_by_epoll1(void)
{
    static const char *const others[] = { "poll", "none" };
    static const char *const good[] = { "epoll1", "all" };
    const char *names = getenv("GRPC_POLL_STRATEGY");

    while (names != NULL && names[0] != '\0') {
        size_t len = strcspn(names, ",");
        for (size_t i = 0; i < ARRAY_LEN(good); i++) {
            if (strlen(good[i]) == len && strncmp(names, good[i], len) == 0) {
                return true;
            }
            if (strlen(others[i]) == len && strncmp(names, others[i], len) == 0) {
                return false;
            }
        }
        names += len + (names[len] == ',' ? 1 : 0);
    }
    return true; /* not set, or gRPC aborts for want of a poller */
}

/* A signature costs a thread and a session for its time. */
static unsigned threads_for(unsigned signature_us)
{
    unsigned long long busy =
        ((unsigned long long)signature_us * HANDSHAKES_PER_SECOND + US_PER_SECOND - 1) /
        US_PER_SECOND;

    if (busy < THREADS_MIN) {
        return THREADS_MIN;
    }
    return busy > THREADS_MAX ? THREADS_MAX : (unsigned)busy;
}

/* One session is kept for our own dialling. */
static void recommend_threads(const struct config *config, unsigned signature_us,
                              const nk_host *host)
{
    unsigned threads = threads_for(signature_us);
    unsigned sessions =
        config->token.max_sessions > threads ? config->token.max_sessions : threads + 1;

    log_line(
        host, NK_LOG_WARNING,
        "a signature takes %.1f ms, and gRPC makes it on a thread that polls, which answers no "
        "call meanwhile; set grpc.lent_threads to %u, and token.max_sessions to %u so that "
        "they can sign at once, if the token can",
        signature_us / US_PER_MS, threads, sessions);
}

void polling_advice_say(const struct config *config, unsigned signature_us, bool pollers_sign,
                        const nk_host *host)
{
    if (!pollers_sign) {
        if (config->lent_threads > 0) {
            log_line(host, NK_LOG_WARNING,
                     "grpc.lent_threads: gRPC signs on threads of its own here, so none are lent; "
                     "leave it out");
        }
        return;
    }
    if (config->lent_threads == 0) {
        if (signature_us > SLOW_US) {
            recommend_threads(config, signature_us, host);
        }
        return;
    }
    if (config->lent_threads >= config->token.max_sessions) {
        log_line(host, NK_LOG_WARNING,
                 "%u of %u grpc.lent_threads can sign for peers at once, the others wait for a "
                 "session; set token.max_sessions to %u or more",
                 config->token.max_sessions > 1 ? config->token.max_sessions - 1 : 1,
                 config->lent_threads, config->lent_threads + 1);
    }
    if (!polls_by_epoll1()) {
        log_line(host, NK_LOG_WARNING,
                 "GRPC_POLL_STRATEGY=%s: grpc.lent_threads help only with epoll1, gRPC's own "
                 "choice; unset it, or poll with more threads of the program's own",
                 getenv("GRPC_POLL_STRATEGY"));
    }
}
