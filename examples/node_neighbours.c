/* SPDX-License-Identifier: Apache-2.0 */
#include "node_neighbours.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "node_calls.h"
#include "node_message.h"

#define NEIGHBOURS_MAX 256
#define SENDING_MAX 1024 /* a neighbour that hangs must not make us keep all gossip for it */

struct neighbour {
    char addr[ADDR_MAX_BYTES];
    grpc_channel *channel;
};

struct neighbours {
    const char *own;
    int deadline_seconds;
    grpc_channel_credentials *credentials;
    grpc_completion_queue *queue;
    pthread_mutex_t lock; /* guards the rest */
    struct neighbour table[NEIGHBOURS_MAX];
    size_t len;
    struct sending *first; /* calls on the way */
    size_t sending;
    bool stopped;
};

/* One call on the way; it frees itself when it completes. */
struct sending {
    struct event event; /* first: the tag */
    struct neighbours *owner;
    struct sending *next;
    struct sending **link; /* what points to us */
    char addr[ADDR_MAX_BYTES];
    struct unary unary;
};

struct neighbours *neighbours_new(const char *own, int deadline_seconds,
                                  grpc_channel_credentials *credentials,
                                  grpc_completion_queue *queue)
{
    struct neighbours *neighbours = calloc(1, sizeof(*neighbours));
    if (neighbours == NULL) {
        return NULL;
    }
    neighbours->own = own;
    neighbours->deadline_seconds = deadline_seconds;
    neighbours->credentials = credentials;
    neighbours->queue = queue;
    pthread_mutex_init(&neighbours->lock, NULL);
    return neighbours;
}

void neighbours_free(struct neighbours *neighbours)
{
    if (neighbours == NULL) {
        return;
    }
    for (size_t i = 0; i < neighbours->len; i++) {
        grpc_channel_destroy(neighbours->table[i].channel);
    }
    pthread_mutex_destroy(&neighbours->lock);
    free(neighbours);
}

/* Under the lock. */
static struct neighbour *find(struct neighbours *neighbours, const char *addr)
{
    for (size_t i = 0; i < neighbours->len; i++) {
        if (strcmp(neighbours->table[i].addr, addr) == 0) {
            return &neighbours->table[i];
        }
    }
    return NULL;
}

bool neighbours_add(struct neighbours *neighbours, const char *addr)
{
    if (strcmp(addr, neighbours->own) == 0) {
        return true;
    }
    bool fits = strlen(addr) < ADDR_MAX_BYTES;
    pthread_mutex_lock(&neighbours->lock);
    if (fits && find(neighbours, addr) == NULL) {
        fits = neighbours->len < NEIGHBOURS_MAX;
        if (fits) {
            struct neighbour *added = &neighbours->table[neighbours->len++];
            snprintf(added->addr, sizeof(added->addr), "%s", addr);
            added->channel = calls_dial(neighbours->credentials, addr); /* connects when used */
        }
    }
    pthread_mutex_unlock(&neighbours->lock);
    return fits;
}

bool neighbours_remove(struct neighbours *neighbours, const char *addr)
{
    grpc_channel *channel = NULL;
    pthread_mutex_lock(&neighbours->lock);
    struct neighbour *found = find(neighbours, addr);
    if (found != NULL) {
        channel = found->channel;
        *found = neighbours->table[--neighbours->len];
    }
    pthread_mutex_unlock(&neighbours->lock);
    if (channel != NULL) {
        grpc_channel_destroy(channel); /* outside: it may wait for a handshake that is signing */
    }
    return channel != NULL;
}

static void on_sent(struct event *event, bool ok)
{
    (void)ok;
    struct sending *sent = (struct sending *)event;
    struct neighbours *owner = sent->owner;
    pthread_mutex_lock(&owner->lock);
    *sent->link = sent->next;
    if (sent->next != NULL) {
        sent->next->link = sent->link;
    }
    owner->sending--;
    bool stopped = owner->stopped;
    pthread_mutex_unlock(&owner->lock);

    grpc_status_code status = sent->unary.status;
    bool away = status == GRPC_STATUS_UNAVAILABLE || status == GRPC_STATUS_DEADLINE_EXCEEDED;
    if (away && !stopped && neighbours_remove(owner, sent->addr)) {
        char text[REPLY_TEXT_BYTES];
        say("lost %s: %s", sent->addr, unary_text(&sent->unary, text));
    }
    unary_clear(&sent->unary);
    free(sent);
}

/* Under the lock. */
static void start(struct neighbours *neighbours, const struct neighbour *to,
                  grpc_byte_buffer *packed)
{
    struct sending *sending = calloc(1, sizeof(*sending));
    if (sending == NULL) {
        return;
    }
    sending->event.handle = on_sent;
    sending->owner = neighbours;
    snprintf(sending->addr, sizeof(sending->addr), "%s", to->addr);
    sending->next = neighbours->first;
    sending->link = &neighbours->first;
    if (sending->next != NULL) {
        sending->next->link = &sending->next;
    }
    neighbours->first = sending;
    neighbours->sending++;
    struct route route = { to->channel, neighbours->queue, neighbours->deadline_seconds };
    unary_start(&sending->unary, &route, METHOD_SEND, grpc_byte_buffer_copy(packed),
                &sending->event);
}

void neighbours_send(struct neighbours *neighbours, const Node__RootMessage *message,
                     const char *except)
{
    grpc_byte_buffer *packed = message_pack(&message->base);
    pthread_mutex_lock(&neighbours->lock);
    for (size_t i = 0; i < neighbours->len; i++) {
        const struct neighbour *to = &neighbours->table[i];
        bool room = !neighbours->stopped && neighbours->sending < SENDING_MAX;
        if (room && strcmp(to->addr, except) != 0) {
            start(neighbours, to, packed);
        }
    }
    pthread_mutex_unlock(&neighbours->lock);
    grpc_byte_buffer_destroy(packed);
}

void neighbours_stop(struct neighbours *neighbours)
{
    pthread_mutex_lock(&neighbours->lock);
    neighbours->stopped = true;
    for (struct sending *each = neighbours->first; each != NULL; each = each->next) {
        unary_cancel(&each->unary);
    }
    pthread_mutex_unlock(&neighbours->lock);
}
