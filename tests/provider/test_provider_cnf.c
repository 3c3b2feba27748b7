/* SPDX-License-Identifier: Apache-2.0
 * nodekey-provider.so as a program meets it: what a reference and our section of openssl.cnf may
 * say, and the sentence on OpenSSL's queue when they say something else. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>

#include "base/auto.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/openssl_rig.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"

#define THREADS 8
#define LOADS 6

static const struct kind {
    const char *type;
    const char *object;
    const char *id;
    const char *name; /* as OpenSSL calls it */
} kinds[] = {
    { "RSA-2048", "rsa", "01", "RSA" },
    { "P-256", "ec", "02", "EC" },
    { "Ed25519", "ed", "03", "ED25519" },
};

static const char *good_section; /* alice's */
static OSSL_LIB_CTX *good;

static const char *uri_of(const char *object)
{
    return path_of("pkcs11:token=alice;object=%s", object);
}

static const char *section_with(const char *label, const char *more)
{
    return path_of("pkcs11-module = softhsm\npin-file = %s/%s.pin\n%s", scratch_folder(), label,
                   more);
}

static void tool(const char *label, const char *const *more)
{
    const char *argv[24] = { "pkcs11-tool", "--module", SOFTHSM_MODULE, "--token-label",
                             label,         "--login",  "--pin",        SOFTHSM_PIN };
    size_t len = 8;
    while (*more != NULL) {
        argv[len++] = *more++;
    }
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    if (end.status != 0) {
        fail_msg("pkcs11-tool: %s", end.out);
    }
    free(end.out);
}

static void drop(const char *object, const char *type)
{
    tool("alice",
         (const char *const[]){ "--delete-object", "--type", type, "--label", object, NULL });
}

/* --- good ones --- */

static void assert_is_token_key(OSSL_LIB_CTX *ctx, EVP_PKEY *loaded, const struct kind *kind)
{
    if (loaded == NULL) {
        fail_msg("%s", queue_text());
    }
    EVP_PKEY *public_key = softhsm_public_key("alice", kind->object, kind->id);
    assert_true(EVP_PKEY_is_a(loaded, kind->name));
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(loaded)), "nodekey");
    assert_int_equal(EVP_PKEY_eq(loaded, public_key), 1);
    assert_true(signs_for(ctx, loaded, public_key));
    assert_int_equal(ERR_peek_error(), 0);
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(loaded);
}

static void keys_load_from_pem(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *pem = persistent_pem(uri_of(kinds[i].object));
        assert_is_token_key(good, load_pem(good, pem), &kinds[i]);
        const char *full =
            persistent_pem(path_of("pkcs11:model=SoftHSM%%20v2;manufacturer=SoftHSM%%20project;"
                                   "token=alice;id=%%%s;object=%s;type=private",
                                   kinds[i].id, kinds[i].object));
        assert_is_token_key(good, load_pem(good, full), &kinds[i]);
    }
}

static EVP_PKEY *load_pem_as(const char *pem, const char *type)
{
    EVP_PKEY *key = NULL;
    const unsigned char *at = (const unsigned char *)pem;
    size_t rest = strlen(pem);
    OSSL_DECODER_CTX *decoder = OSSL_DECODER_CTX_new_for_pkey(
        &key, "PEM", NULL, type, OSSL_KEYMGMT_SELECT_PRIVATE_KEY, good, NULL);
    (void)OSSL_DECODER_from_data(decoder, &at, &rest);
    OSSL_DECODER_CTX_free(decoder);
    return key;
}

/* Some programs say which type of key they want. */
static void keys_load_from_pem_as_their_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *pem = persistent_pem(uri_of(kinds[i].object));
        for (size_t j = 0; j < ARRAY_LEN(kinds); j++) {
            EVP_PKEY *key = load_pem_as(pem, kinds[j].name);
            if (j == i) {
                assert_is_token_key(good, key, &kinds[i]);
            } else {
                assert_null(key);
            }
            ERR_clear_error();
        }
    }
}

static void keys_load_from_der(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char *name = NULL, *header = NULL;
        unsigned char *der = NULL;
        long len = 0;
        EVP_PKEY *key = NULL;
        BIO *bio = BIO_new_mem_buf(persistent_pem(uri_of(kinds[i].object)), -1);
        assert_int_equal(PEM_read_bio(bio, &name, &header, &der, &len), 1);
        const unsigned char *at = der;
        size_t rest = (size_t)len;
        OSSL_DECODER_CTX *decoder = OSSL_DECODER_CTX_new_for_pkey(
            &key, "DER", NULL, NULL, OSSL_KEYMGMT_SELECT_PRIVATE_KEY, good, NULL);
        assert_int_equal(OSSL_DECODER_from_data(decoder, &at, &rest), 1);
        assert_is_token_key(good, key, &kinds[i]);
        OSSL_DECODER_CTX_free(decoder);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
        BIO_free(bio);
    }
}

static void keys_load_by_uri(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_is_token_key(good, load_uri(good, uri_of(kinds[i].object)), &kinds[i]);
    }
}

static void a_second_context_has_the_same_key(void **state)
{
    (void)state;
    OSSL_LIB_CTX *ctx = cnf_context(good_section);
    EVP_PKEY *first = load_uri(good, uri_of("ec"));
    assert_is_token_key(ctx, load_uri(ctx, uri_of("ec")), &kinds[1]);
    assert_is_token_key(good, first, &kinds[1]);
    OSSL_LIB_CTX_free(ctx);
}

struct loader {
    pthread_t thread;
    const struct kind *kind;
    EVP_PKEY *public_key;
    int good_ones;
};

static void *load_and_sign(void *data)
{
    struct loader *loader = data;
    const char *uri = uri_of(loader->kind->object);
    for (int i = 0; i < LOADS; i++) {
        EVP_PKEY *key = i % 2 == 0 ? load_pem(good, persistent_pem(uri)) : load_uri(good, uri);
        loader->good_ones += key != NULL && signs_for(good, key, loader->public_key);
        EVP_PKEY_free(key);
    }
    return NULL;
}

static void threads_load_and_sign_at_once(void **state)
{
    (void)state;
    struct loader loaders[THREADS] = { 0 };
    for (size_t i = 0; i < THREADS; i++) {
        const struct kind *kind = &kinds[i % ARRAY_LEN(kinds)];
        loaders[i].kind = kind;
        loaders[i].public_key = softhsm_public_key("alice", kind->object, kind->id);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&loaders[i].thread, NULL, load_and_sign, &loaders[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(loaders[i].thread, NULL);
        assert_int_equal(loaders[i].good_ones, LOADS);
        EVP_PKEY_free(loaders[i].public_key);
    }
}

/* --- where the public half comes from --- */

static void put_certificate(const char *object, const char *id, EVP_PKEY *subject)
{
    struct authority root = authority_make(NULL, "root", NULL);
    X509 *certificate = authority_issue(&root, subject, NULL);
    const char *path = path_of("%s/%s.der", scratch_folder(), object);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(i2d_X509_fp(file, certificate), 1);
    fclose(file);
    tool("alice", (const char *const[]){ "--write-object", path, "--type", "cert", "--label",
                                         "another-label", "--id", id, NULL });
    X509_free(certificate);
    authority_free(&root);
}

static void the_public_half_may_be_in_a_certificate(void **state)
{
    (void)state;
    softhsm_generate("alice", "P-256", "bare", "10");
    EVP_PKEY *public_key = softhsm_public_key("alice", "bare", "10");
    drop("bare", "pubkey");
    assert_null(load_pem(good, persistent_pem(uri_of("bare"))));
    assert_non_null(strstr(queue_text(), "does not tell the public half"));
    put_certificate("bare", "10", public_key);
    EVP_PKEY *loaded = load_pem(good, persistent_pem(uri_of("bare")));
    assert_non_null(loaded);
    assert_true(signs_for(good, loaded, public_key));
    EVP_PKEY_free(loaded);
    EVP_PKEY_free(public_key);
}

static void a_certificate_of_another_key_is_refused(void **state)
{
    (void)state;
    softhsm_generate("alice", "P-256", "odd", "11");
    drop("odd", "pubkey");
    EVP_PKEY *other = software_key("P-256");
    put_certificate("odd", "11", other);
    assert_null(load_pem(good, persistent_pem(uri_of("odd"))));
    assert_non_null(strstr(queue_text(), "none there verifies what"));
    EVP_PKEY_free(other);
}

static int count_certificates(const char *uri, int expect)
{
    int seen = 0;
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, good, NULL, NULL, NULL, NULL, NULL, NULL);
    assert_non_null(store);
    if (expect != 0) {
        assert_int_equal(OSSL_STORE_expect(store, expect), 1);
    }
    while (OSSL_STORE_eof(store) == 0) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        seen += info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_CERT;
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return seen;
}

static void certificates_load_by_uri(void **state)
{
    (void)state;
    softhsm_generate("alice", "P-256", "both", "12");
    EVP_PKEY *public_key = softhsm_public_key("alice", "both", "12");
    put_certificate("both", "12", public_key);
    assert_int_equal(count_certificates("pkcs11:token=alice;id=%12;type=cert", 0), 1);
    assert_int_equal(count_certificates("pkcs11:token=alice;id=%12", OSSL_STORE_INFO_CERT), 1);
    assert_int_equal(count_certificates("pkcs11:token=alice;id=%12", 0), 1);
    assert_int_equal(count_certificates("pkcs11:token=alice;id=%12;type=private", 0), 0);
    assert_int_equal(count_certificates("pkcs11:token=alice;id=%12", OSSL_STORE_INFO_PKEY), 0);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(count_certificates("pkcs11:token=alice;object=ec", OSSL_STORE_INFO_CERT), 0);
    assert_non_null(strstr(queue_text(), "0 certificates on token \"alice\""));
    EVP_PKEY_free(public_key);
}

/* --- in the course of time --- */

static void a_key_made_anew_is_loaded_anew(void **state)
{
    (void)state;
    const char *pem = persistent_pem(uri_of("renewed"));
    softhsm_generate("alice", "P-256", "renewed", "20");
    EVP_PKEY *before = load_pem(good, pem);
    assert_non_null(before);
    drop("renewed", "privkey");
    drop("renewed", "pubkey");
    softhsm_generate("alice", "P-256", "renewed", "20");
    EVP_PKEY *public_key = softhsm_public_key("alice", "renewed", "20");
    EVP_PKEY *after = load_pem(good, pem);
    if (after == NULL) {
        fail_msg("%s", queue_text());
    }
    assert_int_equal(EVP_PKEY_eq(after, public_key), 1);
    assert_int_not_equal(EVP_PKEY_eq(before, after), 1);
    assert_true(signs_for(good, after, public_key));
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(before);
    EVP_PKEY_free(after);
}

static void a_token_that_is_away_costs_no_key_that_is_loaded(void **state)
{
    (void)state;
    const char *pem = persistent_pem(uri_of("ec"));
    EVP_PKEY *first = load_pem(good, pem);
    assert_non_null(first);
    softhsm_unplug();
    EVP_PKEY *meanwhile = load_pem(good, pem);
    bool signed_nothing = !signs_for(good, first, first);
    const char *queue = queue_text();
    softhsm_replug();
    assert_true(signed_nothing);
    assert_non_null(strstr(queue, "put it back"));
    assert_non_null(strstr(queue, "did not sign"));
    if (meanwhile == NULL) {
        fail_msg("%s", queue_text());
    }
    assert_is_token_key(good, meanwhile, &kinds[1]);
    assert_is_token_key(good, first, &kinds[1]);
}

/* --- bad references --- */

static const struct reference_row {
    const char *name;
    const char *uri;
    const char *piece;
} reference_rows[] = {
    { "no module in a reference", "pkcs11:token=alice;object=ec?module-path=/tmp/evil.so",
      "names a module or slot" },
    { "no module name either", "pkcs11:token=alice;object=ec?module-name=evil",
      "names a module or slot" },
    { "no slot", "pkcs11:slot-id=1;token=alice;object=ec", "names a module or slot" },
    { "no PIN in a reference", "pkcs11:token=alice;object=ec?pin-value=" SOFTHSM_PIN,
      "use pin-file" },
    { "no source of a PIN either", "pkcs11:token=alice;object=ec?pin-source=file:/etc/passwd",
      "use pin-file" },
    { "a public key is none", "pkcs11:token=alice;object=ec;type=public",
      "asks for another type than a private key" },
    { "not a token alone", "pkcs11:token=alice", "names no key" },
    { "not another scheme", "file:/etc/passwd", "not a PKCS#11 URI" },
    { "no such token", "pkcs11:token=nobody;object=ec", "no such token" },
    { "no such key lists those that are", "pkcs11:token=alice;object=nokey",
      "pkcs11:token=alice;id=%01;object=rsa" },
    { "a name of several lists them", "pkcs11:token=alice;object=twin", "2 private keys" },
    { "imported keys are refused", "pkcs11:token=alice;object=guest",
      "accept it by allow-imported = yes" },
    { "extractable keys are refused", "pkcs11:token=alice;object=loose",
      "accept it by allow-extractable = yes" },
};

static void assert_refused(OSSL_LIB_CTX *ctx, const char *pem, const char *uri, const char *piece)
{
    assert_null(pem != NULL ? load_pem(ctx, pem) : load_uri(ctx, uri));
    const char *queue = queue_text();
    if (strstr(queue, piece) == NULL) {
        fail_msg("\"%s\" is not in: %s", piece, queue);
    }
    assert_non_null(strstr(queue, "nodekey"));
    assert_null(strstr(queue, "node.")); /* words of another file */
    assert_null(strstr(queue, SOFTHSM_PIN));
}

static void check_reference_row(void **state)
{
    const struct reference_row *row = *state;
    ERR_clear_error();
    assert_refused(good, persistent_pem(row->uri), NULL, row->piece);
    if (strncmp(row->uri, "pkcs11:", 7) == 0) {
        assert_refused(good, NULL, row->uri, row->piece);
    }
}

static void damaged_references_are_refused(void **state)
{
    static const char uri[] = "pkcs11:token=alice;object=ec";
    static const char description[] = "PKCS#11 Provider URI v1.0";
    static const char piece[] = "write it again";
    (void)state;
    size_t len = strlen(uri);
    assert_refused(good, persistent_pem_as("PKCS#11 Provider URI v9.9", uri, len, 0), NULL, piece);
    assert_refused(good, persistent_pem_as("", uri, len, 0), NULL, piece);
    assert_refused(good, persistent_pem_as(description, uri, len, 1), NULL, piece);
    assert_refused(good, persistent_pem_as(description, uri, len, -1), NULL, piece);
    assert_refused(good, persistent_pem_as(description, uri, sizeof(uri), 0), NULL, piece);
    assert_refused(good, persistent_pem_as(description, uri, 0, 0), NULL, "not a PKCS#11 URI");
}

/* --- sections --- */

static const struct section_row {
    const char *name;
    const char *lines; /* %s: the folder */
    const char *piece; /* NULL: the key `object` loads */
    const char *object;
} section_rows[] = {
    { "an empty section", "", "add config = ", "ec" },
    { "a PIN without a module", "pin-file = %s/alice.pin", "add config = ", "ec" },
    { "a module without a PIN", "pkcs11-module = softhsm", "exactly one of pin-file", "ec" },
    { "two PINs", "pkcs11-module = softhsm\npin-file = %s/alice.pin\npin-credential = pin",
      "exactly one of pin-file", "ec" },
    { "a relative path", "pkcs11-module = softhsm\npin-file = alice.pin", "absolute path", "ec" },
    { "a PIN file that others can read", "pkcs11-module = softhsm\npin-file = %s/open.pin",
      "pin-file: ", "ec" },
    { "a PIN file that is not there", "pkcs11-module = softhsm\npin-file = %s/no.pin",
      "No such file", "ec" },
    { "a PIN file through a folder of everybody",
      "pkcs11-module = softhsm\npin-file = %s/everybodys/../alice.pin",
      "everybody may replace what is in it", "ec" },
    { "a module through one", "pin-file = /no.pin\npkcs11-module = %s/everybodys/../no.so",
      "everybody may replace what is in it", "ec" },
    { "a configuration file through one", "config = %s/everybodys/../alice.json",
      "everybody may replace what is in it", "ec" },
    { "a credential without systemd", "pkcs11-module = softhsm\npin-credential = pin",
      "pin-credential: CREDENTIALS_DIRECTORY", "ec" },
    { "a module that is not there", "pkcs11-module = /no/such.so\npin-file = %s/alice.pin",
      "pkcs11-module: ", "ec" },
    { "a state folder that is not there",
      "pkcs11-module = softhsm\npin-file = %s/alice.pin\nstate-dir = /no/such/folder",
      "state-dir: ", "ec" },
    { "neither yes nor no",
      "pkcs11-module = softhsm\npin-file = %s/alice.pin\nallow-imported = true",
      "allow-imported is yes or no, not \"true\"", "guest" },
    { "imported keys are allowed",
      "pkcs11-module = softhsm\npin-file = %s/alice.pin\nallow-imported = yes", NULL, "guest" },
    { "but extractable ones are not",
      "pkcs11-module = softhsm\npin-file = %s/alice.pin\nallow-imported = yes",
      "allow-extractable = yes", "loose" },
    { "extractable keys are allowed",
      "pkcs11-module = softhsm\npin-file = %s/alice.pin\nallow-imported = yes\n"
      "allow-extractable = yes",
      NULL, "loose" },
    { "no still is no", "pkcs11-module = softhsm\npin-file = %s/alice.pin\nallow-imported = no",
      "allow-imported = yes", "guest" },
    { "a configuration file", "config = %s/alice.json", NULL, "ec" },
    { "whose other role has other terms", "config = %s/alice.json", NULL, "guest" },
    { "which are not the server's", "config = %s/alice.json", "allow_imported", "guest2" },
    { "beside other words", "config = %s/alice.json\npkcs11-module = softhsm", "remove one", "ec" },
    { "a configuration file by a relative path", "config = alice.json", "absolute path", "ec" },
    { "a configuration file that is not there", "config = %s/no.json", "no.json", "ec" },
    { "a configuration file with an unknown member", "config = %s/typo.json", "modul", "ec" },
    { "a configuration file that wants a descriptor", "config = %s/fd.json",
      "use file or credential", "ec" },
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static const char *with_folder(const char *lines)
{
    return strstr(lines, "%s") != NULL ? path_of(lines, scratch_folder()) : lines;
}
#pragma GCC diagnostic pop

static void check_section_row(void **state)
{
    const struct section_row *row = *state;
    OSSL_LIB_CTX *ctx = cnf_context(cnf_write("row", with_folder(row->lines)));
    EVP_PKEY *loaded = load_pem(ctx, persistent_pem(uri_of(row->object)));
    const char *queue = queue_text();
    if (row->piece == NULL && loaded == NULL) {
        fail_msg("%s", queue);
    }
    if (row->piece != NULL && (loaded != NULL || strstr(queue, row->piece) == NULL)) {
        fail_msg("\"%s\" is not in: %s", row->piece, queue);
    }
    EVP_PKEY_free(loaded);
    OSSL_LIB_CTX_free(ctx);
}

/* --- the PIN --- */

static void a_wrong_pin_is_sent_once(void **state)
{
    (void)state;
    write_file(path_of("%s/bob.pin", scratch_folder()), "not-the-pin", 0600);
    const char *pem = persistent_pem("pkcs11:token=bob;object=ec");
    OSSL_LIB_CTX *ctx =
        cnf_context(cnf_write("wrong", path_of("pkcs11-module = %s\npin-file = %s/bob.pin",
                                               faulty_start(), scratch_folder())));
    assert_refused(ctx, pem, NULL, "refuses the PIN of pin-file");
    unsigned long before = faulty_count()->login;
    assert_int_equal(before, 1);
    for (int i = 0; i < 3; i++) {
        assert_refused(ctx, pem, NULL, "not sent again");
        assert_refused(ctx, NULL, "pkcs11:token=bob;object=ec", "not sent again");
    }
    assert_int_equal(faulty_count()->login, before);
    write_file(path_of("%s/bob.pin", scratch_folder()), SOFTHSM_PIN, 0600);
    EVP_PKEY *loaded = load_pem(ctx, pem);
    if (loaded == NULL) {
        fail_msg("%s", queue_text());
    }
    assert_int_equal(faulty_count()->login, before + 1);
    EVP_PKEY_free(loaded);
    OSSL_LIB_CTX_free(ctx);
}

/* --- a token that hangs --- */

static void a_hang_ends_loading_with_an_error(void **state)
{
    (void)state;
    const char *uri = "pkcs11:token=carol;object=ec";
    OSSL_LIB_CTX *ctx =
        cnf_context(cnf_write("hanging", path_of("config = %s/carol.json", scratch_folder())));
    faulty_set("login_hang=1");
    assert_null(load_uri(ctx, uri));
    assert_non_null(strstr(queue_text(), "has not come back from C_Login"));
    faulty_set("");
    EVP_PKEY *loaded = load_uri(ctx, uri);
    if (loaded == NULL) {
        fail_msg("%s", queue_text());
    }
    EVP_PKEY_free(loaded);
    OSSL_LIB_CTX_free(ctx);
}

/* --- ordinary keys --- */

static void ordinary_keys_stay_ordinary(void **state)
{
    static const char *const types[] = { "RSA", "EC", "ED25519" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        EVP_PKEY *key = i == 0   ? EVP_PKEY_Q_keygen(good, NULL, "RSA", (size_t)2048)
                        : i == 1 ? EVP_PKEY_Q_keygen(good, NULL, "EC", "P-256")
                                 : EVP_PKEY_Q_keygen(good, NULL, "ED25519");
        assert_non_null(key);
        char *pem = pem_of_key(key);
        EVP_PKEY *loaded = load_pem(good, pem);
        assert_non_null(loaded);
        assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), "default");
        assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(loaded)), "default");
        assert_true(signs_for(good, loaded, key));
        assert_int_equal(ERR_peek_error(), 0);
        EVP_PKEY_free(loaded);
        EVP_PKEY_free(key);
        free(pem);
    }
    EVP_MD *digest = EVP_MD_fetch(good, "SHA256", NULL);
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_MD_get0_provider(digest)), "default");
    EVP_MD_free(digest);
}

/* --- */

static const char *config(const char *pin, const char *more)
{
    return path_of("{\"version\": 1, \"node\": {\"module\": \"softhsm\", \"key\": "
                   "\"pkcs11:token=alice;object=ec\", \"certificate\": \"alice.pem\", \"pin\": "
                   "{%s}}, %s \"federation\": {\"roots\": [\"root.pem\"]}, "
                   "\"admit\": \"all-certified\"}",
                   pin, more);
}

static void write_configs(const char *folder)
{
    write_file(path_of("%s/alice.json", folder),
               config("\"file\": \"alice.pin\"",
                      "\"client\": {\"key\": \"pkcs11:token=alice;object=guest\", "
                      "\"allow_imported\": true},"),
               0600);
    write_file(path_of("%s/carol.json", folder),
               path_of("{\"version\": 1, \"node\": {\"module\": \"%s\", \"key\": "
                       "\"pkcs11:token=carol;object=ec\", \"certificate\": \"carol.pem\", "
                       "\"pin\": {\"file\": \"alice.pin\"}}, \"token\": "
                       "{\"login_timeout_ms\": 3000}, \"federation\": {\"roots\": "
                       "[\"root.pem\"]}, \"admit\": \"all-certified\"}",
                       faulty_start()),
               0600);
    write_file(path_of("%s/fd.json", folder), config("\"fd\": 7", ""), 0600);
    write_file(path_of("%s/typo.json", folder),
               config("\"file\": \"alice.pin\"", "\"client\": {\"modul\": \"softhsm\"},"), 0600);
}

static int start(void **state)
{
    (void)state;
    const char *folder = scratch_folder();
    softhsm_start();
    softhsm_token("alice");
    softhsm_token("bob");
    softhsm_generate("bob", "P-256", "ec", "01");
    softhsm_token("carol");
    softhsm_generate("carol", "P-256", "ec", "01");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        softhsm_generate("alice", kinds[i].type, kinds[i].object, kinds[i].id);
    }
    softhsm_generate("alice", "P-256", "twin", "04");
    softhsm_generate("alice", "P-256", "twin", "05");
    EVP_PKEY *key = software_key("P-256");
    softhsm_import("alice", key, "guest", "06", false);
    softhsm_import("alice", key, "guest2", "07", false);
    softhsm_import("alice", key, "loose", "08", true);
    EVP_PKEY_free(key);
    write_file(path_of("%s/alice.pin", folder), SOFTHSM_PIN "\n", 0600);
    assert_int_equal(mkdir(path_of("%s/everybodys", folder), 0700), 0);
    assert_int_equal(chmod(path_of("%s/everybodys", folder), 0777), 0);
    write_file(path_of("%s/open.pin", folder), SOFTHSM_PIN "\n", 0644);
    write_configs(folder);
    good_section = cnf_write("good", section_with("alice", ""));
    good = cnf_context(good_section);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    OSSL_LIB_CTX_free(good);
    return 0;
}

#define ADD_ROWS(rows, check)                                                                      \
    for (size_t i = 0; i < ARRAY_LEN(rows); i++, n++) {                                            \
        tests[n].name = (rows)[i].name;                                                            \
        tests[n].test_func = check;                                                                \
        tests[n].initial_state = (void *)(uintptr_t) & (rows)[i];                                  \
    }

int main(void)
{
    static const struct CMUnitTest single[] = {
        cmocka_unit_test(keys_load_from_pem),
        cmocka_unit_test(keys_load_from_pem_as_their_type),
        cmocka_unit_test(keys_load_from_der),
        cmocka_unit_test(keys_load_by_uri),
        cmocka_unit_test(threads_load_and_sign_at_once),
        cmocka_unit_test(a_second_context_has_the_same_key),
        cmocka_unit_test(the_public_half_may_be_in_a_certificate),
        cmocka_unit_test(a_certificate_of_another_key_is_refused),
        cmocka_unit_test(certificates_load_by_uri),
        cmocka_unit_test(a_key_made_anew_is_loaded_anew),
        cmocka_unit_test(a_token_that_is_away_costs_no_key_that_is_loaded),
        cmocka_unit_test(damaged_references_are_refused),
        cmocka_unit_test(ordinary_keys_stay_ordinary),
        cmocka_unit_test(a_wrong_pin_is_sent_once),
        cmocka_unit_test(a_hang_ends_loading_with_an_error),
    };
    struct CMUnitTest
        tests[ARRAY_LEN(single) + ARRAY_LEN(reference_rows) + ARRAY_LEN(section_rows)] = { 0 };
    size_t n = 0;
    ADD_ROWS(reference_rows, check_reference_row);
    ADD_ROWS(section_rows, check_section_row);
    memcpy(tests + n, single, sizeof(single));
    return cmocka_run_group_tests_name("provider_cnf", tests, start, stop);
}
