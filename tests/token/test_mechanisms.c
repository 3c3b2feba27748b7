/* SPDX-License-Identifier: Apache-2.0
 * Keys on tokens that lack something: a mechanism, a public object, a usual encoding. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"
#include "scheme/pss.h"

#define SIGNATURE_ROOM 1024
#define LONG_MS 30000

static struct identity rsa, ec, ed;

struct open {
    struct hsm_key *key;
    EVP_PKEY *loaded;
};

static struct open open_it(const struct identity *identity)
{
    struct open it = { .key = NULL };
    nk_error err;
    if (identity_open(identity, &it.key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    it.loaded = rig_load(it.key);
    assert_non_null(it.loaded);
    return it;
}

static void close_it(struct open *it)
{
    EVP_PKEY_free(it->loaded);
    rig_shut(it->key);
}

/* --- EMSA-PSS, judged by OpenSSL --- */

static EVP_PKEY_CTX *pss_verifier(EVP_PKEY *key, const EVP_MD *md, int salt_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, md), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt_len), 1);
    return ctx;
}

static void bare_sign(EVP_PKEY *key, const unsigned char *block, size_t len, unsigned char *out)
{
    size_t out_len = len;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, out, &out_len, block, len), 1);
    assert_int_equal(out_len, len);
    EVP_PKEY_CTX_free(ctx);
}

static void check_encoding(EVP_PKEY *key, const EVP_MD *md, size_t salt_len)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char block[SIGNATURE_ROOM];
    unsigned char signature[SIGNATURE_ROOM];
    size_t bits = (size_t)EVP_PKEY_get_bits(key);
    size_t len = (bits + 7) / 8;
    size_t md_len = (size_t)EVP_MD_get_size(md);

    for (unsigned char i = 0; i < 16; i++) {
        memset(digest, i, sizeof(digest));
        assert_true(pss_encode(md, digest, salt_len, bits, block, sizeof(block)));
        bare_sign(key, block, len, signature);
        EVP_PKEY_CTX *ctx = pss_verifier(key, md, (int)salt_len);
        if (EVP_PKEY_verify(ctx, signature, len, digest, md_len) != 1) {
            fail_msg("%zu bits, %s, salt %zu", bits, EVP_MD_get0_name(md), salt_len);
        }
        digest[0] ^= 1;
        assert_int_not_equal(EVP_PKEY_verify(ctx, signature, len, digest, md_len), 1);
        EVP_PKEY_CTX_free(ctx);
    }
    ERR_clear_error();
}

static void openssl_verifies_our_pss(void **state)
{
    (void)state;
    static const unsigned bits[] = { 1024, 1025, 1026, 1031, 2048 }; /* each place of the top bit */
    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        EVP_PKEY *key = EVP_RSA_gen(bits[i]);
        assert_non_null(key);
        check_encoding(key, EVP_sha256(), 32);
        check_encoding(key, EVP_sha384(), 48);
        check_encoding(key, EVP_sha256(), 0);
        if (bits[i] == 2048) {
            check_encoding(key, EVP_sha512(), 64);
        }
        EVP_PKEY_free(key);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    unsigned char digest[64] = { 0 };
    unsigned char block[256];
    assert_false(pss_encode(EVP_sha512(), digest, 64, 1024, block, sizeof(block)));
    assert_false(pss_encode(EVP_sha256(), digest, 32, 4096, block, sizeof(block)));
    assert_true(pss_encode(EVP_sha512(), digest, 62, 1025, block, sizeof(block)));
    assert_false(pss_encode(EVP_sha512(), digest, 63, 1025, block, sizeof(block)));
}

/* --- PSS by a token --- */

/* As TLS 1.3 asks for it. */
static void assert_signs_pss(EVP_PKEY *loaded, EVP_PKEY *public_key, const EVP_MD *md)
{
    static const unsigned char message[] = "what is signed";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char signature[SIGNATURE_ROOM];
    unsigned digest_len = 0;
    size_t len = sizeof(signature);
    EVP_PKEY_CTX *padding = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, &padding, md, NULL, loaded), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, message, sizeof(message)), 1);
    EVP_MD_CTX_free(ctx);
    assert_int_equal(EVP_Digest(message, sizeof(message), digest, &digest_len, md, NULL), 1);
    EVP_PKEY_CTX *verifier = pss_verifier(public_key, md, EVP_MD_get_size(md));
    assert_int_equal(EVP_PKEY_verify(verifier, signature, len, digest, digest_len), 1);
    EVP_PKEY_CTX_free(verifier);
}

static void check_rsa(const char *script, bool bare)
{
    faulty_set(script);
    struct open it = open_it(&rsa);
    unsigned long before = faulty_count()->bare_rsa;
    unsigned long inits = faulty_count()->sign_init;
    unsigned long signs = faulty_count()->sign;
    assert_signs_pss(it.loaded, rsa.public_key, EVP_sha256());
    assert_signs_pss(it.loaded, rsa.public_key, EVP_sha384());
    assert_signs_pss(it.loaded, rsa.public_key, EVP_sha512());
    assert_int_equal(faulty_count()->bare_rsa - before, bare ? 3 : 0);
    assert_int_equal(faulty_count()->sign_init - inits, 3); /* no trying out after `open` */
    assert_int_equal(faulty_count()->sign - signs, 3);
    assert_true(rig_signs(it.loaded, &rsa)); /* PKCS#1 v1.5 stays the token's */
    assert_int_equal(faulty_count()->bare_rsa - before, bare ? 3 : 0);
    assert_int_equal(faulty_count()->pss_changed, 0);
    close_it(&it);
    faulty_set("");
}

static void a_token_with_pss_pads_itself(void **state)
{
    (void)state;
    check_rsa("", false);
}

static void a_token_without_pss_gets_our_padding(void **state)
{
    (void)state;
    check_rsa("hide=0xd", true);
}

static void a_token_that_lists_pss_but_refuses_it_gets_our_padding(void **state)
{
    (void)state;
    check_rsa("refuse=0xd", true);
}

static void without_any_open_says_what_is_missing(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err;
    faulty_set("hide=0xd,0x3,0x43,0x44,0x45"); /* nor one that hashes */
    assert_int_equal(identity_open(&rsa, &key, &err), NK_E_IDENTITY);
    assert_non_null(strstr(err.text, "CKM_RSA_PKCS_PSS"));
    assert_non_null(strstr(err.text, "CKM_RSA_X_509"));
    assert_non_null(strstr(err.text, "TLS 1.3"));
    faulty_set("");
}

static void our_padding_survives_a_restart_of_the_token(void **state)
{
    (void)state;
    faulty_set("hide=0xd");
    struct open it = open_it(&rsa);
    faulty_set("hide=0xd\nsign_error=0x30\nsign_error_at=1\n");
    assert_signs_pss(it.loaded, rsa.public_key, EVP_sha256());
    close_it(&it);
    faulty_set("");
}

/* The thread that signs is another one, and strangers have a key object of their own. */
static void our_padding_is_the_same_by_deadline(void **state)
{
    (void)state;
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = LONG_MS });
    check_rsa("hide=0xd", true);
    faulty_set("hide=0xd");
    struct open it = open_it(&rsa);
    EVP_PKEY *inbound = rig_load_inbound(it.key);
    unsigned long before = faulty_count()->bare_rsa;
    assert_signs_pss(inbound, rsa.public_key, EVP_sha256());
    assert_int_equal(faulty_count()->bare_rsa, before + 1);
    EVP_PKEY_free(inbound);
    close_it(&it);
    faulty_set("");
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = 0 });
}

/* --- what the token tells of the key --- */

#define OID_P256 "06082a8648ce3d030107"
#define OID_P384 "06052b81040022"
#define NAME_SECP256R1 "1309736563703235367231"
#define NAME_P384 "1305502d333834"
#define NAME_EDWARDS "130c656477617264733235353139"

static void destroy_public_objects(void)
{
    CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE wanted = { CKA_CLASS, &public_class, sizeof(public_class) };
    CK_OBJECT_HANDLE objects[8];
    CK_ULONG len = 0;
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, "alice", CKF_RW_SESSION);
    assert_int_equal(softhsm->C_FindObjectsInit(session, &wanted, 1), CKR_OK);
    assert_int_equal(softhsm->C_FindObjects(session, objects, ARRAY_LEN(objects), &len), CKR_OK);
    assert_int_equal(softhsm->C_FindObjectsFinal(session), CKR_OK);
    assert_int_equal(len, 3);
    for (CK_ULONG i = 0; i < len; i++) {
        assert_int_equal(softhsm->C_DestroyObject(session, objects[i]), CKR_OK);
    }
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
}

/* Last of all: the objects do not come back. */
static void keys_without_public_objects_sign(void **state)
{
    (void)state;
    const struct identity *const all[] = { &rsa, &ec, &ed };
    struct open holder = open_it(&ec); /* logged in: SoftHSM lets nobody else delete */
    destroy_public_objects();
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct open it = open_it(all[i]);
        assert_true(rig_signs(it.loaded, all[i]));
        close_it(&it);
    }
    close_it(&holder);
}

static void assert_opens(const struct identity *identity, const char *script)
{
    faulty_set(script);
    struct open it = open_it(identity);
    assert_true(rig_signs(it.loaded, identity));
    close_it(&it);
    faulty_set("");
}

static void a_curve_is_known_by_oid_and_by_name(void **state)
{
    (void)state;
    assert_opens(&ec, "attribute=0x180=" OID_P256);
    assert_opens(&ec, "attribute=0x180=" NAME_SECP256R1);
    assert_opens(&ed, "attribute=0x180=06032b6570");
    assert_opens(&ed, "attribute=0x180=" NAME_EDWARDS);
}

static void what_a_token_does_not_tell_is_proven_by_signing(void **state)
{
    (void)state;
    assert_opens(&ec, "attribute=0x180=");
    assert_opens(&ec, "attribute=0x180=0500");
    assert_opens(&ec, "attribute=0x180=30030201");
}

static void an_edwards_key_may_be_called_ec(void **state)
{
    (void)state;
    assert_opens(&ed, "attribute=0x100=0300000000000000");
}

static void assert_mismatch(const struct identity *identity, const char *script, const char *piece)
{
    struct hsm_key *key = NULL;
    nk_error err;
    faulty_set(script);
    unsigned long signs = faulty_count()->sign;
    assert_int_equal(identity_open(identity, &key, &err), NK_E_IDENTITY);
    assert_non_null(strstr(err.text, "does not match"));
    assert_non_null(strstr(err.text, piece));
    assert_int_equal(faulty_count()->sign, signs);
    faulty_set("");
}

static void another_curve_is_told_before_signing(void **state)
{
    (void)state;
    assert_mismatch(&ec, "attribute=0x180=" OID_P384, "is P-384");
    assert_mismatch(&ec, "attribute=0x180=" NAME_P384, "is P-384");
    assert_mismatch(&ed, "attribute=0x180=" OID_P256, "is P-256");
    assert_mismatch(&ec, "attribute=0x100=0000000000000000", "another type");
}

/* --- a chain from what lies on a token --- */

static void put_object(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session, const char *label,
                       unsigned char *der, int der_len)
{
    CK_OBJECT_CLASS certificate_class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE x509 = CKC_X_509;
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE object[] = {
        { CKA_CLASS, &certificate_class, sizeof(certificate_class) },
        { CKA_CERTIFICATE_TYPE, &x509, sizeof(x509) },
        { CKA_TOKEN, &yes, 1 },
        { CKA_PRIVATE, &no, 1 },
        { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
        { CKA_SUBJECT, "s", 1 },
        { CKA_VALUE, der, (CK_ULONG)der_len },
    };
    CK_OBJECT_HANDLE handle = 0;
    assert_int_equal(p11->C_CreateObject(session, object, ARRAY_LEN(object), &handle), CKR_OK);
}

static void put(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session, const char *label, X509 *one)
{
    unsigned char *der = NULL;
    int len = i2d_X509(one, &der);
    put_object(p11, session, label, der, len); /* no CKA_ID: issuers often have none */
    OPENSSL_free(der);
}

static struct authority middle_until(const struct authority *root, EVP_PKEY *key, long seconds)
{
    struct certificate_spec spec = { .cn = "middle",
                                     .eku = "",
                                     .key_usage = "critical,keyCertSign",
                                     .basic_constraints = "critical,CA:TRUE",
                                     .ends_in_seconds = seconds };
    return (struct authority){ .key = key, .certificate = authority_issue(root, key, &spec) };
}

static void issuers_are_found_beside_the_leaf(void **state)
{
    (void)state;
    struct authority root = authority_make(NULL, "root", NULL);
    EVP_PKEY *key = software_key("P-256");
    struct authority soon = middle_until(&root, key, 1000);
    struct authority late = middle_until(&root, key, 100000);
    struct authority namesake = middle_until(&root, software_key("P-256"), 200000);
    struct authority low = authority_make(&late, "low", NULL);
    X509 *leaf = authority_issue(&low, ec.public_key, NULL);
    struct open holder = open_it(&ec);
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, "alice", CKF_RW_SESSION);
    unsigned char junk[] = "junk";
    put(softhsm, session, "root", root.certificate);
    put(softhsm, session, "soon", soon.certificate);
    put(softhsm, session, "late", late.certificate);
    put(softhsm, session, "namesake", namesake.certificate);
    put(softhsm, session, "low", low.certificate);
    put(softhsm, session, "leaf", leaf);
    put_object(softhsm, session, "junk", junk, sizeof(junk));
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);

    STACK_OF(X509) *chain = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    unsigned long logins = faulty_count()->login;
    unsigned long held = faulty_count()->open_session - faulty_count()->close_session;
    if (hsm_certificates(faulty_path(), "pkcs11:token=alice;object=leaf", LONG_MS, &chain, &err) !=
        NK_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(sk_X509_num(chain), 3);
    assert_int_equal(X509_cmp(sk_X509_value(chain, 0), leaf), 0);
    assert_int_equal(X509_cmp(sk_X509_value(chain, 1), low.certificate), 0);
    assert_int_equal(X509_cmp(sk_X509_value(chain, 2), late.certificate), 0);
    sk_X509_pop_free(chain, X509_free);
    assert_int_equal(
        hsm_certificates(faulty_path(), "pkcs11:token=alice;object=junk", LONG_MS, &chain, &err),
        NK_E_IDENTITY);
    assert_non_null(strstr(err.text, "not a certificate"));
    assert_int_equal(faulty_count()->login, logins);
    assert_int_equal(faulty_count()->open_session - faulty_count()->close_session, held);

    close_it(&holder);
    X509_free(leaf);
    authority_free(&low);
    authority_free(&namesake);
    X509_free(soon.certificate);
    authority_free(&late);
    authority_free(&root);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("alice");
    rig_start(faulty_start());
    rsa = identity_make("alice", "rsa", "01", "RSA-2048");
    ec = identity_make("alice", "ec", "02", "P-256");
    ed = identity_make("alice", "ed", "03", "Ed25519");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    identity_free(&rsa);
    identity_free(&ec);
    identity_free(&ed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_verifies_our_pss),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_token_with_pss_pads_itself),
        cmocka_unit_test(a_token_without_pss_gets_our_padding),
        cmocka_unit_test(a_token_that_lists_pss_but_refuses_it_gets_our_padding),
        cmocka_unit_test(without_any_open_says_what_is_missing),
        cmocka_unit_test(our_padding_survives_a_restart_of_the_token),
        cmocka_unit_test(our_padding_is_the_same_by_deadline),
        cmocka_unit_test(a_curve_is_known_by_oid_and_by_name),
        cmocka_unit_test(what_a_token_does_not_tell_is_proven_by_signing),
        cmocka_unit_test(an_edwards_key_may_be_called_ec),
        cmocka_unit_test(another_curve_is_told_before_signing),
        cmocka_unit_test(issuers_are_found_beside_the_leaf),
        cmocka_unit_test(keys_without_public_objects_sign),
    };
    return cmocka_run_group_tests_name("mechanisms", tests, start, stop);
}
