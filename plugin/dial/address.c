/* SPDX-License-Identifier: Apache-2.0 */
#include "dial/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/text.h"
#include "wait/bounded_call.h"

#define DIGITS "0123456789"
#define PORT_MAX 65535

/* --- HOST:PORT --- */

static bool is_port(const char *text)
{
    size_t digits = strspn(text, DIGITS);
    long port = digits > 0 && digits <= 5 && text[digits] == '\0' ? strtol(text, NULL, 10) : 0;

    return port > 0 && port <= PORT_MAX;
}

/* The colon before the port; NULL: there is none, or it could be an address's. */
static const char *find_colon(const char *text)
{
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        return end != NULL && end[1] == ':' ? end + 1 : NULL;
    }
    const char *colon = strchr(text, ':');
    return colon != NULL && strchr(colon + 1, ':') == NULL ? colon : NULL;
}

nk_status dial_target_read(const char *text, struct dial_target *ret_target, nk_error *err)
{
    char shown[DIAL_HOST_BYTES];

    text_escape(shown, sizeof(shown), text);
    if (!text_is(text, TEXT_VISIBLE) || strchr(text, '/') != NULL || strchr(text, ',') != NULL ||
        strncmp(text, "unix", 4) == 0) {
        return report(err, NK_E_USAGE,
                      "\"%s\" is not HOST:PORT; only TCP is dialled, so leave out what is before "
                      "the host, such as dns:///",
                      shown);
    }
    const char *colon = find_colon(text);
    if (colon == NULL) {
        return report(err, NK_E_USAGE,
                      "\"%s\" has no port, where gRPC would dial 443; give HOST:PORT, and an IPv6 "
                      "address in brackets, such as [::1]:50051",
                      shown);
    }
    size_t brackets = text[0] == '[' ? 1 : 0;
    size_t len = (size_t)(colon - text) - 2 * brackets;
    if (!is_port(colon + 1) || len == 0 || len >= sizeof(ret_target->host)) {
        return report(err, NK_E_USAGE, "\"%s\" has no %s; give HOST:PORT, such as 127.0.0.1:50051",
                      shown,
                      is_port(colon + 1) ? "host that can be dialled" : "port from 1 to 65535");
    }
    snprintf(ret_target->host, sizeof(ret_target->host), "%.*s", (int)len, text + brackets);
    snprintf(ret_target->port, sizeof(ret_target->port), "%s", colon + 1);
    return NK_OK;
}

/* --- addresses --- */

struct lookup {
    struct bounded_call bounded; /* first: the thread knows no more */
    struct dial_target target;
    struct addrinfo *found;
    int code; /* of getaddrinfo; its errno where the code says so */
    int cause;
};

static void run_lookup(struct bounded_call *bounded)
{
    struct lookup *lookup = (struct lookup *)bounded;
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV };

    errno = 0;
    lookup->code = getaddrinfo(lookup->target.host, lookup->target.port, &hints, &lookup->found);
    lookup->cause = errno;
}

static void clear_lookup(struct bounded_call *bounded)
{
    struct lookup *lookup = (struct lookup *)bounded;

    if (lookup->found != NULL) {
        freeaddrinfo(lookup->found);
    }
}

static void copy_addresses(const struct addrinfo *found, struct dial_addresses *addresses)
{
    for (; found != NULL && addresses->len < DIAL_ADDRESSES_MAX; found = found->ai_next) {
        struct dial_address *address = &addresses->at[addresses->len];
        if (found->ai_addrlen <= sizeof(address->at)) {
            memcpy(&address->at, found->ai_addr, found->ai_addrlen);
            address->len = found->ai_addrlen;
            addresses->len++;
        }
    }
}

static void tell_lookup(const struct lookup *lookup, enum bounded_call_end end,
                        unsigned patience_ms, char detail[NK_DETAIL_BYTES])
{
    if (end == BOUNDED_CALL_LEFT) {
        snprintf(detail, NK_DETAIL_BYTES, "the resolver did not answer in %u ms; see resolv.conf",
                 patience_ms);
    } else if (end != BOUNDED_CALL_DONE) {
        snprintf(detail, NK_DETAIL_BYTES, "no thread can be made for the resolver");
    } else {
        snprintf(detail, NK_DETAIL_BYTES, "%s",
                 lookup->code == EAI_SYSTEM ? strerror(lookup->cause) : gai_strerror(lookup->code));
    }
}

bool dial_lookup(const struct dial_target *target, unsigned patience_ms,
                 struct dial_addresses *ret_addresses, char detail[NK_DETAIL_BYTES])
{
    struct lookup *lookup = bounded_call_new(sizeof(*lookup), run_lookup, clear_lookup);
    if (lookup == NULL) {
        snprintf(detail, NK_DETAIL_BYTES, "out of memory");
        return false;
    }
    lookup->bounded.where = "the resolver";
    lookup->bounded.outside_gate = true;
    lookup->target = *target;
    ret_addresses->len = 0;
    enum bounded_call_end end = bounded_call_run(&lookup->bounded, patience_ms, true);
    if (end == BOUNDED_CALL_DONE && lookup->code == 0) {
        copy_addresses(lookup->found, ret_addresses);
    } else {
        tell_lookup(lookup, end, patience_ms, detail);
    }
    bounded_call_drop(&lookup->bounded);
    return ret_addresses->len > 0;
}

void dial_address_text(const struct dial_address *address, char *text, size_t room)
{
    char host[NI_MAXHOST] = "?";
    char port[NI_MAXSERV] = "?";

    (void)getnameinfo((const struct sockaddr *)&address->at, address->len, host, sizeof(host), port,
                      sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, room, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}
