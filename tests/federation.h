/* SPDX-License-Identifier: Apache-2.0
 * A whole federation on disk: a root and an intermediate, and members with a token, a key generated
 * on it, a certificate, a PIN file and a configuration. softhsm_start comes first. */
#ifndef NODEKEY_TESTS_FEDERATION_H
#define NODEKEY_TESTS_FEDERATION_H

#include "authority.h"
#include "plugin_host.h"
#include "tls_peer.h"

struct grpc_server_credentials;
struct grpc_channel_credentials;

struct federation {
    const char *name; /* its trust domain: members are spiffe://NAME/node/LABEL */
    const char *folder;
    struct authority root;
    struct authority intermediate;
};

struct member {
    const struct federation *federation;
    const char *label;  /* of the token, and the stem of the files */
    const char *module; /* "softhsm" unless a test sets it */
    const char *uri;
    X509 *leaf;
};

void federation_make(struct federation *federation, const char *name);
void federation_free(struct federation *federation);
/* Writes root.crl and intermediate.crl, both with this number; the latter revokes `revoked`, up to
 * the first NULL. NULL: nobody. */
void federation_write_crls(const struct federation *federation, long number, X509 **revoked);
/* The merge patch that asks for them, hard, and looks every second. */
#define FEDERATION_CRLS                                                                            \
    "\"federation\": {\"crls\": [\"root.crl\", \"intermediate.crl\"]}, "                           \
    "\"reload\": {\"interval_seconds\": 1}"

/* The good certificate of a member: its URI, the loopback address, both usages. */
struct certificate_spec member_spec(const struct federation *federation, const char *label);
/* Makes the token, the key "identity" of this type on it, and the files. */
void federation_enrol(const struct federation *federation, struct member *member, const char *label,
                      const char *key_type);
/* A further identity for a token that exists: key OBJECT with its own certificate file
 * LABEL-OBJECT.pem, for tests that would otherwise make many tokens. */
void member_add_key(const struct member *member, const char *object, const char *id,
                    const char *key_type);
/* Certificate file: the leaf, then the intermediate. */
void member_write_certificate(const struct member *member, const char *file, X509 *leaf);
void member_free(struct member *member);

/* The configuration with an RFC 7386 merge patch laid over it (null removes). Owned: free. */
char *member_config(const struct member *member, const char *patch);

/* The merge patch that selects a key of member_add_key. */
const char *member_patch_key(const struct member *member, const char *object);

/* A good member without token: plain OpenSSL. Borrows from the federation. */
struct tls_peer stranger_make(const struct federation *federation);
void stranger_free(struct tls_peer *stranger);

/* One opened instance with its host and credentials. */
struct node {
    struct recorder *log;
    nk_host host;
    nk_instance *instance;
    struct grpc_server_credentials *server;
    struct grpc_channel_credentials *channel;
};

/* Opens and makes both credentials; aborts with the error's text. grpc_init comes first. */
void node_open(struct node *node, const struct member *member, const char *patch);
/* Only recorder and host, for tests that set callbacks; then node_open_with. */
void node_prepare(struct node *node);
void node_open_with(struct node *node, const struct member *member, const char *patch);
void node_close(struct node *node);

#endif
