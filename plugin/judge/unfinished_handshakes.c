/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/unfinished_handshakes.h"

#include "base/report.h"

#define TELL_EVERY_MS 60000

void strangers_judged(struct strangers *strangers)
{
    atomic_fetch_add_explicit(&strangers->judged, 1, memory_order_relaxed);
}

/* A handshake that is under way has its signature and no judgement yet; the least of the last looks
 * counts only what stays. */
static unsigned long long least(const struct strangers *strangers)
{
    unsigned long long least = strangers->looks[0];

    for (unsigned i = 1; i < STRANGERS_LOOKS; i++) {
        least = strangers->looks[i] < least ? strangers->looks[i] : least;
    }
    return least;
}

static void tell(struct strangers *strangers, unsigned long long unfinished, long long now_ms,
                 const nk_host *host)
{
    if (unfinished == strangers->told ||
        (strangers->ever_told && now_ms - strangers->told_ms < TELL_EVERY_MS)) {
        return;
    }
    log_line(host, NK_LOG_WARNING,
             "%llu signatures (%llu since open) went to peers that never finished their handshake: "
             "whoever reaches the port makes the token sign; let only the federation's addresses "
             "reach it (firewall, connection limit), and see token.max_waiting_inbound",
             unfinished - strangers->told, unfinished);
    strangers->told = unfinished;
    strangers->told_ms = now_ms;
    strangers->ever_told = true;
}

void strangers_look(struct strangers *strangers, unsigned long long signatures, long long now_ms,
                    const nk_host *host)
{
    unsigned long long judged = atomic_load(&strangers->judged);

    strangers->looks[strangers->next] = signatures > judged ? signatures - judged : 0;
    strangers->next = (strangers->next + 1) % STRANGERS_LOOKS;
    unsigned long long now = least(strangers);
    if (now > strangers_unfinished(strangers)) {
        atomic_store(&strangers->unfinished, now);
    }
    tell(strangers, strangers_unfinished(strangers), now_ms, host);
}

unsigned long long strangers_unfinished(const struct strangers *strangers)
{
    return atomic_load(&strangers->unfinished);
}
