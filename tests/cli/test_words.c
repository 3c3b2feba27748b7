/* SPDX-License-Identifier: Apache-2.0
 * What the command says of itself, and the facts of certificates and of the policy as it words
 * them, on a real token. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/auto.h"
#include "cli/nodekey_run.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define COLUMNS_MAX 80
#define COMMANDS_MIN 9

static struct federation federation;
static struct member alice;

/* --- help --- */

/* UTF-8, each character a column. */
static size_t count_columns(const char *text, size_t len)
{
    size_t columns = 0;
    for (size_t i = 0; i < len; i++) {
        columns += ((unsigned char)text[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return columns;
}

static void require_narrow(const char *of, const char *text)
{
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (count_columns(line, len) > COLUMNS_MAX) {
            fail_msg("%s: more than %d columns: %.*s", of, COLUMNS_MAX, (int)len, line);
        }
        line += len + (line[len] == '\n' ? 1 : 0);
    }
}

/* The same by both ways to it. Owned: free. */
static char *read_help(const char *command)
{
    struct nodekey_end by_name = nodekey_run(federation.folder, path_of("help %s", command), NULL);
    struct nodekey_end by_option =
        nodekey_run(federation.folder, path_of("%s --help", command), NULL);
    assert_int_equal(by_name.code, 0);
    assert_int_equal(by_option.code, 0);
    assert_string_equal(by_name.out, by_option.out);
    assert_string_equal(by_name.err, "");
    char *text = strdup(by_name.out);
    assert_non_null(text);
    nodekey_end_clear(&by_name);
    nodekey_end_clear(&by_option);
    return text;
}

static void require_whole_help(const char *command)
{
    char *text = read_help(command);
    require_narrow(command, text);
    const char *exits = strstr(text, "Exit status: 0 ");
    if (exits == NULL || strstr(exits, "2 wrong usage") == NULL ||
        strstr(text, path_of("Usage: nodekey %s ", command)) == NULL) {
        fail_msg("nodekey help %s:\n%s", command, text);
    }
    free(text);
}

/* All that are listed, whichever there are by now. */
static void help_of_every_command_is_whole_and_narrow(void **state)
{
    (void)state;
    struct nodekey_end list = nodekey_run(federation.folder, "help", NULL);
    assert_int_equal(list.code, 0);
    require_narrow("help", list.out);
    char name[32];
    size_t commands = 0;
    for (const char *line = list.out; line != NULL; line = strchr(line + 1, '\n')) {
        if (sscanf(line, "\n  %31[a-z]  ", name) == 1) {
            require_whole_help(name);
            commands++;
        }
    }
    assert_true(commands >= COMMANDS_MIN);
    nodekey_end_clear(&list);
}

static void help_of_the_whole_is_narrow(void **state)
{
    (void)state;
    struct nodekey_end help = nodekey_run(federation.folder, "--help", NULL);
    assert_int_equal(help.code, 0);
    require_narrow("--help", help.out);
    nodekey_end_clear(&help);
}

/* --- the policy --- */

static void explain_has_the_digest_of_the_start_line(void **state)
{
    (void)state;
    struct node node;
    grpc_init();
    node_open(&node, &alice, "{}");
    struct nodekey_end end =
        nodekey_run(federation.folder, "explain alice.json alice.pem --role client", NULL);
    char digest[65] = "";
    const char *at = strstr(end.out, "\npolicy       digest ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\npolicy digest %64[0-9a-f]", digest), 1);
    assert_int_equal(strlen(digest), 64);
    assert_true(
        recorder_has(node.log, path_of("policy generation 1 is in force, digest %s\n", digest)));
    nodekey_ends(federation.folder, "explain alice.json alice.pem --json", NULL, 0,
                 path_of("\"policy_digest\": \"%s\"", digest), NULL);
    nodekey_end_clear(&end);
    node_close(&node);
    rpc_shutdown();
}

/* --- dates --- */

#define DAY_SECONDS 86400
#define LEFT_DAYS 40
#define GONE_DAYS 3

/* A certificate for alice's key. Whole days and an hour, so that words do not depend on the second.
 * Owned: X509_free. */
static X509 *issue(long days)
{
    struct certificate_spec spec = member_spec(&federation, "alice");
    spec.starts_in_seconds = -10L * DAY_SECONDS;
    spec.ends_in_seconds = days * DAY_SECONDS + (days > 0 ? 3600 : -3600);
    return authority_issue(&federation.intermediate, X509_get0_pubkey(alice.leaf), &spec);
}

static const char *rfc3339_of(const X509 *certificate)
{
    char text[32];
    struct tm utc;
    assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &utc), 1);
    assert_true(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc) > 0);
    return path_of("%s", text);
}

static const char *in_folder(const char *name)
{
    return path_of("%s/%s", federation.folder, name);
}

static void require_end(const char *arguments, const char *in, int code, const char *piece)
{
    nodekey_ends(federation.folder, arguments, in, code, piece, NULL);
}

static void import_tells_every_end(void **state)
{
    (void)state;
    X509 *leaf = issue(LEFT_DAYS);
    const char *leaf_end = rfc3339_of(leaf);
    const char *issuer_end = rfc3339_of(federation.intermediate.certificate);
    char *pem = pem_of(leaf, federation.intermediate.certificate, NULL);
    require_end("import alice.json -", pem, 0,
                path_of("certificate \"CN=alice\" until %s (40 days left), intermediates: 1; the "
                        "key on the token signs for it\nintermediate \"CN=",
                        leaf_end));
    require_end("import alice.json -", pem, 0, path_of("\" until %s (", issuer_end));
    require_end("import alice.json - --json", pem, 0,
                path_of("\"subject\": \"CN=alice\",\n  \"not_after\": \"%s\",\n", leaf_end));
    require_end("import alice.json - --json", pem, 0,
                path_of("      \"not_after\": \"%s\"\n    }\n  ]", issuer_end));
    free(pem);
    X509_free(leaf);
}

static void explain_tells_every_end(void **state)
{
    (void)state;
    X509 *gone = issue(-GONE_DAYS);
    const char *gone_end = rfc3339_of(gone);
    const char *issuer_end = rfc3339_of(federation.intermediate.certificate);
    char *pem = pem_of(gone, federation.intermediate.certificate, NULL);
    require_end("explain alice.json -", pem, 1,
                path_of("\n             until %s (RAN OUT 3 days ago)\nkey ", gone_end));
    require_end("explain alice.json -", pem, 1, path_of("\" until %s (", issuer_end));
    require_end("explain alice.json - --json", pem, 1,
                path_of("\"not_after\": \"%s\"\n", gone_end));
    require_end("explain alice.json - --json", pem, 1,
                path_of("\"not_after\": \"%s\"\n", issuer_end));
    free(pem);
    X509_free(gone);
}

static void put_on_token(X509 *certificate, const char *label)
{
    const char *path = in_folder("object.der");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(i2d_X509_fp(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
    const char *const argv[] = { "pkcs11-tool", "--module", SOFTHSM_MODULE,   "--token-label",
                                 "alice",       "--login",  "--pin",          SOFTHSM_PIN,
                                 "--type",      "cert",     "--label",        label,
                                 "--id",        "01",       "--write-object", path,
                                 NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv, .with_stderr = true });
    assert_int_equal(end.status, 0);
    free(end.out);
}

static void tokens_tells_every_end(void **state)
{
    (void)state;
    X509 *good = issue(LEFT_DAYS);
    X509 *gone = issue(-GONE_DAYS);
    put_on_token(good, "good");
    put_on_token(gone, "gone");
    require_end("tokens", NULL, 0,
                path_of("CN=alice, P-256, until %s (40 days left)\n", rfc3339_of(good)));
    require_end("tokens", NULL, 0,
                path_of("CN=alice, P-256, until %s (RAN OUT 3 days ago)\n", rfc3339_of(gone)));
    require_end("tokens --json", NULL, 0, path_of("\"not_after\": \"%s\"\n", rfc3339_of(gone)));
    X509_free(good);
    X509_free(gone);
}

/* --- the names of the certificate that is there --- */

#define URI "URI:spiffe://example.org/node/alice"

static void write_config(const char *name, const char *patch)
{
    char *config = member_config(&alice, patch);
    write_file(in_folder(name), config, 0644);
    free(config);
}

static const char *renewal_patch(const char *certificate)
{
    return path_of("{\"node\": {\"certificate\": \"%s\"}}", certificate);
}

/* At present.pem, issued for alice's key; renew.json has it. */
static void have_certificate(const char *san)
{
    const struct certificate_spec spec = { .cn = "not the label", .san = san };
    X509 *leaf = authority_issue(&federation.intermediate, X509_get0_pubkey(alice.leaf), &spec);
    member_write_certificate(&alice, "present.pem", leaf);
    X509_free(leaf);
}

static char *names_of(const X509_REQ *request)
{
    char *shown = NULL;
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions((X509_REQ *)(uintptr_t)request);
    BIO *bio = BIO_new(BIO_s_mem());
    int at = X509v3_get_ext_by_NID(extensions, NID_subject_alt_name, -1);
    assert_true(at >= 0);
    X509_NAME_print_ex(bio, X509_REQ_get_subject_name(request), 0, XN_FLAG_RFC2253);
    BIO_puts(bio, "; ");
    X509V3_EXT_print(bio, X509v3_get_ext(extensions, at), 0, 0);
    long len = BIO_get_mem_data(bio, &shown);
    char *text = strndup(shown, (size_t)len);
    BIO_free(bio);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return text;
}

static const struct names_row {
    const char *name, *san; /* of the present certificate; NULL: no such extension */
    const char *arguments;
    int code;
    const char *asked; /* NULL: nothing */
    const char *err;
} names[] = {
    { "a renewal asks for the same", URI ",IP:127.0.0.1,DNS:a.example,email:a@example.org",
      "csr renew.json --out renew.csr", 0,
      "CN=not the label; " URI ", IP Address:127.0.0.1, DNS:a.example, email:a@example.org",
      "present.pem, \"CN=not the label\" until " },
    { "and says what", URI ",IP:127.0.0.1", "csr renew.json --out renew.csr", 0,
      "CN=not the label; " URI ", IP Address:127.0.0.1",
      " left): uri spiffe://example.org/node/alice, ip 127.0.0.1\n" },
    { "another common name", URI, "csr renew.json --cn other --out renew.csr", 0, "CN=other; " URI,
      "no --san: the names are those of " },
    { "another name", URI, "csr renew.json --san DNS:b.example --out renew.csr", 0,
      "CN=alice; DNS:b.example", "" },
    { "a new key", URI, "enroll renew-key.json --out renew.csr", 0, "CN=not the label; " URI,
      "no --san: the names are those of " },
    { "a kind that no request asks for", "otherName:1.2.3.4;UTF8:x," URI,
      "csr renew.json --out renew.csr", 0, "CN=not the label; " URI,
      "warning: name 1 of the present certificate is left out: " },
    { "no names but the common one", NULL, "csr renew.json --out renew.csr", 1, NULL,
      "present.pem, has no names in a subjectAltName: give them by --san" },
    { "names that peers refuse", "DNS:a..b," URI, "csr renew.json --out renew.csr", 1, NULL,
      "): give others by --san\n" },
    { "from a token", URI, "csr renew-token.json --out renew.csr", 0,
      "CN=alice; " URI ", IP Address:127.0.0.1", "no --san: the names are those of pkcs11:" },
    { "from a token that has none such", URI, "csr renew-absent.json --out renew.csr", 1, NULL,
      "; without --san the names are those of the present certificate: give --san, or mend it\n" },
    { "from a file that is damaged", URI, "csr renew-damaged.json --out renew.csr", 1, NULL,
      "damaged.pem is not whole PEM; get it again from the CA: bad end line; without --san the " },
    { "from a file that is empty", URI, "csr renew-empty.json --out renew.csr", 1, NULL,
      "empty.pem holds no certificate" },
    { "from a file of anybody", URI, "csr renew-open.json --out renew.csr", 1, NULL,
      "open.pem: everybody may write to it" },
    { "from no file, csr", URI, "csr renew-none.json --out renew.csr", 2, NULL,
      "nodekey: --san is missing: peers know a node by the names in its certificate, and there is "
      "none yet at " },
    { "from no file, enroll", URI, "enroll renew-none.json --out renew.csr", 2, NULL,
      "nodekey: --san is missing: " },
};

static void check_names(void **state)
{
    const struct names_row *row = *state;
    const char *path = in_folder("renew.csr");
    have_certificate(row->san);
    (void)unlink(path);
    nodekey_ends(federation.folder, row->arguments, NULL, row->code, NULL, row->err);
    FILE *file = fopen(path, "r");
    if (row->asked == NULL) {
        assert_null(file);
        return;
    }
    assert_non_null(file);
    X509_REQ *request = PEM_read_X509_REQ(file, NULL, NULL, NULL);
    assert_int_equal(fclose(file), 0);
    assert_non_null(request);
    char *asked = names_of(request);
    assert_string_equal(asked, row->asked);
    nodekey_ends(federation.folder, "csr --verify renew.csr", NULL, 0, NULL, NULL);
    free(asked);
    X509_REQ_free(request);
}

static void have_places(void)
{
    X509 *good = issue(LEFT_DAYS);
    put_on_token(good, "present");
    X509_free(good);
    write_config("renew.json", renewal_patch("present.pem"));
    write_config("renew-key.json", "{\"node\": {\"certificate\": \"present.pem\", \"key\": "
                                   "\"pkcs11:token=alice;object=renewed\"}}");
    write_config("renew-token.json", renewal_patch("pkcs11:token=alice;object=present"));
    write_config("renew-absent.json", renewal_patch("pkcs11:token=alice;object=absent"));
    write_config("renew-damaged.json", renewal_patch("damaged.pem"));
    write_config("renew-empty.json", renewal_patch("empty.pem"));
    write_config("renew-open.json", renewal_patch("open.pem"));
    write_config("renew-none.json", renewal_patch("none.pem"));
    write_file(in_folder("damaged.pem"), "-----BEGIN CERTIFICATE-----\nMIIB\n", 0644);
    write_file(in_folder("empty.pem"), "", 0644);
    write_file(in_folder("open.pem"), "", 0644);
    assert_int_equal(chmod(in_folder("open.pem"), 0666), 0);
}

/* --- kinds of keys, forms of certificates --- */

static void csr_tells_which_peers_a_kind_does_not_reach(void **state)
{
    (void)state;
    member_add_key(&alice, "wide", "02", "P-384");
    write_config("wide.json", "{\"node\": {\"key\": \"pkcs11:token=alice;object=wide\"}}");
    nodekey_ends(federation.folder, "csr wide.json --san " URI, NULL, 0, "BEGIN CERT",
                 "nodekey: warning: P-384 keys: on gRPC 1.51 they dial no OpenSSL server that has "
                 "TLS 1.2 alone");
    struct nodekey_end end = nodekey_run(federation.folder, "csr alice.json --san " URI, NULL);
    assert_int_equal(end.code, 0);
    assert_string_equal(end.err, "");
    nodekey_end_clear(&end);
}

static void import_takes_one_certificate_as_der(void **state)
{
    (void)state;
    X509 *leaf = issue(LEFT_DAYS);
    FILE *file = fopen(in_folder("one.der"), "we");
    assert_non_null(file);
    assert_int_equal(i2d_X509_fp(file, leaf), 1);
    assert_int_equal(fclose(file), 0);
    nodekey_ends(federation.folder, "import alice.json one.der", NULL, 1, "",
                 "has no chain to federation.roots");
    X509 *direct = authority_issue(&federation.root, X509_get0_pubkey(alice.leaf),
                                   &(struct certificate_spec){ .cn = "alice", .san = URI });
    file = fopen(in_folder("one.der"), "we");
    assert_non_null(file);
    assert_int_equal(i2d_X509_fp(file, direct), 1);
    assert_int_equal(fclose(file), 0);
    nodekey_ends(federation.folder, "import direct.json one.der", NULL, 0, "intermediates: 0", "");
    nodekey_ends(federation.folder, "explain direct.json direct.pem", NULL, 0, "ALLOWED", "");
    X509_free(direct);
    X509_free(leaf);
}

/* --- command lines --- */

static const struct row {
    const char *name, *arguments, *in;
    int code;
    const char *out, *err; /* pieces; "": nothing at all */
} rows[] = {
    { "no command lists them on stderr", "", NULL, 2, "", "\n  explain " },
    { "and says how to go on", "", NULL, 2, "", "\n`nodekey help COMMAND' tells more.\n" },
    { "and where to begin", "", NULL, 2, "", "\nA new node: init, enroll, the CA's signature, import, check." },
    { "so does help", "help", NULL, 0, "\nA new node: init, enroll, the CA's signature, import, check.\n", "" },
    { "and --help", "--help", NULL, 0, "\nA new node: init, enroll, the CA's signature, import, check.\n", "" },
    { "help lists them on stdout", "help", NULL, 0, "\n  import ", "" },
    { "help of none that there is", "help imprt", NULL, 2, "",
      "nodekey help: there is no command `imprt'; did you mean `import'?\n" },
    { "help of two", "help init pin", NULL, 2, "", "`pin' is one argument too many" },
    { "help of itself", "help help", NULL, 0, "Usage: nodekey help [OPTION...] [COMMAND]\n", "" },
    { "two letters swapped", "ipmort", NULL, 2, "", "; did you mean `import'?\n" },
    { "a letter missing", "enrol alice.json", NULL, 2, "", "; did you mean `enroll'?\n" },
    { "the beginning of one", "tok", NULL, 2, "", "; did you mean `tokens'?\n" },
    { "one that is like none", "frobnicate", NULL, 2, "",
      "nodekey: there is no command `frobnicate'\n" },
    { "one that is not even a word", "''", NULL, 2, "", "nodekey: there is no command `'\n" },
    { "version", "version", NULL, 0, "nodekey " NODEKEY_VERSION "\nABI 0.", "" },
    { "version of OpenSSL", "version", NULL, 0, "\nOpenSSL 3.", "" },
    { "version as JSON", "version --json", NULL, 0, "{\n  \"nodekey\": \"" NODEKEY_VERSION "\",\n",
      "" },
    { "version of something", "version x", NULL, 2, "", "`x' is one argument too many" },
};

static bool holds(const char *text, const char *piece)
{
    return piece[0] != '\0' ? strstr(text, piece) != NULL : text[0] == '\0';
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct nodekey_end end = nodekey_run(federation.folder, row->arguments, row->in);
    if (end.code != row->code || !holds(end.out, row->out) || !holds(end.err, row->err)) {
        fail_msg("nodekey %s: code %d\nstdout: %s\nstderr: %s", row->arguments, end.code, end.out,
                 end.err);
    }
    nodekey_end_clear(&end);
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_TEST(help_of_every_command_is_whole_and_narrow);
    ROWS_TEST(help_of_the_whole_is_narrow);
    ROWS_TEST(explain_has_the_digest_of_the_start_line);
    ROWS_TEST(import_tells_every_end);
    ROWS_TEST(explain_tells_every_end);
    ROWS_TEST(tokens_tells_every_end);
    ROWS_OF(names, check_names)
    ROWS_TEST(csr_tells_which_peers_a_kind_does_not_reach);
    ROWS_TEST(import_takes_one_certificate_as_der);
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    write_config("alice.json", "{}");
    write_config("direct.json", renewal_patch("direct.pem"));
    have_places();
    int failed = ROWS_RUN("cli_words", NULL, NULL);
    member_free(&alice);
    federation_free(&federation);
    return failed;
}
