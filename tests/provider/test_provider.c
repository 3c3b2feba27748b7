/* SPDX-License-Identifier: Apache-2.0
 * The OpenSSL provider: references load and sign as any key would, whatever is not a good one is
 * refused with our reason, and ordinary keys never notice that we are there. */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"
#include "scheme/scheme.h"

#define UNKNOWN_REFERENCE "key reference of another process or of a closed instance"
#define MESSAGE_BYTES 300
#define SIGNATURE_ROOM 1024

enum { ON_RSA, ON_EC, ON_ED25519, KEYS };
static struct {
    const char *type;
    struct identity identity;
    struct hsm_key *key;
    EVP_PKEY *loaded;
} keys[KEYS] = { { .type = "RSA-2048" }, { .type = "P-256" }, { .type = "Ed25519" } };
static unsigned char message[MESSAGE_BYTES];

/* --- signing --- */

static const struct sign_row {
    const char *name;
    int key;
    const char *digest;
    int padding;
    int salt; /* PSS */
} sign_rows[] = {
    { "P-256 with SHA-256", ON_EC, "SHA256", 0, 0 },
    { "P-256 with SHA-384", ON_EC, "SHA384", 0, 0 },
    { "P-256 with SHA-512", ON_EC, "SHA512", 0, 0 },
    { "PKCS#1 with SHA-256", ON_RSA, "SHA256", RSA_PKCS1_PADDING, 0 },
    { "PKCS#1 with SHA-384", ON_RSA, "SHA384", RSA_PKCS1_PADDING, 0 },
    { "PKCS#1 with SHA-512", ON_RSA, "SHA512", RSA_PKCS1_PADDING, 0 },
    { "PSS, salt as the digest", ON_RSA, "SHA256", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST },
    { "PSS, longest salt", ON_RSA, "SHA384", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_MAX },
    { "PSS, automatic salt", ON_RSA, "SHA512", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_AUTO },
    { "PSS, salt of 20 bytes", ON_RSA, "SHA256", RSA_PKCS1_PSS_PADDING, 20 },
};

/* By other names than those above. */
static const struct sign_row digest_name_rows[] = {
    { "SHA-256 by OpenSSL's first name", ON_EC, "SHA2-256", 0, 0 },
    { "SHA-384 by OpenSSL's first name", ON_EC, "SHA2-384", 0, 0 },
    { "SHA-512 by OpenSSL's first name", ON_RSA, "SHA2-512", RSA_PKCS1_PADDING, 0 },
    { "SHA-256 in small letters", ON_RSA, "sha256", RSA_PKCS1_PADDING, 0 },
    { "SHA-256 by its OID", ON_EC, "2.16.840.1.101.3.4.2.1", 0, 0 },
};

static void pad(EVP_PKEY_CTX *ctx, const struct sign_row *row, int salt)
{
    if (row->padding != 0) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, row->padding), 1);
    }
    if (row->padding == RSA_PKCS1_PSS_PADDING) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt), 1);
    }
}

static EVP_MD_CTX *sign_half(const struct sign_row *row)
{
    EVP_PKEY_CTX *options = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_non_null(ctx);
    assert_int_equal(
        EVP_DigestSignInit_ex(ctx, &options, row->digest, NULL, NULL, keys[row->key].loaded, NULL),
        1);
    pad(options, row, row->salt);
    assert_int_equal(EVP_DigestSignUpdate(ctx, message, MESSAGE_BYTES / 2), 1);
    return ctx;
}

static void sign_rest(EVP_MD_CTX *ctx, const struct sign_row *row)
{
    unsigned char signature[SIGNATURE_ROOM];
    size_t len = sizeof(signature);
    EVP_PKEY_CTX *options = NULL;
    size_t half = MESSAGE_BYTES / 2;
    assert_int_equal(EVP_DigestSignUpdate(ctx, message + half, MESSAGE_BYTES - half), 1);
    assert_int_equal(EVP_DigestSignFinal(ctx, signature, &len), 1);
    EVP_MD_CTX *verify = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit_ex(verify, &options, row->digest, NULL, NULL,
                                             keys[row->key].identity.public_key, NULL),
                     1);
    pad(options, row, row->salt); /* a fixed length must be kept exactly */
    assert_int_equal(EVP_DigestVerify(verify, signature, len, message, MESSAGE_BYTES), 1);
    EVP_MD_CTX_free(verify);
    EVP_MD_CTX_free(ctx);
}

/* The copy is made mid-way, so each has hashed half of it for itself. */
static void check_sign_row(void **state)
{
    const struct sign_row *row = *state;
    EVP_MD_CTX *ctx = sign_half(row);
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    assert_int_equal(EVP_MD_CTX_copy_ex(copy, ctx), 1);
    sign_rest(ctx, row);
    sign_rest(copy, row);
}

static void check_prehashed_row(void **state)
{
    const struct sign_row *row = *state;
    unsigned char digest[EVP_MAX_MD_SIZE], signature[SIGNATURE_ROOM];
    size_t digest_len = 0, len = sizeof(signature);
    const EVP_MD *md = EVP_get_digestbyname(row->digest);
    assert_int_equal(
        EVP_Q_digest(NULL, row->digest, NULL, message, MESSAGE_BYTES, digest, &digest_len), 1);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(keys[row->key].loaded, NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    pad(ctx, row, row->salt);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, md), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, signature, &len, digest, digest_len), 1);
    size_t ignored = sizeof(signature);
    assert_int_not_equal(EVP_PKEY_sign(ctx, signature, &ignored, digest, digest_len - 1), 1);
    ERR_clear_error();
    EVP_PKEY_CTX_free(ctx);
    ctx = EVP_PKEY_CTX_new(keys[row->key].identity.public_key, NULL);
    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    pad(ctx, row, row->salt);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, md), 1);
    assert_int_equal(EVP_PKEY_verify(ctx, signature, len, digest, digest_len), 1);
    EVP_PKEY_CTX_free(ctx);
}

static void a_digest_named_too_late_is_refused(void **state)
{
    (void)state;
    for (int key = ON_RSA; key <= ON_EC; key++) {
        unsigned char signature[SIGNATURE_ROOM];
        size_t len = sizeof(signature);
        EVP_PKEY_CTX *options = NULL;
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        assert_int_equal(
            EVP_DigestSignInit_ex(ctx, &options, "SHA256", NULL, NULL, keys[key].loaded, NULL), 1);
        assert_int_equal(EVP_DigestSignUpdate(ctx, message, MESSAGE_BYTES), 1);
        assert_int_equal(EVP_PKEY_CTX_set_signature_md(options, EVP_sha384()), 1);
        assert_int_not_equal(EVP_DigestSignFinal(ctx, signature, &len), 1);
        ERR_clear_error();
        EVP_MD_CTX_free(ctx);
    }
}

/* FIPS 186-4 section 6.4; SoftHSM does it for itself, others do not. */
static void a_token_is_never_given_more_than_the_order(void **state)
{
    (void)state;
    const struct scheme scheme = { .digest_nid = NID_sha512 };
    struct to_sign what = { .len = 0 };
    EVP_PKEY *key = keys[ON_EC].identity.public_key;
    assert_true(scheme_prepare(key_kind_of(key), key, &scheme, SCHEME_DIGEST, message, 64, &what));
    assert_int_equal(what.len, 32);
    assert_ptr_equal(what.input, message);
}

static void references_equal_their_certificates_key_alone(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++) {
        for (int j = 0; j < KEYS; j++) {
            assert_int_equal(EVP_PKEY_eq(keys[i].loaded, keys[j].identity.public_key) == 1, i == j);
        }
        EVP_PKEY *other = software_key(keys[i].type);
        assert_int_not_equal(EVP_PKEY_eq(keys[i].loaded, other), 1);
        EVP_PKEY_free(other);
    }
    ERR_clear_error();
}

static void references_sign_requests(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++) {
        X509_REQ *request = X509_REQ_new();
        assert_int_equal(X509_REQ_set_version(request, X509_REQ_VERSION_1), 1);
        assert_int_equal(X509_REQ_set_pubkey(request, keys[i].identity.public_key), 1);
        assert_true(X509_REQ_sign(request, keys[i].loaded, i == ON_ED25519 ? NULL : EVP_sha256()) >
                    0);
        assert_int_equal(X509_REQ_verify(request, keys[i].identity.public_key), 1);
        X509_REQ_free(request);
    }
}

static void references_sign_beside_the_module(void **state)
{
    (void)state;
    char *folder = strdup(NODEKEY_PROVIDER_MODULE);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(OSSL_PROVIDER_set_default_search_path(NULL, folder), 1);
    OSSL_PROVIDER *module = OSSL_PROVIDER_load(NULL, "nodekey-provider");
    assert_non_null(module);
    for (int i = 0; i < KEYS; i++) {
        EVP_PKEY *loaded = rig_load(keys[i].key);
        assert_non_null(loaded);
        assert_true(rig_signs(loaded, &keys[i].identity));
        EVP_PKEY_free(loaded);
    }
    OSSL_PROVIDER_unload(module);
    free(folder);
}

/* --- references that are none --- */

struct der {
    unsigned char *bytes;
    long len;
    size_t handle_at; /* where the handle begins */
};

static struct der der_of(const struct hsm_key *key)
{
    char *pem = NULL, *name = NULL, *header = NULL;
    struct der der = { .len = 0 };
    long body_len = 0;
    int tag = 0, tag_class = 0;
    assert_int_equal(hsm_key_reference(key, &pem, NULL), NK_OK);
    BIO *bio = BIO_new_mem_buf(pem, -1);
    assert_int_equal(PEM_read_bio(bio, &name, &header, &der.bytes, &der.len), 1);
    const unsigned char *body = der.bytes;
    assert_int_equal(ASN1_get_object(&body, &body_len, &tag, &tag_class, der.len),
                     V_ASN1_CONSTRUCTED);
    der.handle_at =
        (size_t)(body - der.bytes) + 5; /* INTEGER 1, then the string's tag and length */
    BIO_free(bio);
    OPENSSL_free(name);
    OPENSSL_free(header);
    free(pem);
    return der;
}

static EVP_PKEY *load_der(const struct der *der)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio(bio, "NODEKEY KEY REFERENCE", "", der->bytes, der->len) > 0);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

static void unknown_handle(struct der *der)
{
    der->bytes[der->handle_at] ^= 1;
}

static void changed_public_key(struct der *der)
{
    der->bytes[der->len - 1] ^= 1;
}

static void truncated(struct der *der)
{
    der->len--;
}

static void prolonged(struct der *der)
{
    der->bytes = OPENSSL_realloc(der->bytes, (size_t)der->len + 1);
    der->bytes[der->len++] = 0;
}

static const struct bad_row {
    const char *name;
    void (*spoil)(struct der *der);
} bad_rows[] = {
    { "an unknown handle is refused", unknown_handle },
    { "a changed public key is refused", changed_public_key },
    { "a truncated reference is refused", truncated },
    { "a prolonged reference is refused", prolonged },
};

static void check_bad_row(void **state)
{
    const struct bad_row *row = *state;
    for (int i = 0; i < KEYS; i++) {
        struct der der = der_of(keys[i].key);
        row->spoil(&der);
        ERR_clear_error();
        assert_null(load_der(&der));
        assert_true(rig_queue_has(UNKNOWN_REFERENCE));
        OPENSSL_free(der.bytes);
    }
}

static void after_shut_nothing_signs_or_loads(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err;
    char *pem = NULL;
    assert_int_equal(identity_open(&keys[ON_EC].identity, &key, &err), NK_OK);
    assert_int_equal(hsm_key_reference(key, &pem, &err), NK_OK);
    EVP_PKEY *loaded = rig_load_pem(pem);
    assert_true(rig_signs(loaded, &keys[ON_EC].identity));
    rig_shut(key);
    assert_false(rig_signs(loaded, &keys[ON_EC].identity));
    assert_true(rig_queue_has("instance closed"));
    assert_null(rig_load_pem(pem));
    assert_true(rig_queue_has(UNKNOWN_REFERENCE));
    EVP_PKEY_free(loaded);
    free(pem);
}

/* --- ordinary keys --- */

static const struct ordinary_row {
    const char *name, *type, *structure;
} ordinary_rows[] = {
    { "RSA in PKCS#8", "RSA-2048", "PrivateKeyInfo" },
    { "RSA in PKCS#1", "RSA-2048", "type-specific" },
    { "EC in PKCS#8", "P-256", "PrivateKeyInfo" },
    { "EC in SEC1", "P-256", "type-specific" },
    { "Ed25519 in PKCS#8", "Ed25519", "PrivateKeyInfo" },
};

static void assert_ordinary(EVP_PKEY *loaded, EVP_PKEY *key)
{
    const struct identity self = { .public_key = key };
    assert_non_null(loaded);
    assert_int_equal(EVP_PKEY_eq(loaded, key), 1);
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(loaded)), "default");
    assert_true(rig_signs(loaded, &self));
    EVP_PKEY_free(loaded);
}

static void check_ordinary_row(void **state)
{
    const struct ordinary_row *row = *state;
    EVP_PKEY *key = software_key(row->type);
    EVP_PKEY *loaded = NULL;
    OSSL_ENCODER_CTX *to_pem =
        OSSL_ENCODER_CTX_new_for_pkey(key, EVP_PKEY_KEYPAIR, "PEM", row->structure, NULL);
    OSSL_ENCODER_CTX *to_der =
        OSSL_ENCODER_CTX_new_for_pkey(key, EVP_PKEY_KEYPAIR, "DER", row->structure, NULL);
    BIO *pem = BIO_new(BIO_s_mem()), *der = BIO_new(BIO_s_mem());
    assert_int_equal(OSSL_ENCODER_to_bio(to_pem, pem), 1);
    assert_int_equal(OSSL_ENCODER_to_bio(to_der, der), 1);
    char *data = NULL;
    long len = BIO_get_mem_data(der, &data);
    const unsigned char *bytes = (const unsigned char *)data;
    ERR_clear_error();
    assert_ordinary(PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL), key);
    loaded = d2i_AutoPrivateKey(NULL, &bytes, len);
    assert_ordinary(loaded, key);
    assert_ordinary(d2i_PrivateKey_bio(der, NULL), key);
    assert_int_equal(ERR_peek_error(), 0);
    BIO_free(pem);
    BIO_free(der);
    OSSL_ENCODER_CTX_free(to_pem);
    OSSL_ENCODER_CTX_free(to_der);
    EVP_PKEY_free(key);
}

static const char *beside_others(const char *key, const char *end_of_line)
{
    struct authority root = authority_make(NULL, "Root", NULL);
    char *certificate = pem_of(root.certificate, NULL);
    const char *text = path_of("Bag Attributes%s-----BEGIN no label%s%s%s", end_of_line,
                               end_of_line, certificate, key);
    free(certificate);
    authority_free(&root);
    return text;
}

static void keys_load_from_the_midst_of_a_file(void **state)
{
    static const char *const ends_of_line[] = { "\n", "\r\n" };
    (void)state;
    for (size_t i = 0; i < KEYS * ARRAY_LEN(ends_of_line); i++) {
        EVP_PKEY *key = software_key(keys[i % KEYS].type);
        char *reference = NULL, *pem = pem_of_key(key);
        const char *end_of_line = ends_of_line[i / KEYS];
        assert_int_equal(hsm_key_reference(keys[i % KEYS].key, &reference, NULL), NK_OK);
        EVP_PKEY *loaded = rig_load_pem(beside_others(reference, end_of_line));
        assert_non_null(loaded);
        assert_true(rig_signs(loaded, &keys[i % KEYS].identity));
        assert_ordinary(rig_load_pem(beside_others(pem, end_of_line)), key);
        assert_null(rig_load_pem(beside_others("", end_of_line)));
        ERR_clear_error();
        EVP_PKEY_free(loaded);
        EVP_PKEY_free(key);
        free(reference);
        free(pem);
    }
}

static int decoders_for(OSSL_LIB_CTX *ctx, int selection)
{
    EVP_PKEY *key = NULL;
    OSSL_DECODER_CTX *decoders =
        OSSL_DECODER_CTX_new_for_pkey(&key, "PEM", NULL, NULL, selection, ctx, NULL);
    assert_non_null(decoders);
    int count = OSSL_DECODER_CTX_get_num_decoders(decoders);
    OSSL_DECODER_CTX_free(decoders);
    return count;
}

static int met_beside_one_key;

/* OpenSSL 3.0 makes all of them anew for each key that the program reads. */
static void ordinary_keys_meet_one_decoder_for_each_type_in_use(void **state)
{
    (void)state;
    OSSL_LIB_CTX *without_us = OSSL_LIB_CTX_new();
    int others = decoders_for(without_us, EVP_PKEY_KEYPAIR);
    assert_int_equal(met_beside_one_key, others + 1);
    assert_int_equal(decoders_for(NULL, EVP_PKEY_KEYPAIR), others + KEYS);
    assert_int_equal(decoders_for(NULL, EVP_PKEY_PUBLIC_KEY),
                     decoders_for(without_us, EVP_PKEY_PUBLIC_KEY));
    OSSL_LIB_CTX_free(without_us);
}

/* --- the module, in openssl.cnf --- */

#ifndef OPENSSL_CANNOT_LOAD_IT
static char *openssl(const char *command)
{
    const char *const argv[] = { "sh", "-ec", command, NULL };
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    if (end.status != 0) {
        fail_msg("%s: %s", command, end.out);
    }
    return end.out;
}

static void openssl_cnf_may_name_the_module(void **state)
{
    static const char *const ways[] = { "RSA -pkeyopt rsa_keygen_bits:2048",
                                        "EC -pkeyopt ec_paramgen_curve:P-256", "ED25519" };
    (void)state;
    const char *folder = scratch_folder();
    const char *conf = path_of("%s/openssl.cnf", folder);
    write_file(conf,
               path_of("openssl_conf = main\n[main]\nproviders = list\n[list]\ndefault = on\n"
                       "nodekey = ours\n[on]\nactivate = 1\n[ours]\nmodule = %s\nactivate = 1\n"
                       "[req]\ndistinguished_name = name\n[name]\n",
                       NODEKEY_PROVIDER_MODULE),
               0600);
    setenv("OPENSSL_CONF", conf, 1);
    char *out = openssl("openssl list -providers");
    assert_non_null(strstr(out, "nodekey: keys in PKCS#11 tokens"));
    free(out);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        free(openssl(path_of(
            "cd '%s'; openssl genpkey -algorithm %s -out k.pem; openssl pkey -in k.pem -pubout "
            "-out p.pem; openssl req -x509 -new -key k.pem -subj /CN=a -out c.pem; openssl verify "
            "-CAfile c.pem c.pem",
            folder, ways[i])));
    }
    for (size_t i = 0; i < 2; i++) { /* dgst has no Ed25519 in OpenSSL 3.0 */
        free(openssl(path_of(
            "cd '%s'; openssl genpkey -algorithm %s -out k.pem; openssl pkey -in k.pem -pubout "
            "-out p.pem; openssl dgst -sha256 -sign k.pem -out s c.pem; openssl dgst -sha256 "
            "-verify p.pem -signature s c.pem",
            folder, ways[i])));
    }
    unsetenv("OPENSSL_CONF");
}
#endif

static int start(void **state)
{
    (void)state;
    nk_error err;
    softhsm_start();
    softhsm_token("alice");
    rig_start("softhsm");
    for (int i = 0; i < KEYS; i++) {
        const char *object = path_of("key-%d", i);
        keys[i].identity = identity_make("alice", object, path_of("0%d", i), keys[i].type);
        if (identity_open(&keys[i].identity, &keys[i].key, &err) != NK_OK) {
            print_error("%s\n", err.text);
            return -1;
        }
        keys[i].loaded = rig_load(keys[i].key);
        if (keys[i].loaded == NULL || !rig_signs(keys[i].loaded, &keys[i].identity)) {
            return -1;
        }
        met_beside_one_key = i == 0 ? decoders_for(NULL, EVP_PKEY_KEYPAIR) : met_beside_one_key;
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++) {
        EVP_PKEY_free(keys[i].loaded);
        rig_shut(keys[i].key);
        identity_free(&keys[i].identity);
    }
    return 0;
}

#define ADD_ROWS(rows, check)                                                                      \
    for (size_t i = 0; i < ARRAY_LEN(rows); i++, n++) {                                            \
        tests[n].name = (rows)[i].name;                                                            \
        tests[n].test_func = check;                                                                \
        tests[n].initial_state = (void *)&(rows)[i];                                               \
    }

int main(void)
{
    static const struct CMUnitTest single[] = {
        cmocka_unit_test(a_digest_named_too_late_is_refused),
        cmocka_unit_test(a_token_is_never_given_more_than_the_order),
        cmocka_unit_test(references_equal_their_certificates_key_alone),
        cmocka_unit_test(references_sign_requests),
        cmocka_unit_test(after_shut_nothing_signs_or_loads),
        cmocka_unit_test(keys_load_from_the_midst_of_a_file),
        cmocka_unit_test(ordinary_keys_meet_one_decoder_for_each_type_in_use),
        cmocka_unit_test(references_sign_beside_the_module),
#ifndef OPENSSL_CANNOT_LOAD_IT
        cmocka_unit_test(openssl_cnf_may_name_the_module),
#endif
    };
    struct CMUnitTest tests[2 * ARRAY_LEN(sign_rows) + ARRAY_LEN(digest_name_rows) +
                            ARRAY_LEN(bad_rows) + ARRAY_LEN(ordinary_rows) + ARRAY_LEN(single)] = {
        0
    };
    size_t n = 0;
    ADD_ROWS(sign_rows, check_sign_row);
    ADD_ROWS(sign_rows, check_prehashed_row);
    ADD_ROWS(digest_name_rows, check_sign_row);
    ADD_ROWS(bad_rows, check_bad_row);
    ADD_ROWS(ordinary_rows, check_ordinary_row);
    memcpy(tests + n, single, sizeof(single));
    return cmocka_run_group_tests_name("provider", tests, start, stop);
}
