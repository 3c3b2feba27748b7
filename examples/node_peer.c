/* SPDX-License-Identifier: Apache-2.0 */
#include "node_peer.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX_BYTES 256

/* Cuts the host out of "host:port" and "[v6]:port". */
static bool read_host(const char *addr, char host[HOST_MAX_BYTES])
{
    const char *colon = strrchr(addr, ':');
    if (colon == NULL || colon == addr) {
        return false;
    }
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits == 0 || digits > 5 || colon[1 + digits] != '\0') {
        return false;
    }
    const char *start = addr;
    const char *end = colon;
    bool bracketed = *start == '[' && end[-1] == ']';
    bool colons = memchr(start, ':', (size_t)(end - start)) != NULL;
    if (bracketed != colons) {
        return false; /* without brackets, which colon of an IPv6 address is the port's? */
    }
    if (bracketed) {
        start++;
        end--;
    }
    if (end <= start || end - start >= HOST_MAX_BYTES) {
        return false;
    }
    size_t len = (size_t)(end - start);
    memcpy(host, start, len);
    host[len] = '\0';
    return true;
}

static bool same_ip(const char *a, const char *b)
{
    unsigned char left[sizeof(struct in6_addr)];
    unsigned char right[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, a, left) == 1) {
        return inet_pton(AF_INET, b, right) == 1 && memcmp(left, right, 4) == 0;
    }
    return inet_pton(AF_INET6, a, left) == 1 && inet_pton(AF_INET6, b, right) == 1 &&
           memcmp(left, right, 16) == 0;
}

bool peer_has_address(const nk_peer *peer, const char *addr)
{
    char host[HOST_MAX_BYTES];
    if (!read_host(addr, host)) {
        return false;
    }
    for (size_t i = 0; i < peer->names_len; i++) {
        const nk_name *name = &peer->names[i];
        /* A wildcard is a pattern, not an address: it equals no host. */
        if ((name->kind == NK_NAME_IP && same_ip(name->text, host)) ||
            (name->kind == NK_NAME_DNS && strcasecmp(name->text, host) == 0)) {
            return true;
        }
    }
    return false;
}

const char *peer_label(const nk_peer *peer)
{
    for (size_t i = 0; i < peer->names_len; i++) {
        if (peer->names[i].kind == NK_NAME_URI) {
            return peer->names[i].text;
        }
    }
    return peer->common_name;
}

const char *peer_printable(const char *said, char text[PRINTABLE_BYTES])
{
    size_t len = strnlen(said, PRINTABLE_BYTES - 1);
    for (size_t i = 0; i < len; i++) {
        text[i] = said[i];
        if (said[i] < ' ' || said[i] > '~') {
            text[i] = '?';
        }
    }
    text[len] = '\0';
    return text;
}
