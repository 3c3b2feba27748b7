/* SPDX-License-Identifier: Apache-2.0
 * The policy matrix: kinds of peers (matrix_peers.c) and policies (matrix_rows.c) as data, and the
 * two ways to ask for a verdict, the validator alone (matrix_judge.c) and a real handshake
 * (matrix_wire.c).
 *
 * A verdict is one text: "+RULE" admits, "-REASON" or "-REASON RULE" refuses. "~" before it: TLS
 * refuses by itself, so no verdict comes over the wire and only "no handler ran" is asserted; "~"
 * alone: there is nothing that the validator could be asked about. */
#ifndef NODEKEY_TESTS_MATRIX_H
#define NODEKEY_TESTS_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "fixtures/federation.h"
#include "fixtures/wire/tls_peer.h"

#define MATRIX_DOMAIN "spiffe://example.org"
#define MATRIX_TEXT_BYTES 160
#define MATRIX_DETAIL_BYTES NK_ERROR_TEXT_BYTES
#define MATRIX_TARGET "127.0.0.1"

enum matrix_policy {
    /* The product: every kind meets each of these. */
    MEMBERS,   /* strict, a URI rule */
    LOOSE,     /* the same, strict false */
    CERTIFIED, /* strict, all-certified */
    NOBODY,    /* an empty admit */
    BY_RULE,   /* server_name "rule" */
    HARD,      /* with CRLs */
    SOFT,
    PRODUCT_POLICIES,
    /* The rest has rows by hand. */
    PLAIN = PRODUCT_POLICIES, /* as MEMBERS, without deny */
    PLAIN_CERTIFIED,
    LOOSE_CERTIFIED,
    POOL,
    GRACE,
    MAX_AGE,
    BY_DNS,
    BY_DNS_ALONE,
    BY_EMAIL,
    NOT_EMAIL,
    BY_ADDRESS,
    BY_CN,
    BY_PIN,
    NOT_PIN,
    NOT_SERIAL,
    BY_ISSUER,
    BY_POLICY,
    BY_USAGE,
    BY_PRIVATE_USAGE,
    BY_KEY_TYPE,
    BY_RSA,
    BY_LIFETIME,
    INBOUND,
    OUTBOUND,
    NOT_INBOUND,
    BOTH_MEMBERS,
    CANDIDATE,
    RULE_WITHOUT_URI,
    MATRIX_POLICIES,
};

enum matrix_kind {
    MEMBER,
    MEMBER_OVER_1_2,
    MEMBER_OF_ROOT,
    ROOT_SENT_ALONG,
    INTERMEDIATE_KEPT,
    UNKNOWN_KEPT,
    SELF_SIGNED,
    OTHER_CA,
    OTHER_CA_UNDER_OURS,
    DAMAGED,
    EXPIRED,
    NOT_YET,
    UNDER_EXPIRED,
    UNDER_FUTURE,
    SERVER_ONLY,
    CLIENT_ONLY,
    NO_USAGE,
    ANY_USAGE,
    CODE_SIGNING,
    UNDER_CLIENT_CA,
    MAY_NOT_SIGN,
    MAY_ENCIPHER,
    UNDER_LEAF,
    TOO_DEEP,
    BOUND,
    OUT_OF_BOUNDS,
    CRITICAL_UNKNOWN,
    HARMLESS_UNKNOWN,
    IS_A_CA,
    BARE,
    NO_SUBJECT,
    NO_SUBJECT_SAID,
    RSA_1024,
    SHA_1,
    UNDER_SHA_1,
    RSA_2048,
    RSA_4096,
    P_384,
    P_521,
    ED25519,
    ED448,
    P_224,
    P_224_OVER_1_2,
    RSA_1024_OVER_1_2,
    SHA_1_OVER_1_2,
    REVOKED,
    UNDER_REVOKED,
    UNLISTED,
    LATE_LIST,
    AGED_LIST,
    FORGED_LIST,
    GUEST,
    MALLORY,
    TWO_NAMES,
    TWO_NAMES_TURNED,
    NO_SAN,
    OTHER_ADDRESS,
    NO_ADDRESS,
    LOCALHOST,
    WILDCARD,
    DEEP_URI,
    ODD_PERCENT,
    ODD_CASE,
    ODD_DOTS,
    ODD_EMPTY,
    ODD_QUERY,
    ODD_STAR,
    LONG_LIVED,
    ASSERTS_HELD,
    ASSERTS_UNHELD,
    /* By hand. */
    ASSERTS_ANY,
    SITE_MEMBER,
    DNS_HOST,
    DNS_UPPER,
    DNS_DEEP,
    DNS_BAD,
    DNS_DOT,
    DNS_WILDCARD,
    EMAIL_OPS,
    EMAIL_UPPER_DOMAIN,
    EMAIL_UPPER_NAME,
    TEN_ADDRESS,
    CN_GATEWAY,
    CN_UPPER,
    PINNED,
    PINNED_GUEST,
    SERIAL,
    SERIAL_ELSEWHERE,
    PRIVATE_USAGE,
    NO_CERTIFICATE,
    PLAINTEXT,
    TLS_1_1,
    MATRIX_KINDS,
};

/* --- matrix_peers.c --- */

/* Makes the authorities, their CRLs in the folder "lists", and one peer of each kind. */
void matrix_peers_make(const struct federation *federation);
void matrix_peers_free(void);
const char *matrix_kind_name(enum matrix_kind kind);
const struct tls_peer *matrix_peer(enum matrix_kind kind);
/* Hex: of the key of PINNED, of the key of the intermediate, the serial number of SERIAL. */
const char *matrix_pin(void);
const char *matrix_issuer_pin(const struct federation *federation);
const char *matrix_serial(void);

/* --- matrix_rows.c --- */

struct matrix_policy_text {
    const char *name;
    const char *members; /* of the merge patch; @pin@, @issuer@, @serial@ stand for the above */
};
extern const struct matrix_policy_text matrix_policies[MATRIX_POLICIES];

/* "IN | OUT", or one text for both. */
struct matrix_product {
    enum matrix_kind kind;
    const char *want[PRODUCT_POLICIES];
};
extern const struct matrix_product matrix_products[];
extern const size_t matrix_products_len;

struct matrix_row {
    enum matrix_policy policy;
    enum matrix_kind kind;
    const char *want;
    const char *target;    /* NULL: MATRIX_TARGET */
    const char *candidate; /* NULL: not asked; "": no rule of it matches */
};
extern const struct matrix_row matrix_rows[];
extern const size_t matrix_rows_len;

/* --- verdicts --- */

struct matrix_verdict {
    char text[MATRIX_TEXT_BYTES]; /* "": none was given */
    char detail[MATRIX_DETAIL_BYTES];
    char candidate[MATRIX_TEXT_BYTES]; /* "(none)": not asked */
};

/* matrix_judge.c: the validator, on the configuration as the plugin reads it. */
struct matrix_judge;
struct matrix_judge *matrix_judge_open(const struct member *member, const char *patch);
void matrix_judge_ask(struct matrix_judge *judge, const struct tls_peer *peer, bool inbound,
                      const char *target, struct matrix_verdict *ret_verdict);
void matrix_judge_close(struct matrix_judge *judge);

/* matrix_wire.c: a node of that configuration, as server and as client. `patch` must name
 * `audit_file`, where the verdict is read. */
struct matrix_wire;
struct matrix_wire *matrix_wire_open(const struct member *member, const char *patch,
                                     const char *audit_file);
/* True: a call reached the handler, or our node took up HTTP/2 with the peer. `awaited`: wait for
 * the verdict. */
bool matrix_wire_ask(struct matrix_wire *wire, const struct tls_peer *peer, bool inbound,
                     const char *target, bool awaited, struct matrix_verdict *ret_verdict);
/* How many calls reached the handler beside those of peers that were answered. */
size_t matrix_wire_close(struct matrix_wire *wire);

#endif
