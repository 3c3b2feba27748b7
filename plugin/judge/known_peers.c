/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/known_peers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "chain/reasons.h"

#define WAYS 16u /* places that a peer may take */
#define SETS (KNOWN_PEERS_MAX / WAYS)
#define SEEN 4096u /* tags, of which a thousand peers share few */

/* Known peer. */
struct known {
    struct known_peer_key key;
    time_t since; /* a clock that was set back makes it unknown */
    time_t until;
    uint64_t used;
    bool rests_on_pool;
    struct peer *peer; /* counted */
    /* Opinion, which has no note. */
    nk_verdict verdict;
    bool has_candidate;
    char candidate[NK_RULE_NAME_BYTES];
    time_t opinion_until;
};

struct known_peers {
    _Atomic uint32_t refused[SEEN]; /* tags of who was put once */
    _Atomic uint32_t admitted[SEEN];
    pthread_mutex_t lock; /* guards what follows */
    uint64_t clock;
    struct known *slots[SETS][WAYS]; /* NULL: free */
};

struct known_peers *known_peers_new(void)
{
    struct known_peers *peers = calloc(1, sizeof(*peers));

    if (peers != NULL) {
        pthread_mutex_init(&peers->lock, NULL);
    }
    return peers;
}

static void free_known(struct known *known)
{
    if (known != NULL) {
        peer_free(known->peer);
        free(known);
    }
}

void known_peers_free(struct known_peers *peers)
{
    if (peers == NULL) {
        return;
    }
    for (size_t set = 0; set < SETS; set++) {
        for (size_t way = 0; way < WAYS; way++) {
            free_known(peers->slots[set][way]);
        }
    }
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

/* --- the key --- */

DEFINE_AUTO(EVP_MD_CTX *, EVP_MD_CTX_free);

/* No two rows of texts are the same bytes: whether there is one comes first, and its NUL last. */
static bool add_text(EVP_MD_CTX *to, const char *text)
{
    unsigned char is_there = text != NULL ? 1 : 0;

    return EVP_DigestUpdate(to, &is_there, 1) == 1 &&
           (text == NULL || EVP_DigestUpdate(to, text, strlen(text) + 1) == 1);
}

/* A certificate is shown with whatever its owner puts beside it, so it alone says which places
 * they may take: else one member could take all. */
static bool digest_shown(EVP_MD_CTX *digest, const struct showing *showing,
                         struct known_peer_key *key)
{
    uint8_t one[NK_SHA256_BYTES] = { 0 };
    bool good = EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(digest, &showing->role, sizeof(showing->role)) == 1 &&
                add_text(digest, showing->target) && add_text(digest, showing->leaf_pem) &&
                EVP_DigestFinal_ex(digest, one, NULL) == 1;

    memcpy(&key->places, one, sizeof(key->places));
    return good && EVP_DigestInit_ex(digest, NULL, NULL) == 1 &&
           EVP_DigestUpdate(digest, one, sizeof(one)) == 1 &&
           add_text(digest, showing->chain_pem) &&
           EVP_DigestFinal_ex(digest, key->shown, NULL) == 1;
}

bool known_peers_key(const struct showing *showing, const struct policy *policy,
                     struct known_peer_key *ret_key)
{
    size_t chain_len = showing->chain_pem != NULL ? strlen(showing->chain_pem) : 0;

    if (showing->leaf_pem == NULL || strlen(showing->leaf_pem) + chain_len > KNOWN_PEER_BYTES) {
        return false;
    }
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    ret_key->generation = policy_generation(policy);
    ret_key->pool = policy_pool_changes(policy);
    return digest != NULL && digest_shown(digest, showing, ret_key);
}

/* --- the set --- */

static struct known **set_of(struct known_peers *peers, const struct known_peer_key *key)
{
    return peers->slots[key->places % SETS];
}

static bool shows_the_same(const struct known *known, const struct known_peer_key *key)
{
    return memcmp(known->key.shown, key->shown, sizeof(key->shown)) == 0;
}

static bool still_holds(const struct known *known, const struct known_peer_key *key, time_t now)
{
    return known->key.generation == key->generation &&
           (!known->rests_on_pool || known->key.pool == key->pool) && known->since <= now &&
           now < known->until;
}

static bool is_member(const struct known *known)
{
    return known->verdict.decision == NK_ALLOW;
}

static struct opinion opinion_of(const struct known *known)
{
    struct opinion opinion = {
        .verdict = known->verdict,
        .has_candidate = known->has_candidate,
        .until = known->opinion_until,
        .pooled = known->rests_on_pool,
    };
    memcpy(opinion.candidate, known->candidate, sizeof(opinion.candidate));
    return opinion;
}

struct peer *known_peers_find(struct known_peers *peers, const struct known_peer_key *key,
                              time_t now, struct opinion *ret_opinion)
{
    struct known **set = set_of(peers, key);
    struct peer *found = NULL;

    pthread_mutex_lock(&peers->lock);
    for (size_t way = 0; way < WAYS && found == NULL; way++) {
        struct known *known = set[way];
        if (known != NULL && shows_the_same(known, key) && still_holds(known, key, now)) {
            known->used = ++peers->clock;
            *ret_opinion = opinion_of(known);
            found = peer_ref(known->peer);
        }
    }
    pthread_mutex_unlock(&peers->lock);
    return found;
}

/* Whether a peer was put before, as far as its tag tells: in the place of another's it is told too
 * late, if alike, too early. Strangers' tags take no member's place. */
static bool comes_again(struct known_peers *peers, const struct known_peer_key *key, bool admitted)
{
    uint32_t words[2];

    memcpy(words, key->shown, sizeof(words));
    _Atomic uint32_t *tags = admitted ? peers->admitted : peers->refused;
    return atomic_exchange(&tags[words[0] % SEEN], words[1]) == words[1];
}

/* How much is lost with what is there: nothing, a refusal, a member. */
static unsigned worth_of(const struct known *known, const struct known_peer_key *key, time_t now)
{
    if (known == NULL || !still_holds(known, key, now)) {
        return 0;
    }
    return is_member(known) ? 2 : 1;
}

static bool goes_first(const struct known *a, const struct known *b,
                       const struct known_peer_key *key, time_t now)
{
    unsigned worth_a = worth_of(a, key, now);
    unsigned worth_b = worth_of(b, key, now);

    return worth_a != worth_b ? worth_a < worth_b : worth_a > 0 && a->used < b->used;
}

/* The place for a newcomer of that key; NULL: there are members only, and it is none. */
static struct known **find_place(struct known **set, const struct known *newcomer, time_t now)
{
    struct known **place = &set[0];

    for (size_t way = 0; way < WAYS; way++) {
        if (set[way] != NULL && shows_the_same(set[way], &newcomer->key)) {
            return &set[way];
        }
        if (goes_first(set[way], *place, &newcomer->key, now)) {
            place = &set[way];
        }
    }
    return is_member(newcomer) || worth_of(*place, &newcomer->key, now) < 2 ? place : NULL;
}

/* A note is of the moment, and so is a failure of ours. */
static bool may_be_kept(const struct opinion *opinion)
{
    return opinion->note[0] == '\0' &&
           strcmp(opinion->verdict.reason, reason_label(REASON_INTERNAL)) != 0;
}

static time_t end_of(const struct opinion *opinion, time_t now)
{
    if (opinion->verdict.decision != NK_ALLOW) {
        return now + KNOWN_REFUSAL_SECONDS;
    }
    time_t latest = now + KNOWN_MEMBER_SECONDS;
    return opinion->until < latest ? opinion->until : latest;
}

void known_peers_put(struct known_peers *peers, const struct known_peer_key *key, struct peer *peer,
                     const struct opinion *opinion, time_t now)
{
    bool admitted = opinion->verdict.decision == NK_ALLOW;
    bool kept = may_be_kept(opinion) && comes_again(peers, key, admitted);
    struct known *newcomer = kept ? malloc(sizeof(*newcomer)) : NULL;

    if (newcomer == NULL) {
        return;
    }
    *newcomer = (struct known){
        .key = *key,
        .since = now,
        .rests_on_pool = !admitted || opinion->pooled,
        .verdict = opinion->verdict,
        .has_candidate = opinion->has_candidate,
        .opinion_until = opinion->until,
    };
    memcpy(newcomer->candidate, opinion->candidate, sizeof(newcomer->candidate));
    newcomer->until = end_of(opinion, now);
    peer_forget_certificates(peer);
    newcomer->peer = peer_ref(peer);
    pthread_mutex_lock(&peers->lock);
    struct known **place = find_place(set_of(peers, key), newcomer, now);
    struct known *gone = place != NULL ? *place : newcomer;
    if (place != NULL) {
        newcomer->used = ++peers->clock;
        *place = newcomer;
    }
    pthread_mutex_unlock(&peers->lock);
    free_known(gone);
}
