/* SPDX-License-Identifier: Apache-2.0
 * The policies of the matrix, and the verdict expected of each on each kind of peer. */
#include "base/auto.h"
#include "matrix/matrix.h"

#define D MATRIX_DOMAIN
#define ADMIT(rule) "\"admit\": [{" rule "}]"
#define DENY(rule) "\"deny\": [{" rule "}]"
#define ALL_CERTIFIED "\"admit\": \"all-certified\""
#define RULE(name, members) "\"name\": \"" name "\", " members
#define LIST(member, value) "\"" member "\": [\"" value "\"]"
#define MEMBERS_ALONE ADMIT(RULE("members", LIST("uri", D "/node/*")))
#define EXPELLED DENY(RULE("expelled", LIST("uri", D "/node/mallory")))
#define NODES MEMBERS_ALONE ", " EXPELLED
#define FEDERATION(members) "\"federation\": {" members "}"
#define LISTS(mode) "\"crls\": [\"lists\"], \"crl_mode\": \"" mode "\""
#define GATEWAYS RULE("gateways", LIST("cn", "gateway"))

const struct matrix_policy_text matrix_policies[MATRIX_POLICIES] = {
    [MEMBERS] = { "members", NODES },
    [LOOSE] = { "members, loose", NODES ", " FEDERATION("\"strict\": false") },
    [CERTIFIED] = { "all-certified", ALL_CERTIFIED ", " EXPELLED },
    [NOBODY] = { "an empty admit", "\"admit\": [], " EXPELLED },
    [BY_RULE] = { "server_name rule", NODES ", " FEDERATION("\"server_name\": \"rule\"") },
    [HARD] = { "CRLs, hard", NODES ", " FEDERATION(LISTS("hard")) },
    [SOFT] = { "CRLs, soft", NODES ", " FEDERATION(LISTS("soft")) },
    [PLAIN] = { "members, no deny", MEMBERS_ALONE },
    [PLAIN_CERTIFIED] = { "all-certified, no deny", ALL_CERTIFIED },
    [LOOSE_CERTIFIED] = { "all-certified, loose",
                          ALL_CERTIFIED ", " FEDERATION("\"strict\": false") },
    [POOL] = { "the pool of intermediates", MEMBERS_ALONE },
    [GRACE] = { "CRLs, hard, with grace",
                NODES ", " FEDERATION(LISTS("hard") ", \"crl_grace_hours\": 24") },
    [MAX_AGE] = { "CRLs, hard, of a day",
                  NODES ", " FEDERATION(LISTS("hard") ", \"crl_max_age_hours\": 24") },
    [BY_DNS] = { "dns", ADMIT(RULE("hosts", LIST("dns", "*.fed.example"))) ", " DENY(
                            RULE("bad", LIST("dns", "bad.fed.example"))) },
    [BY_DNS_ALONE] = { "dns, no deny", ADMIT(RULE("hosts", LIST("dns", "*.fed.example"))) },
    [BY_EMAIL] = { "email", ADMIT(RULE("ops", LIST("email", "ops@fed.example"))) },
    [NOT_EMAIL] = { "email denied",
                    ALL_CERTIFIED ", " DENY(RULE("ops", LIST("email", "ops@fed.example"))) },
    [BY_ADDRESS] = { "ip", ADMIT(RULE("loopback", LIST("ip", "127.0.0.0/8"))) ", " DENY(
                               RULE("ten", LIST("ip", "10.0.0.0/8"))) },
    [BY_CN] = { "cn", ADMIT(GATEWAYS) },
    [BY_PIN] = { "spki_sha256", ADMIT(RULE("pinned", LIST("spki_sha256", "@pin@"))) },
    [NOT_PIN] = { "spki_sha256 denied",
                  ALL_CERTIFIED ", " DENY(RULE("stolen", LIST("spki_sha256", "@pin@"))) },
    [NOT_SERIAL] = { "serial and issuer denied", ALL_CERTIFIED
                     ", " DENY(RULE("stolen", LIST("serial", "@serial@") ", " LIST(
                                                  "issuer_spki_sha256", "@issuer@"))) },
    [BY_ISSUER] = { "issuer_spki_sha256",
                    ADMIT(RULE("site", LIST("issuer_spki_sha256", "@issuer@"))) },
    [BY_POLICY] = { "policy_oid", ADMIT(RULE("attested", LIST("policy_oid", "1.2.3.1"))) },
    [BY_USAGE] = { "extended_key_usage",
                   ADMIT(RULE("clients", LIST("extended_key_usage", "clientAuth"))) },
    [BY_PRIVATE_USAGE] = { "extended_key_usage, by number",
                           ADMIT(
                               RULE("nodes", LIST("extended_key_usage", "1.3.6.1.4.1.99999.1"))) },
    [BY_KEY_TYPE] = { "key_types", ADMIT(RULE("strong", LIST("key_types", "P-256\", \"RSA-4096\", "
                                                                          "\"Ed25519"))) },
    [BY_RSA] = { "key_types RSA", ADMIT(RULE("rsa", LIST("key_types", "RSA"))) },
    [BY_LIFETIME] = { "max_lifetime_days",
                      ADMIT(RULE("short", LIST("uri", D "/node/*") ", \"max_lifetime_days\": 2")) },
    [INBOUND] = { "inbound",
                  ADMIT(RULE("clients", LIST("uri", D "/node/*") ", \"direction\": \"inbound\"")) },
    [OUTBOUND] = { "outbound",
                   ADMIT(
                       RULE("servers", LIST("uri", D "/node/*") ", \"direction\": \"outbound\"")) },
    [NOT_INBOUND] = { "denied inbound",
                      ALL_CERTIFIED ", " DENY(
                          RULE("expelled",
                               LIST("uri", D "/node/mallory") ", "
                                                              "\"direction\": \"inbound\"")) },
    [BOTH_MEMBERS] = { "uri and spki_sha256", ADMIT(RULE("both", LIST("uri", D "/node/*") ", " LIST(
                                                                     "spki_sha256", "@pin@"))) },
    [CANDIDATE] = { "admit_candidate", MEMBERS_ALONE
                    ", \"admit_candidate\": [{" RULE("guests", LIST("uri", D "/guest/*")) "}]" },
    [RULE_WITHOUT_URI] = { "server_name rule, by dns",
                           FEDERATION("\"server_name\": \"rule\"") ", \"admit\": [{" RULE(
                               "hosts",
                               LIST("dns", "*.fed.example")) "}, {" RULE("servers",
                                                                         LIST("uri", D
                                                                              "/server/*")) "}]" },
};

/* --- every kind under each policy of the product --- */

/* In the order of enum matrix_policy. */
#define WANT(members, loose, certified, nobody, by_rule, hard, soft)                               \
    {                                                                                              \
        members, loose, certified, nobody, by_rule, hard, soft                                     \
    }
#define ALL(want) WANT(want, want, want, want, want, want, want)
#define STRICT(want, loose) WANT(want, loose, want, want, want, want, want)
#define IN "+members"
#define CERT "+all-certified"
#define NO_RULE "-no-rule"
#define GOOD WANT(IN, IN, CERT, NO_RULE, IN, IN, IN)
#define LISTED(hard, soft) WANT(IN, IN, CERT, NO_RULE, IN, hard, soft)
#define AS_CLIENT(out)                                                                             \
    WANT(IN " | " out, IN " | " out, CERT " | " out, NO_RULE " | " out, IN " | " out,              \
         IN " | " out, IN " | " out)
#define AS_SERVER(in)                                                                              \
    WANT(in " | " IN, in " | " IN, in " | " CERT, in " | " NO_RULE, in " | " IN, in " | " IN,      \
         in " | " IN)
#define MISNAMED                                                                                   \
    WANT(IN " | -name-mismatch", IN " | -name-mismatch", CERT " | -name-mismatch", NO_RULE, IN,    \
         IN " | -name-mismatch", IN " | -name-mismatch")
#define UNRULED WANT(NO_RULE, NO_RULE, CERT, NO_RULE, NO_RULE, NO_RULE, NO_RULE)

const struct matrix_product matrix_products[] = {
    { MEMBER, GOOD },
    { MEMBER_OVER_1_2, GOOD },
    { MEMBER_OF_ROOT, GOOD },
    { ROOT_SENT_ALONG, GOOD },
    { INTERMEDIATE_KEPT, GOOD },
    { UNKNOWN_KEPT, ALL("-untrusted") },
    { SELF_SIGNED, ALL("-untrusted") },
    { OTHER_CA, ALL("-untrusted") },
    { OTHER_CA_UNDER_OURS, ALL("-untrusted") },
    { DAMAGED, ALL("-bad-signature") },
    { EXPIRED, ALL("-expired") },
    { NOT_YET, ALL("-not-yet-valid") },
    { UNDER_EXPIRED, ALL("-expired") },
    { UNDER_FUTURE, ALL("-not-yet-valid") },
    { SERVER_ONLY, AS_SERVER("-wrong-purpose") },
    { CLIENT_ONLY, AS_CLIENT("-wrong-purpose") },
    { NO_USAGE, STRICT("-wrong-purpose", IN) },
    { ANY_USAGE, ALL("-wrong-purpose") },
    { CODE_SIGNING, ALL("-wrong-purpose") },
    { UNDER_CLIENT_CA, AS_CLIENT("-wrong-purpose") },
    { MAY_NOT_SIGN, ALL("-wrong-purpose") },
    /* OpenSSL alone would take it for a server that does RSA key transport */
    { MAY_ENCIPHER, ALL("-wrong-purpose") },
    { UNDER_LEAF, ALL("-not-a-ca") },
    { TOO_DEEP, ALL("-chain-invalid") },
    { BOUND, GOOD },
    { OUT_OF_BOUNDS, ALL("-chain-invalid") },
    { CRITICAL_UNKNOWN, ALL("-chain-invalid") },
    { HARMLESS_UNKNOWN, GOOD },
    { IS_A_CA, GOOD },
    { BARE, STRICT("-chain-invalid", IN) },
    { NO_SUBJECT, STRICT("-chain-invalid", IN) },
    { NO_SUBJECT_SAID, GOOD },
    { RSA_1024, ALL("-weak-key") },
    { SHA_1, ALL("-weak-key") },
    { UNDER_SHA_1, ALL("-weak-key") },
    { RSA_2048, GOOD },
    { RSA_4096, GOOD },
    { P_384, GOOD },
    { P_521, GOOD },
    { ED25519, GOOD },
    { ED448, ALL("-weak-key") },
    { P_224, ALL("~-chain-invalid") },
    { P_224_OVER_1_2, ALL("~-chain-invalid") },
    { RSA_1024_OVER_1_2, ALL("-weak-key") },
    { SHA_1_OVER_1_2, ALL("-weak-key") },
    { REVOKED, LISTED("-revoked", "-revoked") },
    { UNDER_REVOKED, LISTED("-revoked", "-revoked") },
    { UNLISTED, LISTED("-crl-missing", IN) },
    { LATE_LIST, LISTED("-crl-stale", IN) },
    { AGED_LIST, GOOD },
    { FORGED_LIST, LISTED("-crl-invalid", IN) },
    { GUEST, UNRULED },
    { MALLORY, ALL("-denied expelled") },
    { TWO_NAMES, ALL("-denied expelled") },
    { TWO_NAMES_TURNED, ALL("-denied expelled") },
    { NO_SAN, WANT(NO_RULE, NO_RULE, "+all-certified | -name-mismatch", NO_RULE, NO_RULE, NO_RULE,
                   NO_RULE) },
    { OTHER_ADDRESS, MISNAMED },
    { NO_ADDRESS, MISNAMED },
    { LOCALHOST, MISNAMED },
    { WILDCARD, GOOD },
    { DEEP_URI, UNRULED },
    { ODD_PERCENT, ALL("-malformed") },
    { ODD_CASE, ALL("-malformed") },
    { ODD_DOTS, ALL("-malformed") },
    { ODD_EMPTY, ALL("-malformed") },
    { ODD_QUERY, ALL("-malformed") },
    { ODD_STAR, ALL("-malformed") },
    { LONG_LIVED, GOOD },
    { ASSERTS_HELD, GOOD },
    { ASSERTS_UNHELD, GOOD },
};
const size_t matrix_products_len = ARRAY_LEN(matrix_products);

/* --- by hand, in this order --- */

#define ROW(the_policy, the_kind, the_want)                                                        \
    .policy = (the_policy), .kind = (the_kind), .want = the_want

const struct matrix_row matrix_rows[] = {
    { ROW(MEMBERS, LOCALHOST, IN), .target = "localhost" },
    { ROW(MEMBERS, MEMBER, IN " | -name-mismatch"), .target = "localhost" },
    { ROW(MEMBERS, NO_CERTIFICATE, "~") },
    { ROW(MEMBERS, PLAINTEXT, "~") },
    { ROW(MEMBERS, TLS_1_1, "~") },
    { ROW(CERTIFIED, NO_CERTIFICATE, "~") },
    { ROW(CERTIFIED, PLAINTEXT, "~") },
    { ROW(CERTIFIED, TLS_1_1, "~") },
    { ROW(LOOSE_CERTIFIED, NO_CERTIFICATE, "~") },
    { ROW(LOOSE_CERTIFIED, PLAINTEXT, "~") },
    { ROW(LOOSE_CERTIFIED, TLS_1_1, "~") },
    /* without deny rules an odd spelling is a name like others, which no star takes */
    { ROW(PLAIN, ODD_PERCENT, NO_RULE) },
    { ROW(PLAIN, ODD_CASE, NO_RULE) },
    { ROW(PLAIN, ODD_DOTS, NO_RULE) },
    { ROW(PLAIN, ODD_EMPTY, NO_RULE) },
    { ROW(PLAIN, ODD_QUERY, NO_RULE) },
    { ROW(PLAIN, ODD_STAR, NO_RULE) },
    { ROW(PLAIN, MALLORY, IN) },
    { ROW(PLAIN, TWO_NAMES, IN) },
    { ROW(PLAIN_CERTIFIED, ODD_PERCENT, CERT) },
    { ROW(PLAIN_CERTIFIED, MALLORY, CERT) },
    { ROW(PLAIN_CERTIFIED, NO_USAGE, "-wrong-purpose") },
    { ROW(PLAIN_CERTIFIED, BARE, "-chain-invalid") },
    { ROW(PLAIN_CERTIFIED, OTHER_CA, "-untrusted") },
    { ROW(LOOSE_CERTIFIED, NO_USAGE, CERT) },
    { ROW(LOOSE_CERTIFIED, BARE, CERT) },
    { ROW(LOOSE_CERTIFIED, NO_SUBJECT, CERT) },
    { ROW(LOOSE_CERTIFIED, SERVER_ONLY, "-wrong-purpose | " CERT) },
    { ROW(LOOSE_CERTIFIED, SELF_SIGNED, "-untrusted") },
    { ROW(LOOSE_CERTIFIED, OTHER_CA, "-untrusted") },
    { ROW(LOOSE_CERTIFIED, UNDER_LEAF, "-not-a-ca") },
    { ROW(LOOSE_CERTIFIED, SHA_1, "-weak-key") },
    { ROW(LOOSE_CERTIFIED, EXPIRED, "-expired") },
    { ROW(POOL, UNKNOWN_KEPT, "-untrusted") },
    { ROW(POOL, SITE_MEMBER, IN) },
    { ROW(POOL, UNKNOWN_KEPT, IN) },
    { ROW(GRACE, MEMBER, IN) },
    { ROW(GRACE, LATE_LIST, IN) },
    { ROW(GRACE, UNLISTED, "-crl-missing") },
    { ROW(GRACE, REVOKED, "-revoked") },
    { ROW(MAX_AGE, MEMBER, IN) },
    { ROW(MAX_AGE, AGED_LIST, "-crl-stale") },
    { ROW(BY_DNS, DNS_HOST, "+hosts") },
    { ROW(BY_DNS, DNS_UPPER, "+hosts") },
    { ROW(BY_DNS, DNS_DEEP, NO_RULE) },
    { ROW(BY_DNS, DNS_BAD, "-denied bad") },
    { ROW(BY_DNS, DNS_DOT, "-malformed") },
    { ROW(BY_DNS, DNS_WILDCARD, "-malformed") },
    { ROW(BY_DNS, MEMBER, NO_RULE) },
    { ROW(BY_DNS, WILDCARD, "-malformed") },
    { ROW(BY_DNS, ODD_PERCENT, NO_RULE) },
    { ROW(BY_DNS_ALONE, DNS_WILDCARD, NO_RULE) },
    { ROW(BY_DNS_ALONE, DNS_DOT, NO_RULE) },
    { ROW(BY_DNS_ALONE, DNS_BAD, "+hosts") },
    { ROW(BY_EMAIL, EMAIL_OPS, "+ops") },
    { ROW(BY_EMAIL, EMAIL_UPPER_DOMAIN, "+ops") },
    { ROW(BY_EMAIL, EMAIL_UPPER_NAME, NO_RULE) },
    { ROW(BY_EMAIL, MEMBER, NO_RULE) },
    { ROW(NOT_EMAIL, EMAIL_OPS, "-denied ops") },
    { ROW(NOT_EMAIL, EMAIL_UPPER_DOMAIN, "-denied ops") },
    { ROW(NOT_EMAIL, EMAIL_UPPER_NAME, CERT) },
    { ROW(BY_ADDRESS, MEMBER, "+loopback") },
    { ROW(BY_ADDRESS, TEN_ADDRESS, "-denied ten") },
    { ROW(BY_ADDRESS, OTHER_ADDRESS, "+loopback | -name-mismatch") },
    { ROW(BY_ADDRESS, NO_ADDRESS, NO_RULE) },
    { ROW(BY_CN, CN_GATEWAY, "+gateways") },
    { ROW(BY_CN, CN_UPPER, NO_RULE) },
    { ROW(BY_CN, MEMBER, NO_RULE) },
    { ROW(BY_PIN, PINNED, "+pinned") },
    { ROW(BY_PIN, PINNED_GUEST, "+pinned") },
    { ROW(BY_PIN, MEMBER, NO_RULE) },
    { ROW(NOT_PIN, PINNED, "-denied stolen") },
    { ROW(NOT_PIN, PINNED_GUEST, "-denied stolen") },
    { ROW(NOT_PIN, MEMBER, CERT) },
    { ROW(NOT_SERIAL, SERIAL, "-denied stolen") },
    { ROW(NOT_SERIAL, SERIAL_ELSEWHERE, CERT) },
    { ROW(NOT_SERIAL, MEMBER, CERT) },
    { ROW(BY_ISSUER, MEMBER, "+site") },
    { ROW(BY_ISSUER, MEMBER_OF_ROOT, NO_RULE) },
    { ROW(BY_ISSUER, ASSERTS_HELD, NO_RULE) },
    { ROW(BY_POLICY, ASSERTS_HELD, "+attested") },
    { ROW(BY_POLICY, ASSERTS_UNHELD, NO_RULE) },
    { ROW(BY_POLICY, ASSERTS_ANY, NO_RULE) },
    { ROW(BY_POLICY, MEMBER, NO_RULE) },
    { ROW(BY_USAGE, MEMBER, "+clients") },
    { ROW(BY_USAGE, CLIENT_ONLY, "+clients | -wrong-purpose") },
    { ROW(BY_USAGE, SERVER_ONLY, "-wrong-purpose | " NO_RULE) },
    { ROW(BY_PRIVATE_USAGE, PRIVATE_USAGE, "+nodes") },
    { ROW(BY_PRIVATE_USAGE, MEMBER, NO_RULE) },
    { ROW(BY_KEY_TYPE, MEMBER, "+strong") },
    { ROW(BY_KEY_TYPE, ED25519, "+strong") },
    { ROW(BY_KEY_TYPE, RSA_4096, "+strong") },
    { ROW(BY_KEY_TYPE, RSA_2048, NO_RULE) },
    { ROW(BY_KEY_TYPE, P_384, NO_RULE) },
    { ROW(BY_RSA, RSA_2048, "+rsa") },
    { ROW(BY_RSA, RSA_4096, "+rsa") },
    { ROW(BY_RSA, RSA_1024, "-weak-key") },
    { ROW(BY_RSA, MEMBER, NO_RULE) },
    { ROW(BY_LIFETIME, MEMBER, "+short") },
    { ROW(BY_LIFETIME, LONG_LIVED, NO_RULE) },
    { ROW(INBOUND, MEMBER, "+clients | " NO_RULE) },
    { ROW(OUTBOUND, MEMBER, NO_RULE " | +servers") },
    { ROW(NOT_INBOUND, MALLORY, "-denied expelled | " CERT) },
    { ROW(NOT_INBOUND, MEMBER, CERT) },
    { ROW(BOTH_MEMBERS, PINNED, "+both") },
    { ROW(BOTH_MEMBERS, PINNED_GUEST, NO_RULE) },
    { ROW(BOTH_MEMBERS, MEMBER, NO_RULE) },
    { ROW(CANDIDATE, MEMBER, IN), .candidate = "" },
    { ROW(CANDIDATE, GUEST, NO_RULE), .candidate = "guests" },
    { ROW(RULE_WITHOUT_URI, DNS_HOST, "+hosts | " NO_RULE) },
    { ROW(RULE_WITHOUT_URI, MEMBER, NO_RULE) },
};
const size_t matrix_rows_len = ARRAY_LEN(matrix_rows);
