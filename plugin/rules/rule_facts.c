/* SPDX-License-Identifier: Apache-2.0
 * The facts of a peer, member by member, spelled as the keys of values are. */
#include "rules/rule_values.h"

#include <string.h>

/* Spelled as the keys of parse_dns and parse_email are; false: longer than any key. */
static bool lower_from(const char *text, const char *from, struct rule_fact_cursor *cursor,
                       struct rule_fact *fact)
{
    size_t len = strlen(text);
    if (len > RULE_FACT_MAX_BYTES) {
        return false;
    }
    size_t kept = from != NULL ? (size_t)(from - text) : 0;
    memcpy(cursor->text, text, len + 1);
    for (char *c = cursor->text + kept; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    *fact = (struct rule_fact){ (const uint8_t *)cursor->text, len, 0 };
    return true;
}

static struct rule_fact text_fact(const char *text)
{
    return (struct rule_fact){ (const uint8_t *)text, strlen(text), 0 };
}

/* False: no rule can match a name of this shape. */
static bool name_fact(const nk_name *name, struct rule_fact_cursor *cursor, struct rule_fact *fact)
{
    switch (name->kind) {
    case NK_NAME_DNS:
        return lower_from(name->text, NULL, cursor, fact);
    case NK_NAME_EMAIL:
        return strrchr(name->text, '@') != NULL &&
               lower_from(name->text, strrchr(name->text, '@'), cursor, fact);
    case NK_NAME_IP:
        *fact = (struct rule_fact){ (const uint8_t *)cursor->text, RULE_ADDRESS_BYTES, 0 };
        return rule_read_address(name->text, (uint8_t *)cursor->text);
    default:
        *fact = text_fact(name->text);
        return true;
    }
}

static bool next_name(const nk_peer *peer, uint32_t kind, struct rule_fact_cursor *cursor,
                      struct rule_fact *fact)
{
    while (cursor->next < peer->names_len) {
        const nk_name *name = &peer->names[cursor->next++];
        if (name->kind == kind && name_fact(name, cursor, fact)) {
            return true;
        }
    }
    return false;
}

/* "RSA-3072" is a key of that size and one of RSA. */
static bool next_key_type(const char *type, struct rule_fact_cursor *cursor, struct rule_fact *fact)
{
    size_t i = cursor->next++;
    if (type == NULL || i > 1 || (i == 1 && strncmp(type, "RSA-", 4) != 0)) {
        return false;
    }
    *fact = text_fact(i == 0 ? type : "RSA");
    return true;
}

static bool next_of(char *const *texts, size_t len, struct rule_fact_cursor *cursor,
                    struct rule_fact *fact)
{
    if (cursor->next >= len) {
        return false;
    }
    *fact = text_fact(texts[cursor->next++]);
    return true;
}

static bool only_text(const char *text, struct rule_fact_cursor *cursor, struct rule_fact *fact)
{
    if (cursor->next++ > 0 || text == NULL || text[0] == '\0') {
        return false;
    }
    *fact = text_fact(text);
    return true;
}

static bool only_digest(const uint8_t *digest, struct rule_fact_cursor *cursor,
                        struct rule_fact *fact)
{
    *fact = (struct rule_fact){ digest, NK_SHA256_BYTES, 0 };
    return cursor->next++ == 0 && digest != NULL;
}

static bool only_number(int64_t number, struct rule_fact_cursor *cursor, struct rule_fact *fact)
{
    *fact = (struct rule_fact){ (const uint8_t *)"", 0, number };
    return cursor->next++ == 0 && number >= 0;
}

bool rule_fact_next(const struct traits *traits, enum rule_member member,
                    struct rule_fact_cursor *cursor, struct rule_fact *ret_fact)
{
    switch (member) {
    case RULE_CN:
        return only_text(traits->peer->common_name, cursor, ret_fact);
    case RULE_SPKI_SHA256:
        return only_digest(traits->peer->spki_sha256, cursor, ret_fact);
    case RULE_ISSUER_SPKI_SHA256:
        return only_digest(traits->issuer_spki_sha256, cursor, ret_fact);
    case RULE_SERIAL:
        return only_text(traits->serial, cursor, ret_fact);
    case RULE_POLICY_OID:
        return next_of(traits->policies, traits->policies_len, cursor, ret_fact);
    case RULE_EXTENDED_KEY_USAGE:
        return next_of(traits->usages, traits->usages_len, cursor, ret_fact);
    case RULE_KEY_TYPES:
        return next_key_type(traits->key_type, cursor, ret_fact);
    case RULE_MAX_LIFETIME_DAYS:
        return only_number(traits->lifetime_seconds, cursor, ret_fact);
    default:
        return next_name(traits->peer, rule_member_types[member].name_kind, cursor, ret_fact);
    }
}
