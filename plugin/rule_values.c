/* SPDX-License-Identifier: Apache-2.0 */
#include "rule_values.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "report.h"

#define CN_MAX_BYTES 255

struct rule_quote rule_quote(const char *value)
{
    struct rule_quote q = { "" };
    size_t len = 0;
    for (; value[len] != '\0' && len < sizeof(q.text) - 1; len++) {
        q.text[len] = (char)(value[len] >= ' ' && value[len] < 0x7f ? value[len] : '?');
    }
    if (value[len] != '\0') {
        memcpy(q.text + len - 3, "...", 3);
    }
    return q;
}

bool rule_is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text >= 0x7f) {
            return false;
        }
    }
    return true;
}

static nk_status parse_uri(const char *text, struct rule_value *value, nk_error *err)
{
    (void)value;
    const char *problem = glob_uri_problem(text);
    return problem == NULL ? NK_OK
                           : report(err, NK_E_CONFIG, "\"%s\" %s", rule_quote(text).text, problem);
}

static nk_status parse_dns(const char *text, struct rule_value *value, nk_error *err)
{
    (void)value;
    const char *problem = glob_dns_problem(text);
    return problem == NULL ? NK_OK
                           : report(err, NK_E_CONFIG, "\"%s\" %s", rule_quote(text).text, problem);
}

static nk_status parse_cn(const char *text, struct rule_value *value, nk_error *err)
{
    (void)value;
    if (text[0] == '\0' || strlen(text) > CN_MAX_BYTES || !rule_is_printable(text)) {
        return report(err, NK_E_CONFIG, "\"%s\" is no common name: 1 to %d printable ASCII bytes",
                      rule_quote(text).text, CN_MAX_BYTES);
    }
    return NK_OK;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static nk_status parse_pin(const char *text, struct rule_value *value, nk_error *err)
{
    const char *at = text;
    size_t len = 0;
    while (len < NK_SHA256_BYTES) {
        int high = hex_digit(at[0]);
        int low = high >= 0 ? hex_digit(at[1]) : -1;
        if (low < 0) {
            break;
        }
        value->bytes[len++] = (uint8_t)(high * 16 + low);
        at += 2;
        at += *at == ':' && len < NK_SHA256_BYTES ? 1 : 0;
    }
    if (len < NK_SHA256_BYTES || *at != '\0') {
        return report(err, NK_E_CONFIG,
                      "\"%s\" is no SHA-256: 64 hexadecimal digits, colons between bytes allowed",
                      rule_quote(text).text);
    }
    return NK_OK;
}

static size_t parse_address(const char *text, uint8_t address[16])
{
    if (inet_pton(AF_INET, text, address) == 1) {
        return 4;
    }
    return inet_pton(AF_INET6, text, address) == 1 ? 16 : 0;
}

/* Clears what lies behind the prefix; true if anything did. */
static bool clear_host_bits(uint8_t *address, size_t len, unsigned prefix_bits)
{
    bool cleared = false;
    for (size_t i = 0; i < len; i++) {
        unsigned kept = prefix_bits > i * 8 ? prefix_bits - (unsigned)i * 8 : 0;
        unsigned host_mask = kept >= 8 ? 0 : 0xffu >> kept;
        cleared = cleared || (address[i] & host_mask) != 0;
        address[i] = (uint8_t)(address[i] & ~host_mask);
    }
    return cleared;
}

/* -1: no number from 0 to `max` in plain decimal. */
static int parse_prefix(const char *digits, unsigned max)
{
    size_t len = strspn(digits, "0123456789");
    if (len == 0 || len > 3 || digits[len] != '\0' || (len > 1 && digits[0] == '0')) {
        return -1;
    }
    unsigned long bits = strtoul(digits, NULL, 10);
    return bits <= max ? (int)bits : -1;
}

static nk_status parse_ip(const char *text, struct rule_value *value, nk_error *err)
{
    char address[INET6_ADDRSTRLEN] = "";
    size_t len = strcspn(text, "/");
    if (len < sizeof(address)) {
        memcpy(address, text, len);
        value->address_len = parse_address(address, value->bytes);
    }
    if (value->address_len == 0) {
        return report(err, NK_E_CONFIG, "\"%s\" is neither an IPv4 nor an IPv6 address or network",
                      rule_quote(text).text);
    }

    unsigned max_bits = (unsigned)value->address_len * 8;
    int bits = text[len] == '/' ? parse_prefix(text + len + 1, max_bits) : (int)max_bits;
    if (bits < 0) {
        return report(err, NK_E_CONFIG, "\"%s\" has no prefix length from 0 to %u after the slash",
                      rule_quote(text).text, max_bits);
    }
    value->prefix_bits = (unsigned)bits;
    if (clear_host_bits(value->bytes, value->address_len, value->prefix_bits)) {
        char network[INET6_ADDRSTRLEN] = "";
        inet_ntop(value->address_len == 4 ? AF_INET : AF_INET6, value->bytes, network,
                  sizeof(network));
        return report(err, NK_E_CONFIG,
                      "\"%s\" has host bits beyond its prefix: write %s/%d for the network or %s "
                      "for the address",
                      rule_quote(text).text, network, bits, address);
    }
    return NK_OK;
}

static bool fits_uri(const struct rule_value *value, const char *text)
{
    return glob_uri_fits(value->text, text);
}

static bool fits_dns(const struct rule_value *value, const char *text)
{
    return glob_dns_fits(value->text, text);
}

static bool fits_ip(const struct rule_value *value, const char *text)
{
    uint8_t address[16];
    if (parse_address(text, address) != value->address_len) {
        return false;
    }
    clear_host_bits(address, value->address_len, value->prefix_bits);
    return memcmp(address, value->bytes, value->address_len) == 0;
}

static bool fits_cn(const struct rule_value *value, const char *text)
{
    return strcmp(value->text, text) == 0;
}

const struct rule_member_type rule_member_types[RULE_MEMBERS] = {
    [RULE_URI] = { "uri", NK_NAME_URI, parse_uri, fits_uri },
    [RULE_DNS] = { "dns", NK_NAME_DNS, parse_dns, fits_dns },
    [RULE_IP] = { "ip", NK_NAME_IP, parse_ip, fits_ip },
    [RULE_CN] = { "cn", 0, parse_cn, fits_cn },
    [RULE_SPKI_SHA256] = { "spki_sha256", 0, parse_pin, NULL },
};
