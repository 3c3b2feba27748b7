/* SPDX-License-Identifier: Apache-2.0
 * The members of a rule that match a fact of the peer. Each is one row in rule_member.c, which says
 * how its values are read, which facts they meet, and what is said when none fits. */
#ifndef NODEKEY_RULE_MEMBER_H
#define NODEKEY_RULE_MEMBER_H

#include <stdint.h>

enum rule_member {
    RULE_URI,
    RULE_DNS,
    RULE_IP,
    RULE_EMAIL,
    RULE_CN,
    RULE_SPKI_SHA256,
    RULE_ISSUER_SPKI_SHA256,
    RULE_SERIAL,
    RULE_POLICY_OID,
    RULE_EXTENDED_KEY_USAGE,
    RULE_KEY_TYPES,
    RULE_MAX_LIFETIME_DAYS, /* its value is a number, given as decimal text */
    RULE_MEMBERS
};

/* The JSON name of a member: "spki_sha256". */
const char *rule_member_name(enum rule_member member);
/* The greatest JSON number that a member takes, from 1 on; 0: it takes an array of texts. */
unsigned rule_member_max(enum rule_member member);
/* The name of the member that matches names of this kind (NK_NAME_*): "uri", "dns", "ip", "email".
 * NULL: there is none. */
const char *rule_member_of_kind(uint32_t name_kind);

#endif
