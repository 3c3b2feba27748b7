/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/trust/chain_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "fixtures/check.h"
#include "unit/trust/known_issuers.h"

struct authority root;
struct authority site;
EVP_PKEY *leaf_key;

const struct certificate_spec ca_spec = { .cn = "odd ca",
                                          .basic_constraints = "critical,CA:TRUE",
                                          .key_usage = "critical,keyCertSign,cRLSign",
                                          .eku = "" };

X509 *reread(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    const unsigned char *at = der;
    X509 *read = d2i_X509(NULL, &at, len);
    assert_non_null(read);
    OPENSSL_free(der);
    X509_free(certificate);
    return read;
}

X509 *signed_by(X509 *certificate, EVP_PKEY *key, const EVP_MD *digest)
{
    assert_true(X509_sign(certificate, key, digest) > 0);
    return reread(certificate);
}

X509 *issued(const struct authority *issuer, EVP_PKEY *key, const struct certificate_spec *spec)
{
    return reread(authority_issue(issuer, key, spec));
}

X509 *copy_of(X509 *certificate)
{
    X509_up_ref(certificate);
    return certificate;
}

static EVP_PKEY *rsa_public(int bits, const char *exponent)
{
    BIGNUM *n = BN_new();
    BIGNUM *e = NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_true(BN_rand(n, bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD) == 1);
    assert_true(BN_hex2bn(&e, exponent) > 0);
    assert_true(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1);
    assert_true(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    assert_true(EVP_PKEY_fromdata_init(ctx) == 1);
    assert_true(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(ctx);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *dsa_key(void)
{
    EVP_PKEY *params = NULL;
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    assert_true(EVP_PKEY_paramgen_init(ctx) == 1 && EVP_PKEY_paramgen(ctx, &params) == 1);
    EVP_PKEY_CTX *keygen = EVP_PKEY_CTX_new_from_pkey(NULL, params, NULL);
    assert_true(EVP_PKEY_keygen_init(keygen) == 1 && EVP_PKEY_keygen(keygen, &key) == 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_CTX_free(keygen);
    EVP_PKEY_free(params);
    return key;
}

EVP_PKEY *odd_key(const char *kind)
{
    if (strcmp(kind, "explicit") == 0 || strcmp(kind, "compressed") == 0) {
        EVP_PKEY *key = software_key("P-256");
        const char *name = kind[0] == 'e' ? OSSL_PKEY_PARAM_EC_ENCODING
                                          : OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT;
        assert_true(EVP_PKEY_set_utf8_string_param(key, name, kind) == 1);
        return key;
    }
    if (strcmp(kind, "DSA") == 0) {
        return dsa_key();
    }
    if (strcmp(kind, "exponent 1") == 0) {
        return rsa_public(2048, "1");
    }
    if (strcmp(kind, "exponent 64") == 0) {
        return rsa_public(2048, "8000000000000001");
    }
    if (strcmp(kind, "exponent 65") == 0) {
        return rsa_public(2048, "10000000000000001");
    }
    if (strncmp(kind, "public ", 7) == 0) {
        return rsa_public(atoi(kind + 7), "10001");
    }
    return software_key(kind);
}

struct shown plain(const struct chain_row *row)
{
    return (struct shown){ .leaf = issued(&root, leaf_key, &row->leaf) };
}

struct shown below_site(const struct chain_row *row)
{
    return (struct shown){ .leaf = issued(&site, leaf_key, &row->leaf),
                           .others = { copy_of(site.certificate) } };
}

struct shown below_constrained(const struct chain_row *row)
{
    struct authority ca =
        authority_make(&root, "constrained", &(struct certificate_spec){ .extra = row->ca });
    struct shown shown = { .leaf = issued(&ca, leaf_key, &row->leaf),
                           .others = { reread(copy_of(ca.certificate)) } };
    authority_free(&ca);
    return shown;
}

struct shown eleven(const struct chain_row *row)
{
    struct shown shown = below_site(row);
    for (int i = 1; i < 10; i++) {
        EVP_PKEY *key = software_key("P-256");
        shown.others[i] = issued(&root, key, NULL);
        EVP_PKEY_free(key);
    }
    return shown;
}

struct chain *chain_to(X509 *anchor, const struct chain_settings *settings)
{
    struct chain *chain = NULL;
    STACK_OF(X509) *roots = sk_X509_new_null();
    assert_true(sk_X509_push(roots, anchor) > 0);
    assert_int_equal(chain_new(roots, NULL, settings, &chain, NULL), NK_OK);
    sk_X509_free(roots);
    return chain;
}

STACK_OF(X509) *stack_of(X509 *const *certificates)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (int i = 0; i < OTHERS_MAX && certificates[i] != NULL; i++) {
        assert_true(sk_X509_push(stack, certificates[i]) > 0);
    }
    return stack;
}

void check_chain(void **state)
{
    struct chain_row row = *(const struct chain_row *)*state;
    if (row.key != NULL && (strncmp(row.key, "SHA-", 4) == 0 || strcmp(row.key, "MD5") == 0)) {
        row.leaf.digest = EVP_get_digestbyname(strcmp(row.key, "SHA-1") == 0     ? "SHA1"
                                               : strcmp(row.key, "SHA-256") == 0 ? "SHA256"
                                               : strcmp(row.key, "SHA-224") == 0 ? "SHA224"
                                               : strcmp(row.key, "SHA-512") == 0 ? "SHA512"
                                                                                 : "MD5");
        assert_non_null(row.leaf.digest);
    }
    struct shown shown = row.shape(&row);
    const struct chain_settings settings = { .strict = !row.loose };
    struct chain *chain =
        chain_to(shown.anchor != NULL ? shown.anchor : root.certificate, &settings);
    STACK_OF(X509) *others = stack_of(shown.others);
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { REASON_INTERNAL, 0, "" };
    bool holds = chain_holds(chain, NULL, row.role != 0 ? row.role : NK_PEER_IS_CLIENT, shown.leaf,
                             others, &path, &failure);
    print_message("%s: %s\n", holds ? "holds" : reason_label(failure.reason), failure.detail);
    assert_string_equal(holds ? "" : reason_label(failure.reason),
                        row.reason != NULL ? row.reason : "");
    if (row.detail != NULL) {
        assert_non_null(strstr(failure.detail, row.detail));
    }
    if (holds) {
        assert_ptr_equal(sk_X509_value(path.certificates, 0), shown.leaf);
    }
    STACK_OF(X509) *roots = stack_of(
        (X509 *const[OTHERS_MAX]){ shown.anchor != NULL ? shown.anchor : root.certificate });
    assert_same_when_known(chain, row.role != 0 ? row.role : NK_PEER_IS_CLIENT, shown.leaf, others,
                           roots);
    sk_X509_free(roots);
    chain_path_clear(&path);
    chain_free(chain);
    sk_X509_pop_free(others, X509_free);
    X509_free(shown.leaf);
    ERR_clear_error();
}

int chain_scene_set_up(void **state)
{
    (void)state;
    leaf_key = software_key("P-256");
    root = authority_make(NULL, "federation", NULL);
    site = authority_make(&root, "site", NULL);
    return 0;
}

int chain_scene_tear_down(void **state)
{
    (void)state;
    authority_free(&site);
    authority_free(&root);
    EVP_PKEY_free(leaf_key);
    return 0;
}
