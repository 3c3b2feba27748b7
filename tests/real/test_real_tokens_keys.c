/* SPDX-License-Identifier: Apache-2.0
 * Which private key a URI names, where several objects share a label or an id. Each row is a token
 * of its own; its source is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define OBJECTS_MAX 4
#define NONE (-1)

struct object {
    const char *label;
    const char *id;
    const char *type; /* as in software_key; "copy": the imported copy of one software key */
};

struct row {
    const char *name;
    const char *source;
    struct object keys[OBJECTS_MAX]; /* pairs on the token; label NULL: no more */
    const char *uri;                 /* after "pkcs11:token=LABEL;" */
    int leaf;                        /* whose public key the certificate has; NONE: nobody's */
    const char *script;
    const char *pin; /* NULL: the right one */
    nk_status status;
    const char *says[3];
};

#define ID_SHARED "PKCS#11 2.40 section 4.4: CKA_ID need not be unique"
#define LABEL_SHARED "PKCS#11 2.40 section 4.4: CKA_LABEL is a description only"
#define RENEWED "renewal: the new key is made beside the old one"

static const struct row rows[] = {
    { .name = "3: two P-256 of one label, certificate of the second",
      .source = RENEWED,
      .keys = { { "identity", "01", "P-256" }, { "identity", "02", "P-256" } },
      .uri = "object=identity",
      .leaf = 1 },
    { .name = "3: two P-256 of one label, certificate of the first",
      .source = RENEWED,
      .keys = { { "identity", "01", "P-256" }, { "identity", "02", "P-256" } },
      .uri = "object=identity",
      .leaf = 0 },
    { .name = "3: two RSA of one id, certificate of the second",
      .source = ID_SHARED,
      .keys = { { "old", "01", "RSA-2048" }, { "new", "01", "RSA-2048" } },
      .uri = "id=%01",
      .leaf = 1 },
    { .name = "3: RSA and P-256 of one id, certificate of the RSA key",
      .source = ID_SHARED,
      .keys = { { "a", "01", "P-256" }, { "b", "01", "RSA-2048" } },
      .uri = "id=%01",
      .leaf = 1 },
    { .name = "3: P-384 and P-256 of one label, certificate of the P-256 key",
      .source = LABEL_SHARED,
      .keys = { { "a", "01", "P-384" }, { "a", "02", "P-256" } },
      .uri = "object=a",
      .leaf = 1 },
    { .name = "3: Ed25519 and P-256 of one label, certificate of the Ed25519 key",
      .source = LABEL_SHARED,
      .keys = { { "a", "01", "P-256" }, { "a", "02", "Ed25519" } },
      .uri = "object=a",
      .leaf = 1 },
    { .name = "3: two P-256, the token does not tell the curve",
      .source = "PKCS#11 2.40 section 2.3.4: attributes of private keys may be missing",
      .keys = { { "a", "01", "P-256" }, { "a", "02", "P-256" } },
      .uri = "object=a",
      .script = "attribute=0x180=",
      .leaf = 1 },
    { .name = "3: three of one label, two of another kind",
      .source = LABEL_SHARED,
      .keys = { { "a", "01", "RSA-2048" }, { "a", "02", "P-256" }, { "a", "03", "P-384" } },
      .uri = "object=a",
      .leaf = 2 },
    { .name = "3: none is the certificate's",
      .source = "certificate of a key that is on no token",
      .keys = { { "a", "01", "P-256" }, { "a", "02", "P-256" } },
      .uri = "object=a",
      .leaf = NONE,
      .status = NK_E_IDENTITY,
      .says = { "none of the 2 private keys", ";id=%01;object=a", ";id=%02;object=a" } },
    { .name = "3: two copies of the certificate's key",
      .source = "a backup restored beside the original",
      .keys = { { "a", "01", "copy" }, { "a", "02", "copy" }, { "a", "03", "P-256" } },
      .uri = "object=a",
      .leaf = 0,
      .status = NK_E_CONFIG,
      .says = { "2 private keys", ";id=%01;object=a", ";id=%02;object=a" } },
    { .name = "3: candidates of a label with blanks and umlauts are percent-encoded",
      .source = "RFC 7512 section 2.3",
      .keys = { { "my k\xc3\xa4y;x", "01", "P-256" }, { "my k\xc3\xa4y;x", "02", "P-256" } },
      .uri = "object=my%20k%C3%A4y%3bx",
      .leaf = NONE,
      .status = NK_E_IDENTITY,
      .says = { "object=my%20k%C3%A4y%3Bx", "id=%01", "id=%02" } },
    { .name = "3: a wrong PIN is sent once, whatever fits (held)",
      .source = "PIN safety",
      .keys = { { "a", "01", "P-256" }, { "a", "02", "P-256" } },
      .uri = "object=a",
      .leaf = 1,
      .pin = "0000-wrong",
      .status = NK_E_PIN },
    { .name = "3: on the last try no PIN is sent, whatever fits (held)",
      .source = "PIN safety",
      .keys = { { "a", "01", "P-256" }, { "a", "02", "P-256" } },
      .uri = "object=a",
      .leaf = 1,
      .script = "flags=final_try",
      .status = NK_E_PIN },
};

/* --- stores of objects --- */

static EVP_PKEY *copied; /* the software key of "copy" */

struct store {
    struct identity identity;
    EVP_PKEY *public_keys[OBJECTS_MAX];
    unsigned long logins, failed; /* before */
};

static EVP_PKEY *make_pair(const char *label, const struct object *object)
{
    if (strcmp(object->type, "copy") == 0) {
        softhsm_import(label, copied, object->label, object->id, false);
    } else {
        softhsm_generate(label, object->type, object->label, object->id);
    }
    return softhsm_public_key(label, object->label, object->id);
}

static struct store make_store(const struct row *row)
{
    static unsigned made;
    struct store store = { .identity.label = path_of("row-%u", made++) };
    const char *label = store.identity.label;

    softhsm_token(label);
    for (size_t i = 0; i < OBJECTS_MAX && row->keys[i].label != NULL; i++) {
        store.public_keys[i] = make_pair(label, &row->keys[i]);
    }
    store.identity.uri = path_of("pkcs11:token=%s;%s", label, row->uri);
    store.identity.pin_path = path_of("%s/%s.pin", scratch_folder(), label);
    store.identity.public_key =
        row->leaf == NONE ? software_key("P-256") : store.public_keys[row->leaf];
    identity_set_pin(&store.identity, row->pin != NULL ? row->pin : SOFTHSM_PIN);
    return store;
}

static void free_store(struct store *store, const struct row *row)
{
    if (row->leaf == NONE) {
        EVP_PKEY_free(store->identity.public_key);
    }
    for (size_t i = 0; i < OBJECTS_MAX; i++) {
        EVP_PKEY_free(store->public_keys[i]);
    }
}

static void note_logins(struct store *store)
{
    store->logins = faulty_count()->login;
    store->failed = faulty_count()->login_failed;
}

/* Never more than one wrong PIN, nor more than one for one open. */
static void check_logins(const struct store *store)
{
    print_message("           C_Login: %lu, of them refused: %lu\n",
                  faulty_count()->login - store->logins,
                  faulty_count()->login_failed - store->failed);
    assert_in_range(faulty_count()->login - store->logins, 0, 1);
    assert_in_range(faulty_count()->login_failed - store->failed, 0, 1);
}

/* --- tests --- */

static void check_text(const struct row *row, const nk_error *err)
{
    for (size_t i = 0; i < 3 && row->says[i] != NULL; i++) {
        if (strstr(err->text, row->says[i]) == NULL) {
            fail_msg("not said: %s: %s", row->says[i], err->text);
        }
    }
}

static void check_open(void **state)
{
    const struct row *row = *state;
    struct hsm_key *key = NULL;
    nk_error err;

    print_message("           source: %s\n", row->source);
    struct store store = make_store(row);
    faulty_set(row->script != NULL ? row->script : "");
    note_logins(&store);
    nk_status status = identity_open(&store.identity, &key, &err);
    check_logins(&store);
    if (status != row->status) {
        fail_msg("status %d, %s", (int)status, err.text);
    }
    if (status == NK_OK) {
        EVP_PKEY *loaded = rig_load(key);
        assert_true(rig_signs(loaded, &store.identity));
        EVP_PKEY_free(loaded);
        rig_shut(key);
    } else {
        check_text(row, &err);
    }
    faulty_set("");
    free_store(&store, row);
}

/* A login that was lost is made again, and the same key found by it. */
static void the_same_key_is_found_again(void **state)
{
    (void)state;
    const struct row *row = &rows[0];
    struct hsm_key *key = NULL;
    nk_error err;

    print_message("           source: network tokens log idle clients out\n");
    struct store store = make_store(row);
    assert_int_equal(identity_open(&store.identity, &key, &err), NK_OK);
    EVP_PKEY *loaded = rig_load(key);
    unsigned long failed = faulty_count()->login_failed;
    faulty_set("sign_error=0x101\nsign_error_at=1\n");
    assert_true(rig_signs(loaded, &store.identity));
    assert_int_equal(faulty_count()->login_failed, failed);
    faulty_set("");
    EVP_PKEY_free(loaded);
    rig_shut(key);
    free_store(&store, row);
}

/* What an error lists opens the key when it is pasted. */
static void a_listed_uri_can_be_pasted(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err;

    print_message("           source: RFC 7512 section 2.3\n");
    const struct row two = { .keys = { { "my k\xc3\xa4y;x", "01", "P-256" },
                                       { "my k\xc3\xa4y;x", "02", "P-256" } },
                             .uri = "",
                             .leaf = 1 };
    struct store store = make_store(&two);
    store.identity.uri = path_of("pkcs11:token=%s;object=misspelt", store.identity.label);
    assert_int_equal(identity_open(&store.identity, &key, &err), NK_E_IDENTITY);
    char *last = strstr(err.text, "id=%02");
    assert_non_null(last);
    while (strncmp(last, "pkcs11:", 7) != 0) {
        last--;
    }
    last[strcspn(last, " ,)")] = '\0';
    store.identity.uri = last;
    nk_error pasted;
    nk_status status = identity_open(&store.identity, &key, &pasted);
    if (status != NK_OK) {
        fail_msg("%s: %s", last, pasted.text);
    }
    rig_shut(key);
    free_store(&store, &two);
}

/* The module is loaded by the first open, and counts from there on. */
static void load_module(void)
{
    const struct row one = { .keys = { { "a", "01", "P-256" } }, .uri = "object=a" };
    struct hsm_key *key = NULL;
    nk_error err;

    struct store store = make_store(&one);
    if (identity_open(&store.identity, &key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    rig_shut(key);
    free_store(&store, &one);
}

static int set_up(void **state)
{
    (void)state;
    load_module();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(copied);
    return 0;
}

int main(void)
{
    softhsm_start();
    copied = software_key("P-256");
    rig_start(faulty_start());
    rig_set_terms(&(struct rig_terms){ .login_timeout_ms = 30000 });
    ROWS_OF(rows, check_open);
    ROWS_TEST(the_same_key_is_found_again);
    ROWS_TEST(a_listed_uri_can_be_pasted);
    return ROWS_RUN("real_tokens_keys", set_up, tear_down);
}
