/* SPDX-License-Identifier: Apache-2.0
 * Name constraints: hosts that a name would serve as, however it is written, and the form that
 * strict asks of constraints. Each row stands in a root and in an intermediate; each verdict is
 * printed beside OpenSSL's own, which may never be the stricter one. Go's: go_verdicts.sh. */
#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "names/anchor_scene.h"

#define IN "+"
#define BAD "-chain-invalid"
#define NO_ROOT "!"
#define NOT(subtree) "nameConstraints=critical,excluded;" subtree
#define ONLY(subtree) "nameConstraints=critical,permitted;" subtree
/* In OpenSSL's words or ours: 3.5 sees some of these itself. */
#define EXCLUDED "excluded"
#define PERMITTED "permitted"

/* RFC 5280 4.2.1.10 says it all but the wildcards; RFC 6125 6.4.3 says what these serve as, and
 * CVE-2025-61727 is the same hole in Go, closed in 1.25.5. */
static const struct name_row {
    const char *name;
    const char *ca; /* its nameConstraints */
    const char *san;
    const char *want;
    const char *part;
    const char *go; /* of a Go later than that; NULL: not asked */
} names[] = {
    /* a wildcard, and what it serves as */
    { "*.x beside an excluded bar.x", NOT("DNS:bar.example.com"), "DNS:*.example.com", BAD,
      EXCLUDED, "-" },
    { "*.x beside an excluded bar.x, by case", NOT("DNS:BAR.example.com"), "DNS:*.Example.COM", BAD,
      EXCLUDED, "-" },
    { "*.x as the second name", NOT("DNS:bar.example.com"), "DNS:a.example.com,DNS:*.example.com",
      BAD, EXCLUDED, "-" },
    { "*.x beside the second excluded", NOT("DNS:evil.example,excluded;DNS:bar.example.com"),
      "DNS:*.example.com", BAD, EXCLUDED, "-" },
    { "*.bar.x beside an excluded a.bar.x", NOT("DNS:a.bar.example.com"), "DNS:*.bar.example.com",
      BAD, EXCLUDED, "-" },
    { "a star inside a label", NOT("DNS:bar.example.com"), "DNS:b*.example.com", BAD, EXCLUDED,
      NULL },
    { "*.x beside an excluded a.bar.x", NOT("DNS:a.bar.example.com"), "DNS:*.example.com", IN, NULL,
      IN },
    { "*.y beside an excluded bar.x", NOT("DNS:bar.example.com"), "DNS:*.example.org", IN, NULL,
      IN },
    { "*.bar.x below an excluded bar.x", NOT("DNS:bar.example.com"), "DNS:*.bar.example.com", BAD,
      EXCLUDED, "-" },
    { "*.x under a permitted bar.x", ONLY("DNS:bar.example.com"), "DNS:*.example.com", BAD,
      PERMITTED, "-" },
    { "*.x under a permitted x", ONLY("DNS:example.com"), "DNS:*.example.com", IN, NULL, IN },
    /* the absolute form of the same name: RFC 1034 3.1 */
    { "a dot at the end of a name", NOT("DNS:bar.example.com"), "DNS:bar.example.com.", BAD,
      EXCLUDED, NULL },
    { "a dot at the end of a name below", NOT("DNS:bar.example.com"), "DNS:a.bar.example.com.", BAD,
      EXCLUDED, NULL },
    { "a dot at the end of a subtree", NOT("DNS:bar.example.com."), "DNS:a.bar.example.com", BAD,
      EXCLUDED, NULL },
    { "a dot at the end of a wildcard", NOT("DNS:bar.example.com"), "DNS:*.example.com.", BAD,
      EXCLUDED, NULL },
    { "another name with a dot at the end", NOT("DNS:bar.example.com"), "DNS:foobar.example.com.",
      IN, NULL, NULL },
    /* an excluded host of a URI: "the constraint MUST be specified as a fully qualified domain
     * name" and applies to "the host part of the name" */
    { "the host alone", NOT("URI:evil.example"), "URI:spiffe://evil.example/n", BAD, EXCLUDED,
      "-" },
    { "behind a user", NOT("URI:evil.example"), "URI:https://node@evil.example/n", BAD, EXCLUDED,
      "-" },
    { "behind a user and a password", NOT("URI:evil.example"), "URI:https://n:pw@evil.example/n",
      BAD, EXCLUDED, "-" },
    { "before a port", NOT("URI:evil.example"), "URI:https://evil.example:443/n", BAD, EXCLUDED,
      "-" },
    { "between a user and a port", NOT("URI:evil.example"), "URI:https://node@evil.example:443/n",
      BAD, EXCLUDED, "-" },
    { "before a query", NOT("URI:evil.example"), "URI:https://evil.example?n", BAD, EXCLUDED, "-" },
    { "before a fragment", NOT("URI:evil.example"), "URI:https://evil.example#n", BAD, EXCLUDED,
      "-" },
    { "before a path with a colon", NOT("URI:evil.example"), "URI:https://evil.example/a:b", BAD,
      EXCLUDED, "-" },
    { "by case", NOT("URI:evil.example"), "URI:https://n@EVIL.example", BAD, EXCLUDED, "-" },
    { "with a dot at the end", NOT("URI:evil.example"), "URI:https://evil.example./n", BAD,
      EXCLUDED, NULL },
    { "below an excluded domain", NOT("URI:.evil.example"), "URI:https://n:pw@a.evil.example:1/",
      BAD, EXCLUDED, "-" },
    { "every host", "nameConstraints=critical,DER:3006A10430028600", "URI:spiffe://evil.example/n",
      BAD, EXCLUDED, NULL },
    { "the domain is not below itself", NOT("URI:.evil.example"), "URI:https://n@evil.example/", IN,
      NULL, NULL },
    { "in a path", NOT("URI:evil.example"), "URI:https://good.example/evil.example", IN, NULL, IN },
    { "in a path behind @", NOT("URI:evil.example"), "URI:https://good.example/@evil.example", IN,
      NULL, IN },
    { "as a user", NOT("URI:evil.example"), "URI:https://evil.example@good.example/", IN, NULL,
      IN },
    /* a permitted host, likewise */
    { "a permitted host", ONLY("URI:good.example"), "URI:https://good.example:443/n", IN, NULL,
      IN },
    { "a permitted host as a user's name", ONLY("URI:good.example"),
      "URI:https://good.example:x@evil.example/", BAD, PERMITTED, "-" },
    { "a permitted domain as a user's name", ONLY("URI:.good.example"),
      "URI:https://a.good.example:x@evil.example/", BAD, PERMITTED, "-" },
    /* "If a constraint is about URIs and the name has no host that is a fully qualified domain
     * name, the application MUST reject the certificate" */
    { "an address for a host", NOT("URI:evil.example"), "URI:https://10.0.0.1/", BAD, NULL, "-" },
    { "an IPv6 address for a host", NOT("URI:evil.example"), "URI:https://[2001:db8::1]/", BAD,
      NULL, "-" },
    { "a host in escapes", NOT("URI:evil.example"), "URI:https://evil%2Eexample/", BAD, NULL,
      NULL },
    { "two @", NOT("URI:evil.example"), "URI:https://a@b@evil.example/", BAD, NULL, NULL },
    { "no host", NOT("URI:evil.example"), "URI:urn:node", BAD, NULL, "-" },
    { "an address, and no constraint on URIs", NOT("DNS:evil.example"), "URI:https://10.0.0.1/", IN,
      NULL, NULL },
};

/* --- the form that strict asks for --- */

/* OpenSSL 3.0 leaks policyConstraints that have no policies beside them. */
#define SOME_POLICY "certificatePolicies=1.2.3.1\n"

#define AIA "1.3.6.1.5.5.7.1.1=DER:"
#define AIA_VALUE "301c06082b060105050730028610687474703a2f2f612e6578616d706c65"

static const struct form_row {
    const char *name;
    const char *ca;
    const char *leaf;
    const char *san;
    const char *part;
    bool good;     /* strict takes it */
    bool of_names; /* the leaf's name is what is wrong, not the CA */
} forms[] = {
    /* 4.2.1.10: "Conforming CAs MUST mark this extension as critical" */
    { "nameConstraints not critical", "nameConstraints=permitted;DNS:fed.example",
      .san = "DNS:a.fed.example", .part = "nameConstraints=critical" },
    { "nameConstraints critical", ONLY("DNS:fed.example"), .san = "DNS:a.fed.example",
      .good = true },
    /* 4.2.1.10: "MUST be used only in a CA certificate" */
    { "nameConstraints in a leaf", .leaf = ONLY("DNS:fed.example"), .san = "DNS:a.fed.example",
      .part = "are for CAs" },
    { "nameConstraints in a leaf, not critical", .leaf = "nameConstraints=excluded;DNS:x.example",
      .san = "DNS:a.fed.example", .part = "are for CAs" },
    /* 4.2.1.10: "MUST NOT issue certificates where name constraints is an empty sequence" */
    { "NULL for both subtrees", "nameConstraints=critical,DER:3000", .part = "name nothing" },
    { "an empty list of subtrees", "nameConstraints=critical,DER:3002A000",
      .part = "name nothing" },
    { "an empty list beside another",
      "nameConstraints=critical,DER:3011A000A10D300B8209782e6578616d706c65",
      .part = "name nothing" },
    /* 4.2.1.10: DNS names have no form with a dot in front, as URIs have */
    { "a permitted DNS name with a dot in front", ONLY("DNS:.fed.example"),
      .san = "DNS:a.fed.example", .part = "without the dot" },
    { "an excluded DNS name with a dot in front", NOT("DNS:.evil.example"),
      .san = "DNS:a.fed.example", .part = "without the dot" },
    { "a URI with a dot in front", ONLY("URI:.fed.example"), .san = "URI:spiffe://a.fed.example/n",
      .good = true },
    /* 4.2.1.11 and 4.2.1.14: "Conforming CAs MUST mark this extension as critical" */
    { "policyConstraints not critical", SOME_POLICY "policyConstraints=inhibitPolicyMapping:0",
      .part = "policyConstraints=critical" },
    { "inhibitAnyPolicy not critical", "inhibitAnyPolicy=0", .part = "inhibitAnyPolicy=critical" },
    { "both critical",
      SOME_POLICY "policyConstraints=critical,inhibitPolicyMapping:0\n"
                  "inhibitAnyPolicy=critical,0",
      .good = true },
    /* 4.2.2.1, and DER by 4.2 */
    { "authorityInfoAccess is NULL, in a CA", AIA "0500", .part = "authorityInfoAccess" },
    { "authorityInfoAccess is NULL, in a leaf", .leaf = AIA "0500", .part = "authorityInfoAccess" },
    { "authorityInfoAccess is cut short", .leaf = AIA "301e301c0608",
      .part = "authorityInfoAccess" },
    { "authorityInfoAccess is BER", .leaf = AIA "30811e" AIA_VALUE, .part = "authorityInfoAccess" },
    { "authorityInfoAccess with bytes behind", .leaf = AIA "301e" AIA_VALUE "00",
      .part = "authorityInfoAccess" },
    { "authorityInfoAccess", .leaf = AIA "301e" AIA_VALUE, .good = true },
    /* 4.2.1.6: a Mailbox of RFC 2821; what is behind which @ the host is, is guesswork */
    { "two @ under a permitted domain", ONLY("email:fed.example"), .san = "email:a@b@fed.example",
      .part = "two @", .of_names = true },
    { "two @ beside an excluded domain", NOT("email:evil.example"), .san = "email:a@b@fed.example",
      .part = "two @", .of_names = true },
    { "two @ and no constraint on e-mail", NOT("DNS:evil.example"), .san = "email:a@b@fed.example",
      .good = true },
    { "one @", ONLY("email:fed.example"), .san = "email:a@fed.example", .good = true },
};

/* --- one question --- */

enum place { IN_ROOT, IN_SITE, PLACES };

struct question {
    enum place place;
    bool loose;
    const char *ca;
    struct certificate_spec leaf;
    const char *want;
    const char *part;
    const char *go;
    const char *name;
};

static void check_question(void **state)
{
    const struct question *question = *state;
    const struct certificate_spec bound = { .extra = question->ca };
    const struct certificate_spec free_of = { .cn = NULL };
    struct authority root =
        authority_make(NULL, "federation", question->place == IN_ROOT ? &bound : &free_of);
    struct authority site =
        authority_make(&root, "site", question->place == IN_SITE ? &bound : &free_of);
    EVP_PKEY *key = software_key("P-256");
    X509 *leaf = authority_issue(&site, key, &question->leaf);
    const struct anchor_case asked = { .roots = { root.certificate },
                                       .others = { site.certificate },
                                       .leaf = leaf,
                                       .strict = !question->loose };
    const char *ours = anchor_verdict(&asked);
    const char *openssl = anchor_openssl(&asked, !question->loose);
    print_message("nodekey %s | OpenSSL %s | Go %s\n", ours, openssl,
                  question->go != NULL ? question->go : "?");
    anchor_expect(ours, question->want, question->part);
    if (question->want[0] == '+') { /* never laxer; what OpenSSL lets through changes with it */
        anchor_expect(openssl, IN, NULL);
    }
    if (question->go != NULL) {
        anchor_hand_over(&asked, question->name, question->go);
    }
    X509_free(leaf);
    EVP_PKEY_free(key);
    authority_free(&site);
    authority_free(&root);
}

static struct question questions[4 * (ARRAY_LEN(names) + ARRAY_LEN(forms))];
static size_t questions_len;

static const char *const places[PLACES][2] = {
    [IN_ROOT] = { ", in a root", ", in a root, loose" },
    [IN_SITE] = { ", in an intermediate", ", in an intermediate, loose" },
};

static void ask(const char *name, const struct question *question)
{
    struct question *slot = &questions[questions_len++];
    *slot = *question;
    slot->name = path_of("%s%s", name, places[question->place][question->loose ? 1 : 0]);
    rows_add(slot->name, check_question, slot);
}

static void ask_name(const struct name_row *row)
{
    for (int i = 0; i < 2 * PLACES; i++) {
        enum place place = i / 2;
        bool loose = i % 2 == 1;
        ask(row->name, &(struct question){ .place = place,
                                           .loose = loose,
                                           .ca = row->ca,
                                           .leaf = { .san = row->san },
                                           .want = row->want,
                                           .part = row->part,
                                           .go = place == IN_SITE && !loose ? row->go : NULL });
    }
}

static void ask_form(const struct form_row *row)
{
    struct question question = { .place = IN_SITE,
                                 .ca = row->ca,
                                 .leaf = { .san = row->san, .extra = row->leaf },
                                 .want = row->good ? IN : BAD,
                                 .part = row->part };
    ask(row->name, &question);
    if (row->ca != NULL) {
        question.place = IN_ROOT;
        question.want = row->good ? IN : row->of_names ? BAD : NO_ROOT;
        ask(row->name, &question);
    }
    if (!row->of_names) { /* without strict, that is for OpenSSL to say */
        question.want = IN;
        question.part = NULL;
        question.loose = true;
        ask(row->name, &question);
    }
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        ask_name(&names[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        ask_form(&forms[i]);
    }
    return ROWS_RUN("real_names_constraints", NULL, NULL);
}
