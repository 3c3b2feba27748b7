/* SPDX-License-Identifier: Apache-2.0
 * nk_host.set_identity: what it is given, and what becomes of a host that refuses signers, drops
 * them, or fails at a renewal. Where gRPC is on OpenSSL a core with BoringSSL is pretended: gRPC's
 * own functions, an in-memory provider, and none of OpenSSL's. With "openssl" for an argument those
 * are there, too, as in gRPC 1.83 on OpenSSL. No handshake is made on a pretended core. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <grpc/grpc.h>
#include <openssl/provider.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "nodekey/detail/core_names.h"

#define P256 0x0403
#define CHAIN_BYTES 16384
#define RENEWAL_MS 20000
#define NO_OPENSSL "does not use OpenSSL 3 or 4"
#define OUR_PROVIDER "nodekey-plugin"

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice;

/* --- a core --- */

static bool has_openssl;
static bool is_before_1_80;

static const char *pretended_version(void)
{
    return "58.0.0";
}

static grpc_tls_certificate_provider *pretended_provider(void)
{
#if LATER_CORE
    return grpc_tls_certificate_provider_in_memory_create();
#else
    return grpc_tls_certificate_provider_static_data_create("", NULL);
#endif
}

/* References to keys, which a core gets that has OpenSSL. */
static unsigned references;

static void take_pair(grpc_tls_identity_pairs *pairs, const char *key, const char *chain)
{
    (void)pairs;
    assert_true(has_openssl);
    assert_string_equal(key, chain);
    references += strstr(key, "BEGIN NODEKEY KEY REFERENCE") != NULL;
}

static bool take_pairs(grpc_tls_certificate_provider *provider, grpc_tls_identity_pairs *pairs)
{
    assert_non_null(provider);
    grpc_tls_identity_pairs_destroy(pairs);
    return true;
}

static void must_not_be_called(void)
{
    fail_msg("nodekey reads files for a core that is told its identity");
}

#define ABSENT(name) strcmp(wanted, #name) == 0 ||
static bool is_absent(const char *wanted)
{
    return (!has_openssl && (NK_CORE_CRYPTO(ABSENT) false)) ||
           (is_before_1_80 && strstr(wanted, "_in_memory_") != NULL);
}

static nk_function pretended_symbol(const char *name)
{
    static const struct {
        const char *name;
        nk_function function;
    } rows[] = {
        { "grpc_version_string", (nk_function)pretended_version },
        { "grpc_tls_certificate_provider_in_memory_create", (nk_function)pretended_provider },
        { "grpc_tls_certificate_provider_in_memory_set_identity_certificate",
          (nk_function)take_pairs },
        { "grpc_tls_certificate_provider_file_watcher_create", must_not_be_called },
        { "grpc_tls_identity_pairs_add_pair", (nk_function)take_pair },
    };
    nk_function found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(rows) && !is_absent(name); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return rows[i].function;
        }
    }
    *(void **)&found = is_absent(name) ? NULL : dlsym(RTLD_DEFAULT, name);
    return found;
}

/* --- a host --- */

static struct {
    _Atomic nk_status answer;
    bool drops; /* it answers NK_OK, and tells gRPC nothing */
    atomic_uint asked;
    atomic_uint again; /* told what it was told before */
    nk_signer *signer; /* the last one; counted */
    char chain[CHAIN_BYTES];
} given;

static __typeof__(((nk_host *)NULL)->set_identity) tell_grpc; /* NULL: pretended */

static nk_status take_identity(void *data, const nk_plugin *table,
                               grpc_tls_certificate_provider *provider, nk_signer *signer,
                               const char *chain)
{
    given.asked++;
    assert_ptr_equal(table, plugin);
    assert_non_null(provider);
    if (given.answer != NK_OK || given.drops) {
        return given.answer;
    }
    bool again = signer == given.signer && strcmp(chain, given.chain) == 0;
    table->signer_ref(signer);
    table->signer_free(given.signer);
    given.signer = signer;
    snprintf(given.chain, sizeof(given.chain), "%s", chain);
    given.again += again;
    return tell_grpc != NULL ? tell_grpc(data, table, provider, signer, chain) : NK_OK;
}

static nk_host host_of(struct recorder *log)
{
    nk_host host = recording_host(log);

    tell_grpc = host.set_identity;
    if (!BORINGSSL_CORE) {
        host.grpc_version = pretended_version;
        host.symbol = pretended_symbol;
    }
    host.set_identity = take_identity;
    return host;
}

static struct node node; /* its log, its instance */

static nk_status open_node(const nk_host *host, const char *patch, nk_error *err)
{
    char *config = member_config(&alice, patch);
    nk_status status = plugin->open_text(host, config, federation.folder, &node.instance, err);

    free(config);
    return status;
}

static void open_good(const char *patch)
{
    nk_error err = { .struct_size = sizeof(err) };

    if (open_node(&node.host, patch, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static nk_status ask_server(nk_error *err)
{
    return plugin->server_credentials(node.instance, &node.server, err);
}

static nk_status ask_channel(nk_error *err)
{
    return plugin->channel_credentials(node.instance, &node.channel, err);
}

static int begin(void **state)
{
    (void)state;
    given.answer = NK_OK;
    given.drops = false;
    given.asked = 0;
    given.again = 0;
    given.signer = NULL;
    node = (struct node){ .log = recorder_new() };
    node.host = host_of(node.log);
    return 0;
}

static int end(void **state)
{
    (void)state;
    grpc_server_credentials_release(node.server);
    grpc_channel_credentials_release(node.channel);
    nk_status status = plugin->close(node.instance, NULL);
    plugin->signer_free(given.signer);
    faulty_set("");
    return status;
}

/* --- which core is asked --- */

static void assert_refused(const nk_host *host, const char *why)
{
    nk_error err = { .struct_size = sizeof(err) };

    assert_int_equal(open_node(host, "{}", &err), NK_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, why));
    assert_null(node.instance);
    assert_int_equal(given.asked, 0);
}

static void a_host_without_it_is_refused(void **state)
{
    (void)state;
    node.host.set_identity = NULL;
    assert_refused(&node.host, NO_OPENSSL);
    node.host.set_identity = take_identity;
    node.host.struct_size = offsetof(nk_host, set_identity); /* of ABI 0.3 */
    assert_refused(&node.host, NO_OPENSSL);
}

/* BoringSSL is in it, too, but nothing that takes signers. */
static void a_core_before_1_80_is_refused(void **state)
{
    (void)state;
    is_before_1_80 = true;
    assert_refused(&node.host, NO_OPENSSL);
    is_before_1_80 = false;
}

/* A provider costs the program's own TLS something. */
static void openssl_is_left_as_it_is(void **state)
{
    (void)state;
    open_good("{}");
    assert_int_equal(ask_server(NULL), NK_OK);
    assert_false(OSSL_PROVIDER_available(NULL, OUR_PROVIDER));
}

static size_t write_verify(const char *whose, uint8_t input[160])
{
    memset(input, ' ', 160);
    return 64 + (size_t)snprintf((char *)input + 64, 96, "TLS 1.3, %s CertificateVerify", whose) +
           1 + 32;
}

static void assert_signs_as(const char *role, const char *other)
{
    uint8_t input[160];
    uint8_t signature[NK_SIGNATURE_BYTES];
    size_t size = 0;
    size_t len = write_verify(role, input);

    assert_int_equal(
        plugin->sign(given.signer, P256, input, len, signature, sizeof(signature), &size, NULL),
        NK_OK);
    len = write_verify(other, input);
    assert_int_equal(
        plugin->sign(given.signer, P256, input, len, signature, sizeof(signature), &size, NULL),
        NK_E_USAGE);
}

static void each_role_is_told_once(void **state)
{
    (void)state;
    char *leaf = pem_of(alice.leaf, NULL);

    open_good("{}");
    assert_int_equal(given.asked, 0);
    assert_int_equal(ask_server(NULL), NK_OK);
    assert_int_equal(given.asked, 1);
    assert_ptr_equal(strstr(given.chain, leaf), given.chain);
    assert_signs_as("server", "client");
    assert_int_equal(ask_channel(NULL), NK_OK);
    assert_int_equal(given.asked, 2);
    assert_signs_as("client", "server");
    grpc_server_credentials_release(node.server);
    assert_int_equal(ask_server(NULL), NK_OK);
    assert_int_equal(given.asked, 2);
    free(leaf);
}

/* --- hosts that do not tell it --- */

static const struct refusal {
    const char *name;
    nk_status answer;
} refusals[] = {
    { "gRPC takes no signers", NK_E_UNSUPPORTED },
    { "gRPC does not take this one", NK_E_INTERNAL },
    { "the host has its own reason", NK_E_USAGE },
};

static void there_are_no_credentials_until_it_is_taken(void **state)
{
    const struct refusal *row = *state;
    nk_error err = { .struct_size = sizeof(err) };
    nk_error second = { .struct_size = sizeof(second) };

    given.answer = row->answer;
    open_good("{}");
    assert_int_equal(ask_server(&err), row->answer);
    assert_int_equal(ask_channel(&second), row->answer);
    assert_non_null(strstr(err.text, path_of("set_identity answers %d", (int)row->answer)));
    assert_string_equal(err.text, second.text);
    assert_null(node.server);
    assert_null(node.channel);
    given.answer = NK_OK;
    assert_int_equal(ask_server(NULL), NK_OK);
    assert_int_equal(ask_channel(NULL), NK_OK);
    assert_int_equal(given.asked, 4);
}

static void a_host_that_drops_it_talks_to_nobody(void **state)
{
    (void)state;
    given.drops = true;
    open_good("{}");
    assert_int_equal(ask_server(NULL), NK_OK);
    assert_int_equal(ask_channel(NULL), NK_OK);
    if (BORINGSSL_CORE) {
        struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
        assert_false(rpc_dial(node.channel, rpc_server_address(server), 500).ok);
        assert_int_equal(rpc_server_runs(server), 0);
        rpc_server_stop(server);
    }
}

static void renew(void)
{
    struct certificate_spec spec = member_spec(&federation, "alice");
    EVP_PKEY *key = X509_get_pubkey(alice.leaf);
    X509 *renewed = authority_issue(&federation.intermediate, key, &spec);

    member_write_certificate(&alice, "alice.pem", renewed);
    EVP_PKEY_free(key);
    X509_free(renewed);
}

static void a_renewal_that_is_not_taken_is_told_again(void **state)
{
    (void)state;
    char former[CHAIN_BYTES];

    open_good("{\"reload\": {\"interval_seconds\": 1}}");
    assert_int_equal(ask_server(NULL), NK_OK);
    memcpy(former, given.chain, sizeof(former));
    given.answer = NK_E_INTERNAL;
    renew();
    assert_int_equal(plugin->reload(node.instance, NULL), NK_OK);
    assert_true(recorder_waits_for(node.log, "certificate is not in use: nk_host.set_identity",
                                   RENEWAL_MS));
    assert_string_equal(given.chain, former);
    given.answer = NK_OK;
    assert_true(recorder_waits_for(node.log, "our renewed certificate is in use", RENEWAL_MS));
    assert_string_not_equal(given.chain, former);
}

/* --- sessions that BoringSSL's server would keep --- */

#define SESSIONS 16

static void sign_for_tls_12(int times)
{
    const uint8_t input[64 + 4 + 65] = { 1 }; /* two random numbers, and a point of P-256 */
    uint8_t signature[NK_SIGNATURE_BYTES];
    size_t size = 0;

    for (int i = 0; i < times; i++) {
        assert_int_equal(plugin->sign(given.signer, P256, input, sizeof(input), signature,
                                      sizeof(signature), &size, NULL),
                         NK_OK);
    }
}

static void wait_until_told_again(unsigned times)
{
    for (int i = 0; given.again < times && i < RENEWAL_MS / 10; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000000L }, NULL);
    }
    assert_int_equal(given.again, times);
}

static void a_server_of_tls_12_is_told_again(void **state)
{
    (void)state;
    open_good("{}");
    assert_int_equal(ask_channel(NULL), NK_OK);
    sign_for_tls_12(SESSIONS); /* a client keeps none */
    assert_int_equal(ask_server(NULL), NK_OK);
    for (int i = 0; i < SESSIONS; i++) {
        assert_signs_as("server", "client"); /* of TLS 1.3, which has tickets alone */
    }
    sign_for_tls_12(SESSIONS - 1);
    assert_int_equal(plugin->reload(node.instance, NULL), NK_OK);
    assert_int_equal(given.again, 0);
    sign_for_tls_12(1);
    wait_until_told_again(1);
    given.answer = NK_E_INTERNAL;
    sign_for_tls_12(SESSIONS);
    assert_true(recorder_waits_for(
        node.log, "gRPC keeps sessions of TLS 1.2: nk_host.set_identity answers", RENEWAL_MS));
    given.answer = NK_OK;
    sign_for_tls_12(SESSIONS);
    wait_until_told_again(2);
}

/* --- what is said --- */

#define UNREACHED "members with Ed25519 or P-521 keys cannot be reached, nor reach us"
#define P521_WARNING "no gRPC on BoringSSL (PyPI's grpcio and so P2PFL, grpc-java, Envoy)"

static const struct said_row {
    const char *name; /* a type of key */
    unsigned warned;
} said_rows[] = {
    { "P-256", 0 },
    { "P-521", 1 },
};

static void open_says_who_is_out_of_reach(void **state)
{
    const struct said_row *row = *state;

    open_good(member_patch_key(&alice, row->name));
    assert_int_equal(recorder_count(node.log, UNREACHED), 1);
    assert_int_equal(recorder_count(node.log, P521_WARNING), row->warned);
    assert_int_equal(ask_server(NULL), NK_OK);
    assert_int_equal(recorder_count(node.log, UNREACHED), 1);
}

static const struct ed25519_row {
    const char *name;
    const char *patch;
    const char *whose;
} ed25519_rows[] = {
    { "Ed25519 is no identity",
      "{\"node\": {\"key\": \"pkcs11:token=alice;object=Ed25519\","
      " \"certificate\": \"alice-Ed25519.pem\"}}",
      "the server's key" },
    { "Ed25519 is no identity of a client",
      "{\"client\": {\"key\": \"pkcs11:token=alice;object=Ed25519\","
      " \"certificate\": \"alice-Ed25519.pem\"}}",
      "the client's key" },
};

static void ed25519_is_refused(void **state)
{
    const struct ed25519_row *row = *state;
    nk_error err = { .struct_size = sizeof(err) };

    assert_int_equal(open_node(&node.host, row->patch, &err), NK_E_IDENTITY);
    assert_non_null(strstr(err.text, "gRPC on BoringSSL has no Ed25519"));
    assert_non_null(strstr(err.text, row->whose));
    assert_non_null(strstr(err.text, "nodekey enroll --key-type P-256"));
    assert_int_equal(given.asked, 0);
}

/* Signatures of 8 ms, for which an older core is advised to get threads that poll. */
static void no_polling_threads_are_advised(void **state)
{
    (void)state;
    faulty_set("sign_ms=8\n");
    open_good("{}");
    assert_int_equal(recorder_count(node.log, "lent_threads"), 0);
    assert_true(recorder_has(node.log, "the server's asynchronously, the client's asynchronously"));
}

static void polling_threads_are_not_lent(void **state)
{
    (void)state;
    open_good("{\"grpc\": {\"lent_threads\": 4}}");
    assert_int_equal(recorder_count(node.log, "so none are lent; leave it out"), 1);
}

/* --- where gRPC has OpenSSL --- */

static void nobody_is_asked_for_signers(void **state)
{
    (void)state;
    open_good("{}");
    assert_int_equal(ask_server(NULL), NK_OK);
    assert_int_equal(references, 1);
    assert_int_equal(ask_channel(NULL), NK_OK);
    assert_int_equal(references, 2);
    assert_int_equal(given.asked, 0);
    assert_int_equal(recorder_count(node.log, UNREACHED), 0);
    assert_true(OSSL_PROVIDER_available(NULL, OUR_PROVIDER));
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    alice.module = faulty_start();
    member_add_key(&alice, "P-256", "11", "P-256");
    member_add_key(&alice, "P-521", "12", "P-521");
    member_add_key(&alice, "Ed25519", "13", "Ed25519");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

/* The core is bound by the first node that opens. */
static void add_rows(void)
{
    rows_add("before: a host without it is refused", a_host_without_it_is_refused, NULL);
    if (!BORINGSSL_CORE) {
        ROWS_TEST(a_core_before_1_80_is_refused);
    }
    ROWS_TEST(openssl_is_left_as_it_is);
    ROWS_TEST(each_role_is_told_once);
    rows_add("after: a host without it is refused", a_host_without_it_is_refused, NULL);
    ROWS_OF(refusals, there_are_no_credentials_until_it_is_taken)
    ROWS_TEST(a_host_that_drops_it_talks_to_nobody);
    ROWS_TEST(a_renewal_that_is_not_taken_is_told_again);
    ROWS_TEST(a_server_of_tls_12_is_told_again);
    ROWS_OF(said_rows, open_says_who_is_out_of_reach)
    ROWS_OF(ed25519_rows, ed25519_is_refused)
    ROWS_TEST(no_polling_threads_are_advised);
    ROWS_TEST(polling_threads_are_not_lent);
}

int main(int argc, char **argv)
{
    has_openssl = argc > 1 && strcmp(argv[1], "openssl") == 0;
    rows_each(begin, end);
    if (has_openssl) {
        ROWS_TEST(nobody_is_asked_for_signers);
    } else {
        add_rows();
    }
    return ROWS_RUN("told_signer", start, stop);
}
