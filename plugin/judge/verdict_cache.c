/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/verdict_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 1024u /* a power of two */
#define PEM_MAX_BYTES 8192u
#define WORDS 4u                  /* of the signature, base64 */
#define FOOTER_BYTES ((size_t)48) /* "-----END CERTIFICATE-----", the same for each */

struct slot {
    char *pem; /* NULL: free */
    size_t pem_len;
    uint32_t role;
    bool allowed;
    uint64_t generation;
    time_t since; /* a clock that was set back makes it unknown */
    time_t until;
};

struct recent {
    pthread_mutex_t lock; /* guards the slots */
    struct slot slots[SLOTS];
};

struct recent *recent_new(void)
{
    struct recent *recent = calloc(1, sizeof(*recent));

    if (recent != NULL) {
        pthread_mutex_init(&recent->lock, NULL);
    }
    return recent;
}

void recent_free(struct recent *recent)
{
    if (recent == NULL) {
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        free(recent->slots[i].pem);
    }
    pthread_mutex_destroy(&recent->lock);
    free(recent);
}

/* A signature has no two words alike, so a few of them tell certificates apart. Who chooses his own
 * so that they share a slot makes us judge more often, as if there were no memory of verdicts. */
static struct slot *slot_of(struct recent *recent, const struct recent_key *key)
{
    uint64_t words[WORDS] = { key->role };
    uint64_t hash = key->pem_len;

    if (key->pem_len > FOOTER_BYTES + sizeof(words)) {
        memcpy(words, key->pem + key->pem_len - FOOTER_BYTES - sizeof(words), sizeof(words));
    }
    for (size_t i = 0; i < WORDS; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return &recent->slots[(hash ^ key->role) & (SLOTS - 1)];
}

static bool is_of(const struct slot *slot, const struct recent_key *key)
{
    return slot->pem != NULL && slot->role == key->role && slot->pem_len == key->pem_len &&
           memcmp(slot->pem, key->pem, key->pem_len) == 0;
}

bool recent_find(struct recent *recent, const struct recent_key *key, time_t now, bool *ret_allowed)
{
    const struct slot *slot = slot_of(recent, key);

    pthread_mutex_lock(&recent->lock);
    bool found = is_of(slot, key) && slot->generation == key->generation && slot->since <= now &&
                 now < slot->until;
    if (found) {
        *ret_allowed = slot->allowed;
    }
    pthread_mutex_unlock(&recent->lock);
    return found;
}

void recent_put(struct recent *recent, const struct recent_key *key, bool allowed,
                const struct recent_span *span)
{
    struct slot *slot = slot_of(recent, key);

    if (key->pem_len > PEM_MAX_BYTES) {
        return;
    }
    pthread_mutex_lock(&recent->lock);
    if (!is_of(slot, key)) {
        char *copy = malloc(key->pem_len);
        if (copy == NULL) {
            pthread_mutex_unlock(&recent->lock);
            return;
        }
        memcpy(copy, key->pem, key->pem_len);
        free(slot->pem);
        *slot = (struct slot){ .pem = copy, .pem_len = key->pem_len, .role = key->role };
    }
    slot->generation = key->generation;
    slot->allowed = allowed;
    slot->since = span->since;
    slot->until = span->until;
    pthread_mutex_unlock(&recent->lock);
}
