/* SPDX-License-Identifier: Apache-2.0
 * Connections that live on: each RPC and each guarded stream ends when the policy, or the clock,
 * refuses its peer, and nobody else notices. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc_stream.h"

#define END_WAIT_MS 20000 /* for what must happen: never reached */
#define STILL_OPEN_MS 300
#define SHORT_LIFE_SECONDS 4
#define EXPIRY_WAIT_MS 6000

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice, bob;
static struct node at_alice, at_bob;
static long crl_number;

/* Alice's server; its handler guards what is held. */
static struct rpc_server *server;
static _Atomic int guards_failed;

static void guard_held(void *user, grpc_call *call)
{
    (void)user;
    if (plugin->guard_call(at_alice.instance, NK_PEER_IS_CLIENT, call, NULL) != NK_OK) {
        guards_failed++;
    }
}

static void unguard_ended(void *user, grpc_call *call)
{
    (void)user;
    (void)!plugin->unguard_call(at_alice.instance, call, NULL);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    member_free(&bob);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static void open_both(void)
{
    federation_write_crls(&federation, ++crl_number, NULL);
    node_open(&at_alice, &alice, "{" FEDERATION_CRLS "}");
    node_open(&at_bob, &bob, "{" FEDERATION_CRLS "}");
    server = rpc_server_start(at_alice.server, 2, NULL, NULL);
}

static void close_both(void)
{
    rpc_server_stop(server);
    node_close(&at_alice);
    node_close(&at_bob);
}

static void revoke_at(struct node *where, X509 *leaf)
{
    X509 *revoked[] = { leaf, NULL };
    nk_error err = { .struct_size = sizeof(err) };
    federation_write_crls(&federation, ++crl_number, revoked);
    if (plugin->reload(where->instance, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static void a_revoked_client_is_refused_at_its_next_rpc(void **state)
{
    (void)state;
    open_both();
    grpc_channel *channel = rpc_channel(at_bob.channel, rpc_server_address(server));
    assert_true(rpc_call(channel, RPC_DEADLINE_MS).ok);
    assert_true(rpc_call(channel, RPC_DEADLINE_MS).ok);
    revoke_at(&at_alice, bob.leaf);
    struct rpc_result refused = rpc_call(channel, RPC_DEADLINE_MS);
    assert_int_equal(refused.status, GRPC_STATUS_UNAUTHENTICATED);
    assert_int_equal(rpc_server_runs(server), 2);
    assert_true(recorder_has(at_alice.log, "refused inbound call of connected peer"));
    assert_true(recorder_has(at_alice.log, ": revoked: "));
    assert_true(recorder_has(at_alice.log, "event policy {\"generation\":2,"));
    grpc_channel_destroy(channel);
    assert_int_equal(rpc_dial(at_bob.channel, rpc_server_address(server), RPC_DEADLINE_MS).status,
                     GRPC_STATUS_UNAVAILABLE);
    close_both();
}

static void a_revoked_server_gets_no_further_rpc(void **state)
{
    (void)state;
    open_both();
    grpc_channel *channel = rpc_channel(at_bob.channel, rpc_server_address(server));
    assert_true(rpc_call(channel, RPC_DEADLINE_MS).ok);
    revoke_at(&at_bob, alice.leaf);
    struct rpc_result refused = rpc_call(channel, RPC_DEADLINE_MS);
    assert_int_equal(refused.status, GRPC_STATUS_UNAVAILABLE); /* what gRPC makes of our 16 */
    assert_non_null(strstr(refused.details, "not admitted any more"));
    assert_int_equal(rpc_server_runs(server), 1);
    assert_true(recorder_has(at_bob.log, "refused outbound call of connected peer"));
    grpc_channel_destroy(channel);
    close_both();
}

static void a_changed_file_is_seen_without_reload(void **state)
{
    (void)state;
    X509 *revoked[] = { bob.leaf, NULL };
    open_both();
    grpc_channel *channel = rpc_channel(at_bob.channel, rpc_server_address(server));
    assert_true(rpc_call(channel, RPC_DEADLINE_MS).ok);
    federation_write_crls(&federation, ++crl_number, revoked);
    struct rpc_result result = { .ok = true };
    for (int waited_ms = 0; result.ok && waited_ms < END_WAIT_MS; waited_ms += STILL_OPEN_MS) {
        usleep(STILL_OPEN_MS * 1000);
        result = rpc_call(channel, RPC_DEADLINE_MS);
    }
    assert_int_equal(result.status, GRPC_STATUS_UNAUTHENTICATED);
    grpc_channel_destroy(channel);
    close_both();
}

static void guarded_streams_end_on_both_sides(void **state)
{
    (void)state;
    struct rpc_result end;
    nk_error err = { .struct_size = sizeof(err) };
    open_both();
    rpc_server_stop(server);
    server = rpc_server_start(at_alice.server, 2, guard_held, NULL);
    rpc_server_on_end(server, unguard_ended);
    grpc_channel *channel = rpc_channel(at_bob.channel, rpc_server_address(server));
    struct rpc_stream *stream = rpc_stream_open(channel, &end);
    struct rpc_stream *unguarded = rpc_stream_open(channel, &end);
    assert_non_null(stream);
    assert_non_null(unguarded);
    assert_int_equal(
        plugin->guard_call(at_bob.instance, NK_PEER_IS_SERVER, rpc_stream_call(stream), &err),
        NK_OK);
    assert_int_equal(guards_failed, 0);
    assert_false(rpc_stream_wait(stream, STILL_OPEN_MS, &end));

    revoke_at(&at_bob, alice.leaf); /* bob ends the stream that bob guards, and no other */
    assert_true(rpc_stream_wait(stream, END_WAIT_MS, &end));
    assert_int_equal(end.status, GRPC_STATUS_UNAUTHENTICATED);
    assert_false(rpc_stream_wait(unguarded, STILL_OPEN_MS, &end));
    assert_int_equal(plugin->unguard_call(at_bob.instance, rpc_stream_call(stream), &err), NK_OK);
    assert_int_equal(plugin->unguard_call(at_bob.instance, rpc_stream_call(stream), &err),
                     NK_E_USAGE);
    rpc_stream_close(stream);

    revoke_at(&at_alice, bob.leaf); /* alice guards all of hers */
    assert_true(rpc_stream_wait(unguarded, END_WAIT_MS, &end));
    assert_int_not_equal(end.status, GRPC_STATUS_OK);
    rpc_stream_close(unguarded);
    grpc_channel_destroy(channel);
    close_both();
}

static void guarding_a_refused_peer_ends_the_call(void **state)
{
    (void)state;
    struct rpc_result end;
    nk_error err = { .struct_size = sizeof(err) };
    open_both();
    grpc_channel *channel = rpc_channel(at_bob.channel, rpc_server_address(server));
    struct rpc_stream *stream = rpc_stream_open(channel, &end);
    assert_non_null(stream);
    revoke_at(&at_bob, alice.leaf);
    assert_false(rpc_stream_wait(stream, STILL_OPEN_MS, &end)); /* nobody guards it */
    assert_int_equal(
        plugin->guard_call(at_bob.instance, NK_PEER_IS_SERVER, rpc_stream_call(stream), &err),
        NK_E_PEER);
    assert_true(rpc_stream_wait(stream, END_WAIT_MS, &end));
    assert_int_equal(end.status, GRPC_STATUS_UNAUTHENTICATED);
    rpc_stream_close(stream);
    grpc_channel_destroy(channel);
    close_both();
}

static void close_ends_guarded_streams(void **state)
{
    (void)state;
    struct rpc_result end;
    nk_error err = { .struct_size = sizeof(err) };
    open_both();
    grpc_channel *channel = rpc_channel(at_bob.channel, rpc_server_address(server));
    struct rpc_stream *stream = rpc_stream_open(channel, &end);
    assert_non_null(stream);
    assert_int_equal(
        plugin->guard_call(at_bob.instance, NK_PEER_IS_SERVER, rpc_stream_call(stream), &err),
        NK_OK);
    node_close(&at_bob);
    assert_true(rpc_stream_wait(stream, END_WAIT_MS, &end));
    assert_int_equal(end.status, GRPC_STATUS_UNAUTHENTICATED);
    assert_int_not_equal(rpc_call(channel, RPC_DEADLINE_MS).status, GRPC_STATUS_OK);
    rpc_stream_close(stream);
    grpc_channel_destroy(channel);
    rpc_server_stop(server);
    node_close(&at_alice);
}

/* Nothing changes but the time. */
static void a_peer_whose_certificate_runs_out_is_refused(void **state)
{
    (void)state;
    struct rpc_result end;
    nk_error err = { .struct_size = sizeof(err) };
    struct certificate_spec spec = member_spec(&federation, "bob");
    spec.ends_in_seconds = SHORT_LIFE_SECONDS;
    EVP_PKEY *key = X509_get_pubkey(bob.leaf);
    X509 *brief = authority_issue(&federation.intermediate, key, &spec);
    member_write_certificate(&bob, "bob.pem", brief);
    open_both();
    rpc_server_stop(server);
    server = rpc_server_start(at_alice.server, 2, guard_held, NULL);
    rpc_server_on_end(server, unguard_ended);
    grpc_channel *channel = rpc_channel(at_bob.channel, rpc_server_address(server));
    struct rpc_stream *stream = rpc_stream_open(channel, &end);
    assert_non_null(stream);
    assert_true(rpc_call(channel, RPC_DEADLINE_MS).ok);
    assert_true(rpc_stream_wait(stream, EXPIRY_WAIT_MS, &end));
    assert_int_not_equal(end.status, GRPC_STATUS_OK);
    assert_true(recorder_has(at_alice.log, ": expired: "));
    assert_int_equal(rpc_call(channel, RPC_DEADLINE_MS).status, GRPC_STATUS_UNAUTHENTICATED);
    rpc_stream_close(stream);
    grpc_channel_destroy(channel);
    close_both();
    member_write_certificate(&bob, "bob.pem", bob.leaf);
    X509_free(brief);
    EVP_PKEY_free(key);
    (void)err;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_revoked_client_is_refused_at_its_next_rpc),
        cmocka_unit_test(a_revoked_server_gets_no_further_rpc),
        cmocka_unit_test(a_changed_file_is_seen_without_reload),
        cmocka_unit_test(guarded_streams_end_on_both_sides),
        cmocka_unit_test(guarding_a_refused_peer_ends_the_call),
        cmocka_unit_test(close_ends_guarded_streams),
        cmocka_unit_test(a_peer_whose_certificate_runs_out_is_refused),
    };
    return cmocka_run_group_tests_name("live", tests, start, stop);
}
