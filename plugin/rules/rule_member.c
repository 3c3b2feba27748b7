/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/rule_member_private.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "rules/glob.h"

#define DAY_SECONDS 86400

/* --- what a peer shows --- */

static const void *show_once(const void *shown, size_t *at)
{
    return (*at)++ == 0 ? shown : NULL;
}

static const void *next_text(char *const *texts, size_t len, size_t *at)
{
    return *at < len ? texts[(*at)++] : NULL;
}

static const void *show_cn(const struct traits *traits, size_t *at)
{
    return show_once(traits->peer->common_name, at);
}

static const void *show_spki(const struct traits *traits, size_t *at)
{
    return show_once(traits->peer->spki_sha256, at);
}

static const void *show_issuer(const struct traits *traits, size_t *at)
{
    return show_once(traits->issuer_spki_sha256, at);
}

static const void *show_serial(const struct traits *traits, size_t *at)
{
    return show_once(traits->serial, at);
}

static const void *show_policy(const struct traits *traits, size_t *at)
{
    return next_text(traits->policies, traits->policies_len, at);
}

static const void *show_usage(const struct traits *traits, size_t *at)
{
    return next_text(traits->usages, traits->usages_len, at);
}

/* "RSA-3072" is a key of that size and one of RSA. */
static const void *show_key_type(const struct traits *traits, size_t *at)
{
    const char *type = traits->key_type;
    bool rsa = *at == 1 && type != NULL && strncmp(type, "RSA-", 4) == 0;
    const void *exact = show_once(type, at);
    return rsa ? "RSA" : exact;
}

static const void *show_lifetime(const struct traits *traits, size_t *at)
{
    return show_once(&traits->lifetime_seconds, at);
}

static const void *next_shown(const struct rule_member_row *row, const struct traits *traits,
                              size_t *at)
{
    const nk_peer *peer = traits->peer;

    if (row->show != NULL) {
        return row->show(traits, at);
    }
    while (*at < peer->names_len) {
        const nk_name *name = &peer->names[(*at)++];
        if (name->kind == row->name_kind) {
            return name->text;
        }
    }
    return NULL;
}

/* --- how it is spelled --- */

static bool spell_text(const void *shown, char *room, struct rule_fact *ret_fact)
{
    (void)room;
    *ret_fact = (struct rule_fact){ shown, strlen(shown), 0 };
    return ret_fact->len > 0;
}

/* Lower case from `from` on, as rule_read_dns and rule_read_email make it; false: longer than any
 * key. */
static bool spell_lower(const char *text, const char *from, char *room, struct rule_fact *ret_fact)
{
    size_t len = strlen(text);
    if (len > RULE_FACT_MAX_BYTES) {
        return false;
    }
    memcpy(room, text, len + 1);
    rule_lower(room + (from - text));
    return spell_text(room, NULL, ret_fact);
}

static bool spell_dns(const void *shown, char *room, struct rule_fact *ret_fact)
{
    return spell_lower(shown, shown, room, ret_fact);
}

static bool spell_email(const void *shown, char *room, struct rule_fact *ret_fact)
{
    const char *domain = strrchr(shown, '@');
    return domain != NULL && spell_lower(shown, domain, room, ret_fact);
}

static bool spell_ip(const void *shown, char *room, struct rule_fact *ret_fact)
{
    *ret_fact = (struct rule_fact){ (const uint8_t *)room, RULE_ADDRESS_BYTES, 0 };
    return rule_read_address(shown, (uint8_t *)room);
}

static bool spell_digest(const void *shown, char *room, struct rule_fact *ret_fact)
{
    (void)room;
    *ret_fact = (struct rule_fact){ shown, NK_SHA256_BYTES, 0 };
    return true;
}

static bool spell_number(const void *shown, char *room, struct rule_fact *ret_fact)
{
    (void)room;
    *ret_fact = (struct rule_fact){ (const uint8_t *)"", 0, *(const int64_t *)shown };
    return ret_fact->number >= 0;
}

bool rule_member_fact(enum rule_member member, const struct traits *traits,
                      struct rule_fact_cursor *cursor, struct rule_fact *ret_fact)
{
    const struct rule_member_row *row = &rule_member_rows[member];
    const void *shown = next_shown(row, traits, &cursor->next);

    while (shown != NULL && !row->spell(shown, cursor->text, ret_fact)) {
        shown = next_shown(row, traits, &cursor->next);
    }
    return shown != NULL;
}

/* --- why not --- */

static void say_list(const char *member, const void *first, size_t count, char *why, size_t room)
{
    if (count == 0) {
        snprintf(why, room, "%s: the peer has none", member);
    } else if (count == 1) {
        snprintf(why, room, "%s: the peer's is %s", member, (const char *)first);
    } else {
        snprintf(why, room, "%s: the peer's are %s and %zu more", member, (const char *)first,
                 count - 1);
    }
}

static void say_first(const char *member, const void *first, size_t count, char *why, size_t room)
{
    say_list(member, first, count > 0, why, room);
}

static void say_quoted(const char *member, const void *first, size_t count, char *why, size_t room)
{
    char shown[RULE_FACT_MAX_BYTES];

    (void)count;
    snprintf(why, room, "%s: the peer's is \"%s\"", member,
             text_escape(shown, sizeof(shown), first));
}

static void say_digest(const char *member, const void *first, size_t count, char *why, size_t room)
{
    char hex[TEXT_HEX_BYTES(NK_SHA256_BYTES)];

    if (count == 0) {
        snprintf(why, room, "%s: not known, since no chain of the peer was valid", member);
        return;
    }
    snprintf(why, room, "%s: the peer's is %s", member, text_hex(hex, first, NK_SHA256_BYTES));
}

static void say_lifetime(const char *member, const void *first, size_t count, char *why,
                         size_t room)
{
    int64_t seconds = *(const int64_t *)first;
    const char *more = seconds % DAY_SECONDS != 0 ? "more than " : "";

    (void)count;
    snprintf(why, room, "%s: the peer's certificate lives %s%lld days", member, more,
             (long long)(seconds / DAY_SECONDS));
}

void rule_member_say(enum rule_member member, const struct traits *traits, char *why, size_t room)
{
    const struct rule_member_row *row = &rule_member_rows[member];
    const void *first = NULL;
    size_t count = 0;
    size_t at = 0;

    for (const void *shown; (shown = next_shown(row, traits, &at)) != NULL; count++) {
        first = count == 0 ? shown : first;
    }
    row->say(row->name, first, count, why, room);
}

/* --- the table --- */

static bool is_plain_ip(const char *address)
{
    return strncmp(address, "::ffff:", 7) != 0 || strchr(address, '.') == NULL;
}

const struct rule_member_row rule_member_rows[] = {
    { RULE_URI, "uri", 0, rule_read_uri, NK_NAME_URI, NULL, spell_text, rule_fits_uri, say_list,
      glob_uri_is_plain, 3, 8 },
    { RULE_DNS, "dns", 0, rule_read_dns, NK_NAME_DNS, NULL, spell_dns, rule_fits_dns, say_list,
      glob_dns_is_plain, 5, 9 },
    { RULE_IP, "ip", 0, rule_read_ip, NK_NAME_IP, NULL, spell_ip, rule_fits_ip, say_list,
      is_plain_ip, 7, 10 },
    { RULE_EMAIL, "email", 0, rule_read_email, NK_NAME_EMAIL, NULL, spell_email, NULL, say_list,
      glob_email_is_plain, 4, 0 },
    { RULE_CN, "cn", 0, rule_read_cn, 0, show_cn, spell_text, NULL, say_quoted, NULL, 6, 0 },
    { RULE_SPKI_SHA256, "spki_sha256", 0, rule_read_digest, 0, show_spki, spell_digest, NULL,
      say_digest, NULL, 1, 0 },
    { RULE_ISSUER_SPKI_SHA256, "issuer_spki_sha256", 0, rule_read_digest, 0, show_issuer,
      spell_digest, NULL, say_digest, NULL, 12, 0 },
    { RULE_SERIAL, "serial", 0, rule_read_serial, 0, show_serial, spell_text, NULL, say_list, NULL,
      2, 0 },
    { RULE_POLICY_OID, "policy_oid", 0, rule_read_policy, 0, show_policy, spell_text, NULL,
      say_list, NULL, 11, 0 },
    { RULE_EXTENDED_KEY_USAGE, "extended_key_usage", 0, rule_read_usage, 0, show_usage, spell_text,
      NULL, say_list, NULL, 0, 0 },
    { RULE_KEY_TYPES, "key_types", 0, rule_read_key_type, 0, show_key_type, spell_text, NULL,
      say_first, NULL, 0, 0 },
    { RULE_MAX_LIFETIME_DAYS, "max_lifetime_days", RULE_LIFETIME_MAX_DAYS, rule_read_lifetime, 0,
      show_lifetime, spell_number, rule_fits_lifetime, say_lifetime, NULL, 0, 0 },
};
_Static_assert(ARRAY_LEN(rule_member_rows) == RULE_MEMBERS, "a member of rules without its row");

const char *rule_member_name(enum rule_member member)
{
    return rule_member_rows[member].name;
}

unsigned rule_member_max(enum rule_member member)
{
    return rule_member_rows[member].max;
}

const char *rule_member_of_kind(uint32_t name_kind)
{
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        if (name_kind != 0 && rule_member_rows[member].name_kind == name_kind) {
            return rule_member_rows[member].name;
        }
    }
    return NULL;
}
