/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/rule_values.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/text.h"
#include "rules/address.h"
#include "rules/glob.h"

#define CN_MAX_BYTES 255
#define DAY_SECONDS 86400

struct rule_quote rule_quote(const char *value)
{
    struct rule_quote q = { "" };
    size_t len = strnlen(value, sizeof(q.text) - 1);
    memcpy(q.text, value, len);
    text_flatten(q.text, len, TEXT_PRINTABLE);
    if (value[len] != '\0') {
        memcpy(q.text + len - 3, "...", 3);
    }
    return q;
}

nk_status rule_set_key(struct rule_value *value, const void *bytes, size_t len, nk_error *err)
{
    uint8_t *key = malloc(len + 1);
    if (key == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    memcpy(key, bytes, len);
    key[len] = '\0';
    value->key = key;
    value->len = len;
    return NK_OK;
}

int rule_compare_keys(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

long rule_read_number(const char *digits, long min, long max)
{
    size_t len = strspn(digits, "0123456789");
    if (len == 0 || len > 9 || digits[len] != '\0' || (len > 1 && digits[0] == '0')) {
        return -1;
    }
    long number = strtol(digits, NULL, 10);
    return number >= min && number <= max ? number : -1;
}

/* <ctype.h> is not used: its answers depend on the host's locale. */
void rule_lower(char *text)
{
    for (; *text != '\0'; text++) {
        *text = (char)(*text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text);
    }
}

/* --- reading values --- */

nk_status rule_read_uri(const char *text, struct rule_value *value, nk_error *err)
{
    const char *problem = glob_uri_problem(text);
    if (problem != NULL) {
        return report(err, NK_E_CONFIG, "\"%s\" %s", rule_quote(text).text, problem);
    }
    value->exact = strchr(text, '*') == NULL;
    return rule_set_key(value, text, strlen(text), err);
}

nk_status rule_read_dns(const char *text, struct rule_value *value, nk_error *err)
{
    const char *problem = glob_dns_problem(text);
    if (problem != NULL) {
        return report(err, NK_E_CONFIG, "\"%s\" %s", rule_quote(text).text, problem);
    }
    value->exact = text[0] != '*';
    nk_status status = rule_set_key(value, text, strlen(text), err);
    if (status == NK_OK) {
        rule_lower((char *)value->key);
    }
    return status;
}

nk_status rule_read_email(const char *text, struct rule_value *value, nk_error *err)
{
    const char *problem = glob_email_problem(text);
    if (problem != NULL) {
        return report(err, NK_E_CONFIG, "\"%s\" %s", rule_quote(text).text, problem);
    }
    value->exact = true;
    nk_status status = rule_set_key(value, text, strlen(text), err);
    if (status == NK_OK) {
        rule_lower(strchr((char *)value->key, '@'));
    }
    return status;
}

nk_status rule_read_cn(const char *text, struct rule_value *value, nk_error *err)
{
    if (text[0] == '\0' || strlen(text) > CN_MAX_BYTES || !text_is(text, TEXT_PRINTABLE)) {
        return report(err, NK_E_CONFIG, "\"%s\" is no common name: 1 to %d printable ASCII bytes",
                      rule_quote(text).text, CN_MAX_BYTES);
    }
    value->exact = true;
    return rule_set_key(value, text, strlen(text), err);
}

nk_status rule_read_lifetime(const char *text, struct rule_value *value, nk_error *err)
{
    if (rule_read_number(text, 1, RULE_LIFETIME_MAX_DAYS) < 0) {
        return report(err, NK_E_CONFIG, "\"%s\" is no number of days from 1 to %d",
                      rule_quote(text).text, RULE_LIFETIME_MAX_DAYS);
    }
    return rule_set_key(value, text, strlen(text), err);
}

/* --- addresses --- */

bool rule_read_address(const char *text, uint8_t key[RULE_ADDRESS_BYTES])
{
    memset(key, 0, RULE_ADDRESS_BYTES);
    if (inet_pton(AF_INET, text, key + 2) == 1) {
        key[0] = 4;
    } else if (inet_pton(AF_INET6, text, key + 2) == 1) {
        key[0] = 16;
    }
    key[1] = (uint8_t)(key[0] * 8);
    return key[0] != 0;
}

bool rule_cut_address(uint8_t key[RULE_ADDRESS_BYTES], unsigned prefix_bits)
{
    bool cleared = false;
    uint8_t *address = key + 2;

    key[1] = (uint8_t)prefix_bits;
    for (unsigned i = 0; i < key[0]; i++) {
        unsigned kept = prefix_bits > i * 8 ? prefix_bits - i * 8 : 0;
        unsigned host_mask = kept >= 8 ? 0 : 0xffu >> kept;
        cleared = cleared || (address[i] & host_mask) != 0;
        address[i] = (uint8_t)(address[i] & ~host_mask);
    }
    return cleared;
}

static nk_status refuse_hidden_ipv4(const char *text, const uint8_t *address, long bits,
                                    nk_error *err)
{
    char ipv4[INET_ADDRSTRLEN] = "";

    inet_ntop(AF_INET, address + ADDRESS_IPV4_AT, ipv4, sizeof(ipv4));
    if (bits < ADDRESS_IPV4_AT * 8L) {
        return report(err, NK_E_CONFIG,
                      "\"%s\" is IPv4 written as IPv6, which matches no peer: write %s and a "
                      "prefix length of IPv4",
                      rule_quote(text).text, ipv4);
    }
    return report(err, NK_E_CONFIG,
                  "\"%s\" is IPv4 written as IPv6, which matches no peer: write %s/%ld",
                  rule_quote(text).text, ipv4, bits - ADDRESS_IPV4_AT * 8L);
}

nk_status rule_read_ip(const char *text, struct rule_value *value, nk_error *err)
{
    char address[INET6_ADDRSTRLEN] = "";
    uint8_t key[RULE_ADDRESS_BYTES];
    size_t len = strcspn(text, "/");
    if (len < sizeof(address)) {
        memcpy(address, text, len);
    }
    if (!rule_read_address(address, key)) {
        return report(err, NK_E_CONFIG, "\"%s\" is neither an IPv4 nor an IPv6 address or network",
                      rule_quote(text).text);
    }
    long bits = text[len] == '/' ? rule_read_number(text + len + 1, 0, key[1]) : key[1];
    if (bits < 0) {
        return report(err, NK_E_CONFIG, "\"%s\" has no prefix length from 0 to %u after the slash",
                      rule_quote(text).text, key[1]);
    }
    if (key[0] == ADDRESS_IPV6_BYTES && address_hides_ipv4(key + 2)) {
        return refuse_hidden_ipv4(text, key + 2, bits, err);
    }
    value->exact = bits == key[1];
    if (rule_cut_address(key, (unsigned)bits)) {
        char network[INET6_ADDRSTRLEN] = "";
        inet_ntop(key[0] == 4 ? AF_INET : AF_INET6, key + 2, network, sizeof(network));
        return report(err, NK_E_CONFIG,
                      "\"%s\" has host bits beyond its prefix: write %s/%ld for the network or %s "
                      "for the address",
                      rule_quote(text).text, network, bits, address);
    }
    return rule_set_key(value, key, sizeof(key), err);
}

/* --- values and facts --- */

bool rule_fits_uri(const struct rule_value *value, const struct rule_fact *fact)
{
    return glob_uri_fits((const char *)value->key, (const char *)fact->bytes);
}

bool rule_fits_dns(const struct rule_value *value, const struct rule_fact *fact)
{
    return glob_dns_fits((const char *)value->key, (const char *)fact->bytes);
}

bool rule_fits_ip(const struct rule_value *value, const struct rule_fact *fact)
{
    uint8_t network[RULE_ADDRESS_BYTES];
    memcpy(network, fact->bytes, sizeof(network));
    if (network[0] != value->key[0]) {
        return false;
    }
    rule_cut_address(network, value->key[1]);
    return memcmp(network, value->key, sizeof(network)) == 0;
}

bool rule_fits_lifetime(const struct rule_value *value, const struct rule_fact *fact)
{
    long days = strtol((const char *)value->key, NULL, 10);
    return fact->number <= (int64_t)days * DAY_SECONDS;
}
