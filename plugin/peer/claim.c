/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/claim.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/report.h"

#define HOST_MAX_BYTES 256 /* a DNS name has at most 253 */
#define OWNED_BYTES 256

static bool copy_host(const char *from, size_t len, char host[HOST_MAX_BYTES])
{
    if (len == 0 || len >= HOST_MAX_BYTES) {
        return false;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    return true;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && text[digits] == '\0';
}

/* Host of "host", "host:port", "[v6]", "[v6]:port" and "v6". Two colons without brackets make an
 * address: which colon would be the port's? */
static bool read_host(const char *claim, char host[HOST_MAX_BYTES])
{
    const char *colon = strchr(claim, ':');

    if (claim[0] == '[') {
        const char *end = strchr(claim, ']');
        return end != NULL && (end[1] == '\0' || (end[1] == ':' && is_port(end + 2))) &&
               copy_host(claim + 1, (size_t)(end - claim - 1), host);
    }
    if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        return is_port(colon + 1) && copy_host(claim, (size_t)(colon - claim), host);
    }
    return copy_host(claim, strlen(claim), host);
}

static bool same_address(const char *a, const char *b)
{
    unsigned char left[sizeof(struct in6_addr)];
    unsigned char right[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, a, left) == 1) {
        return inet_pton(AF_INET, b, right) == 1 && memcmp(left, right, 4) == 0;
    }
    return inet_pton(AF_INET6, a, left) == 1 && inet_pton(AF_INET6, b, right) == 1 &&
           memcmp(left, right, 16) == 0;
}

static bool name_is_host(const nk_name *name, const char *host)
{
    return (name->kind == NK_NAME_IP && same_address(name->text, host)) ||
           (name->kind == NK_NAME_DNS && strchr(name->text, '*') == NULL &&
            strcasecmp(name->text, host) == 0);
}

static void list_owned(const nk_peer *peer, char *text, size_t room)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < peer->names_len && used < room; i++) {
        const nk_name *name = &peer->names[i];
        if (name->kind == NK_NAME_IP || name->kind == NK_NAME_DNS) {
            int len = snprintf(text + used, room - used, "%s%s", used > 0 ? ", " : "", name->text);
            used += len > 0 ? (size_t)len : 0;
        }
    }
}

nk_status claim_check(const nk_peer *peer, const char *claim, nk_error *err)
{
    char host[HOST_MAX_BYTES];
    char owned[OWNED_BYTES];

    if (!read_host(claim, host)) {
        return report(err, NK_E_PEER, "the peer claims to be \"%.128s\", which is no host", claim);
    }
    for (size_t i = 0; i < peer->names_len; i++) {
        if (name_is_host(&peer->names[i], host)) {
            return NK_OK;
        }
    }
    list_owned(peer, owned, sizeof(owned));
    return report(err, NK_E_PEER, "the peer claims to be %s, but its certificate is for %s", host,
                  owned[0] != '\0' ? owned : "no host at all");
}
