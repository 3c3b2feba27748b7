/* SPDX-License-Identifier: Apache-2.0
 * nk_signer: our keys for a TLS library that asks for signatures by the number of their scheme. No
 * gRPC core is needed for it. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/auto.h"
#include "base/clock.h"
#include "contract/opened.h"
#include "fixtures/rows.h"

#define PATIENCE_MS 20000
#define P256 0x0403

static struct answer {
    atomic_uint dones;
    nk_status status;
    size_t len;
    uint8_t signature[NK_SIGNATURE_BYTES];
    char said[NK_ERROR_TEXT_BYTES];
} answer;

static void take_answer(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    (void)arg;
    answer.status = err->status;
    answer.len = len;
    memcpy(answer.signature, signature, err->status == NK_OK ? len : 0);
    snprintf(answer.said, sizeof(answer.said), "%s", err->text);
    atomic_fetch_add(&answer.dones, 1);
}

static void await_answer(void)
{
    for (int ms = 0; ms < PATIENCE_MS && atomic_load(&answer.dones) == 0; ms++) {
        clock_sleep_ms(1);
    }
    assert_int_equal(answer.dones, 1);
}

/* The input of a CertificateVerify of TLS 1.3, with some digest. */
static size_t write_verify(const char *whose, uint8_t *input)
{
    memset(input, ' ', 64);
    size_t len =
        64 + (size_t)snprintf((char *)input + 64, 64, "TLS 1.3, %s CertificateVerify", whose) + 1;
    memset(input + len, 0x5a, 32);
    return len + 32;
}

static nk_signer *signer_of(nk_instance *from, uint32_t role)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_signer *signer = NULL;

    if (plugin->signer(from, role, &signer, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    return signer;
}

/* --- every algorithm of every kind of key --- */

static const struct algorithm {
    const char *name;
    const char *key;
    uint32_t number;
    const char *digest;
    int padding;
} algorithms[] = {
    { "ecdsa_secp256r1_sha256", "P-256", 0x0403, "SHA256", 0 },
    { "ecdsa_secp384r1_sha384", "P-384", 0x0503, "SHA384", 0 },
    { "ecdsa_secp521r1_sha512", "P-521", 0x0603, "SHA512", 0 },
    { "ed25519", "Ed25519", 0x0807, NULL, 0 },
    { "rsa_pss_rsae_sha256", "RSA-2048", 0x0804, "SHA256", RSA_PKCS1_PSS_PADDING },
    { "rsa_pss_rsae_sha384", "RSA-2048", 0x0805, "SHA384", RSA_PKCS1_PSS_PADDING },
    { "rsa_pss_rsae_sha512", "RSA-2048", 0x0806, "SHA512", RSA_PKCS1_PSS_PADDING },
    { "rsa_pkcs1_sha256", "RSA-2048", 0x0401, "SHA256", RSA_PKCS1_PADDING },
    { "rsa_pkcs1_sha384", "RSA-2048", 0x0501, "SHA384", RSA_PKCS1_PADDING },
    { "rsa_pkcs1_sha512", "RSA-2048", 0x0601, "SHA512", RSA_PKCS1_PADDING },
};

static const char *const key_types[] = { "P-256", "P-384", "P-521", "Ed25519", "RSA-2048" };
static nk_instance *nodes[ARRAY_LEN(key_types)];

/* Without a core, since gRPC on BoringSSL takes not all of these keys. */
static void open_nodes(void)
{
    nk_host host = good_host;
    host.grpc_version = NULL;
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        nk_error err = { .struct_size = sizeof(err) };
        member_add_key(&alice, key_types[i], path_of("1%zu", i), key_types[i]);
        char *config = member_config(&alice, member_patch_key(&alice, key_types[i]));
        if (plugin->open_text(&host, config, federation.folder, &nodes[i], &err) != NK_OK) {
            fail_msg("%s", err.text);
        }
        free(config);
    }
}

static EVP_PKEY *public_key_of(const nk_signer *signer)
{
    BIO *bio = BIO_new_mem_buf(plugin->signer_chain(signer), -1);
    X509 *first = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *key = X509_get_pubkey(first);

    X509_free(first);
    BIO_free(bio);
    return key;
}

static bool verifies(const nk_signer *signer, const struct algorithm *algorithm,
                     const uint8_t *input, size_t len, const uint8_t *signature, size_t size)
{
    EVP_PKEY *key = public_key_of(signer);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *terms = NULL;
    const EVP_MD *digest =
        algorithm->digest != NULL ? EVP_get_digestbyname(algorithm->digest) : NULL;

    bool good = EVP_DigestVerifyInit(ctx, &terms, digest, NULL, key) == 1;
    if (algorithm->padding != 0) {
        good = good && EVP_PKEY_CTX_set_rsa_padding(terms, algorithm->padding) == 1;
    }
    if (algorithm->padding == RSA_PKCS1_PSS_PADDING) {
        good = good && EVP_PKEY_CTX_set_rsa_pss_saltlen(terms, RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    good = good && EVP_DigestVerify(ctx, signature, size, input, len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good;
}

/* In both roles, while the caller waits and not; every other key refuses it. */
static void it_signs_what_it_is_for(void **state)
{
    const struct algorithm *algorithm = *state;

    for (size_t i = 0; i < 2 * ARRAY_LEN(key_types); i++) {
        nk_error err = { .struct_size = sizeof(err) };
        uint32_t role = i % 2 == 0 ? NK_PEER_IS_CLIENT : NK_PEER_IS_SERVER;
        bool is_for = strcmp(algorithm->key, key_types[i / 2]) == 0;
        nk_signer *signer = signer_of(nodes[i / 2], role);
        nk_signing *signing = NULL;
        uint8_t input[256];
        uint8_t signature[NK_SIGNATURE_BYTES];
        size_t size = 0;
        size_t len = write_verify(i % 2 == 0 ? "server" : "client", input);

        nk_status expected = is_for ? NK_OK : NK_E_UNSUPPORTED;
        assert_int_equal(plugin->sign(signer, algorithm->number, input, len, signature,
                                      sizeof(signature), &size, &err),
                         expected);
        answer.dones = 0;
        assert_int_equal(plugin->sign_start(signer, algorithm->number, input, len, take_answer,
                                            NULL, &signing, NULL),
                         expected);
        if (is_for) {
            assert_true(verifies(signer, algorithm, input, len, signature, size));
            await_answer();
            assert_int_equal(answer.status, NK_OK);
            assert_true(verifies(signer, algorithm, input, len, answer.signature, answer.len));
        }
        plugin->signing_free(signing);
        plugin->signer_free(signer);
    }
}

/* RFC 8446 section 4.2.3: before TLS 1.3 the curve is no part of the scheme. */
static void in_tls_12_any_curve_signs(void **state)
{
    (void)state;
    const struct algorithm *algorithm = &algorithms[0];
    const uint8_t input[] = "what TLS 1.2 signs";
    uint8_t signature[NK_SIGNATURE_BYTES];
    size_t size = 0;

    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        nk_signer *signer = signer_of(nodes[i], NK_PEER_IS_CLIENT);
        bool is_ec = key_types[i][0] == 'P';
        assert_int_equal(plugin->sign(signer, algorithm->number, input, sizeof(input), signature,
                                      sizeof(signature), &size, NULL),
                         is_ec ? NK_OK : NK_E_UNSUPPORTED);
        assert_true(!is_ec || verifies(signer, algorithm, input, sizeof(input), signature, size));
        plugin->signer_free(signer);
    }
}

/* --- what is signed --- */

static const struct input {
    const char *name;
    const char *text; /* after 64 spaces; NULL: before them is a letter */
    uint32_t role;
    bool is_good;
} inputs[] = {
    { "a server's CertificateVerify, by a server", "TLS 1.3, server CertificateVerify",
      NK_PEER_IS_CLIENT, true },
    { "a client's CertificateVerify, by a client", "TLS 1.3, client CertificateVerify",
      NK_PEER_IS_SERVER, true },
    { "a client's CertificateVerify, by a server", "TLS 1.3, client CertificateVerify",
      NK_PEER_IS_CLIENT, false },
    { "a server's CertificateVerify, by a client", "TLS 1.3, server CertificateVerify",
      NK_PEER_IS_SERVER, false },
    { "another use of TLS 1.3's form", "TLS 1.3, something else", NK_PEER_IS_CLIENT, false },
    { "a delegated credential, RFC 9345", "TLS, server delegated credentials", NK_PEER_IS_CLIENT,
      false },
    { "an exported authenticator, RFC 9261", "Exported Authenticator", NK_PEER_IS_SERVER, false },
    { "one letter more", "TLS 1.3, server CertificateVerifyX", NK_PEER_IS_CLIENT, false },
    { "what TLS 1.2 signs", NULL, NK_PEER_IS_CLIENT, true },
    { "what TLS 1.2 signs, by a client", NULL, NK_PEER_IS_SERVER, true },
};

static void it_signs_for_its_role(void **state)
{
    const struct input *row = *state;
    nk_error err = { .struct_size = sizeof(err) };
    nk_signer *signer = signer_of(instance, row->role);
    uint8_t signature[NK_SIGNATURE_BYTES];
    uint8_t input[256];
    size_t size = 0;

    memset(input, 'x', sizeof(input));
    memset(input + 1, ' ', 63);
    if (row->text != NULL) {
        input[0] = ' ';
        memcpy(input + 64, row->text, strlen(row->text) + 1);
    }
    nk_status status =
        plugin->sign(signer, P256, input, sizeof(input), signature, sizeof(signature), &size, &err);
    plugin->signer_free(signer);
    assert_int_equal(status, row->is_good ? NK_OK : NK_E_USAGE);
    assert_true(row->is_good || strstr(err.text, "CertificateVerify") != NULL);
}

/* --- life --- */

static void it_outlives_its_instance(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *other = NULL;
    nk_signing *signing = NULL;
    uint8_t signature[NK_SIGNATURE_BYTES];
    size_t size = 0;

    assert_int_equal(plugin->open_file(&good_host, config_path, &other, NULL), NK_OK);
    nk_signer *signer = signer_of(other, NK_PEER_IS_CLIENT);
    plugin->signer_ref(signer);
    assert_int_equal(plugin->close(other, NULL), NK_OK);
    plugin->signer_free(signer);
    assert_int_equal(
        plugin->sign(signer, P256, signature, 8, signature, sizeof(signature), &size, &err),
        NK_E_CLOSED);
    err = (nk_error){ .struct_size = sizeof(err) };
    answer.dones = 0;
    assert_int_equal(
        plugin->sign_start(signer, P256, signature, 8, take_answer, NULL, &signing, &err),
        NK_E_CLOSED);
    assert_non_null(strstr(err.text, "closed"));
    assert_int_equal(answer.dones, 0);
    assert_non_null(strstr(plugin->signer_chain(signer), "BEGIN CERTIFICATE"));
    plugin->signer_free(signer);
}

static void a_renewed_certificate_is_another_signers(void **state)
{
    (void)state;
    nk_signer *before = signer_of(instance, NK_PEER_IS_CLIENT);
    struct certificate_spec spec = member_spec(&federation, "alice");
    EVP_PKEY *key = X509_get_pubkey(alice.leaf);
    X509 *renewed = authority_issue(&federation.intermediate, key, &spec);

    member_write_certificate(&alice, "alice.pem", renewed);
    assert_int_equal(plugin->reload(instance, NULL), NK_OK);
    nk_signer *after = signer_of(instance, NK_PEER_IS_CLIENT);
    assert_string_not_equal(plugin->signer_chain(before), plugin->signer_chain(after));
    plugin->signer_free(before);
    plugin->signer_free(after);
    X509_free(renewed);
    EVP_PKEY_free(key);
}

static nk_status close_answer;

static void close_inside(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    close_answer = plugin->close(arg, NULL);
    take_answer(NULL, signature, len, err);
}

static void no_call_back_closes(void **state)
{
    (void)state;
    nk_signer *signer = signer_of(instance, NK_PEER_IS_CLIENT);
    nk_signing *signing = NULL;

    answer.dones = 0;
    assert_int_equal(plugin->sign_start(signer, P256, (const uint8_t *)"x", 1, close_inside,
                                        instance, &signing, NULL),
                     NK_OK);
    await_answer();
    assert_int_equal(close_answer, NK_E_USAGE);
    plugin->signing_free(signing);
    plugin->signer_free(signer);
}

/* As keys that are loaded into OpenSSL do: before the child has gRPC, by a login of its own. */
static void it_signs_in_a_child(void **state)
{
    (void)state;
    nk_signer *signer = signer_of(instance, NK_PEER_IS_CLIENT);
    nk_signing *signing = NULL;

    answer.dones = 0;
    assert_int_equal(plugin->sign_start(signer, P256, (const uint8_t *)"x", 1, take_answer, NULL,
                                        &signing, NULL),
                     NK_OK);
    await_answer();
    pid_t child = fork();
    if (child == 0) {
        nk_signing *own = NULL;
        alarm(20);
        plugin->sign_cancel(signing); /* the parent's: nothing */
        plugin->signing_free(signing);
        answer.dones = 0;
        nk_status status = plugin->sign_start(signer, P256, (const uint8_t *)"x", 1, take_answer,
                                              NULL, &own, NULL);
        for (int ms = 0; ms < PATIENCE_MS && atomic_load(&answer.dones) == 0; ms++) {
            clock_sleep_ms(1);
        }
        _exit(status == NK_OK && answer.dones == 1 && answer.status == NK_OK ? 7 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    plugin->signing_free(signing);
    plugin->signer_free(signer);
}

/* --- misuse --- */

static void a_wrong_call_is_a_usage_error(void **state)
{
    (void)state;
    nk_signer *signer = signer_of(instance, NK_PEER_IS_CLIENT);
    nk_signer *none = NULL;
    nk_signing *signing = NULL;
    nk_error unset = { .struct_size = 0 };
    uint8_t out[NK_SIGNATURE_BYTES];
    const uint8_t in[] = "x";
    size_t size = 0;
    const nk_status statuses[] = {
        plugin->signer(NULL, NK_PEER_IS_CLIENT, &none, NULL),
        plugin->signer(instance, 3, &none, NULL),
        plugin->signer(instance, NK_PEER_IS_CLIENT, NULL, NULL),
        plugin->signer(instance, NK_PEER_IS_CLIENT, &none, &unset),
        plugin->sign(NULL, P256, in, 1, out, sizeof(out), &size, NULL),
        plugin->sign(signer, P256, NULL, 1, out, sizeof(out), &size, NULL),
        plugin->sign(signer, 0x10403, in, 1, out, sizeof(out), &size, NULL),
        plugin->sign(signer, P256, in, 1, NULL, sizeof(out), &size, NULL),
        plugin->sign(signer, P256, in, 1, out, sizeof(out) - 1, &size, NULL),
        plugin->sign(signer, P256, in, 1, out, sizeof(out), NULL, NULL),
        plugin->sign(signer, P256, in, 1, out, sizeof(out), &size, &unset),
        plugin->sign_start(NULL, P256, in, 1, take_answer, NULL, &signing, NULL),
        plugin->sign_start(signer, P256, NULL, 1, take_answer, NULL, &signing, NULL),
        plugin->sign_start(signer, 0x10403, in, 1, take_answer, NULL, &signing, NULL),
        plugin->sign_start(signer, P256, in, 1, NULL, NULL, &signing, NULL),
        plugin->sign_start(signer, P256, in, 1, take_answer, NULL, NULL, NULL),
        plugin->sign_start(signer, P256, in, 1, take_answer, NULL, &signing, &unset),
    };

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (statuses[i] != NK_E_USAGE) {
            fail_msg("call %zu: %d", i, (int)statuses[i]);
        }
    }
    assert_null(none);
    assert_null(signing);
    plugin->signing_free(NULL);
    plugin->sign_cancel(NULL);
    plugin->signer_free(NULL);
    plugin->signer_free(signer);
}

static void close_nodes(void)
{
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        assert_int_equal(plugin->close(nodes[i], NULL), NK_OK);
    }
}

static int start_all(void **state)
{
    int failed = start(state);

    if (failed == 0) {
        open_nodes();
    }
    return failed;
}

static int stop_all(void **state)
{
    close_nodes();
    return stop(state);
}

int main(void)
{
    ROWS_OF(algorithms, it_signs_what_it_is_for)
    ROWS_TEST(in_tls_12_any_curve_signs);
    ROWS_OF(inputs, it_signs_for_its_role)
    ROWS_TEST(it_outlives_its_instance);
    ROWS_TEST(a_renewed_certificate_is_another_signers);
    ROWS_TEST(no_call_back_closes);
    ROWS_TEST(it_signs_in_a_child);
    ROWS_TEST(a_wrong_call_is_a_usage_error);
    return ROWS_RUN("signer", start_all, stop_all);
}
