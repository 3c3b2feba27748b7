/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/hook_places.h"

#include <stdbool.h>

#include "base/clock.h"

struct hook_waiter { /* in the frame of who waits */
    pthread_cond_t called;
    struct hook_waiter *next;
    enum hook_turn turn; /* valid when it has been called */
    bool is_called;
};

void hook_places_init(struct hook_places *places)
{
    *places = (struct hook_places){ .end = &places->first };
    pthread_mutex_init(&places->lock, NULL);
}

void hook_places_destroy(struct hook_places *places)
{
    pthread_mutex_destroy(&places->lock);
}

/* Each that runs may be left behind, too. */
static bool has_room_locked(const struct hook_places *places)
{
    return places->running < HOOK_PLACES && places->running + places->left < HOOK_LEFT_MAX;
}

static void call_first_locked(struct hook_places *places, enum hook_turn turn)
{
    struct hook_waiter *waiter = places->first;

    places->first = waiter->next;
    if (places->first == NULL) {
        places->end = &places->first;
    }
    waiter->turn = turn;
    waiter->is_called = true;
    pthread_cond_signal(&waiter->called);
}

/* After each change of the counts. Where nothing runs, nobody would call the others. */
static void call_waiters_locked(struct hook_places *places)
{
    while (places->first != NULL && has_room_locked(places)) {
        places->running++;
        call_first_locked(places, HOOK_TURN);
    }
    while (places->first != NULL && places->left >= HOOK_LEFT_MAX) {
        call_first_locked(places, HOOK_TURN_BUSY);
    }
}

static void remove_waiter_locked(struct hook_places *places, const struct hook_waiter *waiter)
{
    struct hook_waiter **link = &places->first;

    while (*link != waiter) {
        link = &(*link)->next;
    }
    *link = waiter->next;
    if (waiter->next == NULL) {
        places->end = link;
    }
}

static enum hook_turn await_turn_locked(struct hook_places *places, long long deadline_ms)
{
    struct hook_waiter waiter = { .turn = HOOK_TURN_LATE };

    clock_cond_init(&waiter.called);
    *places->end = &waiter;
    places->end = &waiter.next;
    call_waiters_locked(places);
    for (long long now_ms = clock_now_ms(); !waiter.is_called && now_ms < deadline_ms;
         now_ms = clock_now_ms()) {
        struct timespec deadline = clock_deadline((unsigned)(deadline_ms - now_ms));
        (void)pthread_cond_timedwait(&waiter.called, &places->lock, &deadline);
    }
    if (!waiter.is_called) {
        remove_waiter_locked(places, &waiter);
    }
    pthread_cond_destroy(&waiter.called);
    return waiter.turn;
}

enum hook_turn hook_places_take(struct hook_places *places, long long deadline_ms)
{
    pthread_mutex_lock(&places->lock);
    enum hook_turn turn = await_turn_locked(places, deadline_ms);
    pthread_mutex_unlock(&places->lock);
    return turn;
}

void hook_places_end(struct hook_places *places)
{
    pthread_mutex_lock(&places->lock);
    places->running--;
    call_waiters_locked(places);
    pthread_mutex_unlock(&places->lock);
}

void hook_places_leave(struct hook_places *places)
{
    pthread_mutex_lock(&places->lock);
    places->running--;
    places->left++;
    call_waiters_locked(places);
    pthread_mutex_unlock(&places->lock);
}

void hook_places_returned(struct hook_places *places)
{
    pthread_mutex_lock(&places->lock);
    places->left--;
    call_waiters_locked(places);
    pthread_mutex_unlock(&places->lock);
}
