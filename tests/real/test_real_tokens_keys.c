/* SPDX-License-Identifier: Apache-2.0
 * Which private key a URI names, where several objects share a label or an id. Each row is a token
 * of its own; its source is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"
#include "real/real_store.h"

#define NONE (-1)

struct row {
    const char *name;
    const char *source;
    struct store_key keys[STORE_KEYS_MAX]; /* pairs on the token; label NULL: no more */
    const char *uri;                       /* after "pkcs11:token=LABEL;" */
    int leaf; /* whose public key the certificate has; NONE: nobody's */
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

static struct store make_store(const struct row *row)
{
    struct store store = store_make(row->keys, row->uri, row->pin);

    store.identity.public_key =
        row->leaf == NONE ? software_key("P-256") : store.public_keys[row->leaf];
    return store;
}

static void free_store(struct store *store, const struct row *row)
{
    if (row->leaf == NONE) {
        EVP_PKEY_free(store->identity.public_key);
    }
    store_free(store);
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
    store_note_logins(&store);
    nk_status status = identity_open(&store.identity, &key, &err);
    store_check_logins(&store);
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

int main(void)
{
    store_start();
    ROWS_OF(rows, check_open);
    ROWS_TEST(the_same_key_is_found_again);
    ROWS_TEST(a_listed_uri_can_be_pasted);
    return ROWS_RUN("real_tokens_keys", store_load_module, store_end);
}
