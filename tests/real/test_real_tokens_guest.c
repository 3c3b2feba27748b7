/* SPDX-License-Identifier: Apache-2.0
 * The program has started the module, so a login would be its login, too: none that the token does
 * not ask for. */
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "real/real_store.h"

struct row {
    const char *name;
    const char *source;
    const char *script;
    nk_status status;
    unsigned long logins;
};

static const struct row rows[] = {
    { "1: as a guest, a token that asks for a login (held)", "PKCS#11 2.40 section 5.4: one login",
      "", NK_OK, 1 },
    { "1: as a guest, no CKF_USER_PIN_INITIALIZED", "AWS CloudHSM: flags 0x404", "clear_flags=0x8",
      NK_OK, 1 },
    { "1: as a guest, no CKF_LOGIN_REQUIRED (held)", "PKCS#11 2.40 section 5.4: one login",
      "no_login=1", NK_E_IDENTITY, 0 },
};

static struct store stores[sizeof(rows) / sizeof(rows[0])];

static void check_open(void **state)
{
    const struct row *row = *state;
    struct store *store = &stores[row - rows];
    struct hsm_key *key = NULL;
    nk_error err;

    print_message("           source: %s\n", row->source);
    faulty_set(row->script);
    store_note_logins(store);
    nk_status status = identity_open(&store->identity, &key, &err);
    if (status != row->status) {
        fail_msg("status %d, %s", (int)status, err.text);
    }
    if (status == NK_OK) {
        rig_shut(key);
    }
    assert_int_equal(faulty_count()->login - store->logins, row->logins);
    store_check_logins(store);
    faulty_set("");
}

/* SoftHSM sees the tokens that are there when it starts. */
static int set_up(void **state)
{
    static const struct store_key one[STORE_KEYS_MAX] = { { "a", "01", "P-256" } };
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        stores[i] = store_make(one, "object=a", NULL);
        stores[i].identity.public_key = stores[i].public_keys[0];
    }
    return rig_other_user(faulty_path())->C_Initialize(&args) == CKR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        store_free(&stores[i]);
    }
    return store_end(state);
}

int main(void)
{
    store_start();
    ROWS_OF(rows, check_open);
    return ROWS_RUN("real_tokens_guest", set_up, tear_down);
}
