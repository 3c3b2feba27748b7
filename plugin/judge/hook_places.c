/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/hook_places.h"

#include "base/clock.h"

void hook_places_init(struct hook_places *places)
{
    *places = (struct hook_places){ .end = &places->first };
    pthread_mutex_init(&places->lock, NULL);
}

void hook_places_destroy(struct hook_places *places)
{
    pthread_mutex_destroy(&places->lock);
}

/* --- places --- */

/* The first free place, or NULL. Each call that runs may be left behind, too. */
static struct hook_place **find_room_locked(struct hook_places *places)
{
    struct hook_place **free_at = NULL;
    int running = places->slow;

    for (size_t i = HOOK_PLACES; i-- > 0;) {
        running += places->at[i] != NULL ? 1 : 0;
        free_at = places->at[i] == NULL ? &places->at[i] : free_at;
    }
    return running + places->left < HOOK_LEFT_MAX ? free_at : NULL;
}

static struct hook_place *call_first_locked(struct hook_places *places, enum hook_turn turn)
{
    struct hook_place *place = places->first;

    places->first = place->next;
    if (places->first == NULL) {
        places->end = &places->first;
    }
    place->turn = turn;
    place->is_called = true;
    place->slow_ms = clock_now_ms() + place->patience_ms / 2;
    pthread_cond_signal(&place->called);
    return place;
}

/* After each change of who runs and who is left behind. */
static void call_waiters_locked(struct hook_places *places)
{
    struct hook_place **room = NULL;

    while (places->first != NULL && (room = find_room_locked(places)) != NULL) {
        *room = call_first_locked(places, HOOK_TURN);
    }
    while (places->first != NULL && places->left >= HOOK_LEFT_MAX) {
        (void)call_first_locked(places, HOOK_TURN_BUSY);
    }
}

static void vacate_locked(struct hook_places *places, const struct hook_place *place)
{
    for (size_t i = 0; i < HOOK_PLACES; i++) {
        if (places->at[i] == place) {
            places->at[i] = NULL;
        }
    }
    places->slow -= place->is_slow ? 1 : 0;
}

/* --- waiting --- */

static void vacate_slow_locked(struct hook_places *places, long long now_ms)
{
    for (size_t i = 0; i < HOOK_PLACES; i++) {
        if (places->at[i] != NULL && places->at[i]->slow_ms <= now_ms) {
            places->at[i]->is_slow = true;
            places->at[i] = NULL;
            places->slow++;
        }
    }
    call_waiters_locked(places);
}

/* When a waiter has something to look at. */
static long long next_look_locked(const struct hook_places *places, long long deadline_ms)
{
    long long look_ms = deadline_ms;

    for (size_t i = 0; i < HOOK_PLACES; i++) {
        if (places->at[i] != NULL && places->at[i]->slow_ms < look_ms) {
            look_ms = places->at[i]->slow_ms;
        }
    }
    return look_ms;
}

static void stop_waiting_locked(struct hook_places *places, const struct hook_place *place)
{
    struct hook_place **link = &places->first;

    while (*link != place) {
        link = &(*link)->next;
    }
    *link = place->next;
    if (place->next == NULL) {
        places->end = link;
    }
}

static void await_turn_locked(struct hook_places *places, struct hook_place *place,
                              long long deadline_ms)
{
    *places->end = place;
    places->end = &place->next;
    call_waiters_locked(places);
    for (long long now_ms = clock_now_ms(); !place->is_called && now_ms < deadline_ms;
         now_ms = clock_now_ms()) {
        long long look_ms = next_look_locked(places, deadline_ms);
        if (look_ms > now_ms) {
            struct timespec look = clock_deadline((unsigned)(look_ms - now_ms));
            (void)pthread_cond_timedwait(&place->called, &places->lock, &look);
        }
        vacate_slow_locked(places, clock_now_ms());
    }
    if (!place->is_called) {
        stop_waiting_locked(places, place);
    }
}

enum hook_turn hook_places_take(struct hook_places *places, struct hook_place *place,
                                long long deadline_ms, unsigned patience_ms)
{
    *place = (struct hook_place){ .turn = HOOK_TURN_LATE, .patience_ms = patience_ms };
    clock_cond_init(&place->called);
    pthread_mutex_lock(&places->lock);
    await_turn_locked(places, place, deadline_ms);
    pthread_mutex_unlock(&places->lock);
    pthread_cond_destroy(&place->called);
    return place->turn;
}

/* --- ends --- */

void hook_places_end(struct hook_places *places, struct hook_place *place)
{
    pthread_mutex_lock(&places->lock);
    vacate_locked(places, place);
    call_waiters_locked(places);
    pthread_mutex_unlock(&places->lock);
}

void hook_places_leave(struct hook_places *places, struct hook_place *place)
{
    pthread_mutex_lock(&places->lock);
    vacate_locked(places, place);
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
