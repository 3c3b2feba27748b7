/* SPDX-License-Identifier: Apache-2.0
 * The peers of the matrix: what each kind shows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/bn.h>
#include <openssl/x509v3.h>

#include "base/auto.h"
#include "fixtures/revocation.h"
#include "matrix/matrix.h"

#define HOUR 3600L
#define DAY 86400L
#define D MATRIX_DOMAIN
#define HERE "IP:127.0.0.1"
#define MEMBER_SAN "URI:" D "/node/stranger," HERE

static void die(const char *what)
{
    fprintf(stderr, "matrix peers: %s\n", what);
    abort();
}

/* --- authorities --- */

enum ca {       /* parents first */
          MAIN, /* the federation's intermediate */
          QUIET,
          OTHER_ROOT, /* named like ours, as the next is */
          OTHER_MAIN,
          EXPIRED_CA,
          FUTURE_CA,
          LEAF_CA,
          CROWDED_CA,
          DEEP_CA,
          BOUND_CA,
          SHA_1_CA,
          CLIENT_CA,
          VOUCHING_CA,
          REVOKED_CA,
          UNLISTED_CA,
          LATE_CA,
          AGED_CA,
          FORGED_CA,
          CAS,
          ROOT = CAS, /* the federation's */
          SELF,
};

#define LEAF_LIKE                                                                                  \
    .basic_constraints = "critical,CA:FALSE", .key_usage = "critical,digitalSignature",            \
    .eku = "serverAuth,clientAuth"

static const struct {
    const char *cn;
    enum ca parent;
    struct certificate_spec spec;
} ca_rows[CAS] = {
    [QUIET] = { "quiet", ROOT, { 0 } },
    [OTHER_ROOT] = { "example.org root", SELF, { 0 } },
    [OTHER_MAIN] = { "example.org intermediate", OTHER_ROOT, { 0 } },
    [EXPIRED_CA] = { "expired", ROOT, { .starts_in_seconds = -2 * DAY, .ends_in_seconds = -HOUR } },
    [FUTURE_CA] = { "future", ROOT, { .starts_in_seconds = HOUR, .ends_in_seconds = DAY } },
    [LEAF_CA] = { "leaf", MAIN, { LEAF_LIKE } },
    [CROWDED_CA] = { "crowded", ROOT, { .basic_constraints = "critical,CA:TRUE,pathlen:0" } },
    [DEEP_CA] = { "deep", CROWDED_CA, { 0 } },
    [BOUND_CA] = { "bound",
                   ROOT,
                   { .extra = "nameConstraints=critical,permitted;URI:example.org" } },
    [SHA_1_CA] = { "sha-1", ROOT, { 0 } },
    [CLIENT_CA] = { "clients", ROOT, { .eku = "clientAuth" } },
    [VOUCHING_CA] = { "vouching", ROOT, { .extra = "certificatePolicies=1.2.3.1" } },
    [REVOKED_CA] = { "revoked", ROOT, { 0 } },
    [UNLISTED_CA] = { "unlisted", ROOT, { 0 } },
    [LATE_CA] = { "late", ROOT, { 0 } },
    [AGED_CA] = { "aged", ROOT, { 0 } },
    [FORGED_CA] = { "forged", ROOT, { 0 } },
};

static struct authority cas[CAS + 1];

static void make_authorities(const struct federation *federation)
{
    cas[ROOT] = federation->root;
    cas[MAIN] = federation->intermediate;
    for (enum ca i = MAIN + 1; i < CAS; i++) {
        struct certificate_spec spec = ca_rows[i].spec;
        spec.digest = i == SHA_1_CA ? EVP_sha1() : NULL;
        const struct authority *parent = ca_rows[i].parent == SELF ? NULL : &cas[ca_rows[i].parent];
        cas[i] = authority_make(parent, ca_rows[i].cn, &spec);
    }
}

/* --- kinds --- */

enum quirk {
    NONE,
    SENDS_LEAF, /* without issuers */
    SENDS_ROOT_TOO,
    SENDS_OURS, /* instead of its issuers */
    HAS_WRONG_BIT,
    HAS_SHA_1,
    HAS_PINNED_KEY, /* PINNED's */
};

static const struct row {
    const char *name;
    enum ca issuer;
    struct certificate_spec spec; /* .san NULL: MEMBER_SAN */
    const char *key;              /* NULL: one P-256 key for all of them */
    int version;                  /* of TLS */
    enum quirk quirk;
} rows[MATRIX_KINDS] = {
    [MEMBER] = { .name = "a member", .issuer = MAIN },
    [MEMBER_OVER_1_2] = { .name = "a member over TLS 1.2",
                          .issuer = MAIN,
                          .version = TLS1_2_VERSION },
    [MEMBER_OF_ROOT] = { .name = "a member below the root itself", .issuer = ROOT },
    [ROOT_SENT_ALONG] = { .name = "a member who sends the root along",
                          .issuer = MAIN,
                          .quirk = SENDS_ROOT_TOO },
    [INTERMEDIATE_KEPT] = { .name = "our own intermediate, not sent",
                            .issuer = MAIN,
                            .quirk = SENDS_LEAF },
    [UNKNOWN_KEPT] = { .name = "an unknown intermediate, not sent",
                       .issuer = QUIET,
                       .quirk = SENDS_LEAF },
    [SELF_SIGNED] = { .name = "self-signed", .issuer = SELF },
    [OTHER_CA] = { .name = "another CA of the same names", .issuer = OTHER_MAIN },
    [OTHER_CA_UNDER_OURS] = { .name = "another CA, our intermediate sent",
                              .issuer = OTHER_MAIN,
                              .quirk = SENDS_OURS },
    [DAMAGED] = { .name = "one bit of the signature wrong",
                  .issuer = MAIN,
                  .quirk = HAS_WRONG_BIT },
    [EXPIRED] = { .name = "expired",
                  .issuer = MAIN,
                  .spec = { .starts_in_seconds = -DAY, .ends_in_seconds = -HOUR } },
    [NOT_YET] = { .name = "not yet valid",
                  .issuer = MAIN,
                  .spec = { .starts_in_seconds = HOUR, .ends_in_seconds = DAY } },
    [UNDER_EXPIRED] = { .name = "below an expired intermediate", .issuer = EXPIRED_CA },
    [UNDER_FUTURE] = { .name = "below an intermediate not yet valid", .issuer = FUTURE_CA },
    [SERVER_ONLY] = { .name = "serverAuth only", .issuer = MAIN, .spec = { .eku = "serverAuth" } },
    [CLIENT_ONLY] = { .name = "clientAuth only", .issuer = MAIN, .spec = { .eku = "clientAuth" } },
    [NO_USAGE] = { .name = "no extended key usage", .issuer = MAIN, .spec = { .eku = "" } },
    [ANY_USAGE] = { .name = "anyExtendedKeyUsage",
                    .issuer = MAIN,
                    .spec = { .eku = "anyExtendedKeyUsage" } },
    [CODE_SIGNING] = { .name = "codeSigning", .issuer = MAIN, .spec = { .eku = "codeSigning" } },
    [UNDER_CLIENT_CA] = { .name = "below a CA for clients", .issuer = CLIENT_CA },
    [MAY_NOT_SIGN] = { .name = "a key for CRLs alone",
                       .issuer = MAIN,
                       .spec = { .key_usage = "critical,cRLSign" } },
    [MAY_ENCIPHER] = { .name = "a key for encipherment alone",
                       .issuer = MAIN,
                       .spec = { .key_usage = "critical,keyEncipherment" } },
    [UNDER_LEAF] = { .name = "issued by a node", .issuer = LEAF_CA },
    [TOO_DEEP] = { .name = "a path longer than its CA allows", .issuer = DEEP_CA },
    [BOUND] = { .name = "name constraints kept", .issuer = BOUND_CA },
    [OUT_OF_BOUNDS] = { .name = "name constraints broken",
                        .issuer = BOUND_CA,
                        .spec = { .san = "URI:spiffe://evil.org/node/stranger," HERE } },
    [CRITICAL_UNKNOWN] = { .name = "an unknown critical extension",
                           .issuer = MAIN,
                           .spec = { .extra = "1.2.3.4=critical,DER:0500" } },
    [HARMLESS_UNKNOWN] = { .name = "an unknown extension",
                           .issuer = MAIN,
                           .spec = { .extra = "1.2.3.4=DER:0500" } },
    [IS_A_CA] = { .name = "a CA as a peer",
                  .issuer = MAIN,
                  .spec = { .basic_constraints = "critical,CA:TRUE",
                            .key_usage = "critical,keyCertSign,digitalSignature" } },
    [BARE] = { .name = "no key identifiers", .issuer = MAIN, .spec = { .bare = true } },
    [NO_SUBJECT] = { .name = "no subject, names not critical",
                     .issuer = MAIN,
                     .spec = { .cn = "" } },
    [NO_SUBJECT_SAID] = { .name = "no subject, names critical",
                          .issuer = MAIN,
                          .spec = { .cn = "", .san = "critical," MEMBER_SAN } },
    [RSA_1024] = { .name = "RSA-1024", .issuer = MAIN, .key = "RSA-1024" },
    [SHA_1] = { .name = "signed with SHA-1", .issuer = MAIN, .quirk = HAS_SHA_1 },
    [UNDER_SHA_1] = { .name = "below a CA signed with SHA-1", .issuer = SHA_1_CA },
    [RSA_2048] = { .name = "RSA-2048", .issuer = MAIN, .key = "RSA-2048" },
    [RSA_4096] = { .name = "RSA-4096", .issuer = MAIN, .key = "RSA-4096" },
    [P_384] = { .name = "P-384", .issuer = MAIN, .key = "P-384" },
    [P_521] = { .name = "P-521", .issuer = MAIN, .key = "P-521" },
    [ED25519] = { .name = "Ed25519", .issuer = MAIN, .key = "Ed25519" },
    [ED448] = { .name = "Ed448", .issuer = MAIN, .key = "Ed448" },
    [P_224] = { .name = "P-224", .issuer = MAIN, .key = "P-224" },
    [P_224_OVER_1_2] = { .name = "P-224 over TLS 1.2",
                         .issuer = MAIN,
                         .key = "P-224",
                         .version = TLS1_2_VERSION },
    [RSA_1024_OVER_1_2] = { .name = "RSA-1024 over TLS 1.2",
                            .issuer = MAIN,
                            .key = "RSA-1024",
                            .version = TLS1_2_VERSION },
    [SHA_1_OVER_1_2] = { .name = "SHA-1 over TLS 1.2",
                         .issuer = MAIN,
                         .quirk = HAS_SHA_1,
                         .version = TLS1_2_VERSION },
    [REVOKED] = { .name = "revoked", .issuer = MAIN },
    [UNDER_REVOKED] = { .name = "below a revoked intermediate", .issuer = REVOKED_CA },
    [UNLISTED] = { .name = "below a CA without CRL", .issuer = UNLISTED_CA },
    [LATE_LIST] = { .name = "below a CA whose CRL ended", .issuer = LATE_CA },
    [AGED_LIST] = { .name = "below a CA whose CRL is two days old", .issuer = AGED_CA },
    [FORGED_LIST] = { .name = "below a CA whose CRL another signed", .issuer = FORGED_CA },
    [GUEST] = { .name = "a guest",
                .issuer = MAIN,
                .spec = { .san = "URI:" D "/guest/stranger," HERE } },
    [MALLORY] = { .name = "a denied member",
                  .issuer = MAIN,
                  .spec = { .san = "URI:" D "/node/mallory," HERE } },
    [TWO_NAMES] = { .name = "two URIs, the second denied",
                    .issuer = MAIN,
                    .spec = { .san = MEMBER_SAN ",URI:" D "/node/mallory" } },
    [TWO_NAMES_TURNED] = { .name = "two URIs, the first denied",
                           .issuer = MAIN,
                           .spec = { .san = "URI:" D "/node/mallory," MEMBER_SAN } },
    [NO_SAN] = { .name = "no names", .issuer = MAIN, .spec = { .san = "" } },
    [OTHER_ADDRESS] = { .name = "another address",
                        .issuer = MAIN,
                        .spec = { .san = "URI:" D "/node/stranger,IP:127.0.0.2" } },
    [NO_ADDRESS] = { .name = "no address",
                     .issuer = MAIN,
                     .spec = { .san = "URI:" D "/node/stranger" } },
    [LOCALHOST] = { .name = "a DNS name, no address",
                    .issuer = MAIN,
                    .spec = { .san = "URI:" D "/node/stranger,DNS:localhost" } },
    [WILDCARD] = { .name = "a wildcard DNS name beside",
                   .issuer = MAIN,
                   .spec = { .san = MEMBER_SAN ",DNS:*.fed.example" } },
    [DEEP_URI] = { .name = "a URI one segment deeper",
                   .issuer = MAIN,
                   .spec = { .san = "URI:" D "/node/a/b," HERE } },
    [ODD_PERCENT] = { .name = "percent-encoding",
                      .issuer = MAIN,
                      .spec = { .san = "URI:" D "/node/%6dallory," HERE } },
    [ODD_CASE] = { .name = "an upper-case scheme",
                   .issuer = MAIN,
                   .spec = { .san = "URI:SPIFFE://example.org/node/mallory," HERE } },
    [ODD_DOTS] = { .name = "dot segments",
                   .issuer = MAIN,
                   .spec = { .san = "URI:" D "/node/./mallory," HERE } },
    [ODD_EMPTY] = { .name = "an empty segment",
                    .issuer = MAIN,
                    .spec = { .san = "URI:" D "/node//mallory," HERE } },
    [ODD_QUERY] = { .name = "a query",
                    .issuer = MAIN,
                    .spec = { .san = "URI:" D "/node/mallory?x=1," HERE } },
    [ODD_STAR] = { .name = "a literal star",
                   .issuer = MAIN,
                   .spec = { .san = "URI:" D "/node/*," HERE } },
    [LONG_LIVED] = { .name = "valid for 400 days",
                     .issuer = MAIN,
                     .spec = { .ends_in_seconds = 400 * DAY } },
    [ASSERTS_HELD] = { .name = "a policy that its CA holds",
                       .issuer = VOUCHING_CA,
                       .spec = { .extra = "certificatePolicies=1.2.3.1" } },
    [ASSERTS_UNHELD] = { .name = "a policy that its CA has not",
                         .issuer = MAIN,
                         .spec = { .extra = "certificatePolicies=1.2.3.1" } },
    [ASSERTS_ANY] = { .name = "anyPolicy below a CA that holds one",
                      .issuer = VOUCHING_CA,
                      .spec = { .extra = "certificatePolicies=2.5.29.32.0" } },
    [SITE_MEMBER] = { .name = "below an unknown intermediate, sent", .issuer = QUIET },
    [DNS_HOST] = { .name = "a host", .issuer = MAIN, .spec = { .san = "DNS:a.fed.example," HERE } },
    [DNS_UPPER] = { .name = "a host in capitals",
                    .issuer = MAIN,
                    .spec = { .san = "DNS:A.FED.example," HERE } },
    [DNS_DEEP] = { .name = "a host one label deeper",
                   .issuer = MAIN,
                   .spec = { .san = "DNS:x.a.fed.example," HERE } },
    [DNS_BAD] = { .name = "a denied host",
                  .issuer = MAIN,
                  .spec = { .san = "DNS:bad.fed.example," HERE } },
    [DNS_DOT] = { .name = "a denied host with a dot",
                  .issuer = MAIN,
                  .spec = { .san = "DNS:bad.fed.example.," HERE } },
    [DNS_WILDCARD] = { .name = "a wildcard host",
                       .issuer = MAIN,
                       .spec = { .san = "DNS:*.fed.example," HERE } },
    [EMAIL_OPS] = { .name = "an e-mail address",
                    .issuer = MAIN,
                    .spec = { .san = "email:ops@fed.example," HERE } },
    [EMAIL_UPPER_DOMAIN] = { .name = "its domain in capitals",
                             .issuer = MAIN,
                             .spec = { .san = "email:ops@FED.example," HERE } },
    [EMAIL_UPPER_NAME] = { .name = "its name in capitals",
                           .issuer = MAIN,
                           .spec = { .san = "email:OPS@fed.example," HERE } },
    [TEN_ADDRESS] = { .name = "an address of a denied network",
                      .issuer = MAIN,
                      .spec = { .san = MEMBER_SAN ",IP:10.1.2.3" } },
    [CN_GATEWAY] = { .name = "a common name",
                     .issuer = MAIN,
                     .spec = { .cn = "gateway", .san = HERE } },
    [CN_UPPER] = { .name = "the same in capitals",
                   .issuer = MAIN,
                   .spec = { .cn = "Gateway", .san = HERE } },
    [PINNED] = { .name = "a pinned key", .issuer = MAIN, .quirk = HAS_PINNED_KEY },
    [PINNED_GUEST] = { .name = "a guest with the pinned key",
                       .issuer = MAIN,
                       .spec = { .san = "URI:" D "/guest/stranger," HERE },
                       .quirk = HAS_PINNED_KEY },
    [SERIAL] = { .name = "a denied serial number", .issuer = MAIN },
    [SERIAL_ELSEWHERE] = { .name = "that serial number of another CA", .issuer = VOUCHING_CA },
    [PRIVATE_USAGE] = { .name = "a usage of its own",
                        .issuer = MAIN,
                        .spec = { .eku = "serverAuth,clientAuth,1.3.6.1.4.1.99999.1" } },
    [NO_CERTIFICATE] = { .name = "no certificate", .issuer = MAIN },
    [PLAINTEXT] = { .name = "plaintext", .issuer = MAIN },
    [TLS_1_1] = { .name = "TLS 1.1", .issuer = MAIN, .version = TLS1_1_VERSION },
};

static struct tls_peer peers[MATRIX_KINDS];
static EVP_PKEY *shared_key;
static EVP_PKEY *pinned_key;

static X509 *damage(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    if (len <= 0) {
        die("i2d_X509");
    }
    der[len - 1] ^= 1;
    const unsigned char *end = der;
    X509 *damaged = d2i_X509(NULL, &end, len);
    OPENSSL_free(der);
    X509_free(certificate);
    return damaged;
}

static void send_issuers(struct tls_peer *peer, const struct row *row)
{
    size_t len = 0;
    enum ca at = row->quirk == SENDS_OURS ? MAIN : row->issuer;

    if (row->quirk == SENDS_LEAF) {
        return;
    }
    for (; at < CAS && len < TLS_PEER_ISSUERS; at = ca_rows[at].parent) {
        peer->issuers[len++] = cas[at].certificate;
        if (at == MAIN) { /* ca_rows does not tell its parent */
            break;
        }
    }
    if (row->quirk == SENDS_ROOT_TOO) {
        peer->issuers[len] = cas[ROOT].certificate;
    }
}

static EVP_PKEY *key_of(const struct row *row)
{
    EVP_PKEY *key = row->quirk == HAS_PINNED_KEY ? pinned_key : shared_key;
    if (row->key != NULL) {
        return software_key(row->key);
    }
    EVP_PKEY_up_ref(key);
    return key;
}

static void make_peer(enum matrix_kind kind)
{
    const struct row *row = &rows[kind];
    struct tls_peer *peer = &peers[kind];
    struct certificate_spec spec = row->spec;

    spec.cn = spec.cn != NULL ? spec.cn : "stranger";
    spec.san = spec.san != NULL ? spec.san : MEMBER_SAN;
    spec.digest = row->quirk == HAS_SHA_1 ? EVP_sha1() : NULL;
    peer->key = key_of(row);
    peer->certificate =
        authority_issue(row->issuer == SELF ? NULL : &cas[row->issuer], peer->key, &spec);
    peer->version = row->version;
    peer->plaintext = kind == PLAINTEXT;
    send_issuers(peer, row);
    if (row->quirk == HAS_WRONG_BIT) {
        peer->certificate = damage(peer->certificate);
    }
    if (kind == SERIAL_ELSEWHERE) {
        const ASN1_INTEGER *serial = X509_get0_serialNumber(peers[SERIAL].certificate);
        if (X509_set_serialNumber(peer->certificate, (ASN1_INTEGER *)serial) != 1 ||
            X509_sign(peer->certificate, cas[row->issuer].key, EVP_sha256()) <= 0) {
            die("X509_sign");
        }
    }
    if (kind == NO_CERTIFICATE) {
        X509_free(peer->certificate);
        peer->certificate = NULL;
    }
}

/* --- revocation lists --- */

static void write_list(const struct federation *federation, enum ca ca, struct crl_spec spec)
{
    const char *name = ca == ROOT ? "root" : ca == MAIN ? "main" : ca_rows[ca].cn;
    spec.issuer = &cas[ca];
    spec.number = 1;
    crl_write(path_of("%s/lists/%s.crl", federation->folder, name), &spec);
}

static void write_lists(const struct federation *federation)
{
    static const enum ca plain[] = { QUIET, BOUND_CA, CLIENT_CA, VOUCHING_CA, REVOKED_CA };

    if (mkdir(path_of("%s/lists", federation->folder), 0755) != 0) {
        die("lists");
    }
    write_list(federation, ROOT, (struct crl_spec){ .revoked = { cas[REVOKED_CA].certificate } });
    write_list(federation, MAIN, (struct crl_spec){ .revoked = { peers[REVOKED].certificate } });
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        write_list(federation, plain[i], (struct crl_spec){ .signer = NULL });
    }
    write_list(federation, LATE_CA,
               (struct crl_spec){ .this_update_seconds = -DAY, .next_update_seconds = -2 * HOUR });
    write_list(federation, AGED_CA, (struct crl_spec){ .this_update_seconds = -2 * DAY });
    write_list(federation, FORGED_CA, (struct crl_spec){ .signer = shared_key });
}

/* --- life --- */

void matrix_peers_make(const struct federation *federation)
{
    shared_key = software_key("P-256");
    pinned_key = software_key("P-256");
    make_authorities(federation);
    for (enum matrix_kind kind = 0; kind < MATRIX_KINDS; kind++) {
        make_peer(kind);
    }
    write_lists(federation);
}

void matrix_peers_free(void)
{
    for (enum matrix_kind kind = 0; kind < MATRIX_KINDS; kind++) {
        X509_free(peers[kind].certificate);
        EVP_PKEY_free(peers[kind].key);
    }
    for (enum ca i = MAIN + 1; i < CAS; i++) {
        authority_free(&cas[i]);
    }
    EVP_PKEY_free(shared_key);
    EVP_PKEY_free(pinned_key);
}

const char *matrix_kind_name(enum matrix_kind kind)
{
    return rows[kind].name;
}

const struct tls_peer *matrix_peer(enum matrix_kind kind)
{
    return &peers[kind];
}

static const char *pin_of(const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned char *spki = NULL;
    unsigned len = 0;
    int spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);

    if (spki_len <= 0 ||
        EVP_Digest(spki, (size_t)spki_len, digest, &len, EVP_sha256(), NULL) != 1) {
        die("pin");
    }
    for (unsigned i = 0; i < len; i++) {
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    }
    OPENSSL_free(spki);
    return path_of("%s", hex);
}

const char *matrix_pin(void)
{
    return pin_of(peers[PINNED].certificate);
}

const char *matrix_issuer_pin(const struct federation *federation)
{
    return pin_of(federation->intermediate.certificate);
}

const char *matrix_serial(void)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(peers[SERIAL].certificate), NULL);
    char *hex = number != NULL ? BN_bn2hex(number) : NULL;
    if (hex == NULL) {
        die("serial");
    }
    const char *kept = path_of("%s", hex);
    OPENSSL_free(hex);
    BN_free(number);
    return kept;
}
