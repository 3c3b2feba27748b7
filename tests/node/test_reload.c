/* SPDX-License-Identifier: Apache-2.0
 * Reload: what is good comes into force, what is not is reported and stays as it was, in every pair
 * of a good and a broken input. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define ROTATION_WAIT_MS 20000
#define AHEAD_SECONDS 3
#define NAMESAKES 9
#define GUESTS_TOO "spiffe://example.org/guest/*"

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice;
static EVP_PKEY *stranger_key;
static long crl_number;

/* --- inputs, good and broken --- */

enum part { ROOTS, CRLS, RULES, CERTIFICATE, PARTS };
static const char *const part_names[PARTS] = { "roots", "crls", "rules", "certificate" };

static const char *file_of(const char *name)
{
    return path_of("%s/%s", federation.folder, name);
}

static void write_config(const char *patch)
{
    char *text = member_config(&alice, patch);
    write_file(file_of("alice.json"), text, 0644);
    free(text);
}

/* The federation's root, and another one's when it is to be new. */
static struct authority second_root;

static void write_roots(bool second)
{
    char *pem = second ? pem_of(federation.root.certificate, second_root.certificate, NULL)
                       : pem_of(federation.root.certificate, NULL);
    write_file(file_of("ca.pem"), pem, 0644);
    free(pem);
}

static X509 *renewed; /* alice's next leaf, for the same key */
static X509 *revoked_one;

#define RULES_OF_OLD "{" FEDERATION_CRLS ", \"reload\": {\"interval_seconds\": 3600}}"
#define RULES_ANEW                                                                                 \
    "{" FEDERATION_CRLS ", \"reload\": {\"interval_seconds\": 3600}, \"admit\": [{\"name\": "      \
    "\"members\", \"uri\": [\"spiffe://example.org/node/*\", \"" GUESTS_TOO "\"]}]}"

static void improve(enum part part)
{
    X509 *revoked[] = { revoked_one, NULL };

    switch (part) {
    case ROOTS:
        write_roots(true);
        return;
    case CRLS:
        federation_write_crls(&federation, ++crl_number, revoked);
        return;
    case RULES:
        write_config(RULES_ANEW);
        return;
    default:
        member_write_certificate(&alice, "alice.pem", renewed);
        return;
    }
}

static void spoil(enum part part)
{
    static const char *const files[PARTS] = { "ca.pem", "intermediate.crl", "alice.json",
                                              "alice.pem" };
    write_file(file_of(files[part]), "-----BEGIN nothing in particular\n", 0644);
}

static void restore(void)
{
    write_roots(false);
    federation_write_crls(&federation, ++crl_number, NULL);
    write_config(RULES_OF_OLD);
    member_write_certificate(&alice, "alice.pem", alice.leaf);
}

/* --- is it in force? --- */

static bool admits(nk_instance *instance, X509 *leaf, X509 *issuer)
{
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    char *pem = issuer != NULL ? pem_of(leaf, issuer, NULL) : pem_of(leaf, NULL);
    assert_int_equal(plugin->check_peer(instance, NK_PEER_IS_CLIENT, NULL, pem, strlen(pem),
                                        &verdict, NULL, NULL),
                     NK_OK);
    free(pem);
    return verdict.decision == NK_ALLOW;
}

static X509 *good_one, *guest, *foreign;

static bool in_force(nk_instance *instance, struct recorder *log, enum part part)
{
    switch (part) {
    case ROOTS:
        return admits(instance, foreign, NULL);
    case CRLS:
        return !admits(instance, revoked_one, federation.intermediate.certificate);
    case RULES:
        return admits(instance, guest, federation.intermediate.certificate);
    default:
        return recorder_waits_for(log, "event rotated {}", ROTATION_WAIT_MS);
    }
}

static X509 *issue(const struct authority *issuer, const char *san)
{
    struct certificate_spec spec = { .san = san };
    return authority_issue(issuer, stranger_key, &spec);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    stranger_key = software_key("P-256");
    second_root = authority_make(NULL, "second root", NULL);
    good_one = issue(&federation.intermediate, "URI:spiffe://example.org/node/good");
    revoked_one = issue(&federation.intermediate, "URI:spiffe://example.org/node/bad");
    guest = issue(&federation.intermediate, "URI:spiffe://example.org/guest/one");
    foreign = issue(&second_root, "URI:spiffe://example.org/node/foreign");
    struct certificate_spec spec = member_spec(&federation, "alice");
    EVP_PKEY *key = X509_get_pubkey(alice.leaf);
    renewed = authority_issue(&federation.intermediate, key, &spec);
    EVP_PKEY_free(key);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    X509_free(good_one);
    X509_free(revoked_one);
    X509_free(guest);
    X509_free(foreign);
    X509_free(renewed);
    EVP_PKEY_free(stranger_key);
    authority_free(&second_root);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static void open_alice(struct node *node)
{
    nk_error err = { .struct_size = sizeof(err) };

    node_prepare(node);
    if (plugin->open_file(&node->host, file_of("alice.json"), &node->instance, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static struct pair {
    enum part good;
    enum part broken; /* PARTS: none */
} pairs[PARTS * PARTS];

static void check_pair(void **state)
{
    const struct pair *pair = *state;
    struct node node;
    nk_error err = { .struct_size = sizeof(err) };

    restore();
    /* the root that signs `foreign` has no CRL in force, so roots are tried without CRLs */
    if (pair->good == ROOTS) {
        write_config("{\"reload\": {\"interval_seconds\": 3600}}");
    }
    open_alice(&node);
    if (pair->good == ROOTS && pair->broken == CRLS) { /* then these are asked for, and broken */
        write_config(RULES_OF_OLD);
    }
    improve(pair->good);
    if (pair->broken != PARTS) {
        spoil(pair->broken);
    }
    nk_status status = plugin->reload(node.instance, &err);
    print_message("%s: %d %s\n", pair->broken == PARTS ? "none broken" : part_names[pair->broken],
                  (int)status, err.text);
    assert_int_equal(status == NK_OK, pair->broken == PARTS);
    if (pair->broken != PARTS) {
        assert_true(recorder_has(node.log, "reload: "));
        assert_true(recorder_has(node.log, "event reload-failed "));
    }
    assert_true(in_force(node.instance, node.log, pair->good));
    assert_true(admits(node.instance, good_one, federation.intermediate.certificate));
    assert_int_equal(plugin->close(node.instance, &err), NK_OK);
}

static void a_change_that_needs_a_restart_is_named(void **state)
{
    (void)state;
    struct node node;
    nk_error err = { .struct_size = sizeof(err) };

    restore();
    open_alice(&node);
    write_config("{\"node\": {\"allow_imported\": true}, " FEDERATION_CRLS
                 ", \"deny\": [{\"name\": "
                 "\"bad\", \"uri\": [\"spiffe://example.org/node/good\"]}]}");
    assert_int_equal(plugin->reload(node.instance, &err), NK_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "allow_imported"));
    assert_non_null(strstr(err.text, "next start"));
    assert_false(admits(node.instance, good_one, federation.intermediate.certificate));
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

/* Nobody else has a certificate of ours to show. */
static void a_certificate_for_another_key_is_no_renewal(void **state)
{
    (void)state;
    struct node node;
    nk_error err = { .struct_size = sizeof(err) };

    restore();
    open_alice(&node);
    member_write_certificate(&alice, "alice.pem", good_one);
    assert_int_equal(plugin->reload(node.instance, &err), NK_E_IDENTITY);
    assert_non_null(strstr(err.text, "another key"));
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

static void unchanged_files_make_no_generation(void **state)
{
    (void)state;
    struct node node;

    restore();
    open_alice(&node);
    assert_int_equal(plugin->reload(node.instance, NULL), NK_OK);
    assert_false(recorder_has(node.log, "event policy"));
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

static void assert_shows(int port, const X509 *leaf)
{
    SSL_SESSION *session = NULL;
    struct tls_peer stranger = stranger_make(&federation);

    stranger.session = &session;
    assert_true(tls_peer_dial(&stranger, port).accepted);
    assert_int_equal(X509_cmp(SSL_SESSION_get0_peer(session), leaf), 0);
    SSL_SESSION_free(session);
    stranger_free(&stranger);
}

/* The new leaf is what peers see, on the same server and without a lost handshake. */
static void a_renewed_certificate_is_shown_to_peers(void **state)
{
    (void)state;
    struct node node;
    struct node peer;

    restore();
    open_alice(&node);
    assert_int_equal(plugin->server_credentials(node.instance, &node.server, NULL), NK_OK);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    member_write_certificate(&alice, "alice.pem", renewed);
    assert_int_equal(plugin->reload(node.instance, NULL), NK_OK);
    node_open(&peer, &alice, "{}");
    for (int i = 0; i < 20 && !recorder_has(node.log, "event rotated"); i++) {
        assert_true(rpc_dial(peer.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
        (void)recorder_waits_for(node.log, "event rotated", 200);
    }
    assert_true(recorder_waits_for(node.log, "event rotated", ROTATION_WAIT_MS));
    assert_shows(rpc_server_port(server), renewed);
    rpc_server_stop(server);
    grpc_server_credentials_release(node.server);
    node_close(&peer);
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

/* A core that is told waits for no watcher: it is true when `reload` returns, also twice. */
static void a_core_that_is_told_shows_it_at_once(void **state)
{
    (void)state;
    struct node node;

    restore();
    open_alice(&node);
    assert_int_equal(plugin->server_credentials(node.instance, &node.server, NULL), NK_OK);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        X509 *next = i == 0 ? renewed : alice.leaf;
        member_write_certificate(&alice, "alice.pem", next);
        assert_int_equal(plugin->reload(node.instance, NULL), NK_OK);
        assert_int_equal(recorder_count(node.log, "event rotated {}"), i + 1);
        assert_shows(rpc_server_port(server), next);
    }
    rpc_server_stop(server);
    grpc_server_credentials_release(node.server);
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

/* The clock of who makes CRLs may be ahead of ours. */
static void a_list_from_the_future_comes_into_force_in_time(void **state)
{
    (void)state;
    struct node node;
    bool out = false;

    restore();
    write_config("{" FEDERATION_CRLS "}");
    open_alice(&node);
    crl_write(file_of("intermediate.crl"), &(struct crl_spec){
                                               .issuer = &federation.intermediate,
                                               .number = ++crl_number,
                                               .this_update_seconds = AHEAD_SECONDS,
                                               .revoked = { revoked_one },
                                           });
    assert_true(recorder_waits_for(node.log, "event reload-failed", ROTATION_WAIT_MS));
    for (int i = 0; i < ROTATION_WAIT_MS / 100 && !out; i++) {
        (void)recorder_waits_for(node.log, "event policy", 100);
        out = !admits(node.instance, revoked_one, federation.intermediate.certificate);
    }
    assert_true(out);
    assert_int_equal(recorder_count(node.log, "event reload-failed"), 1);
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

static void the_configuration_stays_where_it_was(void **state)
{
    (void)state;
    struct node node;
    char before[PATH_MAX];
    nk_error err = { .struct_size = sizeof(err) };

    restore();
    node_prepare(&node);
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(federation.folder), 0);
    nk_status status = plugin->open_file(&node.host, "alice.json", &node.instance, &err);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(status, NK_OK);
    if (plugin->reload(node.instance, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

/* They fail only when they are put together. */
static void a_crowd_of_roots_holds_back_no_list(void **state)
{
    (void)state;
    struct node node;
    X509 *revoked[] = { revoked_one, NULL };
    struct authority crowd[NAMESAKES];
    nk_error err = { .struct_size = sizeof(err) };

    restore();
    open_alice(&node);
    char *all = strdup("");
    for (int i = 0; i < NAMESAKES; i++) {
        crowd[i] = authority_make(NULL, "one name for all", NULL);
        char *pem = pem_of(crowd[i].certificate, NULL);
        char *longer = NULL;
        assert_true(asprintf(&longer, "%s%s", all, pem) > 0);
        free(all);
        free(pem);
        all = longer;
        authority_free(&crowd[i]);
    }
    write_file(file_of("ca.pem"), all, 0644);
    free(all);
    federation_write_crls(&federation, ++crl_number, revoked);
    assert_int_equal(plugin->reload(node.instance, &err), NK_E_TRUST);
    assert_false(admits(node.instance, revoked_one, federation.intermediate.certificate));
    assert_true(admits(node.instance, good_one, federation.intermediate.certificate));
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

static nk_instance *told_instance;
static bool told_in_force;

static void on_event(void *host_data, const char *name, const char *json)
{
    (void)host_data, (void)json;
    if (strcmp(name, "policy") == 0) {
        told_in_force = !admits(told_instance, revoked_one, federation.intermediate.certificate);
    }
}

static void what_is_told_is_in_force(void **state)
{
    (void)state;
    struct node node;
    X509 *revoked[] = { revoked_one, NULL };

    restore();
    node_prepare(&node);
    node.host.event = on_event;
    assert_int_equal(plugin->open_file(&node.host, file_of("alice.json"), &node.instance, NULL),
                     NK_OK);
    told_instance = node.instance;
    federation_write_crls(&federation, ++crl_number, revoked);
    assert_int_equal(plugin->reload(node.instance, NULL), NK_OK);
    assert_true(told_in_force);
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

/* The pool of intermediates knows ours; those of our peers may not. */
static void a_leaf_alone_is_no_renewal(void **state)
{
    (void)state;
    struct node node;
    nk_error err = { .struct_size = sizeof(err) };

    restore();
    open_alice(&node);
    char *pem = pem_of(renewed, NULL);
    write_file(file_of("alice.pem"), pem, 0644);
    free(pem);
    assert_int_equal(plugin->reload(node.instance, &err), NK_E_IDENTITY);
    assert_non_null(strstr(err.text, "intermediates"));
    assert_int_equal(plugin->close(node.instance, NULL), NK_OK);
}

int main(void)
{
    size_t len = 0;

    for (int good = 0; good < PARTS; good++) {
        for (int broken = 0; broken <= PARTS; broken++) {
            if (good == broken) {
                continue;
            }
            pairs[len] = (struct pair){ (enum part)good, (enum part)broken };
            rows_add(
                path_of("good %s, %s", part_names[good],
                        broken == PARTS ? "all good" : path_of("broken %s", part_names[broken])),
                check_pair, &pairs[len++]);
        }
    }
    ROWS_TEST(a_change_that_needs_a_restart_is_named);
    ROWS_TEST(a_certificate_for_another_key_is_no_renewal);
    ROWS_TEST(unchanged_files_make_no_generation);
    ROWS_TEST(a_renewed_certificate_is_shown_to_peers);
    if (LATER_CORE) {
        ROWS_TEST(a_core_that_is_told_shows_it_at_once);
    }
    ROWS_TEST(a_list_from_the_future_comes_into_force_in_time);
    ROWS_TEST(the_configuration_stays_where_it_was);
    ROWS_TEST(a_crowd_of_roots_holds_back_no_list);
    ROWS_TEST(what_is_told_is_in_force);
    ROWS_TEST(a_leaf_alone_is_no_renewal);
    return ROWS_RUN("reload", start, stop);
}
