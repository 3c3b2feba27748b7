/* SPDX-License-Identifier: Apache-2.0
 * From a bare SoftHSM to a node that talks, by the command alone; and what it refuses on the way,
 * changing nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/auto.h"
#include "cli/nodekey_run.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define OTHER_UID 12345
#define SANS "--san URI:spiffe://example.org/node/alice --san IP:127.0.0.1"

static struct federation federation;
static struct federation strangers;
static struct member alice;

static const char *in_folder(const char *name)
{
    return path_of("%s/%s", federation.folder, name);
}

static bool exists(const char *name)
{
    return access(in_folder(name), F_OK) == 0;
}

static void write_config(const char *name, const char *patch)
{
    char *config = member_config(&alice, patch);
    write_file(in_folder(name), config, 0644);
    free(config);
}

static const char *object_patch(const char *object)
{
    return path_of("{\"node\": {\"key\": \"pkcs11:token=alice;object=%s\"}}", object);
}

static X509_REQ *read_request(const char *name)
{
    FILE *file = fopen(in_folder(name), "r");
    assert_non_null(file);
    X509_REQ *request = PEM_read_X509_REQ(file, NULL, NULL, NULL);
    assert_int_equal(fclose(file), 0);
    assert_non_null(request);
    assert_int_equal(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
    return request;
}

/* What the CA makes of it; by default what was asked for. */
static X509 *sign(const struct authority *issuer, const X509_REQ *request,
                  const struct certificate_spec *changed)
{
    struct certificate_spec spec = changed != NULL ? *changed : member_spec(&federation, "alice");
    spec.san = spec.san != NULL ? spec.san : member_spec(&federation, "alice").san;
    return authority_issue(issuer, X509_REQ_get0_pubkey((X509_REQ *)(uintptr_t)request), &spec);
}

/* --- in this order --- */

/* Told before a token is made, or a CA asked. */
static const struct root_row {
    const char *name;
    struct certificate_spec root;
    bool of_another; /* the intermediate instead */
    const char *err;
} unfit_roots[] = {
    { .name = "an intermediate as root", .of_another = true, .err = "is an intermediate" },
    { .name = "a root without keyCertSign",
      .root = { .key_usage = "cRLSign" },
      .err = "lacks keyCertSign" },
    { .name = "a root that strict refuses",
      .root = { .extra = "nameConstraints=permitted;URI:.example.org" },
      .err = "nameConstraints=critical" },
};

static void refuse_root(void **state)
{
    const struct root_row *row = *state;
    struct authority root = authority_make(NULL, "unfit", &row->root);
    char *pem =
        pem_of(row->of_another ? federation.intermediate.certificate : root.certificate, NULL);
    write_file(in_folder("unfit.pem"), pem, 0644);
    nodekey_ends(federation.folder, "init unfit.json --so-pin-file so.pin", NULL, 1, "", row->err);
    nodekey_ends(federation.folder, "enroll unfit.json " SANS " --out unfit.csr", NULL, 1, "",
                 row->err);
    assert_false(exists("unfit.csr"));
    free(pem);
    authority_free(&root);
}

static void a_root_may_come_with_the_certificate(void **state)
{
    (void)state;
    assert_int_equal(unlink(in_folder("unfit.pem")), 0);
    nodekey_ends(federation.folder, "csr unfit.json " SANS, NULL, 1, "", "no private key");
}

static void nothing_before_there_is_a_token(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "enroll alice.json " SANS, NULL, 1, "", "no such token");
}

static void init(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "init alice.json --so-pin-file so.pin", NULL, 0, "alice", NULL);
}

static void no_request_before_there_is_a_key(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "csr alice.json " SANS " --out early.csr", NULL, 1, NULL,
                 "no private key on token \"alice\"");
    assert_false(exists("early.csr"));
}

static void a_wrong_pin_makes_no_key(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "enroll wrong-pin.json " SANS, NULL, 1, NULL,
                 "refuses the PIN");
    nodekey_ends(federation.folder, "csr alice.json " SANS, NULL, 1, NULL, "no private key");
}

static void a_key_that_no_node_can_open_is_removed(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "enroll hardware.json " SANS, NULL, 1, NULL,
                 "does not claim to be hardware");
    nodekey_ends(federation.folder, "csr alice.json " SANS, NULL, 1, NULL, "no private key");
    nodekey_ends(federation.folder, "tokens --login alice.json --json", NULL, 0, "\"objects\": []",
                 NULL);
}

static void enroll(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "enroll alice.json " SANS " --out alice.csr", NULL, 0,
                 "alice.csr is the request", NULL);
    struct stat info;
    assert_int_equal(stat(in_folder("alice.csr"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0644);
}

static void the_key_cannot_leave(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "tokens --login alice.json", NULL, 0,
                 "private key  P-256, generated here", NULL);
}

static void require_extension(STACK_OF(X509_EXTENSION) *extensions, int nid, const char *text)
{
    int at = X509v3_get_ext_by_NID(extensions, nid, -1);
    assert_true(at >= 0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(X509V3_EXT_print(bio, X509v3_get_ext(extensions, at), 0, 0), 1);
    char *shown = NULL;
    long len = BIO_get_mem_data(bio, &shown);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(shown, text, (size_t)len);
    BIO_free(bio);
}

static void the_request_asks_for_all(void **state)
{
    (void)state;
    X509_REQ *request = read_request("alice.csr");
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    require_extension(extensions, NID_subject_alt_name,
                      "URI:spiffe://example.org/node/alice, IP Address:127.0.0.1");
    require_extension(extensions, NID_ext_key_usage,
                      "TLS Web Server Authentication, TLS Web Client Authentication");
    require_extension(extensions, NID_key_usage, "Digital Signature");
    char *subject = X509_NAME_oneline(X509_REQ_get_subject_name(request), NULL, 0);
    assert_string_equal(subject, "/CN=alice");
    OPENSSL_free(subject);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(request);
}

static void a_key_is_not_made_twice(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "enroll alice.json " SANS " --out twice.csr", NULL, 1, NULL,
                 "has a key that fits");
    assert_false(exists("twice.csr"));
}

static void csr_is_for_the_same_key(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "csr alice.json " SANS " --cn other --out again.csr", NULL, 0,
                 NULL, NULL);
    X509_REQ *first = read_request("alice.csr");
    X509_REQ *second = read_request("again.csr");
    assert_int_equal(EVP_PKEY_eq(X509_REQ_get0_pubkey(first), X509_REQ_get0_pubkey(second)), 1);
    X509_REQ_free(first);
    X509_REQ_free(second);
}

/* A descriptor gives its PIN once, and both finding the key and signing want it. */
static void a_pin_from_a_descriptor(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "csr fd.json " SANS, SOFTHSM_PIN, 0,
                 "BEGIN CERTIFICATE REQUEST", NULL);
}

static void a_request_that_cannot_be_written_is_made_again(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "enroll late.json " SANS " --out absent/late.csr", NULL, 1, "",
                 "the key is on its token, the request is not written");
    nodekey_ends(federation.folder, "csr late.json " SANS " --out late.csr", NULL, 0, "late.csr",
                 NULL);
}

static const struct kind_row {
    const char *type;
    const char *err; /* a warning's; NULL: there is none */
} kinds[] = {
    { "RSA-2048", NULL },
    { "P-256", NULL },
    { "P-384",
      "warning: P-384 keys: on gRPC 1.51 they dial no OpenSSL server that has TLS 1.2 alone; " },
    { "P-521", "warning: P-521 keys: no gRPC on BoringSSL " },
    { "Ed25519", "warning: Ed25519 keys: no gRPC on BoringSSL " },
};

static void a_kind_that_reaches_less_is_told(void **state)
{
    const struct kind_row *row = *state;
    write_config("kind.json", object_patch(path_of("kind-%s", row->type)));
    struct nodekey_end end = nodekey_run(
        federation.folder,
        path_of("enroll kind.json " SANS " --key-type %s --out kind.csr", row->type), NULL);
    assert_int_equal(end.code, 0);
    if (row->err == NULL) {
        assert_string_equal(end.err, "");
    } else {
        assert_non_null(strstr(end.err, row->err));
        assert_ptr_equal(strchr(end.err, '\n'), end.err + strlen(end.err) - 1);
    }
    nodekey_end_clear(&end);
}

static void require_old(const char *name)
{
    char text[16] = "";
    FILE *file = fopen(in_folder(name), "r");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof(text) - 1, file), strlen("old\n"));
    assert_string_equal(text, "old\n");
    assert_int_equal(fclose(file), 0);
}

static void a_request_follows_no_link_of_another(void **state)
{
    (void)state;
    write_file(in_folder("precious"), "old\n", 0600);
    assert_int_equal(symlink("precious", in_folder("linked.csr")), 0);
    assert_int_equal(lchown(in_folder("linked.csr"), OTHER_UID, OTHER_UID), 0);
    nodekey_ends(federation.folder, "csr alice.json " SANS " --out linked.csr", NULL, 1, "",
                 "linked.csr: is a link of uid 12345");
    require_old("precious");
    nodekey_ends(federation.folder, "--trust-folders csr alice.json " SANS " --out linked.csr",
                 NULL, 0, "linked.csr", NULL);
    assert_int_equal(lchown(in_folder("linked.csr"), 0, 0), 0);
    nodekey_ends(federation.folder, "csr alice.json " SANS " --out linked.csr", NULL, 0,
                 "linked.csr", NULL);
}

static void other_types_of_keys(void **state)
{
    (void)state;
    static const char *const types[] = { "RSA-2048", "P-384" };
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const char *config = path_of("%s.json", types[i]);
        write_config(config, object_patch(types[i]));
        nodekey_ends(
            federation.folder,
            path_of("enroll %s --key-type %s " SANS " --out %s.csr", config, types[i], types[i]),
            NULL, 0, NULL, NULL);
        X509_REQ *request = read_request(path_of("%s.csr", types[i]));
        assert_int_equal(EVP_PKEY_get_bits(X509_REQ_get0_pubkey(request)), i == 0 ? 2048 : 384);
        X509_REQ_free(request);
    }
}

/* --- what import refuses --- */

static const struct refusal {
    const char *name;
    struct certificate_spec spec;
    bool stranger;     /* issued by another federation */
    bool without_link; /* the intermediate is left out */
    bool other_key;
    const char *err;
} refusals[] = {
    { .name = "for another key", .other_key = true, .err = "is for the key on the token" },
    { .name = "of another federation", .stranger = true, .err = "has no chain to" },
    { .name = "without its intermediate", .without_link = true, .err = "has no chain to" },
    { .name = "for servers alone", .spec = { .eku = "serverAuth" }, .err = "clientAuth" },
    { .name = "for clients alone", .spec = { .eku = "clientAuth" }, .err = "serverAuth" },
    { .name = "expired",
      .spec = { .starts_in_seconds = -7200, .ends_in_seconds = -3600 },
      .err = "expired on" },
};

static void import_refuses(void **state)
{
    const struct refusal *row = *state;
    const struct federation *issuer = row->stranger ? &strangers : &federation;
    X509_REQ *request = read_request(row->other_key ? "P-384.csr" : "alice.csr");
    X509 *leaf = sign(&issuer->intermediate, request, &row->spec);
    char *pem = pem_of(leaf, row->without_link ? NULL : issuer->intermediate.certificate, NULL);
    write_file(in_folder("alice.pem"), "old\n", 0600);
    nodekey_ends(federation.folder, "import alice.json -", pem, 1, "", row->err);
    require_old("alice.pem");
    free(pem);
    X509_free(leaf);
    X509_REQ_free(request);
}

static void import_refuses_what_is_no_certificate(void **state)
{
    (void)state;
    EVP_PKEY *key = software_key("P-256");
    char *pem = pem_of_key(key);
    write_file(in_folder("alice.pem"), "old\n", 0600);
    nodekey_ends(federation.folder, "import alice.json -", pem, 1, "", "holds a private key");
    nodekey_ends(federation.folder, "import alice.json -", "hello\n", 1, "",
                 "holds no certificate");
    nodekey_ends(federation.folder, "import alice.json alice.csr", NULL, 1, "",
                 "holds a CERTIFICATE REQUEST");
    nodekey_ends(federation.folder, "import alice.json absent.pem", NULL, 1, "", "absent.pem");
    nodekey_ends(federation.folder, "import alice.json", NULL, 2, "", "FILE is missing");
    require_old("alice.pem");
    free(pem);
    EVP_PKEY_free(key);
}

/* The certificate is good, but the node would not start with such a key. */
static void import_refuses_a_key_that_has_lived_outside(void **state)
{
    (void)state;
    EVP_PKEY *key = software_key("P-256");
    struct certificate_spec spec = member_spec(&federation, "alice");
    X509 *leaf = authority_issue(&federation.intermediate, key, &spec);
    char *pem = pem_of(leaf, federation.intermediate.certificate, NULL);
    softhsm_import("alice", key, "outside", "77", false);
    write_file(in_folder("alice.pem"), "old\n", 0600);
    nodekey_ends(federation.folder, "import outside.json -", pem, 1, "", "was imported");
    require_old("alice.pem");
    free(pem);
    X509_free(leaf);
    EVP_PKEY_free(key);
}

/* --- and what it takes --- */

static void import(void **state)
{
    (void)state;
    struct stat info;
    X509_REQ *request = read_request("alice.csr");
    X509 *leaf = sign(&federation.intermediate, request, NULL);
    /* the wrong way round, with the root: as CAs send them */
    char *pem =
        pem_of(federation.root.certificate, federation.intermediate.certificate, leaf, NULL);
    assert_int_equal(unlink(in_folder("alice.pem")), 0);
    nodekey_ends(federation.folder, "import alice.json - --json", pem, 0, "\"intermediates\": 1",
                 NULL);
    assert_int_equal(stat(in_folder("alice.pem"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0644);
    free(pem);
    X509_free(leaf);
    X509_REQ_free(request);
}

/* A role with a certificate of its own asks for that role alone, and is judged for it alone. */
static void import_for_one_role(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "csr two.json --role client " SANS " --out client.csr", NULL, 0,
                 NULL, NULL);
    X509_REQ *request = read_request("client.csr");
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    require_extension(extensions, NID_ext_key_usage, "TLS Web Client Authentication");
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);

    const struct certificate_spec spec = { .eku = "clientAuth" };
    X509 *leaf = sign(&federation.intermediate, request, &spec);
    char *pem = pem_of(leaf, federation.intermediate.certificate, NULL);
    nodekey_ends(federation.folder, "import two.json - --role server", pem, 1, "", "serverAuth");
    assert_false(exists("client.pem"));
    nodekey_ends(federation.folder, "import two.json - --role client", pem, 0, "client.pem", NULL);
    assert_true(exists("client.pem"));
    free(pem);
    X509_free(leaf);
    X509_REQ_free(request);
}

/* Configurations name a path; an operator may have put a link there. */
static void import_goes_through_a_link(void **state)
{
    (void)state;
    struct stat info;
    X509_REQ *request = read_request("alice.csr");
    X509 *leaf = sign(&federation.intermediate, request, NULL);
    char *pem = pem_of(leaf, federation.intermediate.certificate, NULL);
    assert_int_equal(rename(in_folder("alice.pem"), in_folder("real.pem")), 0);
    assert_int_equal(symlink("real.pem", in_folder("alice.pem")), 0);
    nodekey_ends(federation.folder, "import alice.json -", pem, 0, NULL, NULL);
    assert_int_equal(lstat(in_folder("alice.pem"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    free(pem);
    X509_free(leaf);
    X509_REQ_free(request);
}

/* Whose link it is says what file it leads to: root's import would write there. */
static void import_follows_no_link_of_another(void **state)
{
    (void)state;
    X509_REQ *request = read_request("alice.csr");
    X509 *leaf = sign(&federation.intermediate, request, NULL);
    char *pem = pem_of(leaf, federation.intermediate.certificate, NULL);
    assert_int_equal(rename(in_folder("alice.pem"), in_folder("link")), 0);
    write_file(in_folder("victim"), "old\n", 0600);
    assert_int_equal(symlink("victim", in_folder("alice.pem")), 0);
    assert_int_equal(lchown(in_folder("alice.pem"), OTHER_UID, OTHER_UID), 0);
    nodekey_ends(federation.folder, "import alice.json -", pem, 1, "",
                 "/alice.pem: belongs to uid 12345");
    assert_int_equal(rename(in_folder("victim"), in_folder("alice.pem")), 0);
    require_old("alice.pem");
    assert_int_equal(rename(in_folder("link"), in_folder("alice.pem")), 0);
    free(pem);
    X509_free(leaf);
    X509_REQ_free(request);
}

static void the_node_talks(void **state)
{
    (void)state;
    struct node node;
    grpc_init();
    node_open(&node, &alice, "{}");
    struct rpc_server *server = rpc_server_start(node.server, 1, NULL, NULL);
    struct rpc_result result = rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS);
    if (!result.ok) {
        fail_msg("%s", result.details);
    }
    rpc_server_stop(server);
    node_close(&node);
    rpc_shutdown();
}

/* --- command lines --- */

static const struct row {
    const char *name, *arguments, *err;
} rows[] = {
    { "enroll without names", "enroll two.json --role client", "--san is missing" },
    { "enroll without configuration", "enroll " SANS, "CONFIG is missing" },
    { "a name without kind", "enroll alice.json --san alice", "does not begin with" },
    { "an address that is none", "enroll alice.json --san IP:10.0.0.300", "is not an address" },
    { "a URI that is none", "csr alice.json --san URI:alice", "is not an absolute URI" },
    { "two names in one", "csr alice.json --san DNS:a.example,DNS:b.example",
      "is not a host name" },
    { "a type that is none", "enroll alice.json --key-type DSA " SANS, "--key-type" },
    { "a role that is none", "csr alice.json --role peer " SANS, "--role is server or client" },
    { "two identities", "csr two.json " SANS, "has two identities" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    nodekey_ends(federation.folder, row->arguments, NULL, 2, "", row->err);
}

static void write_files(void)
{
    write_config("alice.json", "{}");
    write_config("wrong-pin.json", "{\"node\": {\"pin\": {\"file\": \"wrong.pin\"}}}");
    write_config("hardware.json", "{\"node\": {\"require_hardware\": true}}");
    write_config("outside.json", object_patch("outside"));
    write_config("late.json", object_patch("late"));
    write_config("fd.json", "{\"node\": {\"pin\": {\"file\": null, \"fd\": 0}}}");
    write_config("unfit.json", "{\"federation\": {\"roots\": [\"unfit.pem\"]}}");
    write_config("two.json", "{\"client\": {\"certificate\": \"client.pem\"}}");
    write_file(in_folder("alice.pin"), SOFTHSM_PIN, 0600);
    write_file(in_folder("wrong.pin"), "0000-wrong", 0600);
    write_file(in_folder("so.pin"), SOFTHSM_SO_PIN, 0600);
}

int main(void)
{
    ROWS_TEST(nothing_before_there_is_a_token);
    ROWS_OF(unfit_roots, refuse_root)
    ROWS_TEST(init);
    ROWS_TEST(a_root_may_come_with_the_certificate);
    ROWS_TEST(no_request_before_there_is_a_key);
    ROWS_TEST(a_wrong_pin_makes_no_key);
    ROWS_TEST(a_key_that_no_node_can_open_is_removed);
    ROWS_TEST(enroll);
    ROWS_TEST(the_key_cannot_leave);
    ROWS_TEST(the_request_asks_for_all);
    ROWS_TEST(a_key_is_not_made_twice);
    ROWS_TEST(csr_is_for_the_same_key);
    ROWS_TEST(a_pin_from_a_descriptor);
    ROWS_TEST(a_request_that_cannot_be_written_is_made_again);
    ROWS_TEST(a_request_follows_no_link_of_another);
    ROWS_TEST(other_types_of_keys);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        rows_add(path_of("enroll %s %s", kinds[i].type,
                         kinds[i].err != NULL ? "warns" : "does not warn"),
                 a_kind_that_reaches_less_is_told, (void *)(uintptr_t)&kinds[i]);
    }
    ROWS_TEST(import_refuses_what_is_no_certificate);
    ROWS_TEST(import_refuses_a_key_that_has_lived_outside);
    ROWS_OF(refusals, import_refuses)
    ROWS_OF(rows, check_row)
    ROWS_TEST(import);
    ROWS_TEST(import_for_one_role);
    ROWS_TEST(import_goes_through_a_link);
    ROWS_TEST(import_follows_no_link_of_another);
    ROWS_TEST(the_node_talks);
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_make(&strangers, "strangers.org");
    alice = (struct member){ .federation = &federation, .label = "alice", .module = "softhsm" };
    write_files();
    int failed = ROWS_RUN("cli_enroll", NULL, NULL);
    federation_free(&federation);
    federation_free(&strangers);
    return failed;
}
