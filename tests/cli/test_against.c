/* SPDX-License-Identifier: Apache-2.0
 * `nodekey check --against`: a peer dialled with the key on our token, and what a person reads of
 * it. Each kind of peer is in test_dial.c; here are the lines, the exit status and the token. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "cli/dial_peers.h"
#include "cli/nodekey_run.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define DOMAIN "example.org"
#define MEMBER "URI:spiffe://" DOMAIN "/node/server,IP:127.0.0.1"
#define LINES_MAX 6
#define HOUR 3600L

static struct federation federation;
static struct federation other;
static struct member us;
static struct member bob; /* a node that is dialled */
static EVP_PKEY *server_key;

static void write_config(const char *name, const char *patch)
{
    char *text = member_config(&us, patch);
    write_file(path_of("%s/%s", federation.folder, name), text, 0644);
    free(text);
}

static void write_configs(void)
{
    us.module = faulty_start();
    write_config("us.json", "{}");
    write_config("deny.json", "{\"deny\": [{\"name\": \"expelled\", \"uri\": [\"spiffe://" DOMAIN
                              "/node/server\"]}]}");
    write_config("two-rules.json",
                 "{\"admit\": [{\"name\": \"guests\", \"uri\": [\"spiffe://" DOMAIN "/guest/*\"]}, "
                 "{\"name\": \"dialling\", \"direction\": \"inbound\", \"uri\": [\"spiffe://" DOMAIN
                 "/node/*\"]}]}");
    write_config("two-roles.json", "{\"node\": {\"certificate\": null}, \"server\": "
                                   "{\"certificate\": \"us.pem\"}, \"client\": {\"certificate\": "
                                   "\"us.pem\"}}");
    write_config("no-certificate.json", "{\"node\": {\"certificate\": \"none.pem\"}}");
    write_config("other-root.json", "{\"federation\": {\"roots\": [\"none.pem\"]}}");
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    setenv("FAULTY_LOG", path_of("%s/logins", scratch_folder()), 1);
    federation_make(&federation, DOMAIN);
    federation_make(&other, "other.example");
    federation_enrol(&federation, &us, "us", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    server_key = software_key("P-256");
    write_configs();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&us);
    member_free(&bob);
    EVP_PKEY_free(server_key);
    federation_free(&federation);
    federation_free(&other);
    rpc_shutdown();
    return 0;
}

/* --- lines --- */

static struct nodekey_end check_against(const char *arguments, const char *host, int port)
{
    return nodekey_run(federation.folder,
                       path_of("check %s --against %s:%d", arguments, host, port), NULL);
}

/* A line that begins with the first half of "BEGINNING|PIECE" and has the second. */
static bool has_line(const char *text, const char *wanted)
{
    const char *bar = strchr(wanted, '|');
    size_t len = (size_t)(bar - wanted);
    for (const char *at = text; at != NULL && *at != '\0'; at = strchr(at, '\n')) {
        at += *at == '\n' ? 1 : 0;
        const char *end = strchr(at, '\n');
        const char *piece = strstr(at, bar + 1);
        if (strncmp(at, wanted, len) == 0 && piece != NULL && (end == NULL || piece < end)) {
            return true;
        }
    }
    return false;
}

static void expect(struct nodekey_end *end, int code, const char *const *lines)
{
    for (size_t i = 0; i < LINES_MAX && lines[i] != NULL; i++) {
        if (!has_line(end->out, lines[i])) {
            fail_msg("exit code %d, no line \"%s\" in:\n%s%s", end->code, lines[i], end->out,
                     end->err);
        }
    }
    if (end->code != code) {
        fail_msg("exit code %d:\n%s%s", end->code, end->out, end->err);
    }
    nodekey_end_clear(end);
}

#define WAY "✓ against: 127.0.0.1:| takes connections: its address was found in "
#define HANDSHAKE                                                                                  \
    "✓ against: TLSv1.3, TLS_AES_256_GCM_SHA384, group secp256r1, handshake in "                 \
    "| ms, in which we signed by ecdsa_secp256r1_sha256"
#define LETS_US "✓ against: it lets us in:| the first byte of HTTP/2 came after "
#define REFUSED "✗ against: 127.0.0.1:|: it ends the connection once it has seen our certificate "
#define WE_LET "✓ against: we let it in, by rule \"members\"|"

/* --- scripted peers --- */

static void hang_signing(void)
{
    faulty_set("sign_hang=1\n");
}

static const struct row {
    const char *name;
    const char *arguments;
    int code;
    const char *lines[LINES_MAX];
    struct tls_script script;
    struct certificate_spec spec;
    const char *host;
    bool trusts_other;
} rows[] = {
    { "a good peer",
      "us.json",
      0,
      { WAY, HANDSHAKE, LETS_US, WE_LET, "sound|: 0 bad" },
      { .silent = false },
      { .san = MEMBER },
      NULL,
      false },
    { "as the client of two roles",
      "two-roles.json --role client",
      0,
      { WAY, HANDSHAKE, LETS_US, WE_LET },
      { .silent = false },
      { .san = MEMBER },
      NULL,
      false },
    { "as one of two roles, neither named",
      "two-roles.json",
      0,
      { LETS_US, WE_LET },
      { .silent = false },
      { .san = MEMBER },
      NULL,
      false },
    { "it refuses us, and says why",
      "us.json",
      1,
      { WAY, HANDSHAKE, REFUSED "(TLS alert 48, unknown_ca); see that node's log",
        "! against: it names the CAs|, and none of ours is among them", WE_LET },
      { .names_cas = true },
      { .san = MEMBER },
      NULL,
      true },
    { "it asks for no certificate",
      "us.json",
      0,
      { "! against: it asks for no certificate|", LETS_US, WE_LET },
      { .asks_nobody = true },
      { .san = MEMBER },
      NULL,
      false },
    { "it does not speak HTTP/2",
      "us.json",
      1,
      { HANDSHAKE, "✗ against: 127.0.0.1:|: it speaks TLS, but does not choose \"h2\"" },
      { .chooses = "" },
      { .san = MEMBER },
      NULL,
      false },
    { "it expired",
      "us.json",
      1,
      { LETS_US, "✗ against: we refuse it: expired: |certificate has expired, in" },
      { .silent = false },
      { .san = MEMBER, .starts_in_seconds = -2 * HOUR, .ends_in_seconds = -HOUR },
      NULL,
      false },
    { "we refuse it, and it is silent",
      "us.json",
      1,
      { "! against: 127.0.0.1:|: it says nothing in HTTP/2 (we said nothing either",
        "✗ against: we refuse it: expired: |" },
      { .silent = true },
      { .san = MEMBER, .starts_in_seconds = -2 * HOUR, .ends_in_seconds = -HOUR },
      NULL,
      false },
    { "another name",
      "us.json",
      1,
      { LETS_US, "✗ against: we refuse it: name-mismatch: |dialled localhost, got " },
      { .silent = false },
      { .san = MEMBER },
      "localhost",
      false },
    { "no rule of ours",
      "us.json",
      1,
      { LETS_US, "✗ against: we refuse it: no-rule: no admit rule matches |CN=node",
        "! against: rule \"members\" of admit: no match: uri: |" },
      { .silent = false },
      { .san = "URI:spiffe://" DOMAIN "/guest/server,IP:127.0.0.1" },
      NULL,
      false },
    { "no rule of two",
      "two-rules.json",
      1,
      { "✗ against: we refuse it: no-rule: |", "! against: rule \"guests\" of admit: no match: |",
        "! against: rule \"dialling\" of admit: not asked: |direction" },
      { .silent = false },
      { .san = MEMBER },
      NULL,
      false },
    { "a rule that denies it",
      "deny.json",
      1,
      { LETS_US, "✗ against: we refuse it: denied: rule expelled matches |",
        "! against: rule \"expelled\" of deny: matches|" },
      { .silent = false },
      { .san = MEMBER },
      NULL,
      false },
    { "our token hangs in the signature",
      "us.json",
      1,
      { WAY, "✗ against: 127.0.0.1:|: our own key did not sign the handshake (OpenSSL: ", WE_LET },
      { .meets = hang_signing },
      { .san = MEMBER },
      NULL,
      false },

    /* not dialled */
    { "no certificate of ours",
      "no-certificate.json",
      1,
      { "✗ against: 127.0.0.1:| was not dialled: " },
      { .silent = false },
      { .san = MEMBER },
      NULL,
      false },
    { "no policy",
      "other-root.json",
      1,
      { "✗ against: 127.0.0.1:| was not dialled: " },
      { .silent = false },
      { .san = MEMBER },
      NULL,
      false },
    { "the server of two roles",
      "two-roles.json --role server",
      1,
      { "✗ against: 127.0.0.1:| was not dialled: " },
      { .silent = false },
      { .san = MEMBER },
      NULL,
      false },
    { "no configuration",
      "none.json",
      1,
      { "✗ against: 127.0.0.1:| was not dialled: " },
      { .silent = false },
      { .san = MEMBER },
      NULL,
      false },
};

static struct tls_peer identity_of(const struct certificate_spec *spec)
{
    return (struct tls_peer){ .key = server_key,
                              .certificate =
                                  authority_issue(&federation.intermediate, server_key, spec),
                              .issuers = { federation.intermediate.certificate } };
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct tls_script script = row->script;
    struct tls_peer identity = identity_of(&row->spec);
    script.trusts = row->script.asks_nobody ? NULL
                    : row->trusts_other     ? other.root.certificate
                                            : federation.root.certificate;
    struct dial_peer_server *server = dial_tls_server(&script, &identity);
    struct nodekey_end end = check_against(
        row->arguments, row->host != NULL ? row->host : "127.0.0.1", dial_server_port(server));
    faulty_set("");
    expect(&end, row->code, row->lines);
    dial_server_stop(server);
    X509_free(identity.certificate);
}

/* --- others --- */

static void nobody_listens(void **state)
{
    (void)state;
    static const char *const lines[LINES_MAX] = {
        "✗ against: 127.0.0.1:|: the host is there, but nobody listens on that port (Connection "
        "refused); start the node there"
    };
    struct nodekey_end end = check_against("us.json", "127.0.0.1", dial_closed_port());
    assert_null(strstr(end.out, "we let it in"));
    expect(&end, 1, lines);
}

static void no_such_name(void **state)
{
    (void)state;
    static const char *const lines[LINES_MAX] = {
        "✗ against: nobody.invalid:7: the name has no address (|); dial it by a name"
    };
    struct nodekey_end end = check_against("us.json", "nobody.invalid", 7);
    expect(&end, 1, lines);
}

static void it_speaks_http(void **state)
{
    (void)state;
    static const char *const lines[LINES_MAX] = {
        WAY,
        "✗ against: 127.0.0.1:|: it speaks HTTP without TLS (it began with \"HTTP/1.1 400 Bad\")"
    };
    const struct plain_script script = { .says = "HTTP/1.1 400 Bad\033[2J\r\n\r\n" };
    const struct tls_peer nobody = { .certificate = NULL };
    struct dial_peer_server *server = dial_plain_server(&script, &nobody);
    struct nodekey_end end = check_against("us.json", "127.0.0.1", dial_server_port(server));
    assert_null(strchr(end.out, '\033'));
    nodekey_end_clear(&end);
    dial_server_stop(server);
    const struct plain_script plain = { .says = "HTTP/1.1 400 Bad\r\n\r\n" };
    server = dial_plain_server(&plain, &nobody);
    end = check_against("us.json", "127.0.0.1", dial_server_port(server));
    expect(&end, 1, lines);
    dial_server_stop(server);
}

/* A node like ours. */
static void dial_node(const char *patch, int code, const char *const *lines)
{
    struct node node;
    node_open(&node, &bob, patch);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    struct nodekey_end end = check_against("us.json", "127.0.0.1", rpc_server_port(server));
    expect(&end, code, lines);
    rpc_server_stop(server);
    node_close(&node);
}

static void a_node_that_lets_us_in(void **state)
{
    (void)state;
    static const char *const lines[LINES_MAX] = { WAY, HANDSHAKE, LETS_US, WE_LET };
    dial_node("{}", 0, lines);
}

static void a_node_that_denies_us(void **state)
{
    (void)state;
    static const char *const lines[LINES_MAX] = {
        WAY, HANDSHAKE, REFUSED "(without an alert, as gRPC does); see that node's log", WE_LET
    };
    dial_node("{\"deny\": [{\"name\": \"us\", \"uri\": [\"spiffe://" DOMAIN "/node/us\"]}]}", 1,
              lines);
}

/* --- all of it, as JSON --- */

static const char *text_at(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "(none)";
}

static bool is_time(const json_t *dialled, const char *name)
{
    return json_is_real(json_object_get(dialled, name));
}

static void json_has_the_dial(void **state)
{
    (void)state;
    const struct certificate_spec spec = { .san = MEMBER };
    const struct tls_script script = { .trusts = federation.root.certificate };
    struct tls_peer identity = identity_of(&spec);
    struct dial_peer_server *server = dial_tls_server(&script, &identity);
    struct nodekey_end end = check_against("us.json --json", "127.0.0.1", dial_server_port(server));
    json_t *document = json_loads(end.out, 0, NULL);
    const json_t *dialled = json_object_get(document, "against");
    assert_string_equal(text_at(dialled, "end"), "fine");
    assert_true(json_is_true(json_object_get(dialled, "allowed")));
    assert_true(is_time(dialled, "lookup_ms") && is_time(dialled, "connect_ms") &&
                is_time(dialled, "handshake_ms") && is_time(dialled, "first_byte_ms"));
    assert_string_equal(text_at(json_object_get(dialled, "answer"), "rule"), "members");
    json_decref(document);
    nodekey_end_clear(&end);
    dial_server_stop(server);
    X509_free(identity.certificate);

    end = check_against("us.json --json", "127.0.0.1", dial_closed_port());
    document = json_loads(end.out, 0, NULL);
    dialled = json_object_get(document, "against");
    assert_string_equal(text_at(dialled, "end"), "port-closed");
    assert_true(json_is_null(json_object_get(dialled, "handshake_ms")));
    assert_true(json_is_null(json_object_get(dialled, "answer")));
    json_decref(document);
    nodekey_end_clear(&end);
}

static void json_without_a_dial_has_null(void **state)
{
    (void)state;
    struct nodekey_end end = nodekey_run(federation.folder, "check us.json --json", NULL);
    json_t *document = json_loads(end.out, 0, NULL);
    assert_true(json_is_null(json_object_get(document, "against")));
    json_decref(document);
    nodekey_end_clear(&end);
}

static void a_proxy_is_told(void **state)
{
    (void)state;
    static const char *const lines[LINES_MAX] = { "! against: $https_proxy is set|" };
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    struct nodekey_end end = check_against("us.json", "127.0.0.1", dial_closed_port());
    unsetenv("https_proxy");
    expect(&end, 1, lines);
}

static void one_login(void **state)
{
    (void)state;
    const char *log = getenv("FAULTY_LOG");
    write_file(log, "", 0600);
    struct nodekey_end end = check_against("us.json", "127.0.0.1", dial_closed_port());
    assert_int_equal(faulty_logins(log), 1);
    nodekey_end_clear(&end);
}

static void wrong_targets_are_usage(void **state)
{
    (void)state;
    nodekey_ends(federation.folder, "check us.json --against 127.0.0.1", NULL, 2, NULL,
                 "--against \"127.0.0.1\" has no port, where gRPC would dial 443");
    nodekey_ends(federation.folder, "check us.json --against unix:/run/a", NULL, 2, NULL,
                 "only TCP is dialled");
    nodekey_ends(federation.folder, "check us.json --no-token --against a:1", NULL, 2, NULL,
                 "leave out --no-token");
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_TEST(nobody_listens);
    ROWS_TEST(no_such_name);
    ROWS_TEST(it_speaks_http);
    ROWS_TEST(a_node_that_lets_us_in);
    ROWS_TEST(a_node_that_denies_us);
    ROWS_TEST(json_has_the_dial);
    ROWS_TEST(json_without_a_dial_has_null);
    ROWS_TEST(a_proxy_is_told);
    ROWS_TEST(one_login);
    ROWS_TEST(wrong_targets_are_usage);
    return ROWS_RUN("cli_against", start, stop);
}
