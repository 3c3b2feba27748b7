/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/rule_peer.h"

#include <string.h>

#include "base/auto.h"
#include "fixtures/check.h"

static const nk_name names[] = {
    { .kind = NK_NAME_URI, .text = F "/node/a" },
    { .kind = NK_NAME_DNS, .text = "a.fed.example" },
    { .kind = NK_NAME_DNS, .text = "b.fed.example" },
    { .kind = NK_NAME_IP, .text = "10.1.2.3" },
    { .kind = NK_NAME_IP, .text = "2001:db8::1" },
    { .kind = NK_NAME_EMAIL, .text = "x@fed.example" },
};

static char *usages[] = { (char *)"1.3.6.1.5.5.7.3.2", (char *)"1.2.3.4" };
static char *policies[] = { (char *)"1.3.6.1.4.1.99999.1", (char *)"2.999.1" };
static const uint8_t issuer_spki[NK_SHA256_BYTES] = { 0xca };

nk_peer a_peer(void)
{
    nk_peer peer = { .struct_size = sizeof(peer),
                     .role = NK_PEER_IS_CLIENT,
                     .names = names,
                     .names_len = ARRAY_LEN(names),
                     .common_name = "node a" };
    memset(peer.spki_sha256, 0xaa, sizeof(peer.spki_sha256));
    return peer;
}

struct traits traits_of(const nk_peer *peer)
{
    return (struct traits){ .peer = peer,
                            .serial = "1f0a",
                            .key_type = "RSA-3072",
                            .usages = usages,
                            .usages_len = ARRAY_LEN(usages),
                            .lifetime_seconds = 397 * DAY,
                            .issuer_spki_sha256 = issuer_spki,
                            .policies = policies,
                            .policies_len = ARRAY_LEN(policies) };
}

void sort_rules(struct rule_list *list)
{
    nk_error err = { .struct_size = sizeof(err) };
    if (rule_list_sort(list, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

void add_text_rule(struct rule_list *list, const char *name, enum rule_member member,
                   const char *value, const char *more)
{
    assert_int_equal(rule_list_append(list, name, BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(list, member, value, NULL), NK_OK);
    if (more != NULL) {
        assert_int_equal(rule_list_add(list, member, more, NULL), NK_OK);
    }
}
