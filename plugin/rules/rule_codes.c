/* SPDX-License-Identifier: Apache-2.0
 * Values that are digests, numbers or names of a registry. Each is read into the one spelling that
 * facts have, so that comparing is comparing bytes. */
#include "rules/rule_values.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/objects.h>

#include "base/report.h"
#include "rules/traits.h"
#include "trust/key_types.h"

#define OID_TEXT_BYTES 256
#define ANY_POLICY "2.5.29.32.0"
#define RSA_MIN_BITS 1024
#define RSA_MAX_BITS 16384

nk_status rule_read_digest(const char *text, struct rule_value *value, nk_error *err)
{
    uint8_t pin[NK_SHA256_BYTES];
    const char *at = text;
    size_t len = 0;
    while (len < sizeof(pin)) {
        int high = OPENSSL_hexchar2int(at[0]);
        int low = high >= 0 ? OPENSSL_hexchar2int(at[1]) : -1;
        if (low < 0) {
            break;
        }
        pin[len++] = (uint8_t)(high * 16 + low);
        at += 2;
        at += *at == ':' && len < sizeof(pin) ? 1 : 0;
    }
    if (len < sizeof(pin) || *at != '\0') {
        return report(err, NK_E_CONFIG,
                      "\"%s\" is no SHA-256: 64 hexadecimal digits, colons between bytes allowed",
                      rule_quote(text).text);
    }
    value->exact = true;
    return rule_set_key(value, pin, sizeof(pin), err);
}

/* Digits that count are written to `digits`, in lower case; false: other bytes, or too many. */
static bool read_serial(const char *text, char *digits, size_t room)
{
    size_t len = 0;
    bool colon = true; /* none may come first */

    for (; *text != '\0'; text++) {
        int digit = OPENSSL_hexchar2int(*text);
        if (digit < 0 && (*text != ':' || colon)) {
            return false;
        }
        colon = digit < 0;
        if (digit < 0 || (digit == 0 && len == 0)) {
            continue;
        }
        if (len == room - 1) {
            return false;
        }
        digits[len++] = "0123456789abcdef"[digit];
    }
    digits[len] = '\0';
    return !colon;
}

nk_status rule_read_serial(const char *text, struct rule_value *value, nk_error *err)
{
    char serial[1 + 2 * TRAITS_SERIAL_MAX_BYTES + 1] = "-";
    char *digits = serial + 1;
    bool negative = text[0] == '-';

    if (!read_serial(text + negative, digits, sizeof(serial) - 1)) {
        return report(err, NK_E_CONFIG,
                      "\"%s\" is no serial number: up to %d hexadecimal digits as \"openssl x509 "
                      "-serial\" prints them, colons between them allowed",
                      rule_quote(text).text, 2 * TRAITS_SERIAL_MAX_BYTES);
    }
    const char *key = negative ? serial : digits;
    if (digits[0] == '\0') {
        key = "0";
    }
    value->exact = true;
    return rule_set_key(value, key, strlen(key), err);
}

/* Dotted decimal without leading zeros, as X.660 has it; its arcs may be of any size. */
static bool is_dotted_oid(const char *text)
{
    size_t arcs = 0;
    bool small = text[0] == '0' || text[0] == '1'; /* then the second arc is below 40 */

    if (strlen(text) >= OID_TEXT_BYTES || text[0] < '0' || text[0] > '2' || text[1] != '.') {
        return false;
    }
    for (const char *arc = text;; arc++) {
        size_t len = strspn(arc, "0123456789");
        if (len == 0 || (len > 1 && arc[0] == '0')) {
            return false;
        }
        if (arcs == 1 && small && (len > 2 || (len == 2 && arc[0] > '3'))) {
            return false;
        }
        arcs++;
        arc += len;
        if (*arc != '.') {
            return *arc == '\0' && arcs > 1;
        }
    }
}

nk_status rule_read_policy(const char *text, struct rule_value *value, nk_error *err)
{
    if (!is_dotted_oid(text)) {
        return report(
            err, NK_E_CONFIG,
            "\"%s\" is no object identifier: dotted numbers such as \"1.3.6.1.4.1.99999.1\"",
            rule_quote(text).text);
    }
    if (strcmp(text, ANY_POLICY) == 0) {
        return report(err, NK_E_CONFIG,
                      "\"" ANY_POLICY
                      "\" is anyPolicy, by which a CA asserts nothing in particular; "
                      "name the policy");
    }
    value->exact = true;
    return rule_set_key(value, text, strlen(text), err);
}

nk_status rule_read_usage(const char *text, struct rule_value *value, nk_error *err)
{
    char dotted[OID_TEXT_BYTES];

    value->exact = true;
    if (is_dotted_oid(text)) {
        return rule_set_key(value, text, strlen(text), err);
    }
    int nid = OBJ_sn2nid(text);
    const ASN1_OBJECT *usage = nid != NID_undef ? OBJ_nid2obj(nid) : NULL;
    int len =
        usage != NULL && OBJ_length(usage) > 0 ? OBJ_obj2txt(dotted, sizeof(dotted), usage, 1) : 0;
    if (len <= 0 || (size_t)len >= sizeof(dotted)) {
        return report(err, NK_E_CONFIG,
                      "\"%s\" is no extended key usage: a name such as \"clientAuth\" or "
                      "\"serverAuth\", or dotted numbers",
                      rule_quote(text).text);
    }
    return rule_set_key(value, dotted, (size_t)len, err);
}

nk_status rule_read_key_type(const char *text, struct rule_value *value, nk_error *err)
{
    const struct key_type *type = NULL;
    bool known =
        strcmp(text, "RSA") == 0 || (strncmp(text, "RSA-", 4) == 0 &&
                                     rule_read_number(text + 4, RSA_MIN_BITS, RSA_MAX_BITS) > 0);

    for (size_t i = 0; !known && (type = key_type_at(i)) != NULL; i++) {
        known = strcmp(text, type->name) == 0;
    }
    if (!known) {
        return report(err, NK_E_CONFIG,
                      "\"%s\" is no type of key: " KEY_TYPES_TAKEN ", where RSA is any size and "
                      "RSA-3072 that one (%d to %d)",
                      rule_quote(text).text, RSA_MIN_BITS, RSA_MAX_BITS);
    }
    value->exact = true;
    return rule_set_key(value, text, strlen(text), err);
}
