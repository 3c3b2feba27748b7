/* SPDX-License-Identifier: Apache-2.0
 * What passes in a handshake, told by OpenSSL's callbacks: its result alone says neither who broke
 * it off nor whether our certificate had been shown by then. */
#ifndef NODEKEY_DIAL_SEEN_H
#define NODEKEY_DIAL_SEEN_H

#include <stdbool.h>

#include <openssl/ssl.h>

#define SEEN_NO_ALERT (-1)

struct seen {
    bool asked;         /* for our certificate */
    bool shown;         /* our certificate was sent; an empty list does not count */
    bool has_signed;    /* our signature was sent */
    const char *scheme; /* of our signature; of static lifetime */
    int alert;          /* that ends the connection, from them; SEEN_NO_ALERT: none */
};

/* `seen` lives as long as the connection. [any] */
void seen_watch(struct seen *seen, SSL *ssl);
/* Its name in RFC 8446 6, or its number; of static lifetime where it has a name. [any] */
const char *seen_alert_name(int alert);

#endif
