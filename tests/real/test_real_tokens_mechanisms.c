/* SPDX-License-Identifier: Apache-2.0
 * Keys that are bound to mechanisms, and tokens that hash themselves: what opens, what is said of
 * it, and what the key then signs in TLS and through OpenSSL. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/plugin_host.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "real/real_store.h"

#define BIND_SPEC "PKCS#11 3.0 section 4.9: CKA_ALLOWED_MECHANISMS"
#define BIND_CLOUD "keys of cloud services are made for one algorithm (kmsp11)"
#define HASH_REPORT "HSMs in FIPS mode that sign no digests, only messages"

#define ALL_RSA "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:" PKCS1_RSA
#define PKCS1_RSA "RSA+SHA256:RSA+SHA384:RSA+SHA512"
#define PSS_512_FIRST "rsa_pss_rsae_sha512:rsa_pss_rsae_sha384:rsa_pss_rsae_sha256"
#define NO_DIGESTS_RSA "hide=0x1,0x3,0xd\n"
#define NO_DIGESTS_EC "hide=0x1041\nhashes=1\n"

#define HANDSHAKES_MAX 4

struct handshake {
    int version;
    const char *peer_takes; /* its signature algorithms; NULL: no more handshakes */
    bool fails;
};

static const struct row {
    const char *name, *source;
    const char *type;    /* of pkcs11-tool */
    const char *allowed; /* mechanisms, as pkcs11-tool calls them; NULL: all */
    const char *script;
    const char *refused; /* text of open's error; NULL: it opens */
    const char *warned;  /* logged; NULL: nothing is said of mechanisms */
    bool messages;       /* a digest alone is not signed */
    struct handshake handshakes[HANDSHAKES_MAX];
} rows[] = {
    { "4: RSA for RSA-PKCS-PSS only", BIND_SPEC, "rsa:2048", "RSA-PKCS-PSS",
      .warned = "does not sign rsa_pkcs1_sha256, rsa_pkcs1_sha384, rsa_pkcs1_sha512 with this key: "
                "peers of TLS 1.2 that have no RSA-PSS",
      .handshakes = { { TLS1_3_VERSION, ALL_RSA, false },
                      { TLS1_2_VERSION, ALL_RSA, false },
                      { TLS1_2_VERSION, PKCS1_RSA, true } } },
    { "4: RSA for SHA256-RSA-PKCS-PSS only", BIND_CLOUD, "rsa:2048", "SHA256-RSA-PKCS-PSS",
      .warned = "does not sign rsa_pss_rsae_sha384, rsa_pss_rsae_sha512, rsa_pkcs1_sha256",
      .messages = true,
      .handshakes = { { TLS1_3_VERSION, ALL_RSA, false },
                      { TLS1_3_VERSION, PSS_512_FIRST, false },
                      { TLS1_2_VERSION, PSS_512_FIRST, false },
                      { TLS1_3_VERSION, "rsa_pss_rsae_sha512", true } } },
    { "4: RSA for PSS and PKCS#1 by SHA-256, as messages", BIND_CLOUD, "rsa:2048",
      "SHA256-RSA-PKCS-PSS,SHA256-RSA-PKCS",
      .warned = "does not sign rsa_pss_rsae_sha384, rsa_pss_rsae_sha512, rsa_pkcs1_sha384",
      .messages = true,
      .handshakes = { { TLS1_3_VERSION, PSS_512_FIRST, false },
                      { TLS1_2_VERSION, PKCS1_RSA, false } } },
    { "4: RSA on a token that signs messages only", HASH_REPORT, "rsa:2048",
      .script = NO_DIGESTS_RSA, .messages = true,
      .handshakes = { { TLS1_3_VERSION, ALL_RSA, false },
                      { TLS1_3_VERSION, PSS_512_FIRST, false },
                      { TLS1_2_VERSION, PKCS1_RSA, false } } },
    { "4: a token without CKM_RSA_PKCS", "PKCS#11 3.0 section 6.1: no mechanism is mandatory",
      "rsa:2048", .script = "hide=0x1,0x40,0x41,0x42\n", .warned = "does not sign rsa_pkcs1_sha256",
      .handshakes = { { TLS1_3_VERSION, ALL_RSA, false }, { TLS1_2_VERSION, PKCS1_RSA, true } } },
    { "4: P-256 for ECDSA-SHA256 only", BIND_CLOUD, "EC:prime256v1", .script = NO_DIGESTS_EC,
      .messages = true,
      .handshakes = { { TLS1_3_VERSION, "ECDSA+SHA256", false },
                      { TLS1_2_VERSION, "ECDSA+SHA512:ECDSA+SHA256", false },
                      { TLS1_2_VERSION, "ECDSA+SHA384", true } } },
    { "4: P-384 for ECDSA-SHA384 only", BIND_CLOUD, "EC:secp384r1", .script = NO_DIGESTS_EC,
      .messages = true, .handshakes = { { TLS1_3_VERSION, "ECDSA+SHA384", false } } },
    { "4: RSA for RSA-PKCS and RSA-PKCS-PSS (held)", BIND_SPEC, "rsa:2048", "RSA-PKCS,RSA-PKCS-PSS",
      .handshakes = { { TLS1_3_VERSION, PSS_512_FIRST, false },
                      { TLS1_2_VERSION, PKCS1_RSA, false } } },
    { "4: RSA for SHA256-RSA-PKCS only is no key for TLS 1.3 (held)", BIND_CLOUD, "rsa:2048",
      "SHA256-RSA-PKCS",
      .refused = "fails the test signature rsa_pss_rsae_sha256 (CKM_RSA_PKCS_PSS)" },
    { "4: P-256 for key agreement only (held)", BIND_SPEC, "EC:prime256v1", "ECDH1-DERIVE",
      .refused = "fails the test signature ecdsa_secp256r1_sha256" },
};

static struct recorder *recorder;

/* --- the key --- */

static void generate(struct store *store, const struct row *row)
{
    const char *argv[24] = {
        "pkcs11-tool", "--module",  SOFTHSM_MODULE, "--token-label", NULL,      "--login",
        "--pin",       SOFTHSM_PIN, "--keypairgen", "--key-type",    row->type, "--label",
        "a",           "--id",      "01",           "--usage-sign"
    };
    argv[4] = store->identity.label;
    if (row->allowed != NULL) {
        argv[16] = "--allowed-mechanisms";
        argv[17] = row->allowed;
    }
    struct process_end end = process_run(&(struct process){ .argv = argv, .with_stderr = true });
    if (end.status != 0) {
        fail_msg("pkcs11-tool: %s", end.out);
    }
    free(end.out);
    store->public_keys[0] = softhsm_public_key(store->identity.label, "a", "01");
    store->identity.public_key = store->public_keys[0];
}

/* --- TLS, with the key as the server's --- */

static SSL *end_of(SSL_CTX *context, BIO *bio)
{
    SSL *ssl = SSL_new(context);

    SSL_set_bio(ssl, bio, bio);
    return ssl;
}

static bool shake_hands(SSL_CTX *ours, SSL_CTX *theirs)
{
    BIO *one = NULL, *other = NULL;
    int done = 0;

    assert_int_equal(BIO_new_bio_pair(&one, 0, &other, 0), 1);
    SSL *server = end_of(ours, one);
    SSL *client = end_of(theirs, other);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int i = 0; i < 10 && done != 2; i++) {
        done = (SSL_do_handshake(client) == 1 ? 1 : 0) + (SSL_do_handshake(server) == 1 ? 1 : 0);
    }
    SSL_free(server);
    SSL_free(client);
    ERR_clear_error();
    return done == 2;
}

static void check_handshake(EVP_PKEY *loaded, EVP_PKEY *public_key, const struct handshake *wanted)
{
    struct authority root = authority_make(NULL, "root", NULL);
    X509 *leaf = authority_issue(&root, public_key, NULL);
    SSL_CTX *ours = SSL_CTX_new(TLS_server_method());
    SSL_CTX *theirs = SSL_CTX_new(TLS_client_method());

    assert_int_equal(SSL_CTX_use_certificate(ours, leaf), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ours, loaded), 1);
    assert_int_equal(SSL_CTX_set_min_proto_version(theirs, wanted->version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(theirs, wanted->version), 1);
    assert_int_equal(SSL_CTX_set1_sigalgs_list(theirs, wanted->peer_takes), 1);
    unsigned long inits = faulty_count()->sign_init, signs = faulty_count()->sign;
    bool shaken = shake_hands(ours, theirs);
    print_message("           TLS %s, %s: %s\n", wanted->version == TLS1_3_VERSION ? "1.3" : "1.2",
                  wanted->peer_takes, shaken ? "yes" : "no");
    assert_int_equal(shaken, !wanted->fails);
    if (shaken) {
        assert_int_equal(faulty_count()->sign_init - inits, 1);
        assert_int_equal(faulty_count()->sign - signs, 1);
    }
    SSL_CTX_free(theirs);
    SSL_CTX_free(ours);
    X509_free(leaf);
    authority_free(&root);
}

/* --- OpenSSL's own calls --- */

static void set_padding(EVP_PKEY_CTX *ctx, const EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST), 1);
    }
}

/* In pieces, through a copy of the context half way, as `openssl cms' and others do. */
static void check_pieces(EVP_PKEY *loaded, EVP_PKEY *public_key)
{
    unsigned char signature[1024];
    size_t len = sizeof(signature);
    EVP_PKEY_CTX *padding = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new(), *verify = EVP_MD_CTX_new();
    const EVP_MD *md = EVP_PKEY_get_bits(public_key) == 384 ? EVP_sha384() : EVP_sha256();

    assert_int_equal(EVP_DigestSignInit(ctx, &padding, md, NULL, loaded), 1);
    set_padding(padding, public_key);
    assert_int_equal(EVP_DigestSignUpdate(ctx, "one piece, ", 11), 1);
    assert_int_equal(EVP_MD_CTX_copy_ex(copy, ctx), 1);
    assert_int_equal(EVP_DigestSignUpdate(ctx, "not this", 8), 1);
    assert_int_equal(EVP_DigestSignUpdate(copy, "and another", 11), 1);
    assert_int_equal(EVP_DigestSignFinal(copy, signature, &len), 1);
    assert_int_equal(EVP_DigestVerifyInit(verify, &padding, md, NULL, public_key), 1);
    set_padding(padding, public_key);
    assert_int_equal(EVP_DigestVerify(verify, signature, len,
                                      (const unsigned char *)"one piece, and another", 22),
                     1);
    EVP_MD_CTX_free(verify);
    EVP_MD_CTX_free(copy);
    EVP_MD_CTX_free(ctx);
}

static void check_digest(EVP_PKEY *loaded, EVP_PKEY *public_key, bool signs)
{
    static const unsigned char digest[48] = { 1 };
    unsigned char signature[1024];
    size_t len = sizeof(signature);
    bool is_384 = EVP_PKEY_get_bits(public_key) == 384;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(loaded, NULL);

    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, is_384 ? EVP_sha384() : EVP_sha256()), 1);
    set_padding(ctx, public_key);
    bool signed_it = EVP_PKEY_sign(ctx, signature, &len, digest, is_384 ? 48 : 32) == 1;
    if (signed_it != signs || (!signs && !rig_queue_has("signs whole messages only"))) {
        fail_msg("a digest: %s", signed_it ? "signed" : "not signed, or not why");
    }
    EVP_PKEY_CTX_free(ctx);
}

/* --- rows --- */

static void check_open(const struct row *row, const struct store *store)
{
    struct hsm_key *key = NULL;
    nk_error err;

    nk_status status = identity_open(&store->identity, &key, &err);
    if ((status == NK_OK) != (row->refused == NULL) ||
        (row->refused != NULL && strstr(err.text, row->refused) == NULL)) {
        fail_msg("open: status %d, %s", (int)status, err.text);
    }
    if (status != NK_OK) {
        return;
    }
    assert_int_equal(recorder_count(recorder, "does not sign"), row->warned != NULL ? 1 : 0);
    if (row->warned != NULL && !recorder_has(recorder, row->warned)) {
        fail_msg("log: %s", recorder_copy(recorder));
    }
    EVP_PKEY *loaded = rig_load(key);
    for (size_t i = 0; i < HANDSHAKES_MAX && row->handshakes[i].peer_takes != NULL; i++) {
        check_handshake(loaded, store->identity.public_key, &row->handshakes[i]);
    }
    check_pieces(loaded, store->identity.public_key);
    check_digest(loaded, store->identity.public_key, !row->messages);
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

static void check_row(void **state)
{
    static const struct store_key none[STORE_KEYS_MAX];
    const struct row *row = *state;

    print_message("           source: %s\n", row->source);
    struct store store = store_make(none, "object=a", NULL);
    generate(&store, row);
    recorder_clear(recorder);
    faulty_set(row->script != NULL ? row->script : "");
    store_note_logins(&store);
    check_open(row, &store);
    store_check_logins(&store);
    faulty_set("");
    store_free(&store);
}

int main(void)
{
    recorder = store_start();
    ROWS_OF(rows, check_row);
    return ROWS_RUN("real_tokens_mechanisms", store_load_module, store_end);
}
