/* SPDX-License-Identifier: Apache-2.0
 * Attacks on a real handshake, or on what lies between two: each is refused with its reason in the
 * log, no handler runs for it, and the next good member is served. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/auto.h"
#include "fixtures/federation.h"
#include "fixtures/resident.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

#define LOG_WAIT_MS 30000
#define SHORT_LIFE_SECONDS 3
#define EXPIRY_LOOKS 150 /* for what must happen: never reached */
#define LOOK_STEP_MS 100
#define MANY_NAMES 1000
#define SOME_NAMES 200 /* more than we read, in a certificate that is not too large */
#define NODE_URI "spiffe://example.org/node/"
/* OpenSSL would read 100 KiB, but with more than some 50 KB at once gRPC 1.51 waits for what it has
 * already: such a handshake ends by the peer's patience, or gRPC's. */
#define TLS_CHAIN_BYTES 45000u
#define HUGE_CHAIN_BYTES (10u * 1024 * 1024)
#define BALLAST_KINDS 100
#define FLOOD 150
/* Kept, the flood would be three times as much; and of BoringSSL's sessions it is only the last. */
#define FLOOD_GROWTH_MAX_KIB (BORINGSSL_CORE ? 12288 : 4096)
#define FLOOD_LOOKS 100  /* for what must happen: never reached */
#ifdef NODEKEY_SANITIZED /* what was freed stays resident */
#define MEMORY_IS_MEASURED false
#else
#define MEMORY_IS_MEASURED true
#endif
#define RSA_PRIMES 16
#define RSA_PRIME_BITS 1024

DEFINE_AUTO(BIGNUM *, BN_free);
DEFINE_AUTO(BN_CTX *, BN_CTX_free);
DEFINE_AUTO(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free);
DEFINE_AUTO(OSSL_PARAM *, OSSL_PARAM_free);
DEFINE_AUTO(EVP_PKEY_CTX *, EVP_PKEY_CTX_free);

static const nk_plugin *plugin;
static struct federation federation;
static struct authority site; /* another intermediate: the attackers' */
static struct member alice;
static struct tls_peer good;
static struct node node;
static struct rpc_server *server;
static EVP_PKEY *key;
static long crl_number;

/* --- the scene: one node, as fresh as each test wants it --- */

#define PATCH                                                                                      \
    "{\"federation\": {\"crls\": [\"root.crl\", \"intermediate.crl\", \"site.crl\"]}, "            \
    "\"reload\": {\"interval_seconds\": 3600}}"

static void write_list(const char *name, struct crl_spec spec)
{
    crl_write(path_of("%s/%s", federation.folder, name), &spec);
}

static int open_node(void **state)
{
    (void)state;
    crl_number++;
    write_list("root.crl", (struct crl_spec){ .issuer = &federation.root, .number = crl_number });
    write_list("intermediate.crl",
               (struct crl_spec){ .issuer = &federation.intermediate, .number = crl_number });
    write_list("site.crl", (struct crl_spec){ .issuer = &site, .number = crl_number });
    node_open(&node, &alice, PATCH);
    server = rpc_server_start(node.server, 2, NULL, NULL);
    return 0;
}

static int close_node(void **state)
{
    (void)state;
    rpc_server_stop(server);
    node_close(&node);
    return 0;
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    site = authority_make(&federation.root, "site", NULL);
    good = stranger_make(&federation);
    key = software_key("P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(&good);
    EVP_PKEY_free(key);
    authority_free(&site);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

/* --- what each test says --- */

static struct tls_peer member_of_site(const char *label, SSL_SESSION **session)
{
    struct certificate_spec spec = member_spec(&federation, label);
    return (struct tls_peer){
        .key = key,
        .certificate = authority_issue(&site, key, &spec),
        .issuers = { site.certificate },
        .session = session,
    };
}

static void assert_a_good_member_is_served(void)
{
    size_t runs = rpc_server_runs(server);
    struct tls_result result = tls_peer_dial(&good, rpc_server_port(server));
    if (!result.accepted) {
        fail_msg("a good member: %s", result.why);
    }
    assert_int_equal(rpc_server_runs(server), runs + 1);
}

static void assert_logged(const char *direction, const char *reason, const char *detail)
{
    bool there =
        recorder_waits_for(node.log, path_of("refused %s peer ", direction), LOG_WAIT_MS) &&
        recorder_has(node.log, path_of(": %s: ", reason)) &&
        (detail == NULL || recorder_has(node.log, detail));
    if (!there) {
        char *log = recorder_copy(node.log);
        print_message("not %s, %s:\n%s\n", reason, detail != NULL ? detail : "", log);
        free(log);
    }
    assert_true(there);
}

static struct tls_result assert_refused(const struct tls_peer *peer, const char *reason,
                                        const char *detail)
{
    size_t runs = rpc_server_runs(server);
    recorder_clear(node.log);
    struct tls_result result = tls_peer_dial(peer, rpc_server_port(server));
    if (result.accepted) {
        char *log = recorder_copy(node.log);
        print_message("accepted:\n%s", log);
        free(log);
    }
    assert_false(result.accepted);
    assert_logged("inbound", reason, detail);
    assert_int_equal(rpc_server_runs(server), runs);
    assert_a_good_member_is_served();
    return result;
}

static void assert_admitted(const struct tls_peer *peer)
{
    struct tls_result result = tls_peer_dial(peer, rpc_server_port(server));
    if (!result.accepted) {
        char *log = recorder_copy(node.log);
        print_message("%s\n%s", result.why, log);
        free(log);
    }
    assert_true(result.accepted);
}

static void assert_reload(nk_status expected)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = plugin->reload(node.instance, &err);
    if (status != expected) {
        fail_msg("reload: %d, not %d: %s", (int)status, (int)expected, err.text);
    }
}

static void release(struct tls_peer *peer)
{
    if (peer->session != NULL) {
        SSL_SESSION_free(*peer->session);
    }
    X509_free(peer->certificate);
    sk_X509_pop_free(peer->more, X509_free);
}

/* --- one odd certificate --- */

static char *many_names(size_t len)
{
    static char text[MANY_NAMES * 48];
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%sURI:" NODE_URI "n%zu",
                                 i > 0 ? "," : "", i);
    }
    return text;
}

/* Not by EVP_RSA_gen: two primes of 8192 bits take minutes. Many small ones make as long a modulus,
 * and its holder can sign. */
static EVP_PKEY *long_rsa_key(void)
{
    AUTO(BN_CTX_free) BN_CTX *context = BN_CTX_new();
    AUTO(BN_free) BIGNUM *modulus = BN_new();
    AUTO(BN_free) BIGNUM *order = BN_new(); /* of the group */
    AUTO(BN_free) BIGNUM *prime = BN_new();
    AUTO(BN_free) BIGNUM *exponent = BN_new();
    AUTO(BN_free) BIGNUM *private_exponent = NULL;
    assert_int_equal(BN_one(modulus) & BN_one(order) & BN_set_word(exponent, RSA_F4), 1);
    for (int i = 0; i < RSA_PRIMES; i++) {
        assert_int_equal(BN_generate_prime_ex(prime, RSA_PRIME_BITS, 0, NULL, NULL, NULL), 1);
        assert_int_equal(BN_mul(modulus, modulus, prime, context), 1);
        assert_int_equal(BN_sub_word(prime, 1) & BN_mul(order, order, prime, context), 1);
    }
    private_exponent = BN_mod_inverse(NULL, exponent, order, context);
    assert_non_null(private_exponent); /* but for one key of thousands */

    AUTO(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    assert_int_equal(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) &
                         OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) &
                         OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, private_exponent),
                     1);
    AUTO(OSSL_PARAM_free) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *made = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(maker), 1);
    assert_int_equal(EVP_PKEY_fromdata(maker, &made, EVP_PKEY_KEYPAIR, params), 1);
    return made;
}

static const struct odd {
    const char *name;
    const char *reason;
    const char *detail;
    size_t names; /* so many URIs */
    struct certificate_spec spec;
    int others; /* so many more certificates, each another */
    bool long_key;
} odds[] = {
    { "1,000 names", "malformed", "1000 names", .names = MANY_NAMES },
    { "200 names", "malformed", "200 names", .names = SOME_NAMES },
    { "two lists of names", "malformed", "twice",
      .spec = { .san = "URI:" NODE_URI "a", .extra = "subjectAltName=URI:" NODE_URI "b" } },
    { "NUL in a URI", "malformed", "0x00",
      .spec = { .extra = "subjectAltName=DER:3021861f"
                         "7370696666653a2f2f6578616d706c652e6f72672f6e6f64652f"
                         "6100652f2f" } },
    { "NUL in a DNS name", "malformed", "0x00",
      .spec = { .extra = "subjectAltName=DER:3005820361"
                         "0062" } },
    { "sixty certificates", "malformed", "certificates", .others = 60,
      .spec = { .san = "URI:" NODE_URI "a" } },
    { "an RSA key of 16 Kibit", "chain-invalid", "more than 8192 bits", .long_key = true,
      .spec = { .san = "URI:" NODE_URI "a,IP:127.0.0.1" } },
};

/* So many members of the site, one as good as the other. Owned: sk_X509_pop_free. */
static STACK_OF(X509) *ballast(int len)
{
    STACK_OF(X509) *made = sk_X509_new_null();
    for (int i = 0; i < len; i++) {
        struct certificate_spec spec = { .cn = path_of("ballast %d", i) };
        assert_true(sk_X509_push(made, authority_issue(&site, key, &spec)) > 0);
    }
    return made;
}

static struct tls_peer dress(const struct odd *odd)
{
    struct certificate_spec spec = odd->spec;
    struct tls_peer peer = { .issuers = { site.certificate } };
    spec.cn = "odd";
    if (odd->names > 0) {
        spec.san = many_names(odd->names);
    }
    if (odd->long_key) {
        peer.key = long_rsa_key();
    } else {
        EVP_PKEY_up_ref(key);
        peer.key = key;
    }
    peer.more = odd->others > 0 ? ballast(odd->others) : NULL;
    peer.certificate = authority_issue(&site, peer.key, &spec);
    return peer;
}

static void assert_refused_as_server(const struct tls_peer *peer, const char *reason,
                                     const char *detail)
{
    struct tls_listener *listener = tls_peer_listen(peer);
    recorder_clear(node.log);
    rpc_dial(node.channel, tls_listener_address(listener), RPC_DEADLINE_MS);
    assert_false(tls_listener_wait(listener).accepted);
    assert_int_equal(tls_listener_accepted(listener), 0);
    assert_logged("outbound", reason, detail);
    tls_listener_stop(listener);
}

static void an_odd_certificate(void **state)
{
    const struct odd *odd = *state;
    struct tls_peer peer = dress(odd);
    assert_refused(&peer, odd->reason, odd->detail);
    assert_refused_as_server(&peer, odd->reason, odd->detail);
    assert_a_good_member_is_served();
    EVP_PKEY_free(peer.key);
    release(&peer);
}

/* --- TLS itself refuses: nodekey claims no reason, and no handler ran --- */

/* The public half of another's key with a private half of one's own: OpenSSL sends the certificate
 * and signs, wrongly. */
static EVP_PKEY *forged_pair(EVP_PKEY *victim)
{
    unsigned char point[256];
    size_t len = 0;
    AUTO(BN_free) BIGNUM *secret = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
    assert_int_equal(EVP_PKEY_get_octet_string_param(victim, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                     sizeof(point), &len),
                     1);
    AUTO(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    assert_int_equal(
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, len) &
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, secret),
        1);
    AUTO(OSSL_PARAM_free) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *made = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(maker), 1);
    assert_int_equal(EVP_PKEY_fromdata(maker, &made, EVP_PKEY_KEYPAIR, params), 1);
    return made;
}

static void assert_nobody_is_let_in(const struct tls_peer *peer)
{
    size_t runs = rpc_server_runs(server);
    recorder_clear(node.log);
    assert_false(tls_peer_dial(peer, rpc_server_port(server)).accepted);
    struct tls_listener *listener = tls_peer_listen(peer);
    struct rpc_result result =
        rpc_dial(node.channel, tls_listener_address(listener), RPC_DEADLINE_MS);
    assert_int_equal(result.status, GRPC_STATUS_UNAVAILABLE);
    assert_false(tls_listener_wait(listener).accepted);
    assert_int_equal(tls_listener_accepted(listener), 0);
    tls_listener_stop(listener);
    assert_int_equal(rpc_server_runs(server), runs);
    assert_false(recorder_has(node.log, "admitted "));
    assert_a_good_member_is_served();
    assert_true(recorder_has(node.log, "admitted ")); /* so that line would have been there */
}

static void a_certificate_without_its_key(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_peer thief = good;
        thief.version = version;
        thief.key = forged_pair(good.key);
        assert_nobody_is_let_in(&thief);
        EVP_PKEY_free(thief.key);
    }
}

/* Different ones, again and again until there are so many bytes. Owned: sk_X509_pop_free. */
static STACK_OF(X509) *heavy_chain(size_t bytes)
{
    STACK_OF(X509) *made = ballast(BALLAST_KINDS);
    for (int i = 0; bytes > 0; i++) {
        X509 *certificate = sk_X509_value(made, i % BALLAST_KINDS);
        size_t len = (size_t)i2d_X509(certificate, NULL);
        if (i >= BALLAST_KINDS) {
            X509_up_ref(certificate);
            assert_true(sk_X509_push(made, certificate) > 0);
        }
        bytes -= len < bytes ? len : bytes;
    }
    return made;
}

static void a_chain_of_ten_mebibytes(void **state)
{
    (void)state;
    struct tls_peer peer = member_of_site("heavy", NULL);
    peer.more = heavy_chain(HUGE_CHAIN_BYTES);
    assert_true(sk_X509_num(peer.more) > 10000);
    assert_nobody_is_let_in(&peer);
    release(&peer);
}

static void pause_between_looks(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = LOOK_STEP_MS * 1000000L }, NULL);
}

static void flood(const struct tls_peer *peer, int times)
{
    for (int i = 0; i < times; i++) {
        assert_false(tls_peer_dial(peer, rpc_server_port(server)).accepted);
    }
}

static long grown_kib(long before)
{
    int looks = 0;
    long grown = resident_kib() - before;
    while (grown > FLOOD_GROWTH_MAX_KIB && looks++ < FLOOD_LOOKS) {
        pause_between_looks();
        grown = resident_kib() - before;
    }
    print_message("resident: %ld KiB, after the flood %+ld KiB\n", before, grown);
    return grown;
}

/* As large as gRPC takes it, and one that a server without tickets remembers: BoringSSL's until our
 * housekeeping drops it. */
static void what_strangers_send_is_not_kept(void **state)
{
    (void)state;
    struct tls_peer peer = member_of_site("heavy", NULL);
    peer.more = heavy_chain(TLS_CHAIN_BYTES);
    struct tls_peer remembered = peer;
    remembered.version = TLS1_2_VERSION;
    remembered.no_tickets = true;
    struct tls_peer huge = peer;
    huge.more = heavy_chain(HUGE_CHAIN_BYTES);
    assert_refused(&peer, "malformed", "more than");
    assert_refused(&remembered, "malformed", "more than");
    flood(&huge, 2);
    flood(&peer, FLOOD / 10);
    recorder_clear(node.log);
    long before = resident_kib();
    flood(&huge, 2);
    flood(&peer, FLOOD);
    flood(&remembered, FLOOD);
    recorder_clear(node.log);
    assert_a_good_member_is_served();
    assert_true(!MEMORY_IS_MEASURED || grown_kib(before) <= FLOOD_GROWTH_MAX_KIB);
    sk_X509_pop_free(huge.more, X509_free);
    release(&peer);
}

/* --- an intermediate that is left out --- */

static void a_leaf_alone(void **state)
{
    (void)state;
    struct tls_peer whole = member_of_site("whole", NULL);
    struct tls_peer leaf_alone = member_of_site("alone", NULL);
    leaf_alone.issuers[0] = NULL;
    assert_refused(&leaf_alone, "untrusted", NULL);
    assert_admitted(&whole);
    assert_admitted(&leaf_alone);
    release(&whole);
    release(&leaf_alone);
}

/* One who is refused in the end has taught nobody its intermediate. */
static void a_leaf_alone_after_a_refused_peer(void **state)
{
    (void)state;
    struct certificate_spec spec = { .san = "URI:spiffe://example.org/guest/a" };
    struct tls_peer guest = { .key = key, .issuers = { site.certificate } };
    guest.certificate = authority_issue(&site, key, &spec);
    struct tls_peer leaf_alone = member_of_site("alone", NULL);
    leaf_alone.issuers[0] = NULL;
    assert_refused(&guest, "no-rule", NULL);
    assert_refused(&leaf_alone, "untrusted", NULL);
    release(&guest);
    release(&leaf_alone);
}

/* --- sessions that outlive what let them in --- */

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void make_resumable(struct tls_peer *peer)
{
    assert_admitted(peer);
    struct tls_result again = tls_peer_dial(peer, rpc_server_port(server));
    assert_true(again.accepted && again.resumed);
}

/* Again and again, and also anew: no way leads round. */
static void assert_stays_out(struct tls_peer *peer, const char *reason)
{
    assert_true(assert_refused(peer, reason, NULL).resumed);
    assert_true(assert_refused(peer, reason, NULL).resumed);
    SSL_SESSION **session = peer->session;
    peer->session = NULL;
    assert_false(assert_refused(peer, reason, NULL).resumed);
    peer->session = session;
}

static void a_revoked_peer_resumes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        SSL_SESSION *session = NULL;
        struct tls_peer peer = member_of_site("mallory", &session);
        peer.version = versions[i];
        make_resumable(&peer);
        write_list("site.crl", (struct crl_spec){ .issuer = &site,
                                                  .number = ++crl_number,
                                                  .revoked = { peer.certificate } });
        assert_reload(NK_OK);
        assert_stays_out(&peer, "revoked");
        release(&peer);
    }
}

static void a_peer_of_a_revoked_site_resumes(void **state)
{
    (void)state;
    SSL_SESSION *session = NULL;
    struct tls_peer peer = member_of_site("mallory", &session);
    make_resumable(&peer);
    write_list("root.crl", (struct crl_spec){ .issuer = &federation.root,
                                              .number = ++crl_number,
                                              .revoked = { site.certificate } });
    assert_reload(NK_OK);
    assert_stays_out(&peer, "revoked");
    release(&peer);
}

/* How one who was refused comes back. OpenSSL's ticket comes with the handshake, before the
 * verdict, and brings the leaf alone, which has taught nobody its intermediate; its server forgets
 * whose connection broke. BoringSSL's has the whole chain, but that of TLS 1.3 comes with the first
 * answer, which a refused peer never gets; its server remembers. */
static const struct way {
    const char *name;
    int version;
    bool no_tickets;
    bool resumes;
    const char *reason; /* then */
} ways[] = {
    { "a refused peer resumes by a ticket of TLS 1.2", TLS1_2_VERSION, .resumes = true,
      .reason = BORINGSSL_CORE ? "no-rule" : "untrusted" },
    { "a refused peer resumes what the server remembers", TLS1_2_VERSION, .no_tickets = true,
      .resumes = BORINGSSL_CORE, .reason = "no-rule" },
    { "a refused peer resumes by a ticket of TLS 1.3", TLS1_3_VERSION, .resumes = !BORINGSSL_CORE,
      .reason = BORINGSSL_CORE ? "no-rule" : "untrusted" },
};

static void a_refused_peer_resumes(void **state)
{
    const struct way *way = *state;
    SSL_SESSION *session = NULL;
    struct certificate_spec spec = { .san = "URI:spiffe://example.org/guest/a" };
    struct tls_peer peer = { .key = key, .issuers = { site.certificate }, .session = &session };
    peer.version = way->version;
    peer.no_tickets = way->no_tickets;
    peer.certificate = authority_issue(&site, key, &spec);
    assert_false(assert_refused(&peer, "no-rule", NULL).resumed);
    assert_int_equal(assert_refused(&peer, way->reason, NULL).resumed, way->resumes);
    release(&peer);
}

static void wait_until_refused(struct tls_peer *peer)
{
    int looks = 0;
    while (tls_peer_dial(peer, rpc_server_port(server)).accepted) {
        assert_true(looks++ < EXPIRY_LOOKS);
        pause_between_looks();
    }
}

static void a_peer_resumes_after_it_has_expired(void **state)
{
    (void)state;
    SSL_SESSION *session = NULL;
    struct certificate_spec spec = member_spec(&federation, "brief");
    spec.ends_in_seconds = SHORT_LIFE_SECONDS;
    struct tls_peer peer = { .key = key, .issuers = { site.certificate }, .session = &session };
    peer.certificate = authority_issue(&site, key, &spec);
    assert_admitted(&peer);
    wait_until_refused(&peer);
    assert_stays_out(&peer, "expired");
    release(&peer);
}

/* --- revocation lists --- */

static void a_list_expires(void **state)
{
    (void)state;
    SSL_SESSION *session = NULL;
    struct tls_peer peer = member_of_site("brief", &session);
    write_list("site.crl", (struct crl_spec){ .issuer = &site,
                                              .number = ++crl_number,
                                              .next_update_seconds = SHORT_LIFE_SECONDS });
    assert_reload(NK_OK);
    assert_admitted(&peer);
    wait_until_refused(&peer);
    assert_stays_out(&peer, "crl-stale");
    write_list("site.crl", (struct crl_spec){ .issuer = &site, .number = ++crl_number });
    assert_reload(NK_OK);
    assert_admitted(&peer);
    release(&peer);
}

enum replacement { OLDER, FORGED, DAMAGED, REMOVED };

static void replace_list(enum replacement how)
{
    const char *path = path_of("%s/site.crl", federation.folder);
    struct crl_spec older = { .issuer = &site, .number = crl_number - 1 };
    struct crl_spec forged = { .issuer = &site, .number = crl_number + 1, .signer = key };
    switch (how) {
    case OLDER:
        crl_write(path, &older);
        return;
    case FORGED:
        crl_write(path, &forged);
        return;
    case DAMAGED:
        write_file(path, "-----BEGIN X509 CRL-----\n", 0644);
        return;
    default:
        assert_int_equal(unlink(path), 0);
        return;
    }
}

static const struct swap {
    const char *name;
    enum replacement how;
} swaps[] = {
    { "an older list is put back", OLDER },
    { "a forged list is put there", FORGED },
    { "half a list is put there", DAMAGED },
    { "the list is removed", REMOVED },
};

static void the_list_is_replaced(void **state)
{
    const struct swap *swap = *state;
    SSL_SESSION *session = NULL;
    struct tls_peer peer = member_of_site("mallory", &session);
    make_resumable(&peer);
    write_list("site.crl", (struct crl_spec){ .issuer = &site,
                                              .number = ++crl_number,
                                              .revoked = { peer.certificate } });
    assert_reload(NK_OK);
    replace_list(swap->how);
    assert_reload(NK_E_TRUST);
    assert_stays_out(&peer, "revoked");
    crl_number++; /* as forged */
    release(&peer);
}

int main(void)
{
    rows_each(open_node, close_node);
    ROWS_OF(odds, an_odd_certificate)
    ROWS_OF(swaps, the_list_is_replaced)
    ROWS_OF(ways, a_refused_peer_resumes)
    ROWS_TEST(a_certificate_without_its_key);
    ROWS_TEST(a_chain_of_ten_mebibytes);
    ROWS_TEST(what_strangers_send_is_not_kept);
    ROWS_TEST(a_leaf_alone);
    ROWS_TEST(a_leaf_alone_after_a_refused_peer);
    ROWS_TEST(a_revoked_peer_resumes);
    ROWS_TEST(a_peer_of_a_revoked_site_resumes);
    ROWS_TEST(a_peer_resumes_after_it_has_expired);
    ROWS_TEST(a_list_expires);
    return ROWS_RUN("attacks", start, stop);
}
