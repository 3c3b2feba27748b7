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

struct verdict_cache {
    pthread_mutex_t lock; /* guards the slots */
    struct slot slots[SLOTS];
};

struct verdict_cache *verdict_cache_new(void)
{
    struct verdict_cache *cache = calloc(1, sizeof(*cache));

    if (cache != NULL) {
        pthread_mutex_init(&cache->lock, NULL);
    }
    return cache;
}

void verdict_cache_free(struct verdict_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        free(cache->slots[i].pem);
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* A signature has no two words alike, so a few of them tell certificates apart. Who chooses his own
 * so that they share a slot makes us judge more often, as if there were no memory of verdicts. */
static struct slot *slot_of(struct verdict_cache *cache, const struct verdict_cache_key *key)
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
    return &cache->slots[(hash ^ key->role) & (SLOTS - 1)];
}

static bool is_of(const struct slot *slot, const struct verdict_cache_key *key)
{
    return slot->pem != NULL && slot->role == key->role && slot->pem_len == key->pem_len &&
           memcmp(slot->pem, key->pem, key->pem_len) == 0;
}

bool verdict_cache_find(struct verdict_cache *cache, const struct verdict_cache_key *key,
                        time_t now, bool *ret_allowed)
{
    const struct slot *slot = slot_of(cache, key);

    pthread_mutex_lock(&cache->lock);
    bool found = is_of(slot, key) && slot->generation == key->generation && slot->since <= now &&
                 now < slot->until;
    if (found) {
        *ret_allowed = slot->allowed;
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

void verdict_cache_put(struct verdict_cache *cache, const struct verdict_cache_key *key,
                       bool allowed, const struct verdict_cache_span *span)
{
    struct slot *slot = slot_of(cache, key);

    if (key->pem_len > PEM_MAX_BYTES) {
        return;
    }
    pthread_mutex_lock(&cache->lock);
    if (!is_of(slot, key)) {
        char *copy = malloc(key->pem_len);
        if (copy == NULL) {
            pthread_mutex_unlock(&cache->lock);
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
    pthread_mutex_unlock(&cache->lock);
}
