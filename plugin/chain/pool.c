/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "trust/key_limits.h"

#define BRANCH_BYTES 32 /* SHA-256 of the certificate right below the root */

struct entry {
    X509 *certificate;
    unsigned char *der; /* OPENSSL_free */
    size_t der_len;
    X509 *signer; /* with whose key the signature was found good */
    unsigned char branch[BRANCH_BYTES];
    int below_root; /* 1: a root issued it */
    uint64_t used;  /* the pool's clock when the certificate last lay on a path */
};

struct pool {
    atomic_uint references;
    atomic_ullong changes; /* written under lock */
    pthread_mutex_t lock;
    /* guarded by lock */
    struct entry entries[POOL_MAX];
    size_t len;
    uint64_t clock;
};

static void clear_entry(struct entry *entry)
{
    X509_free(entry->certificate);
    X509_free(entry->signer);
    OPENSSL_free(entry->der);
    *entry = (struct entry){ .certificate = NULL };
}

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
        clear_entry(&pool->entries[i]);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* --- remembering --- */

static bool are_namesakes(const X509 *a, const X509 *b)
{
    return X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0;
}

static bool are_of_one_branch(const struct entry *a, const struct entry *b)
{
    return memcmp(a->branch, b->branch, BRANCH_BYTES) == 0;
}

/* Whether `entry` competes with a newcomer of this name for a place; `name` NULL: all do. */
static bool entry_competes(const struct entry *entry, const X509 *name)
{
    return name == NULL || are_namesakes(entry->certificate, name);
}

/* Size of the branch of `of`, the newcomer included. */
static size_t branch_size_locked(const struct pool *pool, const struct entry *of,
                                 const struct entry *newcomer, const X509 *name)
{
    size_t size = are_of_one_branch(of, newcomer) ? 1 : 0;
    for (size_t i = 0; i < pool->len; i++) {
        const struct entry *entry = &pool->entries[i];
        size += entry_competes(entry, name) && are_of_one_branch(entry, of) ? 1 : 0;
    }
    return size;
}

/* Whether `a` should go rather than `b`. */
static bool entry_goes_first(const struct entry *a, size_t size_a, const struct entry *b,
                             size_t size_b)
{
    if (size_a != size_b) {
        return size_a > size_b;
    }
    if (are_of_one_branch(a, b) && a->below_root != b->below_root) {
        return a->below_root > b->below_root;
    }
    return a->used < b->used;
}

/* Entry that gives way to the newcomer; NULL: the newcomer does. */
static struct entry *find_victim_locked(struct pool *pool, const struct entry *newcomer,
                                        const X509 *name)
{
    struct entry *victim = NULL;
    size_t victim_size = 0;

    for (size_t i = 0; i < pool->len; i++) {
        struct entry *entry = &pool->entries[i];
        if (!entry_competes(entry, name)) {
            continue;
        }
        size_t size = branch_size_locked(pool, entry, newcomer, name);
        if (victim == NULL || entry_goes_first(entry, size, victim, victim_size)) {
            victim = entry;
            victim_size = size;
        }
    }
    size_t own_size = branch_size_locked(pool, newcomer, newcomer, name);
    return victim != NULL && entry_goes_first(newcomer, own_size, victim, victim_size) ? NULL
                                                                                       : victim;
}

/* Other roots, or an issuer that was decoded again, take the place of those before. */
static void renew_signer(struct entry *entry, const struct entry *newcomer)
{
    if (entry->certificate == newcomer->certificate && entry->signer != newcomer->signer) {
        X509_up_ref(newcomer->signer);
        X509_free(entry->signer);
        entry->signer = newcomer->signer;
    }
}

/* The newcomer in `place` of whoever was there. */
static void take_place_locked(struct pool *pool, struct entry *place, const struct entry *newcomer)
{
    unsigned char *der = NULL;
    int len = i2d_X509(newcomer->certificate, &der);
    if (len <= 0) {
        return;
    }
    clear_entry(place);
    *place = *newcomer;
    X509_up_ref(place->certificate);
    X509_up_ref(place->signer);
    place->der = der;
    place->der_len = (size_t)len;
    pool->len += place == &pool->entries[pool->len];
    atomic_fetch_add(&pool->changes, 1);
}

static void put_entry_locked(struct pool *pool, const struct entry *newcomer)
{
    size_t namesakes = 0;
    for (size_t i = 0; i < pool->len; i++) {
        struct entry *entry = &pool->entries[i];
        if (X509_cmp(entry->certificate, newcomer->certificate) == 0) {
            entry->used = newcomer->used;
            renew_signer(entry, newcomer);
            return;
        }
        namesakes += are_namesakes(entry->certificate, newcomer->certificate) ? 1 : 0;
    }

    struct entry *place = NULL;
    if (namesakes >= POOL_NAMESAKES_MAX) {
        place = find_victim_locked(pool, newcomer, newcomer->certificate);
    } else if (pool->len < POOL_MAX) {
        place = &pool->entries[pool->len];
    } else {
        place = find_victim_locked(pool, newcomer, NULL);
    }
    if (place != NULL) {
        take_place_locked(pool, place, newcomer);
    }
}

uint64_t pool_changes(const struct pool *pool)
{
    return atomic_load(&pool->changes);
}

void pool_remember(struct pool *pool, STACK_OF(X509) *path)
{
    int root = sk_X509_num(path) - 1;
    unsigned char branch[EVP_MAX_MD_SIZE];
    if (root < 2 || X509_digest(sk_X509_value(path, root - 1), EVP_sha256(), branch, NULL) != 1) {
        return;
    }

    pthread_mutex_lock(&pool->lock);
    for (int i = root - 1; i > 0; i--) {
        struct entry newcomer = {
            .certificate = sk_X509_value(path, i),
            .signer = sk_X509_value(path, i + 1),
            .below_root = root - i,
            .used = ++pool->clock,
        };
        memcpy(newcomer.branch, branch, BRANCH_BYTES);
        put_entry_locked(pool, &newcomer);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* --- finding --- */

X509 *pool_find(void *arg, const unsigned char *der, size_t len)
{
    struct pool *pool = arg;
    X509 *found = NULL;

    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; found == NULL && i < pool->len; i++) {
        const struct entry *entry = &pool->entries[i];
        if (entry->der_len == len && memcmp(entry->der, der, len) == 0) {
            found = entry->certificate;
            X509_up_ref(found);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

bool pool_knows_signature(struct pool *pool, const X509 *certificate, const X509 *issuer)
{
    bool known = false;

    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; !known && i < pool->len; i++) {
        const struct entry *entry = &pool->entries[i];
        known = entry->certificate == certificate && entry->signer == issuer;
    }
    pthread_mutex_unlock(&pool->lock);
    return known;
}

/* Certificates that could have issued this one, by name, key identifier and keyUsage. */
static size_t collect_issuers(struct pool *pool, X509 *certificate, X509 *found[POOL_NAMESAKES_MAX])
{
    const X509_NAME *issuer = X509_get_issuer_name(certificate);
    size_t len = 0;

    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->len && len < POOL_NAMESAKES_MAX; i++) {
        X509 *candidate = pool->entries[i].certificate;
        if (X509_NAME_cmp(X509_get_subject_name(candidate), issuer) == 0 &&
            X509_check_issued(candidate, certificate) == X509_V_OK) {
            X509_up_ref(candidate);
            found[len++] = candidate;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return len;
}

static bool spend_cost(unsigned *left, const X509 *issuer)
{
    unsigned cost = key_limits_cost(issuer);
    if (cost > *left) {
        return false;
    }
    *left -= cost;
    return true;
}

static bool issuer_signed(X509 *issuer, X509 *certificate, unsigned *left)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    return key != NULL && spend_cost(left, issuer) && X509_verify(certificate, key) == 1;
}

X509 *pool_find_issuer(struct pool *pool, X509 *certificate, unsigned *left)
{
    X509 *candidates[POOL_NAMESAKES_MAX] = { NULL };
    X509 *issuer = NULL;

    size_t len = collect_issuers(pool, certificate, candidates);
    for (size_t i = 0; i < len; i++) {
        if (issuer == NULL && (len == 1 || issuer_signed(candidates[i], certificate, left)) &&
            spend_cost(left, candidates[i])) {
            issuer = candidates[i];
        } else {
            X509_free(candidates[i]);
        }
    }
    ERR_clear_error(); /* a wrong signature is no error here */
    return issuer;
}

bool pool_append(struct pool *pool, STACK_OF(X509) *certificates)
{
    bool whole = true;

    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; whole && i < pool->len; i++) {
        whole = sk_X509_push(certificates, pool->entries[i].certificate) > 0;
        if (whole) {
            X509_up_ref(pool->entries[i].certificate);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return whole;
}
