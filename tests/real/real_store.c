/* SPDX-License-Identifier: Apache-2.0 */
#include "real/real_store.h"

#include <string.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"

#define LONG_MS 30000

static EVP_PKEY *copied; /* the software key of "copy" */

static EVP_PKEY *make_pair(const char *label, const struct store_key *key)
{
    if (strcmp(key->type, "copy") == 0) {
        softhsm_import(label, copied, key->label, key->id, false);
        EVP_PKEY_up_ref(copied);
        return copied;
    }
    softhsm_generate(label, key->type, key->label, key->id);
    return softhsm_public_key(label, key->label, key->id);
}

struct store store_make(const struct store_key *keys, const char *uri, const char *pin)
{
    static unsigned made;
    struct store store = { .identity.label = path_of("row-%u", made++) };
    const char *label = store.identity.label;

    softhsm_token(label);
    for (size_t i = 0; i < STORE_KEYS_MAX && keys[i].label != NULL; i++) {
        store.public_keys[i] = make_pair(label, &keys[i]);
    }
    store.identity.uri = path_of("pkcs11:token=%s;%s", label, uri);
    store.identity.pin_path = path_of("%s/%s.pin", scratch_folder(), label);
    identity_set_pin(&store.identity, pin != NULL ? pin : SOFTHSM_PIN);
    return store;
}

void store_free(struct store *store)
{
    for (size_t i = 0; i < STORE_KEYS_MAX; i++) {
        EVP_PKEY_free(store->public_keys[i]);
    }
}

void store_note_logins(struct store *store)
{
    store->logins = faulty_count()->login;
    store->failed = faulty_count()->login_failed;
}

void store_check_logins(const struct store *store)
{
    unsigned long logins = faulty_count()->login - store->logins;
    unsigned long failed = faulty_count()->login_failed - store->failed;

    print_message("           C_Login: %lu, of them refused: %lu\n", logins, failed);
    assert_in_range(logins, 0, 1);
    assert_in_range(failed, 0, 1);
}

int store_load_module(void **state)
{
    static const struct store_key one[STORE_KEYS_MAX] = { { "a", "01", "P-256" } };
    struct hsm_key *key = NULL;
    nk_error err;

    (void)state;
    struct store store = store_make(one, "object=a", NULL);
    store.identity.public_key = store.public_keys[0];
    if (identity_open(&store.identity, &key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    rig_shut(key);
    store_free(&store);
    return 0;
}

int store_end(void **state)
{
    (void)state;
    EVP_PKEY_free(copied);
    return 0;
}

struct recorder *store_start(void)
{
    softhsm_start();
    copied = software_key("P-256");
    struct recorder *recorder = rig_start(faulty_start());
    rig_set_terms(&(struct rig_terms){ .login_timeout_ms = LONG_MS });
    return recorder;
}
