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
#include "rules/rule_index_parts.h"
#include "rules/rule_values.h"

/* --- hashing --- */

uint64_t rule_hash_begin(const struct rule_index *index, unsigned hook)
{
    return index->seed[0] + hook * 0x9e3779b97f4a7c15u;
}

uint64_t rule_hash_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * 0x100000001b3u;
}

uint64_t rule_hash_end(const struct rule_index *index, uint64_t hash)
{
    hash ^= index->seed[1];
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
    return hash ^ hash >> 33;
}

uint64_t rule_hash_all(const struct rule_index *index, unsigned hook, const uint8_t *key,
                       size_t len)
{
    uint64_t hash = rule_hash_begin(index, hook);
    for (size_t i = 0; i < len; i++) {
        hash = rule_hash_byte(hash, key[i]);
    }
    return rule_hash_end(index, hash);
}

/* --- building --- */

/* The member that tells most peers apart, or RULE_MEMBERS. Exact values first: what is behind a
 * star, or who the issuer is, may be the same in all rules. */
static enum rule_member choose_member(const struct rule *rule)
{
    static const enum rule_member best[] = { RULE_SPKI_SHA256, RULE_SERIAL, RULE_URI, RULE_EMAIL,
                                             RULE_DNS,         RULE_CN,     RULE_IP };
    static const enum rule_member rest[] = { RULE_URI, RULE_DNS, RULE_IP, RULE_POLICY_OID,
                                             RULE_ISSUER_SPKI_SHA256 };

    for (size_t i = 0; i < ARRAY_LEN(best); i++) {
        const struct rule_values *values = &rule->members[best[i]];
        if (values->len > 0 && values->sorted == values->len) {
            return best[i];
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(rest); i++) {
        if (rule->members[rest[i]].len > 0) {
            return rest[i];
        }
    }
    return RULE_MEMBERS;
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

/* False: there is no room for another shape. */
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

/* False: the value must be walked to. */
static bool hang(struct rule_index *index, enum rule_member member, const struct rule_value *value,
                 size_t rule)
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
    entry.hash = rule_hash_all(index, hook, entry.key, entry.len);
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
        whole = hang(index, member, &rule->members[member].items[i], number);
    }
    return whole;
}

static nk_status allocate(struct rule_index *index, size_t values, size_t rules, nk_error *err)
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

/* From the last rule to the first, since each value goes to the head of its chain. */
static void fill(struct rule_index *index, const struct rule *rules, size_t len)
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
    nk_status status = allocate(index, values, len, err);
    if (status != NK_OK) {
        rule_index_free(index);
        return status;
    }
    fill(index, rules, len);
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
