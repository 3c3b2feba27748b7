/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/unfinished_handshakes.h"

#include "base/report.h"

#define TELL_EVERY_MS 60000

void unfinished_handshakes_judged(struct unfinished_handshakes *unfinished)
{
    atomic_fetch_add_explicit(&unfinished->judged, 1, memory_order_relaxed);
}

/* A handshake that is under way has its signature and no judgement yet; the least of the last looks
 * counts only what stays. */
static unsigned long long least_look(const struct unfinished_handshakes *unfinished)
{
    unsigned long long least = unfinished->looks[0];

    for (unsigned i = 1; i < UNFINISHED_LOOKS; i++) {
        least = unfinished->looks[i] < least ? unfinished->looks[i] : least;
    }
    return least;
}

static void tell_count(struct unfinished_handshakes *unfinished, long long now_ms,
                       const nk_host *host)
{
    unsigned long long count = unfinished_handshakes_count(unfinished);

    if (count == unfinished->told ||
        (unfinished->ever_told && now_ms - unfinished->told_ms < TELL_EVERY_MS)) {
        return;
    }
    log_line(host, NK_LOG_WARNING,
             "%llu signatures (%llu since open) went to peers that never finished their handshake: "
             "whoever reaches the port makes the token sign; let only the federation's addresses "
             "reach it (firewall, connection limit), and see token.max_waiting_inbound",
             count - unfinished->told, count);
    unfinished->told = count;
    unfinished->told_ms = now_ms;
    unfinished->ever_told = true;
}

void unfinished_handshakes_look(struct unfinished_handshakes *unfinished,
                                unsigned long long signatures, long long now_ms,
                                const nk_host *host)
{
    unsigned long long judged = atomic_load(&unfinished->judged);

    unfinished->looks[unfinished->next] = signatures > judged ? signatures - judged : 0;
    unfinished->next = (unfinished->next + 1) % UNFINISHED_LOOKS;
    unsigned long long now = least_look(unfinished);
    if (now > unfinished_handshakes_count(unfinished)) {
        atomic_store(&unfinished->count, now);
    }
    tell_count(unfinished, now_ms, host);
}

unsigned long long unfinished_handshakes_count(const struct unfinished_handshakes *unfinished)
{
    return atomic_load(&unfinished->count);
}
