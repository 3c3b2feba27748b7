/* SPDX-License-Identifier: Apache-2.0
 * Every kind of key, by both tables: generated on a token, described, proven, signed with,
 * verified, and called the same by the token side, by rules and by the published schema. */
#include <regex.h>
#include <string.h>

#include <jansson.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"
#include "hsm_admin.h"
#include "rules/rules.h"
#include "scheme/key_kinds.h"
#include "trust/key_types.h"

#define TYPES_MAX 16

static nk_error err = { .struct_size = sizeof(err) };

static struct hsm_key_request request_for(const struct identity *identity)
{
    return (struct hsm_key_request){
        .module = SOFTHSM_MODULE,
        .uri = identity->uri,
        .pin = { .kind = HSM_PIN_FILE, .where = identity->pin_path, .fd = -1 },
        .token = HSM_TOKEN_DEFAULTS,
    };
}

static struct identity identity_of(const char *type)
{
    struct identity identity = {
        .label = "kinds",
        .uri = path_of("pkcs11:token=kinds;object=%s", type),
        .pin_path = path_of("%s/kinds.pin", scratch_folder()),
    };
    identity_set_pin(&identity, SOFTHSM_PIN);
    return identity;
}

static void generate_key(struct identity *identity, const char *type)
{
    const struct hsm_key_request request = request_for(identity);
    struct hsm_admin *admin = NULL;
    EVP_PKEY *found = NULL;

    assert_int_equal(hsm_admin_open(&request, &admin, &err), NK_OK);
    assert_int_equal(hsm_admin_generate(admin, type, &identity->public_key, &err), NK_OK);
    assert_int_equal(hsm_admin_public(admin, NULL, &found, &err), NK_OK);
    assert_int_equal(EVP_PKEY_eq(found, identity->public_key), 1);
    EVP_PKEY_free(found);
    hsm_admin_close(admin);
}

static void check_description(const struct identity *identity, const char *type)
{
    const struct hsm_list_request request = {
        .module = SOFTHSM_MODULE,
        .label = identity->label,
        .pin = { .kind = HSM_PIN_FILE, .where = identity->pin_path, .fd = -1 }
    };
    struct hsm_listing listing;
    size_t described = 0;

    assert_int_equal(hsm_list(&request, &listing, &err), NK_OK);
    for (size_t i = 0; i < listing.len; i++) {
        for (size_t j = 0; j < listing.tokens[i].len; j++) {
            const struct hsm_object *object = &listing.tokens[i].objects[j];
            if (strcmp(object->label, type) == 0) {
                assert_string_equal(object->type, type);
                described++;
            }
        }
    }
    assert_int_equal(described, 2); /* both halves */
    hsm_listing_clear(&listing);
}

static void a_key_is_generated_described_and_signs(void **state)
{
    const char *type = *state;
    struct identity identity = identity_of(type);
    struct hsm_key *key = NULL;

    generate_key(&identity, type);
    check_description(&identity, type);
    assert_int_equal(identity_open(&identity, &key, &err), NK_OK); /* each scheme is proven */
    EVP_PKEY *loaded = rig_load(key);
    assert_non_null(loaded);
    assert_true(rig_signs(loaded, &identity));
    EVP_PKEY_free(loaded);
    rig_shut(key);

    char text[KEY_KIND_TEXT_BYTES];
    key_kind_print(identity.public_key, text);
    assert_string_equal(text, type);
    key_type_text(identity.public_key, text, sizeof(text));
    assert_string_equal(text, type);
    identity_free(&identity);
}

/* --- names --- */

static json_t *schema;

static const json_t *find_member(const json_t *value, const char *name)
{
    const char *key = NULL;
    const json_t *found = json_object_get(value, name);
    json_t *member = NULL;

    json_object_foreach((json_t *)value, key, member)
    {
        found = found != NULL ? found : find_member(member, name);
    }
    return found;
}

static void check_name(const char *name)
{
    const json_t *key_types = find_member(schema, "key_types");
    struct rule_list list = { 0 };
    regex_t pattern;

    assert_int_equal(rule_list_append(&list, "r", NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER, &err),
                     NK_OK);
    assert_int_equal(rule_list_add(&list, RULE_KEY_TYPES, name, &err), NK_OK);
    rule_list_clear(&list);

    const char *described = json_string_value(json_object_get(key_types, "description"));
    assert_non_null(strstr(described, name));
    const json_t *items = json_object_get(key_types, "items");
    const char *text = json_string_value(json_object_get(items, "pattern"));
    assert_int_equal(regcomp(&pattern, text, REG_EXTENDED | REG_NOSUB), 0);
    assert_int_equal(regexec(&pattern, name, 0, NULL, 0), 0);
    regfree(&pattern);
}

static void both_halves_and_the_schema_say_the_same_names(void **state)
{
    const struct key_kind *kind = NULL;
    const struct key_type *type = NULL;
    size_t sized = 0;
    size_t kinds = 0;
    size_t rows = 0;

    (void)state;
    for (; (kind = key_kind_at(kinds)) != NULL; kinds++) {
        check_name(kind->form == KEY_RSA ? "RSA" : kind->name);
        sized += kind->form == KEY_RSA;
    }
    for (; (type = key_type_at(rows)) != NULL; rows++) {
        kind = key_kind_named(type->name);
        assert_non_null(kind);
        assert_string_equal(kind->name, type->name);
        assert_non_null(strstr(KEY_TYPES_TAKEN, type->name));
    }
    assert_int_equal(rows + sized, kinds);
    assert_int_equal(sized, 3); /* RSA has no row among the types of rules */
}

static void other_words_are_no_kinds(void **state)
{
    static const char *const bad[] = { "",      "RSA",   "RSA-1024", "RSA-20480",
                                       "p-256", "P-224", "Ed25519 ", "EC" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_null(key_kind_named(bad[i]));
    }
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("kinds");
    rig_start(SOFTHSM_MODULE);
    schema = json_load_file(NODEKEY_SCHEMA, 0, NULL);
    return schema != NULL ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    json_decref(schema);
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[TYPES_MAX + 2] = {
        cmocka_unit_test(both_halves_and_the_schema_say_the_same_names),
        cmocka_unit_test(other_words_are_no_kinds),
    };
    size_t len = 2;

    for (size_t i = 0; i < TYPES_MAX && hsm_key_type(i) != NULL; i++) {
        tests[len++] = (struct CMUnitTest){ .name = hsm_key_type(i),
                                            .test_func = a_key_is_generated_described_and_signs,
                                            .initial_state = (void *)(uintptr_t)hsm_key_type(i) };
    }
    return _cmocka_run_group_tests("key_kinds", tests, len, start, stop);
}
