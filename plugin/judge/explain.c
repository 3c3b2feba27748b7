/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/explain.h"

#include <stdio.h>

#include <jansson.h>

#include "base/auto.h"
#include "base/text.h"

#define WHY_BYTES 512
#define HEX_BYTES TEXT_HEX_BYTES(NK_SHA256_BYTES)

DEFINE_AUTO(json_t *, json_decref);

/* Owned; NULL: no memory. json_array_append_new and json_pack take what they are given, and NULL
 * in it makes them fail. */
static json_t *names_of(const nk_peer *peer)
{
    json_t *names = json_array();
    for (size_t i = 0; i < peer->names_len; i++) {
        json_t *name = json_pack("{s:s, s:s}", "kind", rule_member_of_kind(peer->names[i].kind),
                                 "name", peer->names[i].text);
        if (json_array_append_new(names, name) != 0) {
            json_decref(names);
            return NULL;
        }
    }
    return names;
}

/* Owned; NULL: no memory. */
static json_t *texts_of(char *const *texts, size_t len)
{
    json_t *array = json_array();
    for (size_t i = 0; i < len; i++) {
        if (json_array_append_new(array, json_string(texts[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *explain_peer(const struct traits *traits)
{
    const nk_peer *peer = traits->peer;
    char leaf[HEX_BYTES];
    char spki[HEX_BYTES];
    char issuer[HEX_BYTES];

    return json_pack("{s:s, s:s?, s:s, s:o, s:s, s:s, s:s?, s:s?, s:s?, s:o, s:o, s:I, s:i}",
                     "role", peer->role == NK_PEER_IS_CLIENT ? "client" : "server", "target",
                     peer->target, "cn", peer->common_name, "names", names_of(peer), "leaf_sha256",
                     text_hex(leaf, peer->leaf_sha256, NK_SHA256_BYTES), "spki_sha256",
                     text_hex(spki, peer->spki_sha256, NK_SHA256_BYTES), "issuer_spki_sha256",
                     traits->issuer_spki_sha256 != NULL
                         ? text_hex(issuer, traits->issuer_spki_sha256, NK_SHA256_BYTES)
                         : NULL,
                     "serial", traits->serial, "key_type", traits->key_type, "extended_key_usage",
                     texts_of(traits->usages, traits->usages_len), "policy_oid",
                     texts_of(traits->policies, traits->policies_len), "lifetime_seconds",
                     (json_int_t)traits->lifetime_seconds, "certificates", (int)peer->chain_len);
}

static json_t *explain_rule(const char *list, const struct rule *rule, bool needs_identity,
                            const struct traits *traits)
{
    char why[WHY_BYTES] = "";
    bool applies = (rule_directions(rule) & traits->peer->role) != 0;
    bool matches = rule_matches(rule, traits, why, sizeof(why));

    if (matches && needs_identity && !rule_names_peer(rule)) {
        matches = false;
        snprintf(why, sizeof(why),
                 "it matches, but has no uri or spki_sha256, which server_name \"rule\" asks for");
    }
    return json_pack("{s:s, s:s, s:b, s:b, s:s}", "list", list, "name", rule_name(rule), "applies",
                     applies, "matches", matches, "why", why);
}

static bool add_rules(json_t *to, const char *name, const struct rule_list *list,
                      bool needs_identity, const struct traits *traits)
{
    for (size_t i = 0; list != NULL && i < list->len; i++) {
        json_t *rule = explain_rule(name, rule_list_at(list, i), needs_identity, traits);
        if (json_array_append_new(to, rule) != 0) {
            return false;
        }
    }
    return true;
}

static bool add_everybody(json_t *to, const struct explain_rules *rules)
{
    json_t *everybody =
        json_pack("{s:s, s:s, s:b, s:b, s:s}", "list", "admit", "name", "all-certified", "applies",
                  1, "matches", !rules->needs_identity, "why",
                  rules->needs_identity ? "server_name \"rule\" asks for a rule" : "");
    return json_array_append_new(to, everybody) == 0;
}

static json_t *explain_lists(const struct explain_rules *rules, const struct traits *traits)
{
    bool naming = rules->needs_identity;
    json_t *all = json_array();

    if (!add_rules(all, "deny", rules->deny, false, traits) ||
        !add_rules(all, "admit", rules->admit, naming, traits) ||
        (rules->all_certified && !add_everybody(all, rules)) ||
        !add_rules(all, "admit_candidate", rules->candidate, naming, traits)) {
        json_decref(all);
        return NULL;
    }
    return all;
}

char *explain_verdict(const struct explain_rules *rules, const struct traits *traits,
                      const nk_verdict *verdict)
{
    AUTO(json_decref)
    json_t *document =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "decision",
                  verdict->decision == NK_ALLOW ? "allow" : "deny", "rule", verdict->rule, "reason",
                  verdict->reason, "detail", verdict->detail, "peer", explain_peer(traits), "rules",
                  explain_lists(rules, traits));
    return document != NULL ? json_dumps(document, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
}
