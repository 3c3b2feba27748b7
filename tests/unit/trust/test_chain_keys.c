/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <openssl/rsa.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "trust/roots.h"
#include "unit/trust/chain_scene.h"

#define WEAK "weak-key"
#define BAD "chain-invalid"

static struct shown key_of_leaf(const struct chain_row *row)
{
    EVP_PKEY *key = odd_key(row->key);
    struct shown shown = { .leaf = issued(&root, key, &row->leaf) };
    EVP_PKEY_free(key);
    return shown;
}

static struct shown key_of_ca(const struct chain_row *row)
{
    EVP_PKEY *key = odd_key(row->key);
    struct authority ca = { .key = leaf_key, .certificate = issued(&root, key, &ca_spec) };
    struct shown shown = { .leaf = issued(&ca, leaf_key, &row->leaf),
                           .others = { ca.certificate } };
    EVP_PKEY_free(key);
    return shown;
}

static struct shown below_rsa(const struct chain_row *row)
{
    struct authority ca = { .key = software_key("RSA-2048") };
    ca.certificate = issued(&root, ca.key, &ca_spec);
    struct shown shown = { .leaf = issued(&ca, leaf_key, &row->leaf),
                           .others = { ca.certificate } };
    EVP_PKEY_free(ca.key);
    return shown;
}

static struct shown below_rsa_pss(const struct chain_row *row)
{
    struct authority ca = { .key = software_key("RSA-2048") };
    ca.certificate = issued(&root, ca.key, &ca_spec);
    X509 *leaf = authority_issue(&ca, leaf_key, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key = NULL;
    assert_true(EVP_DigestSignInit(ctx, &key, row->leaf.digest, NULL, ca.key) == 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) == 1);
    assert_true(X509_sign_ctx(leaf, ctx) > 0);
    EVP_MD_CTX_free(ctx);
    struct shown shown = { .leaf = reread(leaf), .others = { ca.certificate } };
    EVP_PKEY_free(ca.key);
    return shown;
}

static const struct chain_row rows[] = {
    /* keys */
    { "explicit curve parameters", key_of_leaf, .reason = BAD, .detail = "parameters of its own",
      .key = "explicit" },
    { "explicit curve parameters, loose", key_of_leaf, .reason = BAD,
      .detail = "parameters of its own", .loose = true, .key = "explicit" },
    { "explicit curve parameters in a CA, loose", key_of_ca, .reason = BAD,
      .detail = "parameters of its own", .loose = true, .key = "explicit" },
    { "a compressed point", key_of_leaf, .reason = BAD, .detail = "uncompressed",
      .key = "compressed" },
    { "a compressed point, loose", key_of_leaf, .reason = BAD, .detail = "uncompressed",
      .loose = true, .key = "compressed" },
    { "P-224", key_of_leaf, .reason = BAD, .detail = "another curve", .key = "P-224" },
    { "P-384", key_of_leaf, .reason = NULL, .key = "P-384" },
    { "P-521", key_of_leaf, .reason = NULL, .key = "P-521" },
    { "Ed25519", key_of_leaf, .reason = NULL, .key = "Ed25519" },
    { "Ed448", key_of_leaf, .reason = WEAK, .detail = "none of", .key = "ED448" },
    { "DSA", key_of_leaf, .reason = WEAK, .detail = "none of", .key = "DSA" },
    { "RSA-1024, loose", key_of_leaf, .reason = WEAK, .detail = "less than 2048", .loose = true,
      .key = "public 1024" },
    { "RSA-2048", key_of_leaf, .reason = NULL, .key = "public 2048" },
    { "RSA-8192", key_of_leaf, .reason = NULL, .key = "public 8192" },
    { "RSA-8193", key_of_leaf, .reason = BAD, .detail = "more than 8192", .key = "public 8193" },
    { "RSA-16384", key_of_leaf, .reason = BAD, .detail = "more than 8192", .key = "public 16384" },
    { "RSA-16384 in a CA", key_of_ca, .reason = BAD, .detail = "more than 8192",
      .key = "public 16384" },
    { "RSA-16384 in a CA, loose", key_of_ca, .reason = BAD, .detail = "more than 8192",
      .loose = true, .key = "public 16384" },
    { "an exponent of 64 bits", key_of_leaf, .reason = NULL, .key = "exponent 64" },
    { "an exponent of 65 bits", key_of_leaf, .reason = BAD, .detail = "exponent",
      .key = "exponent 65" },
    { "an exponent of 65 bits in a CA", key_of_ca, .reason = BAD, .detail = "exponent",
      .key = "exponent 65" },
    { "exponent 1", key_of_leaf, .reason = WEAK, .detail = "exponent", .key = "exponent 1" },
    /* signatures: the digest is named by check_chain */
    { "RSA with SHA-256", below_rsa, .reason = NULL, .key = "SHA-256" },
    { "RSA with MD5", below_rsa, .reason = WEAK, .detail = "md5", .key = "MD5" },
    { "RSA with MD5, loose", below_rsa, .reason = WEAK, .detail = "md5", .loose = true,
      .key = "MD5" },
    { "RSA with SHA-1", below_rsa, .reason = WEAK, .detail = "sha1", .key = "SHA-1" },
    { "RSA with SHA-224", below_rsa, .reason = WEAK, .detail = "sha224", .key = "SHA-224" },
    { "RSA-PSS with SHA-256", below_rsa_pss, .reason = NULL, .key = "SHA-256" },
    { "RSA-PSS with SHA-1", below_rsa_pss, .reason = WEAK, .detail = "signed with",
      .key = "SHA-1" },
    { "ECDSA with SHA-1, loose", plain, .reason = WEAK, .detail = "SHA1", .loose = true,
      .key = "SHA-1" },
    { "ECDSA with SHA-512", plain, .reason = NULL, .key = "SHA-512" },
};

/* Root keys that each handshake would pay for, or that have two encodings, are told at open. */
static void roots_have_keys_of_our_kinds(void **state)
{
    (void)state;
    static const char *const kinds[] = { "P-224", "explicit", "compressed", "P-384" };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        EVP_PKEY *key = odd_key(kinds[i]);
        X509 *certificate = authority_issue(NULL, key, &ca_spec);
        char *pem = pem_of(certificate, NULL);
        char *path = (char *)path_of("%s/root.pem", scratch_folder());
        STACK_OF(X509) *read = NULL;
        nk_error err = { .struct_size = sizeof(err) };
        write_file(path, pem, 0644);
        nk_status status = roots_read(&path, 1, false, NULL, &read, &err);
        print_message("%s\n", err.text);
        assert_int_equal(status, i == 3 ? NK_OK : NK_E_TRUST);
        assert_true(status == NK_OK || strstr(err.text, "kind that is not taken") != NULL);
        sk_X509_pop_free(read, X509_free);
        free(pem);
        X509_free(certificate);
        EVP_PKEY_free(key);
    }
}

int main(void)
{
    ROWS_OF(rows, check_chain)
    ROWS_TEST(roots_have_keys_of_our_kinds);
    return ROWS_RUN("chain_holds: keys and signatures", chain_scene_set_up, chain_scene_tear_down);
}
