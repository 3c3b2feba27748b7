/* SPDX-License-Identifier: Apache-2.0
 * Each rule hangs on one of its members, by every value of it: a peer can match the rule only if
 * one of its own facts leads there. A DNS star hangs on what stands behind it, a network on its
 * prefix; a URI is looked up once for each set of segments in which patterns have their stars. So
 * thousands of rules that do not match cost a few look-ups. */
#include "rules/rule_index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/report.h"
#include "rules/rule_member_private.h"

#define ADDRESS_BITS_MAX 128
#define SHAPES_MAX 16
#define SHAPE_SEGMENTS 64

/* Hooks by which rules are looked up: a member, or one with a star. */
enum rule_hook { HOOK_URI_SHAPE = RULE_MEMBERS, HOOK_DNS_SUFFIX, HOOKS };

struct rule_entry {
    uint64_t hash;
    const uint8_t *key; /* of the rule's value */
    uint32_t len;
    uint32_t rule;
    uint32_t next; /* in its chain, whose rules ascend; a number + 1, 0 at the end */
};

struct rule_index {
    uint64_t seed[2]; /* peers choose what is looked up, so they must not know who collides */
    struct rule_entry *entries;
    size_t len;
    uint32_t *heads; /* numbers + 1, 0: empty */
    size_t heads_mask;
    size_t longest[HOOKS];                     /* key; 0: nothing hangs here */
    uint8_t prefixes[2][ADDRESS_BITS_MAX + 1]; /* lengths in use: of IPv4, of IPv6 */
    size_t prefixes_len[2];
    uint64_t shapes[SHAPES_MAX]; /* bit n: the segment behind the nth slash is a star */
    size_t shapes_len;
    uint32_t *walked; /* rules that hang nowhere, ascending */
    size_t walked_len;
};

/* --- hashing: begin, then byte for each, then end; or all at once --- */

static uint64_t hash_begin(const struct rule_index *index, unsigned hook)
{
    return index->seed[0] + hook * 0x9e3779b97f4a7c15u;
}

static uint64_t hash_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * 0x100000001b3u;
}

static uint64_t hash_end(const struct rule_index *index, uint64_t hash)
{
    hash ^= index->seed[1];
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
    return hash ^ hash >> 33;
}

static uint64_t hash_all(const struct rule_index *index, unsigned hook, const uint8_t *key,
                         size_t len)
{
    uint64_t hash = hash_begin(index, hook);
    for (size_t i = 0; i < len; i++) {
        hash = hash_byte(hash, key[i]);
    }
    return hash_end(index, hash);
}

/* --- building --- */

static unsigned rank_of(const struct rule *rule, enum rule_member member)
{
    const struct rule_member_row *row = &rule_member_rows[member];
    const struct rule_values *values = &rule->members[member];
    bool exact = values->sorted == values->len && row->exact_rank > 0;

    if (values->len == 0) {
        return 0;
    }
    return exact ? row->exact_rank : row->any_rank;
}

/* The member that tells most peers apart, or RULE_MEMBERS. Exact values first: what is behind a
 * star, or who the issuer is, may be the same in all rules. */
static enum rule_member choose_member(const struct rule *rule)
{
    enum rule_member best = RULE_MEMBERS;

    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        unsigned rank = rank_of(rule, member);
        if (rank > 0 && (best == RULE_MEMBERS || rank < rank_of(rule, best))) {
            best = member;
        }
    }
    return best;
}

static void use_prefix(struct rule_index *index, const uint8_t *key)
{
    int family = key[0] == 4 ? 0 : 1;
    uint8_t *prefixes = index->prefixes[family];
    size_t len = index->prefixes_len[family];

    if (memchr(prefixes, key[1], len) == NULL) {
        prefixes[len] = key[1];
        index->prefixes_len[family]++;
    }
}

/* A shape is added unless it is there; false: there is no room for another. */
static bool use_shape(struct rule_index *index, const uint8_t *pattern)
{
    uint64_t shape = 0;
    size_t slashes = 0;

    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '*' && slashes >= SHAPE_SEGMENTS) {
            return false;
        }
        shape |= *pattern == '*' ? (uint64_t)1 << slashes : 0;
        slashes += *pattern == '/';
    }
    for (size_t i = 0; i < index->shapes_len; i++) {
        if (index->shapes[i] == shape) {
            return true;
        }
    }
    if (index->shapes_len == SHAPES_MAX) {
        return false;
    }
    index->shapes[index->shapes_len++] = shape;
    return true;
}

/* A value is hung on its hook; false: its rule must be walked to. */
static bool hang_value(struct rule_index *index, enum rule_member member,
                       const struct rule_value *value, size_t rule)
{
    unsigned hook = member;
    struct rule_entry entry = { .key = value->key,
                                .len = (uint32_t)value->len,
                                .rule = (uint32_t)rule };

    if (member == RULE_IP) {
        use_prefix(index, value->key);
    } else if (member == RULE_URI && !value->exact) {
        hook = HOOK_URI_SHAPE;
        if (!use_shape(index, value->key)) {
            return false;
        }
    } else if (member == RULE_DNS && !value->exact) {
        hook = HOOK_DNS_SUFFIX;
        entry.key++;
        entry.len--;
    }
    entry.hash = hash_all(index, hook, entry.key, entry.len);
    if (entry.len > index->longest[hook]) {
        index->longest[hook] = entry.len;
    }
    uint32_t *head = &index->heads[entry.hash & index->heads_mask];
    entry.next = *head;
    index->entries[index->len++] = entry;
    *head = (uint32_t)index->len;
    return true;
}

static bool hang_rule(struct rule_index *index, const struct rule *rule, size_t number)
{
    enum rule_member member = choose_member(rule);
    bool whole = member != RULE_MEMBERS;

    for (size_t i = 0; whole && i < rule->members[member].len; i++) {
        whole = hang_value(index, member, &rule->members[member].items[i], number);
    }
    return whole;
}

static nk_status allocate_parts(struct rule_index *index, size_t values, size_t rules,
                                nk_error *err)
{
    size_t heads = 16;
    while (heads < values) {
        heads *= 2;
    }
    if (values >= UINT32_MAX || rules >= UINT32_MAX) {
        return report(err, NK_E_CONFIG, "there are too many rules or values in a list");
    }
    index->heads_mask = heads - 1;
    index->heads = calloc(heads, sizeof(*index->heads));
    index->entries = calloc(values + 1, sizeof(*index->entries));
    index->walked = calloc(rules + 1, sizeof(*index->walked));
    if (index->heads == NULL || index->entries == NULL || index->walked == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    if (getrandom(index->seed, sizeof(index->seed), 0) != (ssize_t)sizeof(index->seed)) {
        return report_errno(err, NK_E_INTERNAL, "getrandom");
    }
    return NK_OK;
}

/* Rules are hung from the last to the first, since each value goes to the head of its chain. */
static void hang_rules(struct rule_index *index, const struct rule *rules, size_t len)
{
    size_t first = len;

    for (size_t i = len; i-- > 0;) {
        if (!hang_rule(index, &rules[i], i)) {
            index->walked[--first] = (uint32_t)i;
        }
    }
    index->walked_len = len - first;
    memmove(index->walked, index->walked + first, index->walked_len * sizeof(*index->walked));
}

nk_status rule_index_new(const struct rule *rules, size_t len, struct rule_index **ret_index,
                         nk_error *err)
{
    size_t values = 0;
    for (size_t i = 0; i < len; i++) {
        enum rule_member member = choose_member(&rules[i]);
        values += member < RULE_MEMBERS ? rules[i].members[member].len : 0;
    }
    struct rule_index *index = calloc(1, sizeof(*index));
    if (index == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = allocate_parts(index, values, len, err);
    if (status != NK_OK) {
        rule_index_free(index);
        return status;
    }
    hang_rules(index, rules, len);
    *ret_index = index;
    return NK_OK;
}

void rule_index_free(struct rule_index *index)
{
    if (index == NULL) {
        return;
    }
    free(index->heads);
    free(index->entries);
    free(index->walked);
    free(index);
}

/* --- finding --- */

/* The hash of `uri` as if the segments of `shape` were stars: then patterns that fit have the same.
 * False: it is longer than any pattern. */
static bool hash_shape(const struct rule_index *index, uint64_t shape, const uint8_t *uri,
                       uint64_t *ret_hash)
{
    uint64_t hash = hash_begin(index, HOOK_URI_SHAPE);
    size_t left = index->longest[HOOK_URI_SHAPE];
    size_t slashes = 0;
    bool begins = true; /* a segment */

    for (; *uri != '\0'; left--) {
        if (left == 0) {
            return false;
        }
        if (begins && slashes < SHAPE_SEGMENTS && (shape >> slashes & 1) != 0) {
            hash = hash_byte(hash, '*');
            uri += strcspn((const char *)uri, "/");
            begins = false;
            continue;
        }
        hash = hash_byte(hash, *uri);
        begins = *uri == '/';
        slashes += begins;
        uri++;
    }
    *ret_hash = hash_end(index, hash);
    return true;
}

struct search {
    const struct rule_index *index;
    rule_accept *accept;
    const void *asker;
    size_t found;
};

/* Entries of the chain are asked that have the key; if `key` is NULL, all that have the hash. */
static void follow_chain(struct search *search, uint64_t hash, const uint8_t *key, size_t len)
{
    const struct rule_index *index = search->index;
    uint32_t at = index->heads[hash & index->heads_mask];

    while (at != 0) {
        const struct rule_entry *entry = &index->entries[at - 1];
        if (entry->rule >= search->found) {
            return;
        }
        bool same = entry->hash == hash &&
                    (key == NULL || (entry->len == len && memcmp(entry->key, key, len) == 0));
        if (same && search->accept(search->asker, entry->rule)) {
            search->found = entry->rule;
            return;
        }
        at = entry->next;
    }
}

static void look_up_key(struct search *search, unsigned hook, const uint8_t *key, size_t len)
{
    if (len <= search->index->longest[hook]) {
        follow_chain(search, hash_all(search->index, hook, key, len), key, len);
    }
}

static void look_up_shapes(struct search *search, const struct rule_fact *uri)
{
    const struct rule_index *index = search->index;

    for (size_t i = 0; i < index->shapes_len; i++) {
        uint64_t hash = 0;
        if (hash_shape(index, index->shapes[i], uri->bytes, &hash)) {
            follow_chain(search, hash, NULL, 0);
        }
    }
}

static void look_up_networks(struct search *search, const struct rule_fact *address)
{
    int family = address->bytes[0] == 4 ? 0 : 1;

    for (size_t i = 0; i < search->index->prefixes_len[family]; i++) {
        uint8_t network[RULE_ADDRESS_BYTES];
        memcpy(network, address->bytes, sizeof(network));
        rule_cut_address(network, search->index->prefixes[family][i]);
        look_up_key(search, RULE_IP, network, sizeof(network));
    }
}

static void look_up_fact(struct search *search, enum rule_member member,
                         const struct rule_fact *fact)
{
    if (member == RULE_IP) {
        look_up_networks(search, fact);
        return;
    }
    look_up_key(search, member, fact->bytes, fact->len);
    if (member == RULE_URI) {
        look_up_shapes(search, fact);
    }
    const uint8_t *dot = member == RULE_DNS ? memchr(fact->bytes, '.', fact->len) : NULL;
    if (dot != NULL) {
        look_up_key(search, HOOK_DNS_SUFFIX, dot, fact->len - (size_t)(dot - fact->bytes));
    }
}

static bool is_member_used(const struct rule_index *index, enum rule_member member)
{
    return index->longest[member] > 0 ||
           (member == RULE_URI && index->longest[HOOK_URI_SHAPE] > 0) ||
           (member == RULE_DNS && index->longest[HOOK_DNS_SUFFIX] > 0);
}

size_t rule_index_find(const struct rule_index *index, const struct traits *traits,
                       rule_accept *accept, const void *asker)
{
    struct search search = { index, accept, asker, SIZE_MAX };
    struct rule_fact_cursor cursor;
    struct rule_fact fact;

    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        if (!is_member_used(index, member)) {
            continue;
        }
        for (cursor.next = 0; rule_member_fact(member, traits, &cursor, &fact);) {
            look_up_fact(&search, member, &fact);
        }
    }
    for (size_t i = 0; i < index->walked_len && index->walked[i] < search.found; i++) {
        if (accept(asker, index->walked[i])) {
            return index->walked[i];
        }
    }
    return search.found;
}
