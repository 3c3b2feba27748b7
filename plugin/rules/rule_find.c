/* SPDX-License-Identifier: Apache-2.0
 * Looking up a peer's facts in the index. */
#include "rules/rule_index.h"

#include <string.h>

#include "rules/rule_index_parts.h"
#include "rules/rule_values.h"

/* As if the segments of `shape` were stars, so that equal hashes are those of the patterns that
 * fit. False: longer than any pattern. */
static bool hash_shape(const struct rule_index *index, uint64_t shape, const uint8_t *uri,
                       uint64_t *ret_hash)
{
    uint64_t hash = rule_hash_begin(index, HOOK_URI_SHAPE);
    size_t left = index->longest[HOOK_URI_SHAPE];
    size_t slashes = 0;
    bool begins = true; /* a segment */

    for (; *uri != '\0'; left--) {
        if (left == 0) {
            return false;
        }
        if (begins && slashes < SHAPE_SEGMENTS && (shape >> slashes & 1) != 0) {
            hash = rule_hash_byte(hash, '*');
            uri += strcspn((const char *)uri, "/");
            begins = false;
            continue;
        }
        hash = rule_hash_byte(hash, *uri);
        begins = *uri == '/';
        slashes += begins;
        uri++;
    }
    *ret_hash = rule_hash_end(index, hash);
    return true;
}

struct search {
    const struct rule_index *index;
    rule_accept *accept;
    const void *asker;
    size_t found;
};

/* `key` NULL: whoever has the hash. */
static void follow(struct search *search, uint64_t hash, const uint8_t *key, size_t len)
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

static void look_up(struct search *search, unsigned hook, const uint8_t *key, size_t len)
{
    if (len <= search->index->longest[hook]) {
        follow(search, rule_hash_all(search->index, hook, key, len), key, len);
    }
}

static void look_up_shapes(struct search *search, const struct rule_fact *uri)
{
    const struct rule_index *index = search->index;

    for (size_t i = 0; i < index->shapes_len; i++) {
        uint64_t hash = 0;
        if (hash_shape(index, index->shapes[i], uri->bytes, &hash)) {
            follow(search, hash, NULL, 0);
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
        look_up(search, RULE_IP, network, sizeof(network));
    }
}

static void look_up_fact(struct search *search, enum rule_member member,
                         const struct rule_fact *fact)
{
    if (member == RULE_IP) {
        look_up_networks(search, fact);
        return;
    }
    look_up(search, member, fact->bytes, fact->len);
    if (member == RULE_URI) {
        look_up_shapes(search, fact);
    }
    const uint8_t *dot = member == RULE_DNS ? memchr(fact->bytes, '.', fact->len) : NULL;
    if (dot != NULL) {
        look_up(search, HOOK_DNS_SUFFIX, dot, fact->len - (size_t)(dot - fact->bytes));
    }
}

static bool is_used(const struct rule_index *index, enum rule_member member)
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
        if (!is_used(index, member)) {
            continue;
        }
        for (cursor.next = 0; rule_fact_next(traits, member, &cursor, &fact);) {
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
