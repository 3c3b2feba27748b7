/* SPDX-License-Identifier: Apache-2.0
 * The peers of the matrix: what each kind shows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/bn.h>
#include <openssl/x509v3.h>

#include "auto.h"
#include "matrix.h"
#include "revocation.h"

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
    [MEMBER] = { "a member", MAIN },
    [MEMBER_OVER_1_2] = { "a member over TLS 1.2", MAIN, .version = TLS1_2_VERSION },
    [MEMBER_OF_ROOT] = { "a member below the root itself", ROOT },
    [ROOT_SENT_ALONG] = { "a member who sends the root along", MAIN, .quirk = SENDS_ROOT_TOO },
    [INTERMEDIATE_KEPT] = { "our own intermediate, not sent", MAIN, .quirk = SENDS_LEAF },
    [UNKNOWN_KEPT] = { "an unknown intermediate, not sent", QUIET, .quirk = SENDS_LEAF },
    [SELF_SIGNED] = { "self-signed", SELF },
    [OTHER_CA] = { "another CA of the same names", OTHER_MAIN },
    [OTHER_CA_UNDER_OURS] = { "another CA, our intermediate sent", OTHER_MAIN,
                              .quirk = SENDS_OURS },
    [DAMAGED] = { "one bit of the signature wrong", MAIN, .quirk = HAS_WRONG_BIT },
    [EXPIRED] = { "expired", MAIN, { .starts_in_seconds = -DAY, .ends_in_seconds = -HOUR } },
    [NOT_YET] = { "not yet valid", MAIN, { .starts_in_seconds = HOUR, .ends_in_seconds = DAY } },
    [UNDER_EXPIRED] = { "below an expired intermediate", EXPIRED_CA },
    [UNDER_FUTURE] = { "below an intermediate not yet valid", FUTURE_CA },
    [SERVER_ONLY] = { "serverAuth only", MAIN, { .eku = "serverAuth" } },
    [CLIENT_ONLY] = { "clientAuth only", MAIN, { .eku = "clientAuth" } },
    [NO_USAGE] = { "no extended key usage", MAIN, { .eku = "" } },
    [ANY_USAGE] = { "anyExtendedKeyUsage", MAIN, { .eku = "anyExtendedKeyUsage" } },
    [CODE_SIGNING] = { "codeSigning", MAIN, { .eku = "codeSigning" } },
    [UNDER_CLIENT_CA] = { "below a CA for clients", CLIENT_CA },
    [MAY_NOT_SIGN] = { "a key for CRLs alone", MAIN, { .key_usage = "critical,cRLSign" } },
    [MAY_ENCIPHER] = { "a key for encipherment alone",
                       MAIN,
                       { .key_usage = "critical,keyEncipherment" } },
    [UNDER_LEAF] = { "issued by a node", LEAF_CA },
    [TOO_DEEP] = { "a path longer than its CA allows", DEEP_CA },
    [BOUND] = { "name constraints kept", BOUND_CA },
    [OUT_OF_BOUNDS] = { "name constraints broken",
                        BOUND_CA,
                        { .san = "URI:spiffe://evil.org/node/stranger," HERE } },
    [CRITICAL_UNKNOWN] = { "an unknown critical extension",
                           MAIN,
                           { .extra = "1.2.3.4=critical,DER:0500" } },
    [HARMLESS_UNKNOWN] = { "an unknown extension", MAIN, { .extra = "1.2.3.4=DER:0500" } },
    [IS_A_CA] = { "a CA as a peer",
                  MAIN,
                  { .basic_constraints = "critical,CA:TRUE",
                    .key_usage = "critical,keyCertSign,digitalSignature" } },
    [BARE] = { "no key identifiers", MAIN, { .bare = true } },
    [NO_SUBJECT] = { "no subject, names not critical", MAIN, { .cn = "" } },
    [NO_SUBJECT_SAID] = { "no subject, names critical",
                          MAIN,
                          { .cn = "", .san = "critical," MEMBER_SAN } },
    [RSA_1024] = { "RSA-1024", MAIN, .key = "RSA-1024" },
    [SHA_1] = { "signed with SHA-1", MAIN, .quirk = HAS_SHA_1 },
    [UNDER_SHA_1] = { "below a CA signed with SHA-1", SHA_1_CA },
    [RSA_2048] = { "RSA-2048", MAIN, .key = "RSA-2048" },
    [RSA_4096] = { "RSA-4096", MAIN, .key = "RSA-4096" },
    [P_384] = { "P-384", MAIN, .key = "P-384" },
    [P_521] = { "P-521", MAIN, .key = "P-521" },
    [ED25519] = { "Ed25519", MAIN, .key = "Ed25519" },
    [ED448] = { "Ed448", MAIN, .key = "Ed448" },
    [P_224] = { "P-224", MAIN, .key = "P-224" },
    [P_224_OVER_1_2] = { "P-224 over TLS 1.2", MAIN, .key = "P-224", .version = TLS1_2_VERSION },
    [RSA_1024_OVER_1_2] = { "RSA-1024 over TLS 1.2", MAIN, .key = "RSA-1024",
                            .version = TLS1_2_VERSION },
    [SHA_1_OVER_1_2] = { "SHA-1 over TLS 1.2", MAIN, .quirk = HAS_SHA_1,
                         .version = TLS1_2_VERSION },
    [REVOKED] = { "revoked", MAIN },
    [UNDER_REVOKED] = { "below a revoked intermediate", REVOKED_CA },
    [UNLISTED] = { "below a CA without CRL", UNLISTED_CA },
    [LATE_LIST] = { "below a CA whose CRL ended", LATE_CA },
    [AGED_LIST] = { "below a CA whose CRL is two days old", AGED_CA },
    [FORGED_LIST] = { "below a CA whose CRL another signed", FORGED_CA },
    [GUEST] = { "a guest", MAIN, { .san = "URI:" D "/guest/stranger," HERE } },
    [MALLORY] = { "a denied member", MAIN, { .san = "URI:" D "/node/mallory," HERE } },
    [TWO_NAMES] = { "two URIs, the second denied",
                    MAIN,
                    { .san = MEMBER_SAN ",URI:" D "/node/mallory" } },
    [TWO_NAMES_TURNED] = { "two URIs, the first denied",
                           MAIN,
                           { .san = "URI:" D "/node/mallory," MEMBER_SAN } },
    [NO_SAN] = { "no names", MAIN, { .san = "" } },
    [OTHER_ADDRESS] = { "another address",
                        MAIN,
                        { .san = "URI:" D "/node/stranger,IP:127.0.0.2" } },
    [NO_ADDRESS] = { "no address", MAIN, { .san = "URI:" D "/node/stranger" } },
    [LOCALHOST] = { "a DNS name, no address",
                    MAIN,
                    { .san = "URI:" D "/node/stranger,DNS:localhost" } },
    [WILDCARD] = { "a wildcard DNS name beside", MAIN, { .san = MEMBER_SAN ",DNS:*.fed.example" } },
    [DEEP_URI] = { "a URI one segment deeper", MAIN, { .san = "URI:" D "/node/a/b," HERE } },
    [ODD_PERCENT] = { "percent-encoding", MAIN, { .san = "URI:" D "/node/%6dallory," HERE } },
    [ODD_CASE] = { "an upper-case scheme",
                   MAIN,
                   { .san = "URI:SPIFFE://example.org/node/mallory," HERE } },
    [ODD_DOTS] = { "dot segments", MAIN, { .san = "URI:" D "/node/./mallory," HERE } },
    [ODD_EMPTY] = { "an empty segment", MAIN, { .san = "URI:" D "/node//mallory," HERE } },
    [ODD_QUERY] = { "a query", MAIN, { .san = "URI:" D "/node/mallory?x=1," HERE } },
    [ODD_STAR] = { "a literal star", MAIN, { .san = "URI:" D "/node/*," HERE } },
    [LONG_LIVED] = { "valid for 400 days", MAIN, { .ends_in_seconds = 400 * DAY } },
    [ASSERTS_HELD] = { "a policy that its CA holds",
                       VOUCHING_CA,
                       { .extra = "certificatePolicies=1.2.3.1" } },
    [ASSERTS_UNHELD] = { "a policy that its CA has not",
                         MAIN,
                         { .extra = "certificatePolicies=1.2.3.1" } },
    [ASSERTS_ANY] = { "anyPolicy below a CA that holds one",
                      VOUCHING_CA,
                      { .extra = "certificatePolicies=2.5.29.32.0" } },
    [SITE_MEMBER] = { "below an unknown intermediate, sent", QUIET },
    [DNS_HOST] = { "a host", MAIN, { .san = "DNS:a.fed.example," HERE } },
    [DNS_UPPER] = { "a host in capitals", MAIN, { .san = "DNS:A.FED.example," HERE } },
    [DNS_DEEP] = { "a host one label deeper", MAIN, { .san = "DNS:x.a.fed.example," HERE } },
    [DNS_BAD] = { "a denied host", MAIN, { .san = "DNS:bad.fed.example," HERE } },
    [DNS_DOT] = { "a denied host with a dot", MAIN, { .san = "DNS:bad.fed.example.," HERE } },
    [DNS_WILDCARD] = { "a wildcard host", MAIN, { .san = "DNS:*.fed.example," HERE } },
    [EMAIL_OPS] = { "an e-mail address", MAIN, { .san = "email:ops@fed.example," HERE } },
    [EMAIL_UPPER_DOMAIN] = { "its domain in capitals",
                             MAIN,
                             { .san = "email:ops@FED.example," HERE } },
    [EMAIL_UPPER_NAME] = { "its name in capitals", MAIN, { .san = "email:OPS@fed.example," HERE } },
    [TEN_ADDRESS] = { "an address of a denied network",
                      MAIN,
                      { .san = MEMBER_SAN ",IP:10.1.2.3" } },
    [CN_GATEWAY] = { "a common name", MAIN, { .cn = "gateway", .san = HERE } },
    [CN_UPPER] = { "the same in capitals", MAIN, { .cn = "Gateway", .san = HERE } },
    [PINNED] = { "a pinned key", MAIN, .quirk = HAS_PINNED_KEY },
    [PINNED_GUEST] = { "a guest with the pinned key",
                       MAIN,
                       { .san = "URI:" D "/guest/stranger," HERE },
                       .quirk = HAS_PINNED_KEY },
    [SERIAL] = { "a denied serial number", MAIN },
    [SERIAL_ELSEWHERE] = { "that serial number of another CA", VOUCHING_CA },
    [PRIVATE_USAGE] = { "a usage of its own",
                        MAIN,
                        { .eku = "serverAuth,clientAuth,1.3.6.1.4.1.99999.1" } },
    [NO_CERTIFICATE] = { "no certificate", MAIN },
    [PLAINTEXT] = { "plaintext", MAIN },
    [TLS_1_1] = { "TLS 1.1", MAIN, .version = TLS1_1_VERSION },
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
