/* SPDX-License-Identifier: Apache-2.0
 * Flags of a token are hints: what C_Login answers decides, and it is asked once. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "hsm_admin.h"
#include "key/key_public.h"
#include "real/real_store.h"

#define LONG_MS 30000
#define WRONG "0000-wrong"

struct row {
    const char *name;
    const char *source;
    const char *script;
    const char *object;
    const char *pin; /* NULL: the right one */
    nk_status status;
    unsigned long logins;
};

#define CLOUDHSM "AWS CloudHSM: flags 0x404, without CKF_USER_PIN_INITIALIZED"
#define THALES "Thales, SafeNet: no CKF_LOGIN_REQUIRED, keys hidden all the same"
#define SAFETY "PIN safety"
#define NO_PIN_FLAG "clear_flags=0x8\n"

static const struct row rows[] = {
    { "1: no CKF_USER_PIN_INITIALIZED", CLOUDHSM, NO_PIN_FLAG, "a", NULL, NK_OK, 1 },
    { "1: the same, a wrong PIN", CLOUDHSM, NO_PIN_FLAG, "a", WRONG, NK_E_PIN, 1 },
    { "1: the same, no such key", CLOUDHSM, NO_PIN_FLAG, "misspelt", NULL, NK_E_IDENTITY, 1 },
    { "1: the same, on its last try (held)", SAFETY, NO_PIN_FLAG "flags=final_try", "a", NULL,
      NK_E_PIN, 0 },
    { "1: the same, locked (held)", SAFETY, NO_PIN_FLAG "flags=locked", "a", NULL, NK_E_PIN, 0 },
    { "1: no CKF_TOKEN_INITIALIZED (held)", SAFETY, "clear_flags=0x408", "a", NULL, NK_E_PIN, 0 },
    { "1: no CKF_LOGIN_REQUIRED", THALES, "no_login=1", "a", NULL, NK_OK, 1 },
    { "1: neither flag", THALES, "no_login=1\n" NO_PIN_FLAG, "a", NULL, NK_OK, 1 },
    { "1: no CKF_LOGIN_REQUIRED, a wrong PIN", THALES, "no_login=1", "a", WRONG, NK_E_PIN, 1 },
    { "1: no CKF_LOGIN_REQUIRED, no such key", THALES, "no_login=1", "misspelt", NULL,
      NK_E_IDENTITY, 1 },
    { "1: no CKF_LOGIN_REQUIRED, on its last try", SAFETY, "no_login=1\nflags=final_try", "a", NULL,
      NK_E_PIN, 0 },
    { "1: no CKF_LOGIN_REQUIRED, locked", SAFETY, "no_login=1\nflags=locked", "a", NULL, NK_E_PIN,
      0 },
    { "1: no CKF_LOGIN_REQUIRED, a login that does not exist", THALES,
      "no_login=1\nlogin_error=0x54", "a", NULL, NK_E_IDENTITY, 1 },
};

static const struct store_key one[STORE_KEYS_MAX] = { { "a", "01", "P-256" } };

static struct store make_store(const struct row *row)
{
    char uri[64];

    snprintf(uri, sizeof(uri), "object=%s", row->object);
    struct store store = store_make(one, uri, row->pin);
    store.identity.public_key = store.public_keys[0];
    store.identity.state_dir = path_of("%s/%s.state", scratch_folder(), store.identity.label);
    assert_int_equal(mkdir(store.identity.state_dir, 0700), 0);
    return store;
}

static void check_logins(struct store *store, unsigned long logins)
{
    assert_int_equal(faulty_count()->login - store->logins, logins);
    store_check_logins(store);
}

/* A PIN that was refused is not sent again; other errors cost one C_Login for each open. */
static void open_again(const struct row *row, struct store *store)
{
    struct hsm_key *key = NULL;
    nk_error err;

    store_note_logins(store);
    assert_int_equal(identity_open(&store->identity, &key, &err), row->status);
    check_logins(store, row->status == NK_E_PIN ? 0 : row->logins);
}

static void check_open(void **state)
{
    const struct row *row = *state;
    struct hsm_key *key = NULL;
    nk_error err;

    print_message("           source: %s\n", row->source);
    struct store store = make_store(row);
    faulty_set(row->script);
    store_note_logins(&store);
    nk_status status = identity_open(&store.identity, &key, &err);
    if (status != row->status) {
        fail_msg("status %d, %s", (int)status, err.text);
    }
    if (status == NK_OK) {
        EVP_PKEY *loaded = rig_load(key);
        assert_true(rig_signs(loaded, &store.identity));
        EVP_PKEY_free(loaded);
        rig_shut(key);
        check_logins(&store, row->logins);
    } else {
        check_logins(&store, row->logins);
        open_again(row, &store);
    }
    faulty_set("");
    store_free(&store);
}

/* --- the other askers --- */

/* The private key is among the objects, as `nodekey tokens --login` shows them. */
static void check_listing(struct store *store)
{
    const struct hsm_list_request request = {
        .module = faulty_path(),
        .label = store->identity.label,
        .pin = { .kind = HSM_PIN_FILE, .where = store->identity.pin_path, .fd = -1 },
    };
    struct hsm_listing listing;
    nk_error err = { .struct_size = sizeof(err) };
    size_t seen = 0;

    store_note_logins(store);
    assert_int_equal(hsm_list(&request, &listing, &err), NK_OK);
    for (size_t i = 0; i < listing.len; i++) {
        for (size_t j = 0; listing.tokens[i].logged_in && j < listing.tokens[i].len; j++) {
            seen += listing.tokens[i].objects[j].kind == HSM_PRIVATE_KEY ? 1 : 0;
        }
    }
    hsm_listing_clear(&listing);
    check_logins(store, 1);
    assert_int_equal(seen, 1);
}

static void check_provider_and_csr(const char *script)
{
    struct store store = make_store(&rows[0]);
    const struct hsm_key_request request = {
        .module = faulty_path(),
        .uri = store.identity.uri,
        .pin = { .kind = HSM_PIN_FILE, .where = store.identity.pin_path, .fd = -1 },
        .token = { .max_sessions = 4, .login_timeout_ms = LONG_MS },
    };
    struct token *token = NULL;
    struct hsm_admin *admin = NULL;
    EVP_PKEY *found = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    faulty_set(script);
    store_note_logins(&store);
    assert_int_equal(key_public_open(&request, &token, &found, &err), NK_OK);
    token_leave(token);
    EVP_PKEY_free(found);
    check_logins(&store, 1);
    store_note_logins(&store);
    assert_int_equal(hsm_admin_open(&request, &admin, &err), NK_OK);
    assert_int_equal(hsm_admin_public(admin, NULL, &found, &err), NK_OK);
    EVP_PKEY_free(found);
    hsm_admin_close(admin);
    check_logins(&store, 1);
    check_listing(&store);
    faulty_set("");
    store_free(&store);
}

static void provider_and_csr_without_the_pin_flag(void **state)
{
    (void)state;
    check_provider_and_csr(NO_PIN_FLAG);
}

static void provider_and_csr_without_login_required(void **state)
{
    (void)state;
    check_provider_and_csr("no_login=1");
}

static unsigned long logins_for_a_vanished_key(const char *script)
{
    struct store store = make_store(&rows[0]);
    struct hsm_key *key = NULL;
    nk_error err;

    faulty_set(script);
    assert_int_equal(identity_open(&store.identity, &key, &err), NK_OK);
    EVP_PKEY *loaded = rig_load(key);
    faulty_set(path_of("%s\nfind_instead=misspelt\nsign_error=0x82\n", script));
    store_note_logins(&store);
    for (int i = 0; i < 5; i++) {
        assert_false(rig_signs(loaded, &store.identity));
    }
    unsigned long logins = faulty_count()->login - store.logins;
    assert_int_equal(faulty_count()->login_failed, store.failed);
    faulty_set("");
    EVP_PKEY_free(loaded);
    rig_shut(key);
    store_free(&store);
    return logins;
}

/* Restarts of the module end the login, which is then made again where the token asks for it: where
 * it does not, nothing is added to that. */
static void a_vanished_key_costs_no_more_logins(void **state)
{
    (void)state;
    unsigned long asked = logins_for_a_vanished_key("");
    unsigned long unasked = logins_for_a_vanished_key("no_login=1");

    print_message("           C_Login: %lu where it is asked for, else %lu\n", asked, unasked);
    assert_in_range(unasked, 0, asked);
}

int main(void)
{
    store_start();
    ROWS_OF(rows, check_open);
    ROWS_TEST(provider_and_csr_without_the_pin_flag);
    ROWS_TEST(provider_and_csr_without_login_required);
    ROWS_TEST(a_vanished_key_costs_no_more_logins);
    return ROWS_RUN("real_tokens_flags", store_load_module, store_end);
}
