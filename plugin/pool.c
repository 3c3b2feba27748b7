/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct pool {
    atomic_uint references;
    pthread_mutex_t lock;
    /* guarded by lock */
    X509 *certificates[POOL_MAX];
    size_t len;
    size_t next; /* the one to forget when it is full */
};

struct pool *pool_new(void)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return NULL;
    }
    atomic_init(&pool->references, 1);
    pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

struct pool *pool_ref(struct pool *pool)
{
    atomic_fetch_add_explicit(&pool->references, 1, memory_order_relaxed);
    return pool;
}

void pool_unref(struct pool *pool)
{
    if (pool == NULL ||
        atomic_fetch_sub_explicit(&pool->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < pool->len; i++) {
        X509_free(pool->certificates[i]);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static void remember_one(struct pool *pool, X509 *intermediate)
{
    for (size_t i = 0; i < pool->len; i++) {
        if (X509_cmp(pool->certificates[i], intermediate) == 0) {
            return;
        }
    }
    X509_up_ref(intermediate);
    if (pool->len < POOL_MAX) {
        pool->certificates[pool->len++] = intermediate;
        return;
    }
    X509_free(pool->certificates[pool->next]);
    pool->certificates[pool->next] = intermediate;
    pool->next = (pool->next + 1) % POOL_MAX;
}

void pool_remember(struct pool *pool, STACK_OF(X509) *path)
{
    if (sk_X509_num(path) < 3) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    for (int i = 1; i + 1 < sk_X509_num(path); i++) {
        remember_one(pool, sk_X509_value(path, i));
    }
    pthread_mutex_unlock(&pool->lock);
}

bool pool_append(struct pool *pool, STACK_OF(X509) *certificates)
{
    bool whole = true;

    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; whole && i < pool->len; i++) {
        whole = sk_X509_push(certificates, pool->certificates[i]) > 0;
        if (whole) {
            X509_up_ref(pool->certificates[i]);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return whole;
}
