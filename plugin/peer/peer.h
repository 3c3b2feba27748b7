/* SPDX-License-Identifier: Apache-2.0
 * Certificates that a peer showed, and the facts of them that rules, hooks and logs speak about. */
#ifndef NODEKEY_PEER_H
#define NODEKEY_PEER_H

#include <stdbool.h>

#include <stdatomic.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "nodekey/plugin.h"
#include "rules/traits.h"

#define PEER_CHAIN_MAX_BYTES 131072u /* PEM text of a whole chain */
#define PEER_CHAIN_MAX_CERTS 10

/* Peer in one role. Owns all of its members; `facts` and `traits` point into the others. Nothing
 * changes once it is read, so any thread may look, but for peer_forget_certificates. */
struct peer {
    X509 *leaf;             /* NULL: forgotten; likewise `others` */
    STACK_OF(X509) *others; /* sent beside the leaf; may be empty */
    nk_peer facts;          /* `rule` is NULL: it is a verdict's, no fact of the peer */
    struct traits traits;   /* those of the path are unknown: certified.h */
    struct peer_storage *storage;
    atomic_uint references;
};

/* [any] `leaf_pem` may be NULL or "" (no certificate: NK_E_PEER). `chain_pem` may be NULL, may or
 * may not begin with the leaf. `target` may be NULL. A name that rules can match and that readers
 * may read differently is NK_E_PEER (NUL, control bytes, non-ASCII; no DNS name; IPv4 written as
 * IPv6; too long; a second common name; an extension that is not DER), and so is any other fact
 * that rules match and that cannot be read (key, serial number, validity, extended key usage): such
 * a certificate is refused, not guessed at. NK_E_USAGE: no such role; NK_E_NOMEM, NK_E_INTERNAL.
 * *ret_peer is owned: peer_free. */
MUST_USE nk_status peer_read(uint32_t role, const char *target, const char *leaf_pem,
                             const char *chain_pem, struct peer **ret_peer, nk_error *err);
/* Certificates that somebody keeps decoded. `find` [any]: the one of exactly these bytes, with a
 * reference for the caller; NULL: decode them. */
struct peer_decoded {
    X509 *(*find)(void *arg, const unsigned char *der, size_t len);
    void *arg;
};
/* [any] As peer_read, but decodes no certificate again that `decoded` has, the leaf aside. NULL:
 * all are decoded. */
MUST_USE nk_status peer_read_beside(uint32_t role, const char *target, const char *leaf_pem,
                                    const char *chain_pem, const struct peer_decoded *decoded,
                                    struct peer **ret_peer, nk_error *err);
/* [any] Whether peer_read would read a peer that shows this leaf; its errors but for PEM's. */
MUST_USE nk_status peer_check_leaf(X509 *leaf, nk_error *err);
/* [any] One more holder, each of which calls peer_free. */
struct peer *peer_ref(struct peer *peer);
/* [one] Frees the certificates as OpenSSL decoded them, which nothing but judging needs, and which
 * take twenty times their DER if the peer wants it so. The facts stay, with the DER. Only for the
 * sole holder. */
void peer_forget_certificates(struct peer *peer);
/* [any] NULL is allowed. */
void peer_free(struct peer *peer);
DEFINE_AUTO(struct peer *, peer_free);
/* [any] "CN=..., spiffe://..., sha256:abcd..." for one log line. */
void peer_describe(const struct peer *peer, char *text, size_t room);
/* [any] The same for who was dialled by a name that the peer lacks: "DNS a.example, b.example,
 * ...", or "no DNS name: ..." where it has none of that kind. */
void peer_describe_dialled(const struct peer *peer, char *text, size_t room);

#endif
