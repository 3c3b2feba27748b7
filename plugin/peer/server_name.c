/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/server_name.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/x509v3.h>

#define DIGITS "0123456789"
#define NAME_MAX_BYTES 255 /* RFC 1035 2.3.4, with the dot at the end */

struct address {
    char text[INET6_ADDRSTRLEN]; /* as dialled, without brackets and zone */
    uint8_t bytes[16];
    size_t len;
};

/* 1: an address. 0: a name. -1: neither; no certificate can hold a stray bracket. A zone says on
 * which of our own links the address is, and only of IPv6: RFC 4007 11. */
static int read_address(const char *target, struct address *address)
{
    size_t len = strlen(target);
    bool bracketed = len >= 2 && target[0] == '[' && target[len - 1] == ']';

    if (bracketed) {
        target++;
        len -= 2;
    }
    const char *zone = memchr(target, '%', len);
    size_t zone_len = zone != NULL ? len - (size_t)(zone - target) : 0;
    len = zone_len > 1 ? len - zone_len : len;
    snprintf(address->text, sizeof(address->text), "%.*s",
             len < sizeof(address->text) ? (int)len : 0, target);
    if (!bracketed && zone == NULL && inet_pton(AF_INET, address->text, address->bytes) == 1) {
        address->len = 4;
        return 1;
    }
    if (inet_pton(AF_INET6, address->text, address->bytes) == 1) {
        address->len = 16;
        return 1;
    }
    return bracketed || strpbrk(target, "[]:%") != NULL ? -1 : 0;
}

/* gRPC's check of each call compares an address as text with the certificate's as inet_ntop writes
 * it; by case, unless a letter comes before the first colon, since it takes that for a name. */
static bool is_spelled_for_grpc(const struct address *address, const char *spelling)
{
    bool by_case = strchr(":.", address->text[strspn(address->text, DIGITS)]) != NULL;

    return (by_case ? strcmp : strcasecmp)(address->text, spelling) == 0;
}

static int address_fits(X509 *leaf, const struct address *address, char *spelling)
{
    char written[SERVER_NAME_ADDRESS_BYTES];

    int found = X509_check_ip(leaf, address->bytes, address->len, 0);
    if (found <= 0 || inet_ntop(address->len == 4 ? AF_INET : AF_INET6, address->bytes, written,
                                sizeof(written)) == NULL) {
        return found > 0 ? -1 : found;
    }
    if (is_spelled_for_grpc(address, written)) {
        return 1;
    }
    memcpy(spelling, written, sizeof(written));
    return 0;
}

/* IPv4 addresses as inet_aton reads them, such as 127.0.0.01, gRPC compares as text alone: a
 * name does not end so (RFC 1123 2.1). */
static bool looks_like_address(const char *name)
{
    int dots = 0;

    for (const char *at = name; (at = strchr(at, '.')) != NULL; at++) {
        dots++;
    }
    return dots >= 3 && name[strspn(name, DIGITS ".")] == '\0';
}

static int host_fits(X509 *leaf, const char *name, size_t len)
{
    int found = X509_check_host(
        leaf, name, len, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
        NULL);
    return found == -2 ? 0 : found; /* -2: no name that a certificate could hold */
}

/* A dot at the end, on either side, makes the same name absolute: RFC 1034 3.1. */
static int name_fits(X509 *leaf, const char *target)
{
    char absolute[NAME_MAX_BYTES + 1];
    struct address address;
    size_t len = strlen(target);

    len -= len > 0 && target[len - 1] == '.' ? 1 : 0;
    /* A leading dot would ask OpenSSL for any name below it. */
    if (len == 0 || len >= NAME_MAX_BYTES || target[0] == '.' || target[len - 1] == '.') {
        return 0;
    }
    snprintf(absolute, sizeof(absolute), "%.*s", (int)len, target);
    if (read_address(absolute, &address) != 0 || looks_like_address(absolute)) {
        return 0; /* addresses have no absolute form */
    }
    int found = host_fits(leaf, absolute, len);
    if (found != 0) {
        return found;
    }
    absolute[len] = '.';
    return host_fits(leaf, absolute, len + 1);
}

int server_name_fits(X509 *leaf, const char *target, char spelling[SERVER_NAME_ADDRESS_BYTES])
{
    struct address address;

    spelling[0] = '\0';
    int kind = read_address(target, &address);
    if (kind > 0) {
        return address_fits(leaf, &address, spelling);
    }
    return kind < 0 ? 0 : name_fits(leaf, target);
}
