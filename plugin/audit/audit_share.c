/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_share.h"

#include <stdlib.h>
#include <string.h>

#include "nodekey/plugin.h"

#define MINUTE_SECONDS 60
#define SLOTS ((size_t)2 * AUDIT_SHARE_PEERS)
#define BUCKETS                                                                                    \
    ((size_t)2048) /* certificates ground for one bucket make a chain of SLOTS at most */
#define NO_SLOT SLOTS

struct slot {
    uint8_t fingerprint[NK_SHA256_BYTES];
    uint32_t role;         /* 0: free */
    uint32_t decision;     /* as last written; the half of the slots that this one counts to */
    bool unsure;           /* the last line was lost */
    uint64_t used_at;      /* in takes, for the least recently used */
    int64_t since_seconds; /* start of its minute */
    uint64_t lines;        /* of its minute */
    uint64_t changes;      /* of its minute */
    uint64_t held_back;
    size_t next; /* in its bucket, or NO_SLOT */
};

struct audit_share {
    uint64_t per_peer;
    uint64_t takes;
    int64_t since_seconds; /* start of the minute that refusals and first count for */
    uint64_t refusals;
    uint64_t first[2]; /* by decision */
    uint64_t held_back_others;
    size_t len[2]; /* slots by decision, each at most AUDIT_SHARE_PEERS */
    size_t buckets[BUCKETS];
    struct slot slots[SLOTS];
};

struct audit_share *audit_share_new(unsigned per_peer)
{
    struct audit_share *share = calloc(1, sizeof(*share));
    if (share == NULL) {
        return NULL;
    }
    share->per_peer = per_peer;
    for (size_t i = 0; i < BUCKETS; i++) {
        share->buckets[i] = NO_SLOT;
    }
    return share;
}

void audit_share_free(struct audit_share *share)
{
    free(share);
}

/* --- slots --- */

static size_t *bucket_of(struct audit_share *share, const uint8_t *fingerprint)
{
    return &share->buckets[(fingerprint[0] | (size_t)fingerprint[1] << 8) % BUCKETS];
}

static struct slot *find_slot(struct audit_share *share, const uint8_t *fingerprint, uint32_t role)
{
    size_t i = *bucket_of(share, fingerprint);
    while (i != NO_SLOT &&
           (share->slots[i].role != role ||
            memcmp(share->slots[i].fingerprint, fingerprint, NK_SHA256_BYTES) != 0)) {
        i = share->slots[i].next;
    }
    return i != NO_SLOT ? &share->slots[i] : NULL;
}

static void forget_slot(struct audit_share *share, struct slot *slot)
{
    size_t number = (size_t)(slot - share->slots);
    size_t *link = bucket_of(share, slot->fingerprint);
    while (*link != number) {
        link = &share->slots[*link].next;
    }
    *link = slot->next;
    share->held_back_others += slot->held_back;
    share->len[slot->decision]--;
    slot->role = 0;
}

/* Makes room for one more of this decision. */
static void forget_oldest_slot(struct audit_share *share, uint32_t decision)
{
    struct slot *oldest = NULL;

    if (share->len[decision] < AUDIT_SHARE_PEERS) {
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &share->slots[i];
        if (slot->role != 0 && slot->decision == decision &&
            (oldest == NULL || slot->used_at < oldest->used_at)) {
            oldest = slot;
        }
    }
    forget_slot(share, oldest);
}

/* A slot is free, since each half has room. */
static struct slot *take_slot(struct audit_share *share, const uint8_t *fingerprint, uint32_t role,
                              uint32_t decision)
{
    forget_oldest_slot(share, decision);
    size_t number = 0;
    while (share->slots[number].role != 0) {
        number++;
    }
    struct slot *slot = &share->slots[number];
    size_t *bucket = bucket_of(share, fingerprint);
    *slot = (struct slot){ .role = role, .decision = decision, .next = *bucket };
    memcpy(slot->fingerprint, fingerprint, NK_SHA256_BYTES);
    *bucket = number;
    share->len[decision]++;
    return slot;
}

/* --- shares --- */

static void start_minutes(struct audit_share *share, struct slot *slot, int64_t now_seconds)
{
    if (now_seconds - share->since_seconds >= MINUTE_SECONDS) {
        share->since_seconds = now_seconds;
        share->refusals = 0;
        share->first[NK_DENY] = 0;
        share->first[NK_ALLOW] = 0;
    }
    if (slot != NULL && now_seconds - slot->since_seconds >= MINUTE_SECONDS) {
        slot->since_seconds = now_seconds;
        slot->lines = 0;
        slot->changes = 0;
    }
}

static bool may_write_refusal(const struct audit_share *share)
{
    return share->refusals < AUDIT_SHARE_REFUSED * share->per_peer;
}

static bool may_write_first(const struct audit_share *share, uint32_t decision)
{
    if (decision == NK_ALLOW) {
        return share->first[decision] < AUDIT_SHARE_FIRST_ALLOWED * share->per_peer;
    }
    return share->first[decision] < AUDIT_SHARE_FIRST_REFUSED * share->per_peer &&
           may_write_refusal(share);
}

static bool may_write_next(const struct audit_share *share, const struct slot *slot,
                           uint32_t decision)
{
    if (slot->unsure || slot->decision != decision) {
        return slot->changes < share->per_peer;
    }
    return slot->lines < share->per_peer && (decision == NK_ALLOW || may_write_refusal(share));
}

static void charge_slot(struct audit_share *share, struct slot *slot, uint32_t decision)
{
    if (!slot->unsure && slot->decision == decision) {
        slot->lines++;
        share->refusals += decision == NK_DENY ? 1 : 0;
        return;
    }
    slot->changes++;
    slot->unsure = false;
    if (slot->decision != decision) {
        forget_oldest_slot(share, decision);
        share->len[slot->decision]--;
        share->len[decision]++;
        slot->decision = decision;
    }
}

bool audit_share_take(struct audit_share *share, const struct audit_seen *seen, int64_t now_seconds,
                      struct audit_turn *ret_turn)
{
    static const uint8_t unreadable[NK_SHA256_BYTES] = { 0 };
    const uint8_t *fingerprint = seen->fingerprint != NULL ? seen->fingerprint : unreadable;
    uint32_t decision = seen->decision == NK_ALLOW ? NK_ALLOW : NK_DENY;
    uint32_t role = seen->role == NK_PEER_IS_SERVER ? NK_PEER_IS_SERVER : NK_PEER_IS_CLIENT;
    struct slot *slot = find_slot(share, fingerprint, role);

    start_minutes(share, slot, now_seconds);
    if (slot == NULL && !may_write_first(share, decision)) {
        share->held_back_others++;
        return false;
    }
    if (slot == NULL) {
        slot = take_slot(share, fingerprint, role, decision);
        slot->since_seconds = now_seconds;
        share->first[decision]++;
    }
    slot->used_at = ++share->takes;
    if (!may_write_next(share, slot, decision)) {
        slot->held_back++;
        return false;
    }
    charge_slot(share, slot, decision);
    *ret_turn = (struct audit_turn){ .held_back = slot->held_back,
                                     .held_back_others = share->held_back_others,
                                     .slot = (size_t)(slot - share->slots) };
    slot->held_back = 0;
    share->held_back_others = 0;
    return true;
}

void audit_share_untake(struct audit_share *share, const struct audit_turn *turn)
{
    struct slot *slot = &share->slots[turn->slot];

    slot->held_back += turn->held_back;
    slot->unsure = true;
    share->held_back_others += turn->held_back_others;
}

uint64_t audit_share_untold(const struct audit_share *share)
{
    uint64_t sum = share->held_back_others;

    for (size_t i = 0; i < SLOTS; i++) {
        sum += share->slots[i].role != 0 ? share->slots[i].held_back : 0;
    }
    return sum;
}
