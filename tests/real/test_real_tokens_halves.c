/* SPDX-License-Identifier: Apache-2.0
 * The public half of a private key, where objects that share an id or a label do not agree, or none
 * is there: the provider and `nodekey csr' find the one that a test signature proves. In each store
 * they, `open' and the URIs that `nodekey tokens' prints agree on which key a URI names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "hsm_admin.h"
#include "key/key_public.h"
#include "real/real_store.h"

#define DEEDS_MAX 4
#define OTHER (-1) /* a key that is on no token */
#define LONG_MS 30000

enum what { NOTHING, DROP_PUBLIC, PUT_PUBLIC, PUT_CERTIFICATE };

struct deed {
    enum what what;
    int of; /* whose public key is put */
    const char *label;
    const char *id;
};

enum half { TOLD, UNTOLD, SEVERAL };

struct row {
    const char *name;
    const char *source;
    struct store_key keys[STORE_KEYS_MAX];
    struct deed deeds[DEEDS_MAX];
    const char *uri;
    int half;           /* which public key is the half */
    bool in_use;        /* node.certificate is there, for that key */
    enum half provider; /* as told to who has a URI alone */
    enum half csr;      /* and node.certificate besides, if it is there */
    bool alike;         /* two private keys have both label and id in common */
};

#define ID_SHARED "PKCS#11 2.40 section 4.4: CKA_ID need not be unique"
#define REGENERATED "a key made anew under its name, whose old public object stayed"
#define CA_UNDER_ID "PIV and kmsp11: certificates of issuers under the id of the leaf"
#define NO_PUBLIC "cards and HSMs that keep no public key objects"
#define RENEWAL "renewal: the new key is made beside the old one"

static const struct row rows[] = {
    { .name = "2: two P-256 of one id, the first by its label",
      .source = ID_SHARED,
      .keys = { { "a", "01", "P-256" }, { "b", "01", "P-256" } },
      .uri = "object=a",
      .half = 0 },
    { .name = "2: two P-256 of one id, the second by its label",
      .source = ID_SHARED,
      .keys = { { "a", "01", "P-256" }, { "b", "01", "P-256" } },
      .uri = "object=b",
      .half = 1 },
    { .name = "2: a P-384 and a P-256 of one id, by the label of the second (by chance)",
      .source = ID_SHARED,
      .keys = { { "a", "01", "P-384" }, { "b", "01", "P-256" } },
      .uri = "object=b",
      .half = 1 },
    { .name = "2: Ed25519 under the id of a P-256 key (held)",
      .source = ID_SHARED,
      .keys = { { "a", "01", "P-256" }, { "b", "01", "Ed25519" } },
      .uri = "object=b",
      .half = 1 },
    { .name = "2: RSA tells itself, whatever else has its id (held)",
      .source = ID_SHARED,
      .keys = { { "a", "01", "RSA-2048" }, { "b", "01", "P-256" } },
      .deeds = { { PUT_PUBLIC, OTHER, "a", "01" } },
      .uri = "object=a",
      .half = 0 },
    { .name = "2: an old public object under id and label, the certificate under another id",
      .source = REGENERATED,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" },
                 { PUT_PUBLIC, OTHER, "a", "01" },
                 { PUT_CERTIFICATE, 0, "leaf", "77" } },
      .uri = "object=a",
      .half = 0 },
    { .name = "2: an old public object, the new one under the label alone",
      .source = REGENERATED,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" },
                 { PUT_PUBLIC, OTHER, "x", "01" },
                 { PUT_PUBLIC, 0, "a", "55" } },
      .uri = "object=a",
      .half = 0 },
    { .name = "2: an old public object, and node.certificate is for the new key",
      .source = REGENERATED,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" }, { PUT_PUBLIC, OTHER, "a", "01" } },
      .uri = "object=a",
      .half = 0,
      .in_use = true,
      .provider = UNTOLD },
    { .name = "2: a CA's certificate under the id, the leaf under the label",
      .source = CA_UNDER_ID,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" },
                 { PUT_CERTIFICATE, OTHER, "ca", "01" },
                 { PUT_CERTIFICATE, 0, "a", "02" } },
      .uri = "object=a",
      .half = 0 },
    { .name = "2: a CA's certificate under the id, the leaf elsewhere",
      .source = CA_UNDER_ID,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" },
                 { PUT_CERTIFICATE, OTHER, "ca", "01" },
                 { PUT_CERTIFICATE, 0, "leaf", "02" } },
      .uri = "object=a",
      .half = 0 },
    { .name = "2: no public object, a certificate under another id and label",
      .source = NO_PUBLIC,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" }, { PUT_CERTIFICATE, 0, "leaf", "02" } },
      .uri = "object=a",
      .half = 0 },
    { .name = "2: no public object, node.certificate is there",
      .source = NO_PUBLIC,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" } },
      .uri = "object=a",
      .half = 0,
      .in_use = true,
      .provider = UNTOLD },
    { .name = "2: no public object and no certificate (held)",
      .source = NO_PUBLIC,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" } },
      .uri = "object=a",
      .half = 0,
      .provider = UNTOLD,
      .csr = UNTOLD },
    { .name = "2: another's public object alone",
      .source = REGENERATED,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" }, { PUT_PUBLIC, OTHER, "a", "01" } },
      .uri = "object=a",
      .half = 0,
      .provider = UNTOLD,
      .csr = UNTOLD },
    { .name = "2: two private keys of one label, node.certificate tells csr which",
      .source = RENEWAL,
      .keys = { { "a", "01", "P-256" }, { "a", "02", "P-256" } },
      .uri = "object=a",
      .half = 1,
      .in_use = true,
      .provider = SEVERAL },
    { .name = "2: two private keys of one label, and no certificate",
      .source = RENEWAL,
      .keys = { { "a", "01", "P-256" }, { "a", "02", "P-256" } },
      .uri = "object=a",
      .half = 1,
      .provider = SEVERAL,
      .csr = SEVERAL },
    { .name = "2: two private keys of one label and one id, node.certificate tells csr which",
      .source = ID_SHARED,
      .keys = { { "a", "01", "P-256" }, { "a", "01", "copy" } },
      .uri = "id=%01;object=a",
      .half = 0,
      .in_use = true,
      .provider = SEVERAL,
      .alike = true },
    { .name = "2: a renewed key of another kind, node.certificate tells csr which",
      .source = RENEWAL,
      .keys = { { "a", "01", "RSA-2048" }, { "a", "02", "P-256" } },
      .uri = "object=a",
      .half = 1,
      .in_use = true,
      .provider = SEVERAL },
    { .name = "2: the old key's certificate under id and label of the new pair (held)",
      .source = REGENERATED,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { PUT_CERTIFICATE, OTHER, "a", "01" } },
      .uri = "object=a",
      .half = 0 },
    { .name = "2: the old key's certificate under id and label, and no public object",
      .source = REGENERATED,
      .keys = { { "a", "01", "P-256" } },
      .deeds = { { DROP_PUBLIC, 0, "a", "01" },
                 { PUT_CERTIFICATE, OTHER, "a", "01" },
                 { PUT_CERTIFICATE, 0, "new", "03" } },
      .uri = "id=%01",
      .half = 0 },
};

/* --- stores --- */

static EVP_PKEY *other;

static void tool(const struct identity *identity, const char *const *more)
{
    const char *argv[24] = { "pkcs11-tool",   "--module", SOFTHSM_MODULE, "--token-label",
                             identity->label, "--login",  "--pin",        SOFTHSM_PIN };
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

static void write_der(const char *path, const struct deed *deed, EVP_PKEY *key)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    if (deed->what == PUT_PUBLIC) {
        assert_int_equal(i2d_PUBKEY_fp(file, key), 1);
    } else {
        struct authority root = authority_make(NULL, "root", NULL);
        X509 *certificate = authority_issue(&root, key, NULL);
        assert_int_equal(i2d_X509_fp(file, certificate), 1);
        X509_free(certificate);
        authority_free(&root);
    }
    fclose(file);
}

static void do_deed(const struct store *store, const struct deed *deed)
{
    const char *path = path_of("%s/object.der", scratch_folder());

    if (deed->what == DROP_PUBLIC) {
        tool(&store->identity,
             (const char *const[]){ "--delete-object", "--type", "pubkey", "--label", deed->label,
                                    "--id", deed->id, NULL });
        return;
    }
    write_der(path, deed, deed->of == OTHER ? other : store->public_keys[deed->of]);
    tool(&store->identity, (const char *const[]){ "--write-object", path, "--type",
                                                  deed->what == PUT_PUBLIC ? "pubkey" : "cert",
                                                  "--label", deed->label, "--id", deed->id, NULL });
}

/* --- who asks --- */

static void check_half(const char *asker, enum half wanted, nk_status status, const nk_error *err,
                       EVP_PKEY *found, EVP_PKEY *half)
{
    static const nk_status statuses[] = { NK_OK, NK_E_IDENTITY, NK_E_CONFIG };
    static const char *const texts[] = { "", "does not tell the public half",
                                         "2 private keys on token" };

    if (status != statuses[wanted] || strstr(err->text, texts[wanted]) == NULL) {
        fail_msg("%s: status %d, %s", asker, (int)status, err->text);
    }
    if (status == NK_OK && EVP_PKEY_eq(found, half) != 1) {
        fail_msg("%s: another key's half", asker);
    }
}

static struct hsm_key_request request_for(const struct identity *identity)
{
    return (struct hsm_key_request){
        .module = faulty_path(),
        .uri = identity->uri,
        .pin = { .kind = HSM_PIN_FILE, .where = identity->pin_path, .fd = -1 },
        .token = { .max_sessions = 4, .login_timeout_ms = LONG_MS },
    };
}

static void ask_provider(struct store *store, const struct row *row)
{
    const struct hsm_key_request request = request_for(&store->identity);
    struct token *token = NULL;
    EVP_PKEY *found = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    store_note_logins(store);
    nk_status status = key_public_open(&request, &token, &found, &err);
    if (status == NK_OK) {
        token_leave(token);
    }
    store_check_logins(store);
    check_half("provider", row->provider, status, &err, found, store->identity.public_key);
    EVP_PKEY_free(found);
}

static void ask_for_csr(struct store *store, const struct row *row)
{
    const struct hsm_key_request request = request_for(&store->identity);
    EVP_PKEY *hint = row->in_use ? store->identity.public_key : NULL;
    struct hsm_admin *admin = NULL;
    struct hsm_key *key = NULL;
    EVP_PKEY *found = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    store_note_logins(store);
    assert_int_equal(hsm_admin_open(&request, &admin, &err), NK_OK);
    nk_status status = hsm_admin_public(admin, hint, &found, &err);
    if (status == NK_OK && (status = hsm_admin_use(admin, found, NULL, &key, &err)) == NK_OK) {
        rig_shut(key);
    }
    hsm_admin_close(admin);
    store_check_logins(store);
    check_half("csr", row->csr, status, &err, found, store->identity.public_key);
    EVP_PKEY_free(found);
}

static void ask_open(struct store *store)
{
    struct hsm_key *key = NULL;
    nk_error err;

    store_note_logins(store);
    if (identity_open(&store->identity, &key, &err) != NK_OK) {
        fail_msg("open: %s", err.text);
    }
    rig_shut(key);
    store_check_logins(store);
}

static bool opens(const struct identity *identity)
{
    struct hsm_key *key = NULL;
    nk_error err;

    if (identity_open(identity, &key, &err) != NK_OK) {
        return false;
    }
    rig_shut(key);
    return true;
}

/* Pastes what is printed for the private keys that the row's URI names. */
static void paste(const struct store *store, const struct row *row, const struct hsm_token *token)
{
    struct identity pasted = store->identity;
    size_t named = 0, opened = 0;

    assert_true(token->logged_in);
    for (size_t i = 0; i < token->len; i++) {
        const struct hsm_object *object = &token->objects[i];
        if (object->kind == HSM_PRIVATE_KEY && strstr(object->uri, row->uri) != NULL) {
            pasted.uri = object->uri;
            named++;
            opened += opens(&pasted) ? 1 : 0;
        }
    }
    assert_int_equal(named, row->provider == SEVERAL ? 2 : 1);
    assert_int_equal(opened, row->alike ? 2 : 1);
}

static void ask_tokens(struct store *store, const struct row *row)
{
    const struct hsm_list_request request = {
        .module = faulty_path(),
        .label = store->identity.label,
        .pin = { .kind = HSM_PIN_FILE, .where = store->identity.pin_path, .fd = -1 },
    };
    struct hsm_listing listing;
    nk_error err = { .struct_size = sizeof(err) };

    store_note_logins(store);
    assert_int_equal(hsm_list(&request, &listing, &err), NK_OK);
    store_check_logins(store);
    for (size_t i = 0; i < listing.len; i++) {
        if (strcmp(listing.tokens[i].label, store->identity.label) == 0) {
            paste(store, row, &listing.tokens[i]);
        }
    }
    hsm_listing_clear(&listing);
}

static void check_row(void **state)
{
    const struct row *row = *state;

    print_message("           source: %s\n", row->source);
    struct store store = store_make(row->keys, row->uri, NULL);
    store.identity.public_key = store.public_keys[row->half];
    for (size_t i = 0; i < DEEDS_MAX && row->deeds[i].what != NOTHING; i++) {
        do_deed(&store, &row->deeds[i]);
    }
    ask_provider(&store, row);
    ask_for_csr(&store, row);
    ask_open(&store);
    ask_tokens(&store, row);
    store_free(&store);
}

static void a_wrong_pin_is_sent_once(void **state)
{
    (void)state;
    struct token *token = NULL;
    EVP_PKEY *found = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    struct store store = store_make(rows[0].keys, rows[0].uri, "0000-wrong");
    const struct hsm_key_request request = request_for(&store.identity);

    store_note_logins(&store);
    assert_int_equal(key_public_open(&request, &token, &found, &err), NK_E_PIN);
    store_check_logins(&store);
    store_free(&store);
}

int main(void)
{
    store_start();
    other = software_key("P-256");
    ROWS_OF(rows, check_row);
    ROWS_TEST(a_wrong_pin_is_sent_once);
    int failed = ROWS_RUN("real_tokens_halves", store_load_module, store_end);
    EVP_PKEY_free(other);
    return failed;
}
