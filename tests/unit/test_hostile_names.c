/* SPDX-License-Identifier: Apache-2.0
 * Certificates whose names are made to be read as other ones. The federation's CA signed them all,
 * so that nothing but their names can be what refuses them. */
#include "judge/policy.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "audit/audit_line.h"
#include "fixtures/authority.h"
#include "fixtures/rows.h"

#define DOMAIN "spiffe://fed.example"
#define NODE DOMAIN "/node/a"
#define IN NK_PEER_IS_CLIENT
#define OUT NK_PEER_IS_SERVER
#define BOTH (NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER)
#define DNS_LABEL "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefgh."
#define DNS_249 DNS_LABEL DNS_LABEL DNS_LABEL DNS_LABEL "fed.example.x"
#define DER_MAX_BYTES 200000u
#define NAMES_PER_ROW 3

static struct authority root;
static EVP_PKEY *key;

/* --- a certificate from a row --- */

enum tag { /* GeneralName, RFC 5280 section 4.2.1.6 */
           OTHER = 0xa0,
           EMAIL = 0x81,
           DNS = 0x82,
           DIRECTORY = 0xa4,
           URI = 0x86,
           IP = 0x87,
           RID = 0x88,
};

struct raw { /* bytes that may hold NUL */
    const char *data;
    size_t len;
};
#define BYTES(text)                                                                                \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }

struct showing {
    struct {
        enum tag tag; /* 0 ends */
        struct raw text;
    } names[NAMES_PER_ROW];
    size_t repeat;  /* the first name so many times */
    size_t longer;  /* and this many bytes 'x' at the end of each */
    struct raw san; /* instead: what the extension holds */
    bool two_sans;  /* the extension stands there twice */
    struct {
        int type; /* V_ASN1_*; 0 ends */
        struct raw text;
    } common_names[NAMES_PER_ROW];
    bool unsigned_cn; /* OpenSSL would not encode it, so it is put into the finished certificate */
    uint32_t role;    /* 0: client */
    const char *target;
};

struct der {
    unsigned char data[DER_MAX_BYTES];
    size_t len;
};

static void put(struct der *der, const void *data, size_t len)
{
    assert_true(len <= sizeof(der->data) - der->len);
    memcpy(der->data + der->len, data, len);
    der->len += len;
}

static void put_head(struct der *der, unsigned tag, size_t len)
{
    const unsigned char head[] = { (unsigned char)tag, 0x83, (unsigned char)(len >> 16),
                                   (unsigned char)(len >> 8), (unsigned char)len };
    const unsigned char middle[] = { (unsigned char)tag, 0x82, head[3], head[4] };
    const unsigned char low[] = { (unsigned char)tag, 0x81, head[4] };
    if (len > 0xffff) {
        put(der, head, sizeof(head));
    } else if (len > 0xff) {
        put(der, middle, sizeof(middle));
    } else if (len > 0x7f) {
        put(der, low, sizeof(low));
    } else {
        put(der, (const unsigned char[]){ (unsigned char)tag, head[4] }, 2);
    }
}

static void put_name(struct der *der, enum tag tag, const struct raw *text, size_t longer)
{
    put_head(der, tag, text->len + longer);
    put(der, text->data, text->len);
    for (size_t i = 0; i < longer; i++) {
        put(der, "x", 1);
    }
}

static void put_san(struct der *der, const struct showing *showing)
{
    if (showing->san.data != NULL) {
        put(der, showing->san.data, showing->san.len);
        return;
    }
    struct der *names = calloc(1, sizeof(*names));
    assert_non_null(names);
    for (size_t i = 0; i < NAMES_PER_ROW && showing->names[i].tag != 0; i++) {
        size_t times = i == 0 && showing->repeat > 0 ? showing->repeat : 1;
        for (size_t j = 0; j < times; j++) {
            put_name(names, showing->names[i].tag, &showing->names[i].text, showing->longer);
        }
    }
    put_head(der, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, names->len);
    put(der, names->data, names->len);
    free(names);
}

static void add_san(X509 *leaf, const struct der *der)
{
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    assert_non_null(value);
    assert_int_equal(ASN1_OCTET_STRING_set(value, der->data, (int)der->len), 1);
    X509_EXTENSION *extension =
        X509_EXTENSION_create_by_OBJ(NULL, OBJ_nid2obj(NID_subject_alt_name), 0, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(leaf, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
}

#define PLACEHOLDER "########"

static void set_common_names(X509 *leaf, const struct showing *showing)
{
    const struct raw placeholder = { PLACEHOLDER, showing->common_names[0].text.len };
    X509_NAME *subject = X509_NAME_new();
    assert_non_null(subject);
    for (size_t i = 0; i < NAMES_PER_ROW && showing->common_names[i].type != 0; i++) {
        const struct raw *text =
            showing->unsigned_cn ? &placeholder : &showing->common_names[i].text;
        X509_NAME_ENTRY *entry = X509_NAME_ENTRY_new();
        assert_non_null(entry);
        assert_int_equal(X509_NAME_ENTRY_set_object(entry, OBJ_nid2obj(NID_commonName)), 1);
        /* Unchecked: that is the point. */
        int type = showing->unsigned_cn ? V_ASN1_UTF8STRING : showing->common_names[i].type;
        assert_int_equal(
            X509_NAME_ENTRY_set_data(entry, type, (const void *)text->data, (int)text->len), 1);
        assert_int_equal(X509_NAME_add_entry(subject, entry, -1, 0), 1);
        X509_NAME_ENTRY_free(entry);
    }
    assert_int_equal(X509_set_subject_name(leaf, subject), 1);
    X509_NAME_free(subject);
}

/* PEM of the certificate with the common name of the row where the placeholder was. */
static char *put_common_name(X509 *leaf, const struct showing *showing)
{
    unsigned char *der = NULL;
    int len = i2d_X509(leaf, &der);
    assert_true(len > 0);
    const struct raw *text = &showing->common_names[0].text;
    assert_in_range(text->len, 4, strlen(PLACEHOLDER));
    unsigned char *at = memmem(der, (size_t)len, PLACEHOLDER, text->len);
    assert_non_null(at);
    memcpy(at, text->data, text->len);
    at[-2] = (unsigned char)showing->common_names[0].type;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(bio != NULL && PEM_write_bio(bio, PEM_STRING_X509, "", der, len) > 0);
    char *data = NULL;
    long pem_len = BIO_get_mem_data(bio, &data);
    char *pem = strndup(data, (size_t)pem_len);
    BIO_free(bio);
    OPENSSL_free(der);
    return pem;
}

static char *issue_pem(const struct showing *showing)
{
    X509 *leaf = authority_issue(&root, key, NULL);
    struct der *der = calloc(1, sizeof(*der));
    assert_non_null(der);
    put_san(der, showing);
    if (showing->names[0].tag != 0 || showing->san.data != NULL) {
        add_san(leaf, der);
    }
    if (showing->two_sans) {
        add_san(leaf, der);
    }
    if (showing->common_names[0].type != 0) {
        set_common_names(leaf, showing);
    }
    assert_true(X509_sign(leaf, root.key, EVP_sha256()) > 0);
    char *pem = showing->unsigned_cn ? put_common_name(leaf, showing) : pem_of(leaf, NULL);
    free(der);
    X509_free(leaf);
    return pem;
}

/* --- a policy from a row --- */

struct rule_spec {
    enum rule_member member;
    const char *value; /* NULL: none */
};

static const nk_host host = { .struct_size = sizeof(host) };

static void add_rule(struct rule_list *list, const char *name, const struct rule_spec *rule)
{
    if (rule->value != NULL) {
        assert_int_equal(rule_list_append(list, name, BOTH, NULL), NK_OK);
        assert_int_equal(rule_list_add(list, rule->member, rule->value, NULL), NK_OK);
    }
}

/* Without a rule that admits, every member is let in. */
static struct policy *make_policy(const struct rule_spec *admit, const struct rule_spec *deny)
{
    char *roots[] = { (char *)path_of("%s/root.pem", scratch_folder()) };
    struct config config = { .roots = { roots, 1 },
                             .federation.strict = true,
                             .all_certified = admit->value == NULL };
    struct policy *policy = NULL;
    struct policy_memory memory;
    nk_error err = { .struct_size = sizeof(err) };
    assert_int_equal(policy_memory_open(NULL, &memory, &err), NK_OK);
    add_rule(&config.admit, "members", admit);
    add_rule(&config.deny, "stolen", deny);
    if (policy_new(&config, &memory, &host, &policy, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    policy_memory_clear(&memory); /* the policy keeps what it needs */
    rule_list_clear(&config.admit);
    rule_list_clear(&config.deny);
    return policy;
}

/* --- rows --- */

#define ONE(tag, text) .peer.names = { { (tag), BYTES(text) } }
#define CN(type, text) .peer.common_names = { { (type), BYTES(text) } }
#define UNSIGNED_CN(type, text) CN(type, text), .peer.unsigned_cn = true
#define DIAL(host_name) .peer.role = OUT, .peer.target = (host_name)
#define ADMIT_NODES .admit = { RULE_URI, DOMAIN "/node/*" }
#define ADMIT_HOSTS .admit = { RULE_DNS, "*.fed.example" }
#define ADMIT_CN .admit = { RULE_CN, "node" }
#define DENY_NODE .deny = { RULE_URI, NODE }
#define DENY_HOST .deny = { RULE_DNS, "a.fed.example" }
#define DENY_NET .deny = { RULE_IP, "10.0.0.0/8" }
#define DENY_CN .deny = { RULE_CN, "node" }
#define DENY_MAIL .deny = { RULE_EMAIL, "a@fed.example" }
#define DENY_SITE .deny = { RULE_URI, "https://10.0.0.1/a" }
#define DENY_URN .deny = { RULE_URI, "urn:uuid:0a" }
#define DENY(uri) .deny = { RULE_URI, (uri) }
#define READ_REFUSES(text) .refusal = (text)
#define REFUSED(label) .reason = (label)

static const struct row {
    const char *name; /* what this row proves; it is the test's name */
    struct showing peer;
    struct rule_spec admit;
    struct rule_spec deny;
    const char *refusal; /* a piece of peer_read's text; NULL: it reads */
    const char *reason;  /* of the verdict then; NULL: allowed */
} rows[] = {
    /* the good ones, so that the bad ones are refused for what is bad in them */
    { "a member's URI", ONE(URI, NODE), ADMIT_NODES },
    { "a member's DNS name", ONE(DNS, "a.fed.example"), ADMIT_HOSTS },
    { "a member's common name", CN(V_ASN1_UTF8STRING, "node"), ADMIT_CN },
    { "a denied URI", ONE(URI, NODE), DENY_NODE, REFUSED("denied") },
    { "a denied DNS name", ONE(DNS, "a.fed.example"), DENY_HOST, REFUSED("denied") },

    /* bytes that end, break or hide a name */
    { "NUL inside a URI", ONE(URI, NODE "\0/evil"), READ_REFUSES("0x00") },
    { "NUL at the end of a URI", ONE(URI, NODE "\0"), READ_REFUSES("0x00") },
    { "NUL inside a DNS name", ONE(DNS, "a.fed.example\0.evil"), READ_REFUSES("0x00") },
    { "NUL at the end of a DNS name", ONE(DNS, "a.fed.example\0"), READ_REFUSES("0x00") },
    { "NUL inside an email", ONE(EMAIL, "a@fed.example\0.evil"), READ_REFUSES("0x00") },
    { "NUL alone", ONE(DNS, "\0"), READ_REFUSES("0x00") },
    { "NUL in the second name", .peer.names = { { URI, BYTES(NODE) }, { DNS, BYTES("a\0b") } },
      READ_REFUSES("0x00") },
    { "a newline in a URI", ONE(URI, NODE "\nadmitted"), READ_REFUSES("0x0a") },
    { "a carriage return in a URI", ONE(URI, NODE "\radmitted"), READ_REFUSES("0x0d") },
    { "a newline at the end of a DNS name", ONE(DNS, "a.fed.example\n"), READ_REFUSES("0x0a") },
    { "a newline in an email", ONE(EMAIL, "a@fed.example\r\nBcc: b"), READ_REFUSES("0x0d") },
    { "a terminal escape in a URI", ONE(URI, NODE "\033[2K"), READ_REFUSES("0x1b") },
    { "a tab in a DNS name", ONE(DNS, "a.fed.example\t"), READ_REFUSES("0x09") },
    { "DEL in a URI", ONE(URI, NODE "\x7f"), READ_REFUSES("0x7f") },
    { "a space at the end of a URI", ONE(URI, NODE " "), READ_REFUSES("0x20") },
    { "a space before a DNS name", ONE(DNS, " a.fed.example"), READ_REFUSES("0x20") },
    { "an empty URI", ONE(URI, ""), READ_REFUSES("empty") },
    { "an empty email", ONE(EMAIL, ""), READ_REFUSES("empty") },

    /* letters that look like others */
    { "a Cyrillic letter in a URI",
      ONE(URI, "spiffe://f\xd0\xb5"
               "d.example/node/a"),
      READ_REFUSES("0xd0") },
    { "a Cyrillic letter in a DNS name", ONE(DNS, "\xd0\xb0.fed.example"), READ_REFUSES("0xd0") },
    { "a Cyrillic letter in an email", ONE(EMAIL, "\xd0\xb0@fed.example"), READ_REFUSES("0xd0") },
    { "a right-to-left override in a URI", ONE(URI, NODE "\xe2\x80\xae"), READ_REFUSES("0xe2") },
    { "a zero-width space in a DNS name", ONE(DNS, "a\xe2\x80\x8b.fed.example"),
      READ_REFUSES("0xe2") },
    { "an ideographic full stop in a DNS name",
      ONE(DNS, "a\xe3\x80\x82"
               "fed.example"),
      READ_REFUSES("0xe3") },
    { "a soft hyphen in Latin-1 in a DNS name", ONE(DNS, "a\xad.fed.example"),
      READ_REFUSES("0xad") },
    { "an overlong slash in a URI",
      ONE(URI, DOMAIN "/node\xc0\xaf"
                      "a"),
      READ_REFUSES("0xc0") },
    { "a look-alike written xn-- is another domain", ONE(DNS, "a.xn--fd-nlc.example"), ADMIT_HOSTS,
      REFUSED("no-rule") },
    { "a look-alike written xn-- is another trust domain",
      ONE(URI, "spiffe://xn--fd-nlc.example/node/a"), ADMIT_NODES, REFUSED("no-rule") },
    { "a look-alike written xn-- is not the name that is denied", ONE(DNS, "xn--80a.fed.example"),
      DENY_HOST },
    { "xn-- is a label like any other", ONE(DNS, "xn--80a.fed.example"), ADMIT_HOSTS },

    /* other spellings of a name: none is admitted, none gets round a deny rule */
    { "upper case in a DNS name is the same name", ONE(DNS, "A.FED.example"), ADMIT_HOSTS },
    { "upper case in a DNS name is denied, too", ONE(DNS, "A.FED.example"), DENY_HOST,
      REFUSED("denied") },
    { "an upper-case scheme", ONE(URI, "SPIFFE://fed.example/node/a"), ADMIT_NODES,
      REFUSED("no-rule") },
    { "an upper-case scheme, deny", ONE(URI, "SPIFFE://fed.example/node/a"), DENY_NODE,
      REFUSED("malformed") },
    { "a trailing dot", ONE(DNS, "a.fed.example."), ADMIT_HOSTS, REFUSED("no-rule") },
    { "a trailing dot, deny", ONE(DNS, "a.fed.example."), DENY_HOST, REFUSED("malformed") },
    { "a percent-encoded letter", ONE(URI, DOMAIN "/node/%61"), ADMIT_NODES, REFUSED("no-rule") },
    { "a percent-encoded letter, deny", ONE(URI, DOMAIN "/node/%61"), DENY_NODE,
      REFUSED("malformed") },
    { "a percent-encoded NUL", ONE(URI, NODE "%00"), ADMIT_NODES, REFUSED("no-rule") },
    { "a percent-encoded slash", ONE(URI, DOMAIN "/node/a%2fb"), ADMIT_NODES, REFUSED("no-rule") },
    { "two dots", ONE(URI, DOMAIN "/node/.."), ADMIT_NODES, REFUSED("no-rule") },
    { "two dots, deny", ONE(URI, DOMAIN "/x/../node/a"), DENY_NODE, REFUSED("malformed") },
    { "a slash more at the end", ONE(URI, NODE "/"), ADMIT_NODES, REFUSED("no-rule") },
    { "a slash more at the end, deny", ONE(URI, NODE "/"), DENY_NODE, REFUSED("malformed") },
    { "two slashes", ONE(URI, DOMAIN "//node/a"), ADMIT_NODES, REFUSED("no-rule") },
    { "a query", ONE(URI, NODE "?admin"), ADMIT_NODES, REFUSED("no-rule") },
    { "a query, deny", ONE(URI, NODE "?"), DENY_NODE, REFUSED("malformed") },
    { "a fragment, deny", ONE(URI, NODE "#"), DENY_NODE, REFUSED("malformed") },
    { "a user before the authority", ONE(URI, "spiffe://fed.example@evil/node/a"), ADMIT_NODES,
      REFUSED("no-rule") },
    { "a backslash", ONE(URI, "spiffe://fed.example\\@evil/node/a"), ADMIT_NODES,
      REFUSED("no-rule") },
    { "a port", ONE(URI, "spiffe://fed.example:1/node/a"), ADMIT_NODES, REFUSED("no-rule") },
    { "a star in the certificate's URI", ONE(URI, DOMAIN "/node/*"), ADMIT_NODES,
      REFUSED("no-rule") },
    { "a star in the certificate's URI, deny", ONE(URI, DOMAIN "/node/*"), DENY_NODE,
      REFUSED("malformed") },
    { "a star in the certificate's DNS name", ONE(DNS, "*.fed.example"), ADMIT_HOSTS,
      REFUSED("no-rule") },
    { "a star in the certificate's DNS name, deny", ONE(DNS, "*.fed.example"), DENY_HOST,
      REFUSED("malformed") },
    { "two slashes, deny", ONE(URI, DOMAIN "//node/a"), DENY_NODE, REFUSED("malformed") },
    { "a user before the authority, deny", ONE(URI, "spiffe://x@fed.example/node/a"), DENY_NODE,
      REFUSED("malformed") },
    { "a dot after the authority, deny", ONE(URI, "spiffe://fed.example./node/a"), DENY_NODE,
      REFUSED("malformed") },
    { "an upper-case authority, deny", ONE(URI, "spiffe://FED.example/node/a"), DENY_NODE,
      REFUSED("malformed") },
    { "an empty port, deny", ONE(URI, "spiffe://fed.example:/node/a"), DENY_NODE,
      REFUSED("malformed") },
    { "a port is another authority", ONE(URI, "spiffe://fed.example:1/node/a"), DENY_NODE },
    { "a host that is denied", ONE(URI, "https://10.0.0.1/a"), DENY_SITE, REFUSED("denied") },
    { "a scheme's own port, deny", ONE(URI, "https://10.0.0.1:443/a"), DENY_SITE,
      REFUSED("malformed") },
    { "a scheme's own port with zeros, deny", ONE(URI, "https://10.0.0.1:00443/a"), DENY_SITE,
      REFUSED("malformed") },
    { "an address as one number, deny", ONE(URI, "https://167772161/a"), DENY_SITE,
      REFUSED("malformed") },
    { "an address of two numbers, deny", ONE(URI, "https://10.1/a"), DENY_SITE,
      REFUSED("malformed") },
    { "an address in hexadecimal, deny", ONE(URI, "https://0xa000001/a"), DENY_SITE,
      REFUSED("malformed") },
    { "an address in octal, deny", ONE(URI, "https://012.0.0.1/a"), DENY_SITE,
      REFUSED("malformed") },
    { "an address mapped into IPv6 in a URI, deny", ONE(URI, "https://[::ffff:10.0.0.1]/a"),
      DENY_SITE, REFUSED("malformed") },
    { "IPv6 in a URI", ONE(URI, "https://[2001:db8::1]/a"), DENY("https://[2001:db8::1]/a"),
      REFUSED("denied") },
    { "IPv6 in a URI with another zero, deny", ONE(URI, "https://[2001:db8:0::1]/a"),
      DENY("https://[2001:db8::1]/a"), REFUSED("malformed") },
    { "IPv6 in a URI with a zone, deny", ONE(URI, "https://[2001:db8::1%25eth0]/a"),
      DENY("https://[2001:db8::1]/a"), REFUSED("malformed") },
    { "a slash in place of no path, deny", ONE(URI, "https://fed.example/"),
      DENY("https://fed.example"), REFUSED("malformed") },
    { "one slash is another URI", ONE(URI, "spiffe:/fed.example/node/a"), DENY_NODE },
    { "no authority, deny", ONE(URI, "spiffe:///fed.example/node/a"), DENY_NODE,
      REFUSED("malformed") },
    { "no scheme, deny", ONE(URI, "//fed.example/node/a"), DENY_NODE, REFUSED("malformed") },
    { "xn-- of plain letters, deny", ONE(DNS, "xn--a-.fed.example"), DENY_HOST,
      READ_REFUSES("hyphen") },
    { "a UUID that is denied", ONE(URI, "urn:uuid:0a"), DENY_URN, REFUSED("denied") },
    { "a UUID in upper case, deny", ONE(URI, "urn:uuid:0A"), DENY_URN, REFUSED("malformed") },
    { "a urn's namespace in upper case, deny", ONE(URI, "urn:UUID:0a"), DENY_URN,
      REFUSED("malformed") },
    { "an upper-case urn, deny", ONE(URI, "URN:uuid:0a"), DENY_URN, REFUSED("malformed") },
    { "dot segments in a urn, deny", ONE(URI, "urn:x:b/../a"), DENY_URN, REFUSED("malformed") },
    { "a mailbox that is denied", ONE(EMAIL, "a@FED.example"), DENY_MAIL, REFUSED("denied") },
    { "a mailbox's own case is its own", ONE(EMAIL, "A@fed.example"), DENY_MAIL },
    { "a quoted mailbox, deny", ONE(EMAIL, "\"a\"@fed.example"), DENY_MAIL, REFUSED("malformed") },
    { "a mailbox's domain with a dot at the end, deny", ONE(EMAIL, "a@fed.example."), DENY_MAIL,
      REFUSED("malformed") },
    { "a mailbox with a comment, deny", ONE(EMAIL, "a(x)@fed.example"), DENY_MAIL,
      REFUSED("malformed") },
    { "a mailbox behind a route, deny", ONE(EMAIL, "@evil:a@fed.example"), DENY_MAIL,
      REFUSED("malformed") },
    { "a good name beside a denied one",
      .peer.names = { { URI, BYTES(DOMAIN "/node/b") }, { URI, BYTES(NODE) } }, ADMIT_NODES,
      DENY_NODE, REFUSED("denied") },
    { "a URI as a DNS name", ONE(DNS, NODE), ADMIT_NODES, READ_REFUSES("no DNS name has") },
    { "a URI as an email", ONE(EMAIL, NODE), ADMIT_NODES, REFUSED("no-rule") },
    { "a DNS name as a common name", CN(V_ASN1_UTF8STRING, "a.fed.example"), ADMIT_HOSTS,
      REFUSED("no-rule") },

    /* addresses */
    { "an address of 0 bytes", ONE(IP, ""), READ_REFUSES("0 bytes") },
    { "an address of 3 bytes", ONE(IP, "\x0a\x00\x00"), READ_REFUSES("3 bytes") },
    { "an address and a mask", ONE(IP, "\x0a\x00\x00\x00\xff\x00\x00\x00"),
      READ_REFUSES("8 bytes") },
    { "an address of 17 bytes", ONE(IP, "0123456789abcdefg"), READ_REFUSES("17 bytes") },
    { "an address in the denied network", ONE(IP, "\x0a\x00\x00\x01"), DENY_NET,
      REFUSED("denied") },
    { "an address mapped into IPv6, deny", ONE(IP, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x00\x00\x01"),
      DENY_NET, READ_REFUSES("written as IPv6") },
    { "an IPv4-compatible address, deny", ONE(IP, "\0\0\0\0\0\0\0\0\0\0\0\0\x0a\x00\x00\x01"),
      DENY_NET, READ_REFUSES("written as IPv6") },
    { "an address as a DNS name", ONE(DNS, "10.0.0.1"), .admit = { RULE_IP, "10.0.0.0/8" },
      REFUSED("no-rule") },

    /* the name that was dialled */
    { "the dialled name", ONE(DNS, "a.fed.example"), DIAL("a.fed.example") },
    { "an address as a DNS name, dialled", ONE(DNS, "10.0.0.1"), DIAL("10.0.0.1"),
      REFUSED("name-mismatch") },
    { "the bytes of a name as an address, dialled", ONE(IP, "a.fr"), DIAL("a.fr"),
      REFUSED("name-mismatch") },
    { "the dialled name as common name", .peer.names = { { URI, BYTES(NODE) } },
      CN(V_ASN1_UTF8STRING, "a.fed.example"), DIAL("a.fed.example"), REFUSED("name-mismatch") },
    { "the dialled name as email", ONE(EMAIL, "a.fed.example"), DIAL("a.fed.example"),
      REFUSED("name-mismatch") },
    { "a target with a newline", ONE(DNS, "a.fed.example"), DIAL("a.fed.example\n"),
      REFUSED("name-mismatch") },
    { "a target with a Cyrillic letter", ONE(DNS, "a.fed.example"), DIAL("\xd0\xb0.fed.example"),
      REFUSED("name-mismatch") },
    { "a target with a dot before", ONE(DNS, "a.fed.example"), DIAL(".fed.example"),
      REFUSED("name-mismatch") },
    { "an empty target", ONE(DNS, "a.fed.example"), DIAL(""), REFUSED("name-mismatch") },
    { "a star takes no two labels", ONE(DNS, "*.example"), DIAL("a.fed.example"),
      REFUSED("name-mismatch") },
    { "a star alone names nobody", ONE(DNS, "*"), DIAL("localhost"), REFUSED("name-mismatch") },
    { "a star takes no part of a label", ONE(DNS, "a*.fed.example"), DIAL("ab.fed.example"),
      READ_REFUSES("leftmost") },

    /* how many, how long */
    { "64 names", ONE(DNS, "a.fed.example"), .peer.repeat = 64, ADMIT_HOSTS },
    { "65 names", ONE(DNS, "a.fed.example"), .peer.repeat = 65, READ_REFUSES("65 names") },
    { "1,000 names", ONE(DNS, "a.fed.example"), .peer.repeat = 1000, READ_REFUSES("1000 names") },
    { "1,000 names that no rule speaks about", ONE(RID, "\x2a\x03"), .peer.repeat = 1000,
      READ_REFUSES("1000 names") },
    { "the last of 64 is denied",
      .peer.names = { { DNS, BYTES("b.fed.example") }, { DNS, BYTES("a.fed.example") } },
      .peer.repeat = 63, DENY_HOST, REFUSED("denied") },
    { "a URI that begins well, of 2,048 bytes", ONE(URI, NODE),
      .peer.longer = 2048 - sizeof(NODE) + 1, .admit = { RULE_URI, NODE }, REFUSED("no-rule") },
    { "a URI of 2,048 bytes is matched to its end", ONE(URI, NODE),
      .peer.longer = 2048 - sizeof(NODE) + 1, ADMIT_NODES },
    { "a URI of 2,049 bytes", ONE(URI, NODE), .peer.longer = 2049 - sizeof(NODE) + 1, ADMIT_NODES,
      READ_REFUSES("2049 bytes") },
    { "a DNS name of 253 bytes", ONE(DNS, DNS_249 "abcd"), .admit = { RULE_DNS, DNS_249 "abcd" } },
    { "a DNS name of 253 bytes and a dot", ONE(DNS, DNS_249 "abcd."),
      .deny = { RULE_DNS, DNS_249 "abcd" }, REFUSED("malformed") },
    { "a DNS name of 254 bytes", ONE(DNS, DNS_249 "abcde"), READ_REFUSES("253") },
    { "a DNS name of 255 bytes", ONE(DNS, DNS_249 "abcdef"), READ_REFUSES("255 bytes") },
    { "a DNS name longer than any, deny", ONE(DNS, "a.fed.example."), .peer.longer = 300, DENY_HOST,
      READ_REFUSES("314 bytes") },
    { "an email of 320 bytes", ONE(EMAIL, "a@fed.example"), .peer.longer = 320 - 13 },
    { "an email of 321 bytes", ONE(EMAIL, "a@fed.example"), .peer.longer = 321 - 13,
      READ_REFUSES("321 bytes") },
    { "a name that fills the chain", ONE(URI, NODE), .peer.longer = 120000,
      READ_REFUSES("bytes of PEM") },

    /* shapes of the extension */
    { "two subjectAltName extensions", ONE(URI, NODE), .peer.two_sans = true,
      READ_REFUSES("there twice") },
    { "a subjectAltName of nothing", .peer.san = BYTES(""), READ_REFUSES("malformed") },
    { "a subjectAltName that is a set",
      .peer.san = BYTES("\x31\x03\x82\x01"
                        "a"),
      READ_REFUSES("malformed") },
    { "a subjectAltName cut short",
      .peer.san = BYTES("\x30\x04\x82\x02"
                        "a"),
      READ_REFUSES("malformed") },
    { "a name cut short",
      .peer.san = BYTES("\x30\x03\x82\x02"
                        "a"),
      READ_REFUSES("malformed") },
    { "a name of a kind that there is not",
      .peer.san = BYTES("\x30\x03\x89\x01"
                        "a"),
      READ_REFUSES("malformed") },
    { "a length of the size of memory",
      .peer.san = BYTES("\x30\x88\x7f\xff\xff\xff\xff\xff\xff\xff"), READ_REFUSES("malformed") },
    { "a subjectAltName without names", .peer.san = BYTES("\x30\x00"), ADMIT_NODES,
      REFUSED("chain-invalid") },
    { "a subjectAltName without names, all-certified", .peer.san = BYTES("\x30\x00"),
      REFUSED("chain-invalid") },
    { "an otherName that holds the URI", ONE(OTHER, "\x06\x03\x2a\x03\x04\xa0\x1d\x0c\x1b" NODE),
      ADMIT_NODES, REFUSED("no-rule") },
    { "a directory name that holds the common name",
      ONE(DIRECTORY, "\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04node"),
      .peer.common_names = { { V_ASN1_UTF8STRING, BYTES("other") } }, ADMIT_CN,
      REFUSED("no-rule") },

    /* common names */
    { "NUL in a common name", CN(V_ASN1_UTF8STRING, "node\0evil"), READ_REFUSES("0x00") },
    { "a newline in a common name", CN(V_ASN1_UTF8STRING, "node\n"), READ_REFUSES("0x0a") },
    { "a Cyrillic letter in a common name",
      CN(V_ASN1_UTF8STRING, "n\xd0\xbe"
                            "de"),
      ADMIT_CN, REFUSED("no-rule") },
    { "a Cyrillic letter in a common name, deny",
      CN(V_ASN1_UTF8STRING, "n\xd0\xbe"
                            "de"),
      DENY_CN, REFUSED("malformed") },
    { "a Cyrillic letter in a common name, deny of another kind",
      CN(V_ASN1_UTF8STRING, "n\xd0\xbe"
                            "de"),
      DENY_NODE },
    { "a zero-width space in a common name",
      CN(V_ASN1_UTF8STRING, "no\xe2\x80\x8b"
                            "de"),
      READ_REFUSES("0xe2") },
    { "a C1 control in a common name", CN(V_ASN1_UTF8STRING, "node\xc2\x9b"),
      READ_REFUSES("0xc2") },
    { "a right-to-left override in a common name",
      CN(V_ASN1_UTF8STRING, "\xe2\x80\xae"
                            "edon"),
      READ_REFUSES("0xe2") },
    { "damaged UTF-8 in a common name", UNSIGNED_CN(V_ASN1_UTF8STRING, "node-00\xc3"),
      READ_REFUSES("certificate 1") },
    { "BMPString: the same letters are the same name", CN(V_ASN1_BMPSTRING, "\0n\0o\0d\0e"),
      ADMIT_CN },
    { "BMPString: a Cyrillic letter", CN(V_ASN1_BMPSTRING, "\0n\x04\x3e\0d\0e"), ADMIT_CN,
      REFUSED("no-rule") },
    { "BMPString: a Cyrillic letter, deny", CN(V_ASN1_BMPSTRING, "\0n\x04\x3e\0d\0e"), DENY_CN,
      REFUSED("malformed") },
    { "BMPString: half a letter", UNSIGNED_CN(V_ASN1_BMPSTRING, "\0n\0o\0d\0"),
      READ_REFUSES("certificate 1") },
    { "BMPString: NUL", CN(V_ASN1_BMPSTRING, "\0n\0o\0d\0e\0\0"), READ_REFUSES("0x00") },
    { "T61String: the same letters are the same name", CN(V_ASN1_T61STRING, "node"), ADMIT_CN },
    { "T61String: a letter with an accent", CN(V_ASN1_T61STRING, "nod\xe9"), ADMIT_CN,
      REFUSED("no-rule") },
    { "UniversalString: a letter beyond Unicode",
      UNSIGNED_CN(V_ASN1_UNIVERSALSTRING, "\0\0\0n\x7f\xff\xff\xff"),
      READ_REFUSES("certificate 1") },
    { "a common name that is an OCTET STRING", UNSIGNED_CN(V_ASN1_OCTET_STRING, "node-000"),
      READ_REFUSES("certificate 1") },
    { "an empty common name is none", CN(V_ASN1_UTF8STRING, ""), ADMIT_CN, REFUSED("no-rule") },
    { "a common name of 255 bytes and more",
      CN(V_ASN1_UTF8STRING, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
      READ_REFUSES("256 bytes") },
    { "a denied common name", CN(V_ASN1_UTF8STRING, "node"), DENY_CN, REFUSED("denied") },
    { "another common name after the one that is denied",
      .peer.common_names = { { V_ASN1_UTF8STRING, BYTES("node") },
                             { V_ASN1_UTF8STRING, BYTES("evil") } },
      DENY_CN, READ_REFUSES("more than one common name") },
    { "another common name before the one that is denied",
      .peer.common_names = { { V_ASN1_UTF8STRING, BYTES("evil") },
                             { V_ASN1_UTF8STRING, BYTES("node") } },
      DENY_CN, READ_REFUSES("more than one common name") },
    { "the same common name twice",
      .peer.common_names = { { V_ASN1_UTF8STRING, BYTES("node") },
                             { V_ASN1_UTF8STRING, BYTES("node") } },
      ADMIT_CN, READ_REFUSES("more than one common name") },
    { "an empty common name after one",
      .peer.common_names = { { V_ASN1_UTF8STRING, BYTES("node") },
                             { V_ASN1_UTF8STRING, BYTES("") } },
      DENY_CN, READ_REFUSES("more than one common name") },
    { "a common name is its bytes: a space at the end is another, deny",
      CN(V_ASN1_UTF8STRING, "node "), DENY_CN },
    { "a common name is its bytes: a space before is another, deny", CN(V_ASN1_UTF8STRING, " node"),
      DENY_CN },
    { "a common name is its bytes: upper case is another, deny", CN(V_ASN1_UTF8STRING, "Node"),
      DENY_CN },
    { "a common name is its letters: BMPString, deny", CN(V_ASN1_BMPSTRING, "\0n\0o\0d\0e"),
      DENY_CN, REFUSED("denied") },
    { "a space after a common name", CN(V_ASN1_UTF8STRING, "node "), ADMIT_CN, REFUSED("no-rule") },
    { "upper case in a common name", CN(V_ASN1_UTF8STRING, "Node"), ADMIT_CN, REFUSED("no-rule") },
};

/* --- the check of a row --- */

static void is_one_printable_line(const char *text)
{
    for (; *text != '\0'; text++) {
        assert_in_range((unsigned char)*text, ' ', 0x7e);
    }
}

/* What was read can be logged, and be told apart by a machine. */
static void can_be_told(const struct peer *peer, const nk_verdict *verdict)
{
    static char text[AUDIT_LINE_MAX_BYTES];
    const struct audit_entry entry = {
        .peer = &peer->facts, .role = peer->facts.role, .occasion = "handshake", .verdict = verdict
    };
    char description[200];

    peer_describe(peer, description, sizeof(description));
    is_one_printable_line(description);
    is_one_printable_line(verdict->detail);
    size_t len = audit_line_print(&entry, &(struct audit_counts){ 0 }, &(struct timespec){ 0 },
                                  text, sizeof(text));
    json_t *line = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    json_decref(line);
}

static void check_verdict(const struct row *row, struct peer *peer)
{
    struct policy *policy = make_policy(&row->admit, &row->deny);
    struct opinion opinion;
    policy_judge(policy, peer, &opinion);
    const nk_verdict verdict = opinion.verdict;
    print_message("%u %s %s: %s\n", verdict.decision, verdict.rule, verdict.reason, verdict.detail);
    assert_int_equal(ERR_peek_error(), 0);
    assert_string_equal(verdict.reason, row->reason != NULL ? row->reason : "");
    assert_int_equal(verdict.decision, row->reason != NULL ? NK_DENY : NK_ALLOW);
    can_be_told(peer, &verdict);
    policy_unref(policy);
}

/* Our own certificate is refused for what it would be refused for as a peer's. */
static void check_as_ours(const struct row *row, const char *pem)
{
    const struct rule_spec none = { .value = NULL };
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    struct policy *policy = make_policy(&none, &none);
    nk_error err = { .struct_size = sizeof(err) };

    BIO_free(bio);
    if (leaf != NULL) { /* else it could not be our file either */
        nk_status status = policy_check_ours(policy, OUR_SERVER, leaf, NULL, &host, &err);
        if (row->refusal != NULL || row->reason == NULL) { /* else its path may be at fault */
            assert_int_equal(status, row->refusal == NULL ? NK_OK : NK_E_IDENTITY);
        }
        is_one_printable_line(err.text);
    }
    ERR_clear_error();
    policy_unref(policy);
    X509_free(leaf);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    char *pem = issue_pem(&row->peer);
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = peer_read(row->peer.role == 0 ? IN : row->peer.role, row->peer.target, pem,
                                 NULL, &peer, &err);
    assert_int_equal(ERR_peek_error(), 0);
    check_as_ours(row, pem);
    free(pem);
    if (row->refusal == NULL) {
        assert_int_equal(status, NK_OK);
        check_verdict(row, peer);
        peer_free(peer);
        return;
    }
    print_message("%s\n", err.text);
    assert_int_equal(status, NK_E_PEER);
    assert_null(peer);
    is_one_printable_line(err.text);
    if (strstr(err.text, row->refusal) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, row->refusal);
    }
}

static int set_up(void **state)
{
    (void)state;
    root = authority_make(NULL, "federation", NULL);
    key = software_key("P-256");
    char *pem = pem_of(root.certificate, NULL);
    write_file(path_of("%s/root.pem", scratch_folder()), pem, 0644);
    free(pem);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authority_free(&root);
    EVP_PKEY_free(key);
    return 0;
}

int main(void)
{
    ROWS_OF(rows, check_row)
    return ROWS_RUN("hostile_names", set_up, tear_down);
}
