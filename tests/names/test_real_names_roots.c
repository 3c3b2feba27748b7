/* SPDX-License-Identifier: Apache-2.0
 * Roots as seven makers make them, under federation.strict and without, issuing nodes themselves or
 * through an intermediate; each verdict beside OpenSSL's own in the same run, and beside Go's
 * (go_verdicts.sh asks it). What is passed over at the root is form alone, and at no other
 * certificate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "names/anchor_scene.h"
#include "nodekey/plugin.h"
#include "trust/roots.h"

#define IN "+"
#define BAD "-chain-invalid"
#define NO_ROOT "!"
#define SELF_IDENTIFIED "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always,issuer"
#define NO_USAGE "-CA cert does not include key usage extension"
#define REFUSED "-" /* which error comes first is a matter of the version */

/* The least that has CA:TRUE: each error of form at once. */
#define LEAST .basic_constraints = "CA:TRUE", .key_usage = "", .bare = true
#define NO_CA_BELOW .basic_constraints = "CA:TRUE,pathlen:0", .key_usage = "", .bare = true

/* Question to the chain, and the right answers. */
struct question {
    const char *name;
    struct certificate_spec root;
    const char *root_key; /* NULL: P-256 */
    bool below;           /* an intermediate lies between */
    struct certificate_spec site;
    struct certificate_spec leaf;
    bool unidentified; /* what is below an issuer without an identifier names none either */
    bool loose;
    bool unread; /* as anchor_scene.h: what the chain says of a root that nobody asked first */
    uint32_t role;
    const char *want;
    const char *part;
    const char *openssl; /* NULL: not asked; else with strict as `loose` says */
    const char *go;      /* NULL: not asked */
};

/* --- the scene of one question --- */

/* The certificate names its issuer by the key, whatever it lacks else. */
static void identify_issuer(const struct question *question, const struct authority *issuer,
                            struct certificate_spec *spec)
{
    bool identified = !spec->bare && X509_get0_subject_key_id(issuer->certificate) != NULL;
    const char *extra = spec->extra != NULL ? spec->extra : "";
    if (!identified && !question->unidentified && strstr(extra, "authorityKeyIdentifier") == NULL) {
        spec->extra = path_of("%s\n%s", anchor_key_identifier(issuer, false), extra);
    }
}

static struct authority make_root(const struct certificate_spec *spec, const char *key)
{
    if (key == NULL) {
        return authority_make(NULL, "federation", spec);
    }
    struct authority root = { .key = software_key(key) };
    struct certificate_spec whole = *spec;
    whole.cn = "federation";
    whole.eku = "";
    root.certificate = authority_issue(NULL, root.key, &whole);
    return root;
}

static void check_question(void **state)
{
    const struct question *question = *state;
    struct authority root = make_root(&question->root, question->root_key);
    struct authority site = { .key = NULL };
    EVP_PKEY *key = software_key("P-256");
    struct certificate_spec spec = question->site;
    if (question->below) {
        identify_issuer(question, &root, &spec);
        site = authority_make(&root, "site", &spec);
    }
    const struct authority *issuer = question->below ? &site : &root;
    spec = question->leaf;
    identify_issuer(question, issuer, &spec);
    X509 *leaf = authority_issue(issuer, key, &spec);
    const struct anchor_case asked = { .roots = { root.certificate },
                                       .others = { site.certificate },
                                       .leaf = leaf,
                                       .strict = !question->loose,
                                       .unread = question->unread,
                                       .role = question->role };
    const char *ours = anchor_verdict(&asked);
    const char *openssl = anchor_openssl(&asked, !question->loose);
    print_message("nodekey %s | OpenSSL %s | Go %s\n", ours, openssl,
                  question->go != NULL ? question->go : "?");
    anchor_expect(ours, question->want, question->part);
    if (question->openssl != NULL) {
        anchor_expect(openssl, question->openssl, NULL);
    }
    if (question->go != NULL) {
        anchor_hand_over(&asked, question->name, question->go);
    }
    X509_free(leaf);
    EVP_PKEY_free(key);
    authority_free(&site);
    authority_free(&root);
}

/* --- makers --- */

static const struct maker {
    const char *name;
    struct certificate_spec root;
    const char *openssl; /* strict's */
} makers[] = {
    /* openssl.cnf of Debian 12, section v3_ca: keyUsage is left out by its own comment */
    { "openssl req -x509", { .key_usage = "", .bare = true, .extra = SELF_IDENTIFIED }, NO_USAGE },
    /* x509-types/ca of Easy-RSA 3.1 as Debian 12 has it; from 3.2 on critical */
    { "Easy-RSA",
      { .basic_constraints = "CA:TRUE",
        .key_usage = "cRLSign,keyCertSign",
        .bare = true,
        .extra = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always,issuer:always" },
      NULL /* refused by 3.x, taken by 4.0 */ },
    /* JDK 17: keytool -genkeypair -ext bc:c */
    { "keytool", { .key_usage = "" }, NO_USAGE },
    /* certtool --generate-self-signed, template: ca, cert_signing_key */
    { "GnuTLS", { .key_usage = "critical,keyCertSign" }, IN },
    /* step certificate create --profile root-ca: its template */
    { "step", { .basic_constraints = "critical,CA:TRUE,pathlen:1" }, IN },
    /* cfssl gencert -initca, with ca.pathlen */
    { "cfssl", { .basic_constraints = "critical,CA:TRUE,pathlen:2" }, IN },
    /* P2PFL's script: openssl x509 -req -signkey with CA:TRUE in an extension file */
    { "P2PFL", { LEAST }, REFUSED },
};

/* --- errors of form, one at a time: OpenSSL's check_extensions has them all --- */

static const struct form {
    const char *name;
    struct certificate_spec ca;
    const char *cure;    /* in an intermediate */
    const char *openssl; /* strict's, of one */
} forms[] = {
    { "basicConstraints not critical", /* RFC 5280 4.2.1.9 */
      { .basic_constraints = "CA:TRUE" },
      "basicConstraints=critical,CA:TRUE",
      NULL /* as Easy-RSA's */ },
    { "no keyUsage", { .key_usage = "" }, "keyUsage=critical,keyCertSign", REFUSED }, /* 4.2.1.3 */
    { "pathLen without keyUsage",                                                     /* 4.2.1.9 */
      { .basic_constraints = "critical,CA:TRUE,pathlen:1", .key_usage = "" },
      "keyUsage=critical,keyCertSign",
      REFUSED },
    { "no subjectKeyIdentifier", /* 4.2.1.2 */
      { .bare = true },
      "subjectKeyIdentifier=hash",
      REFUSED },
    { "subjectKeyIdentifier critical", /* 4.2.1.2 */
      { .bare = true, .extra = "subjectKeyIdentifier=critical,hash" },
      "not critical",
      REFUSED },
    { "authorityKeyIdentifier critical", /* 4.2.1.1 */
      { .bare = true,
        .extra = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=critical,keyid:always" },
      "not critical",
      REFUSED },
    { "all at once", /* what OpenSSL tells first differs by its version */
      { .basic_constraints = "CA:TRUE,pathlen:1",
        .key_usage = "",
        .bare = true,
        .extra = "subjectKeyIdentifier=critical,hash\n"
                 "authorityKeyIdentifier=critical,keyid:always" },
      "issue it",
      REFUSED },
};

/* --- what holds at the root, in a root that has each error of form --- */

#define NC_DNS "nameConstraints=critical,permitted;DNS:fed.example"
#define INSIDE .leaf = { .san = "DNS:a.fed.example" }
#define OUTSIDE .leaf = { .san = "DNS:a.evil.example" }
/* OpenSSL 3.0 leaks policyConstraints that have no policies beside them. */
#define EXPLICIT "certificatePolicies=1.2.3.1\npolicyConstraints=critical,requireExplicitPolicy:0"

static const struct question constraints[] = {
    /* RFC 5280 6.1.3 a 2, asked of roots, too, by OpenSSL and nodekey */
    { "expired", { LEAST, .ends_in_seconds = -60 }, .want = "-expired" },
    { "expired, below", { LEAST, .ends_in_seconds = -60 }, .below = true, .want = "-expired" },
    { "expired, loose", { LEAST, .ends_in_seconds = -60 }, .loose = true, .want = "-expired" },
    { "not yet", { LEAST, .starts_in_seconds = 3600 }, .want = "-not-yet-valid" },
    { "not yet, below",
      { LEAST, .starts_in_seconds = 3600 },
      .below = true,
      .want = "-not-yet-valid" },
    { "not yet, loose",
      { LEAST, .starts_in_seconds = 3600 },
      .loose = true,
      .want = "-not-yet-valid" },
    /* RFC 5280 4.2.1.9 */
    { "CA:FALSE", { .basic_constraints = "CA:FALSE" }, .want = NO_ROOT, .part = "not a CA" },
    { "CA:FALSE, below",
      { .basic_constraints = "CA:FALSE" },
      .below = true,
      .want = NO_ROOT,
      .part = "not a CA" },
    { "CA:FALSE, loose",
      { .basic_constraints = "CA:FALSE" },
      .loose = true,
      .want = NO_ROOT,
      .part = "not a CA" },
    /* RFC 5280 4.2.1.3 */
    { "no keyCertSign", { .key_usage = "cRLSign" }, .want = NO_ROOT, .part = "keyCertSign" },
    { "no keyCertSign, below",
      { .key_usage = "cRLSign" },
      .below = true,
      .want = NO_ROOT,
      .part = "keyCertSign" },
    { "pathLen without keyCertSign, but with keyUsage",
      { .basic_constraints = "CA:TRUE,pathlen:1", .key_usage = "digitalSignature" },
      .want = NO_ROOT,
      .part = "keyCertSign" },
    /* RFC 5280 6.1.4 l */
    { "pathLen 0", { NO_CA_BELOW }, .want = IN },
    { "pathLen 0, below", { NO_CA_BELOW }, .below = true, .want = BAD, .part = "path length" },
    { "pathLen 0, below, loose",
      { NO_CA_BELOW },
      .below = true,
      .loose = true,
      .want = BAD,
      .part = "path length" },
    /* RFC 5280 4.2.1.10: constraints of a root hold in OpenSSL and nodekey */
    { "nameConstraints, inside", { LEAST, .extra = NC_DNS }, INSIDE, .want = IN },
    { "nameConstraints, inside, below",
      { LEAST, .extra = NC_DNS },
      INSIDE,
      .below = true,
      .want = IN },
    { "nameConstraints, outside",
      { LEAST, .extra = NC_DNS },
      OUTSIDE,
      .want = BAD,
      .part = "permitted" },
    { "nameConstraints, outside, below",
      { LEAST, .extra = NC_DNS },
      OUTSIDE,
      .below = true,
      .want = BAD,
      .part = "permitted" },
    { "nameConstraints, outside, loose",
      { LEAST, .extra = NC_DNS },
      OUTSIDE,
      .loose = true,
      .want = BAD,
      .part = "permitted" },
    /* RFC 5280 6.1: the path that is processed does not hold the anchor, so its policies ask for
     * nothing; those below do */
    { "an explicit policy, asked by the root", { LEAST, .extra = EXPLICIT }, .want = IN },
    { "an explicit policy, asked by the root, below",
      { LEAST, .extra = EXPLICIT },
      .below = true,
      .want = IN },
    { "an explicit policy, asked below the root",
      { LEAST },
      .below = true,
      .site = { .extra = EXPLICIT },
      .want = BAD,
      .part = "policy" },
    /* SP 800-57: 112 bits */
    { "RSA-1024", { LEAST }, "RSA-1024", .want = NO_ROOT, .part = "weak key" },
    { "RSA-1024, below",
      { LEAST },
      "RSA-1024",
      .below = true,
      .want = NO_ROOT,
      .part = "weak key" },
    { "RSA-1024, loose", { LEAST }, "RSA-1024", .loose = true, .want = "-weak-key" },
    { "RSA-1024, loose, below",
      { LEAST },
      "RSA-1024",
      .loose = true,
      .below = true,
      .want = "-weak-key" },
    /* RFC 5280 4.2.1.12, which OpenSSL reads in CAs, too */
    { "for clients, as client", { LEAST, .eku = "clientAuth" }, .want = IN },
    { "for clients, as server",
      { LEAST, .eku = "clientAuth" },
      .role = NK_PEER_IS_SERVER,
      .want = "-wrong-purpose" },
    { "for clients, as server, below",
      { LEAST, .eku = "clientAuth" },
      .below = true,
      .role = NK_PEER_IS_SERVER,
      .want = "-wrong-purpose" },
    { "for code", { LEAST, .eku = "codeSigning" }, .want = NO_ROOT, .part = "extendedKeyUsage" },
    { "for code, loose",
      { LEAST, .eku = "codeSigning" },
      .loose = true,
      .want = NO_ROOT,
      .part = "extendedKeyUsage" },
    /* RFC 5280 4.2: an unknown critical extension */
    { "unknown critical",
      { LEAST, .extra = "1.2.3.4=critical,DER:0500" },
      .want = NO_ROOT,
      .part = "critical extension" },
    { "unknown critical, below",
      { LEAST, .extra = "1.2.3.4=critical,DER:0500" },
      .below = true,
      .want = NO_ROOT,
      .part = "critical extension" },
    { "unknown critical beside a critical identifier",
      { LEAST, .extra = "subjectKeyIdentifier=critical,hash\n1.2.3.4=critical,DER:0500" },
      .want = NO_ROOT,
      .part = "critical extension" },
    { "unknown critical, loose",
      { LEAST, .extra = "1.2.3.4=critical,DER:0500" },
      .loose = true,
      .want = NO_ROOT,
      .part = "critical extension" },
    /* the chain refuses them, too */
    { "CA:FALSE, unread",
      { .basic_constraints = "CA:FALSE" },
      .unread = true,
      .want = "-not-a-ca" },
    { "no keyCertSign, unread", { .key_usage = "cRLSign" }, .unread = true, .want = "-not-a-ca" },
    { "unknown critical, unread",
      { LEAST, .extra = "1.2.3.4=critical,DER:0500" },
      .unread = true,
      .want = BAD,
      .part = "unhandled critical" },
    { "unknown critical, unread, below",
      { LEAST, .extra = "1.2.3.4=critical,DER:0500" },
      .unread = true,
      .below = true,
      .want = BAD,
      .part = "unhandled critical" },
    { "unknown critical beside a critical identifier, unread",
      { LEAST, .extra = "subjectKeyIdentifier=critical,hash\n1.2.3.4=critical,DER:0500" },
      .unread = true,
      .want = BAD,
      .part = "unhandled critical" },
    { "unknown critical, unread, loose",
      { LEAST, .extra = "1.2.3.4=critical,DER:0500" },
      .unread = true,
      .loose = true,
      .want = BAD,
      .part = "unhandled critical" },
    { "nameConstraints not critical, unread",
      { LEAST, .extra = "nameConstraints=permitted;DNS:fed.example" },
      INSIDE,
      .unread = true,
      .want = BAD,
      .part = "nameConstraints=critical" },
    /* below the root strict is as before, and names the cure: P2PFL's own leaves */
    { "P2PFL's leaf",
      { LEAST },
      .unidentified = true,
      .leaf = { .bare = true, .eku = "" },
      .want = BAD,
      .part = "authorityKeyIdentifier=keyid" },
    { "P2PFL's leaf, below",
      { LEAST },
      .unidentified = true,
      .below = true,
      .want = BAD,
      .part = "authorityKeyIdentifier=keyid" },
    { "P2PFL's leaf, loose",
      { LEAST },
      .unidentified = true,
      .leaf = { .bare = true, .eku = "" },
      .loose = true,
      .want = IN },
    /* RFC 5280 4.1.2.6 */
    { "a leaf without a subject, names not critical",
      { LEAST },
      .leaf = { .cn = "", .san = "URI:spiffe://example.org/node/a" },
      .want = BAD,
      .part = "subjectAltName=critical" },
    { "a leaf without a subject, names critical",
      { LEAST },
      .leaf = { .cn = "", .san = "critical,URI:spiffe://example.org/node/a" },
      .want = IN },
    { "a leaf with pathlen",
      { LEAST },
      .leaf = { .basic_constraints = "critical,pathlen:0" },
      .want = BAD,
      .part = "without pathlen" },
    { "a leaf that may sign certificates",
      { LEAST },
      .leaf = { .key_usage = "critical,digitalSignature,keyCertSign" },
      .want = BAD,
      .part = "without keyCertSign" },
};

/* Of each maker and form four questions; of each form one more about an intermediate. */
static struct question asked_of_each[5 * (ARRAY_LEN(makers) + ARRAY_LEN(forms))];
static size_t asked_len;

static void ask(const struct question *question)
{
    struct question *slot = &asked_of_each[asked_len++];
    *slot = *question;
    rows_add(slot->name, check_question, slot);
}

static void ask_of_each(const char *name, const struct certificate_spec *root, const char *strict,
                        bool is_maker)
{
    for (int i = 0; i < 4; i++) {
        bool below = (i & 1) != 0, loose = (i & 2) != 0;
        /* OpenSSL 3.0 knows no critical identifier, 3.5 does: what it says is shown alone. */
        ask(&(struct question){
            .name = path_of("%s%s%s", name, below ? ", below" : "", loose ? ", loose" : ""),
            .root = *root,
            .below = below,
            .loose = loose,
            .want = IN,
            .openssl = loose && is_maker ? IN : strict,
            .go = is_maker && !loose ? IN : NULL,
        });
    }
}

static void ask_all(void)
{
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        ask_of_each(makers[i].name, &makers[i].root, makers[i].openssl, true);
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        ask_of_each(forms[i].name, &forms[i].ca, NULL, false);
        ask(&(struct question){ .name = path_of("%s, in an intermediate", forms[i].name),
                                .below = true,
                                .site = forms[i].ca,
                                .want = BAD,
                                .part = forms[i].cure,
                                .openssl = forms[i].openssl });
    }
}

/* --- what is no anchor --- */

static const struct certificate_spec least = { LEAST };

static struct authority old_root, new_root, crossed; /* `crossed`: new_root's name and key */
static EVP_PKEY *node_key;

static X509 *below_new(const char *san)
{
    return authority_issue(
        &new_root, node_key,
        &(struct certificate_spec){ .san = san, .extra = anchor_key_identifier(&new_root, false) });
}

/* A root with each error of form, by itself and under an old root; `spec` is the latter's. */
static void change_roots(const struct certificate_spec *spec)
{
    struct certificate_spec cross = *spec;
    cross.cn = "new";
    cross.eku = "";
    old_root = authority_make(NULL, "old", NULL);
    new_root = authority_make(NULL, "new", &least);
    crossed.key = new_root.key;
    crossed.certificate = authority_issue(&old_root, new_root.key, &cross);
}

static void clear_roots(void)
{
    crossed.key = NULL;
    authority_free(&crossed);
    authority_free(&new_root);
    authority_free(&old_root);
}

static void expect_of(const struct anchor_case *asked, const char *strict, const char *loose,
                      const char *part)
{
    struct anchor_case one = *asked;
    one.strict = true;
    anchor_expect(anchor_verdict(&one), strict, part);
    one.strict = false;
    anchor_expect(anchor_verdict(&one), loose, NULL);
}

static void a_cross_certificate_is_no_anchor(void **state)
{
    (void)state;
    const struct certificate_spec form = { .basic_constraints = "CA:TRUE",
                                           .key_usage = "critical,keyCertSign" };
    change_roots(&form);
    X509 *leaf = below_new(NULL);
    struct anchor_case asked = { .roots = { old_root.certificate },
                                 .others = { crossed.certificate },
                                 .leaf = leaf };
    expect_of(&asked, BAD, IN, "basicConstraints=critical");
    asked.others[1] = new_root.certificate; /* shown, and of the same name and key */
    expect_of(&asked, BAD, IN, "basicConstraints=critical");
    asked.others[0] = new_root.certificate;
    asked.others[1] = NULL;
    expect_of(&asked, "-untrusted", "-untrusted", NULL);
    X509_free(leaf);
    clear_roots();
}

static void a_cross_certificate_beside_its_root_changes_nothing(void **state)
{
    (void)state;
    change_roots(&least);
    X509 *leaf = below_new(NULL);
    struct anchor_case asked = { .roots = { new_root.certificate },
                                 .others = { crossed.certificate },
                                 .leaf = leaf };
    expect_of(&asked, IN, IN, NULL);
    asked.roots[1] = old_root.certificate;
    expect_of(&asked, IN, IN, NULL);
    asked.roots[0] = old_root.certificate;
    asked.roots[1] = new_root.certificate;
    expect_of(&asked, IN, IN, NULL);
    X509_free(leaf);
    clear_roots();
}

/* A peer shows the root without what constrains it: ours is the one that is read. */
static void a_root_without_its_constraints_is_no_anchor(void **state)
{
    (void)state;
    const struct certificate_spec bound = { LEAST, .cn = "new", .eku = "", .extra = NC_DNS };
    change_roots(&least);
    X509 *ours = authority_issue(NULL, new_root.key, &bound);
    X509 *leaf = below_new("DNS:a.evil.example");
    const struct anchor_case asked = { .roots = { ours },
                                       .others = { new_root.certificate },
                                       .leaf = leaf };
    expect_of(&asked, BAD, BAD, "permitted");
    X509_free(leaf);
    X509_free(ours);
    clear_roots();
}

/* Name, key and all bytes but the signature's: not the certificate that the operator named. */
static void a_root_of_other_bytes_is_no_anchor(void **state)
{
    (void)state;
    change_roots(&least);
    X509 *forged = anchor_forge(new_root.certificate);
    STACK_OF(X509) *roots = sk_X509_new_null();
    assert_true(sk_X509_push(roots, new_root.certificate) > 0);
    assert_true(roots_have(roots, new_root.certificate));
    assert_false(roots_have(roots, forged));
    assert_false(roots_have(roots, crossed.certificate));
    assert_false(roots_have(NULL, new_root.certificate));
    sk_X509_free(roots);
    X509_free(forged);
    clear_roots();
}

static void a_root_that_is_shown_as_a_leaf_is_no_anchor(void **state)
{
    (void)state;
    change_roots(&least);
    const struct anchor_case asked = { .roots = { new_root.certificate },
                                       .leaf = new_root.certificate,
                                       .strict = true };
    anchor_expect(anchor_verdict(&asked), "-wrong-purpose", NULL);
    clear_roots();
}

/* --- roots that are not read, told apart --- */

static void expect_no_root(X509 *root, const char *part)
{
    X509 *leaf = below_new(NULL);
    const struct anchor_case asked = { .roots = { root }, .leaf = leaf };
    expect_of(&asked, NO_ROOT, NO_ROOT, part);
    X509_free(leaf);
}

static void a_signature_that_fails_is_told(void **state)
{
    (void)state;
    change_roots(&least);
    X509 *forged = anchor_forge(new_root.certificate);
    expect_no_root(forged, "its own key did not sign it");
    X509_free(forged);
    clear_roots();
    struct authority rsa = make_root(&least, "RSA-2048"); /* OpenSSL has more to say about RSA */
    forged = anchor_forge(rsa.certificate);
    change_roots(&least);
    expect_no_root(forged, "OpenSSL says: ");
    X509_free(forged);
    authority_free(&rsa);
    clear_roots();
}

static void an_intermediate_is_told(void **state)
{
    (void)state;
    change_roots(&least);
    expect_no_root(crossed.certificate, "is an intermediate, not self-signed");
    X509 *leaf = below_new(NULL);
    expect_no_root(leaf, "is a node's certificate, not a CA's");
    X509_free(leaf);
    clear_roots();
}

static void an_openssl_that_may_not_is_told(void **state)
{
    (void)state;
    struct authority root = make_root(&least, NULL);
    char *pem = pem_of(root.certificate, NULL);
    char *path = (char *)path_of("%s/fips.pem", scratch_folder());
    STACK_OF(X509) *roots = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    write_file(path, pem, 0644);
    assert_int_equal(EVP_default_properties_enable_fips(NULL, 1), 1); /* and there is no module */
    nk_status status = roots_read(&path, 1, true, NULL, &roots, &err);
    assert_int_equal(EVP_default_properties_enable_fips(NULL, 0), 1);
    print_message("%s\n", err.text);
    assert_int_equal(status, NK_E_TRUST);
    assert_non_null(strstr(err.text, "OpenSSL has no SHA-256 here"));
    assert_non_null(strstr(err.text, "unsupported"));
    free(pem);
    authority_free(&root);
}

/* The other process: it reads one root, and prints why not. */
static int read_only(char *path)
{
    STACK_OF(X509) *roots = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = roots_read(&path, 1, true, NULL, &roots, &err);
    sk_X509_pop_free(roots, X509_free);
    printf("%d %s\n", (int)status, err.text);
    return 0;
}

static void read_elsewhere(const char *path, const char *cnf, char *text, size_t room)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)setenv("OPENSSL_CONF", cnf, 1);
        (void)execl("/proc/self/exe", "read-only", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t len = read(ends[0], text, room - 1);
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(len > 0);
    text[len] = '\0';
}

static void an_openssl_without_providers_is_told(void **state)
{
    (void)state;
    char text[NK_ERROR_TEXT_BYTES + 16];
    struct authority root = make_root(&least, NULL);
    char *pem = pem_of(root.certificate, NULL);
    const char *path = path_of("%s/plain.pem", scratch_folder());
    const char *cnf = path_of("%s/null.cnf", scratch_folder());
    write_file(path, pem, 0644);
    write_file(cnf,
               "openssl_conf = init\n[init]\nproviders = all\n[all]\nnull = null\n"
               "[null]\nactivate = 1\n",
               0644);
    read_elsewhere(path, cnf, text, sizeof(text));
    print_message("%s", text);
    assert_non_null(strstr(text, "OpenSSL has no SHA-256 here"));
    read_elsewhere(path, "/dev/null", text, sizeof(text));
    assert_string_equal(text, "0 \n");
    free(pem);
    authority_free(&root);
}

/* --- all --- */

static int set_up(void **state)
{
    (void)state;
    node_key = software_key("P-256");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(node_key);
    return 0;
}

int main(int argc, char **argv)
{
    if (strcmp(argv[0], "read-only") == 0) {
        return argc == 2 ? read_only(argv[1]) : 2;
    }
    ask_all();
    ROWS_OF(constraints, check_question)
    ROWS_TEST(a_cross_certificate_is_no_anchor);
    ROWS_TEST(a_cross_certificate_beside_its_root_changes_nothing);
    ROWS_TEST(a_root_without_its_constraints_is_no_anchor);
    ROWS_TEST(a_root_of_other_bytes_is_no_anchor);
    ROWS_TEST(a_root_that_is_shown_as_a_leaf_is_no_anchor);
    ROWS_TEST(a_signature_that_fails_is_told);
    ROWS_TEST(an_intermediate_is_told);
    ROWS_TEST(an_openssl_that_may_not_is_told);
    ROWS_TEST(an_openssl_without_providers_is_told);
    return ROWS_RUN("real_names_roots", set_up, tear_down);
}
