/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/server_name.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

/* 1: an address. 0: a name. -1: neither; no certificate can hold a zone or a stray bracket. */
static int address_of(const char *target, uint8_t address[16], size_t *ret_len)
{
    char text[INET6_ADDRSTRLEN] = "";
    size_t len = strlen(target);
    bool bracketed = len >= 2 && target[0] == '[' && target[len - 1] == ']';

    if (bracketed) {
        target++;
        len -= 2;
    }
    snprintf(text, sizeof(text), "%.*s", len < sizeof(text) ? (int)len : 0, target);
    if (!bracketed && inet_pton(AF_INET, text, address) == 1) {
        *ret_len = 4;
        return 1;
    }
    if (inet_pton(AF_INET6, text, address) == 1) {
        *ret_len = 16;
        return 1;
    }
    return bracketed || strpbrk(target, "[]:%") != NULL ? -1 : 0;
}

int server_name_fits(X509 *leaf, const char *target)
{
    uint8_t address[16];
    size_t address_len = 0;

    int kind = address_of(target, address, &address_len);
    if (kind > 0) {
        return X509_check_ip(leaf, address, address_len, 0);
    }
    /* A leading dot would ask OpenSSL for any name below it. */
    if (kind < 0 || target[0] == '\0' || target[0] == '.') {
        return 0;
    }
    int found = X509_check_host(
        leaf, target, strlen(target),
        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);
    return found == -2 ? 0 : found; /* -2: no name that a certificate could hold */
}
