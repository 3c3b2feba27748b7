/* SPDX-License-Identifier: Apache-2.0
 * The certificate lies on the token beside its key, and the issuers beside it. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <grpc/grpc.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define ON_TOKEN(uri)                                                                              \
    "{\"node\": {\"certificate\": \"" uri "\"}, \"reload\": {\"interval_seconds\": 3600}}"
#define GOOD ON_TOKEN("pkcs11:token=alice;object=leaf;type=cert")

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice;

/* --- what lies on the token --- */

static void tool(const char *const *more)
{
    const char *argv[24] = { "pkcs11-tool", "--module", SOFTHSM_MODULE, "--token-label",
                             alice.label,   "--login",  "--pin",        SOFTHSM_PIN };
    size_t len = 8;
    while (*more != NULL) {
        argv[len++] = *more++;
    }
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    if (end.status != 0) {
        fail_msg("pkcs11-tool: %s", end.out);
    }
    free(end.out);
}

static void put(X509 *certificate, const char *object, const char *id)
{
    const char *path = path_of("%s/%s.der", federation.folder, object);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(i2d_X509_fp(file, certificate), 1);
    fclose(file);
    tool((const char *const[]){ "--write-object", path, "--type", "cert", "--label", object, "--id",
                                id, NULL });
}

static void take_away(const char *object)
{
    tool((const char *const[]){ "--delete-object", "--type", "cert", "--label", object, NULL });
}

static X509 *issue_again(EVP_PKEY *key)
{
    struct certificate_spec spec = member_spec(&federation, "alice");
    return authority_issue(&federation.intermediate, key, &spec);
}

/* --- tests --- */

static void assert_refused(const char *patch, nk_status wanted, const char *piece)
{
    struct node node;
    nk_instance *instance = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    node_prepare(&node);
    char *config = member_config(&alice, patch);
    assert_int_equal(plugin->open_text(&node.host, config, federation.folder, &instance, &err),
                     wanted);
    free(config);
    if (strstr(err.text, piece) == NULL) {
        fail_msg("%s", err.text);
    }
}

static void assert_talks(const struct node *node)
{
    struct rpc_server *server = rpc_server_start(node->server, 2, NULL, NULL);
    struct rpc_result result = rpc_dial(node->channel, rpc_server_address(server), RPC_DEADLINE_MS);
    if (!result.ok) {
        fail_msg("the call ended with %d: %s", result.status, result.details);
    }
    rpc_server_stop(server);
}

static void talks_with_leaf_and_issuer_from_the_token(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &alice, GOOD);
    assert_talks(&node);
    node_close(&node);
}

static void without_its_issuer_there_is_no_chain(void **state)
{
    (void)state; /* so the chain above came from the token */
    take_away("issuer");
    assert_refused(GOOD, NK_E_IDENTITY, "has no chain to federation.roots");
    put(federation.intermediate.certificate, "issuer", "09");
}

static void a_renewed_certificate_is_taken_by_reload(void **state)
{
    (void)state;
    struct node node;
    nk_error err = { .struct_size = sizeof(err) };
    node_open(&node, &alice, GOOD);
    X509 *next = issue_again(X509_get0_pubkey(alice.leaf));
    take_away("leaf");
    assert_int_not_equal(plugin->reload(node.instance, &err), NK_OK);
    assert_non_null(strstr(err.text, "0 certificates"));
    put(next, "leaf", "01");
    err = (nk_error){ .struct_size = sizeof(err) };
    if (plugin->reload(node.instance, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    assert_true(recorder_waits_for(node.log, "renewed certificate is in use", RPC_DEADLINE_MS));
    assert_talks(&node);
    node_close(&node);
    X509_free(next);
}

static void a_certificate_of_another_key_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = software_key("P-256");
    X509 *other = issue_again(key);
    put(other, "other", "05");
    assert_refused(ON_TOKEN("pkcs11:token=alice;object=other"), NK_E_IDENTITY, "does not match");
    take_away("other");
    X509_free(other);
    EVP_PKEY_free(key);
}

static void a_uri_that_names_not_one_is_refused(void **state)
{
    (void)state;
    put(alice.leaf, "twin", "01");
    assert_refused(ON_TOKEN("pkcs11:token=alice;id=%01"), NK_E_IDENTITY, "2 certificates");
    assert_refused(ON_TOKEN("pkcs11:token=alice;id=%01"), NK_E_IDENTITY,
                   "pkcs11:token=alice;id=%01;object=twin;type=cert");
    take_away("twin");
    assert_refused(ON_TOKEN("pkcs11:token=alice;object=nosuch"), NK_E_IDENTITY, "0 certificates");
    assert_refused(ON_TOKEN("pkcs11:token=alice;object=nosuch"), NK_E_IDENTITY,
                   "there are: pkcs11:token=alice;");
    assert_refused(ON_TOKEN("pkcs11:token=nosuch;object=leaf"), NK_E_TOKEN,
                   "node.certificate: no such token");
    assert_refused(ON_TOKEN("pkcs11:token=alice"), NK_E_CONFIG, "names no certificate");
    assert_refused(ON_TOKEN("pkcs11:token=alice;object=leaf;type=private"), NK_E_CONFIG,
                   "type=cert");
    assert_refused(ON_TOKEN("pkcs11:token=alice;object=leaf?pin-value=1234"), NK_E_CONFIG,
                   "node.certificate: the URI holds a PIN");
}

/* In what gRPC was given. */
static size_t shown_certificates(void)
{
    glob_t files;
    size_t len = 0;
    assert_int_equal(glob(path_of("%s/run/*/*.pem", federation.folder), 0, NULL, &files), 0);
    FILE *file = fopen(files.gl_pathv[0], "re");
    assert_non_null(file);
    for (X509 *one = NULL; (one = PEM_read_X509(file, NULL, NULL, NULL)) != NULL; len++) {
        X509_free(one);
    }
    ERR_clear_error(); /* of the file's end */
    fclose(file);
    globfree(&files);
    return len;
}

static void a_second_look_shows_no_leaf_twice(void **state)
{
    (void)state;
    struct node node;
    faulty_set("find_error=0xe0\nfind_error_at=2\n"); /* the leaf is found, the list is not */
    node_open(&node, &alice, GOOD);
    assert_int_equal(shown_certificates(), 2);
    node_close(&node);
    faulty_set("");
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    alice.module = faulty_start();
    const char *run = path_of("%s/run", federation.folder);
    assert_int_equal(mkdir(run, 0700), 0);
    setenv("RUNTIME_DIRECTORY", run, 1);
    struct authority stranger = authority_make(&federation.root, "another intermediate", NULL);
    put(alice.leaf, "leaf", "01");
    put(federation.intermediate.certificate, "issuer", "09");
    put(federation.root.certificate, "root", "0a");
    put(stranger.certificate, "stranger", "0b");
    authority_free(&stranger);
    return remove(path_of("%s/alice.pem", federation.folder)); /* nobody may read it */
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    return 0;
}

int main(void)
{
    ROWS_TEST(talks_with_leaf_and_issuer_from_the_token);
    ROWS_TEST(without_its_issuer_there_is_no_chain);
    ROWS_TEST(a_renewed_certificate_is_taken_by_reload);
    ROWS_TEST(a_certificate_of_another_key_is_refused);
    ROWS_TEST(a_uri_that_names_not_one_is_refused);
    if (!LATER_CORE) { /* which reads files */
        ROWS_TEST(a_second_look_shows_no_leaf_twice);
    }
    grpc_init();
    int failed = ROWS_RUN("token_certificate", start, stop);
    federation_free(&federation);
    rpc_shutdown();
    return failed;
}
