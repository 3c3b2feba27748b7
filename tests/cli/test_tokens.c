/* SPDX-License-Identifier: Apache-2.0
 * `nodekey tokens` and `nodekey init` on real tokens, as an operator runs them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/auto.h"
#include "cli/nodekey_run.h"
#include "fixtures/authority.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

/* The module and the trust side; init needs neither roots nor certificate to be there. */
#define CONFIG(key)                                                                                \
    "{\"version\": 1, \"node\": {\"module\": \"softhsm\", \"key\": \"" key                         \
    "\", \"certificate\": \"node.pem\", \"pin\": {\"file\": \"node.pin\"}},\n"                     \
    "\"federation\": {\"roots\": [\"ca.pem\"]}, \"admit\": []}"

static const struct file {
    const char *name, *text;
    unsigned mode;
} files[] = {
    { "a.json", CONFIG("pkcs11:token=alpha;object=identity"), 0644 },
    { "new.json", CONFIG("pkcs11:token=fresh;object=identity"), 0644 },
    { "unnamed.json", CONFIG("pkcs11:object=identity"), 0644 },
    { "serial.json", CONFIG("pkcs11:token=fresh;serial=00;object=identity"), 0644 },
    { "other-model.json", CONFIG("pkcs11:token=fresh;model=TPM;object=identity"), 0644 },
    { "typed.json",
      "{\"version\": 1, \"node\": {\"module\": \"softhsm\", \"key\": "
      "\"pkcs11:token=typed;object=identity\", "
      "\"certificate\": \"node.pem\", \"pin\": {\"prompt\": true}}, "
      "\"federation\": {\"roots\": [\"ca.pem\"]}, \"admit\": []}",
      0644 },
    { "node.pin", SOFTHSM_PIN "\n", 0600 },
    { "so.pin", SOFTHSM_SO_PIN "\n", 0600 },
    { "open.pin", SOFTHSM_SO_PIN "\n", 0644 },
    { "short.pin", "12\n", 0600 },
    { "wrong.pin", "0000-wrong\n", 0600 },
};

static json_t *list(const char *arguments)
{
    struct nodekey_end end = nodekey_run(scratch_folder(), arguments, NULL);
    if (end.code != 0) {
        fail_msg("nodekey %s: %s", arguments, end.err);
    }
    json_t *all = json_loads(end.out, 0, NULL);
    nodekey_end_clear(&end);
    assert_true(json_is_array(all));
    return all;
}

/* Borrowed; NULL: none. `nth` of those with this label, which may be NULL: blank. */
static json_t *token_in(const json_t *all, const char *label, size_t nth)
{
    size_t i = 0;
    json_t *token = NULL;
    json_array_foreach(all, i, token)
    {
        const char *its = json_string_value(json_object_get(token, "label"));
        bool same = label == NULL || its == NULL ? label == its : strcmp(label, its) == 0;
        if (same && nth-- == 0) {
            return token;
        }
    }
    return NULL;
}

static json_t *object_in(const json_t *token, const char *kind)
{
    size_t i = 0;
    json_t *object = NULL;
    json_array_foreach(json_object_get(token, "objects"), i, object)
    {
        if (strcmp(json_string_value(json_object_get(object, "kind")), kind) == 0) {
            return object;
        }
    }
    return NULL;
}

static void require_text(const json_t *object, const char *member, const char *text)
{
    const char *its = json_string_value(json_object_get(object, member));
    assert_non_null(its);
    assert_string_equal(its, text);
}

/* --- tokens --- */

static void without_login_the_public_objects(void **state)
{
    (void)state;
    json_t *all = list("tokens --json");
    json_t *token = token_in(all, "alpha", 0);
    assert_non_null(token);
    require_text(token, "uri", "pkcs11:token=alpha");
    require_text(token, "custody", "software");
    assert_true(json_is_false(json_object_get(token, "logged_in")));
    assert_null(object_in(token, "private"));
    require_text(object_in(token, "public"), "uri",
                 "pkcs11:token=alpha;id=%01;object=identity;type=public");
    require_text(object_in(token, "public"), "type", "P-256");
    assert_non_null(token_in(all, NULL, 0)); /* SoftHSM always shows a blank one */
    json_decref(all);
}

static void with_login_the_private_key(void **state)
{
    const char *arguments = *state;
    json_t *all = list(arguments);
    json_t *key = object_in(token_in(all, "alpha", 0), "private");
    assert_non_null(key);
    require_text(key, "uri", "pkcs11:token=alpha;id=%01;object=identity;type=private");
    require_text(key, "type", "P-256");
    assert_true(json_is_true(json_object_get(key, "generated_on_token")));
    assert_true(json_is_true(json_object_get(key, "sensitive")));
    assert_true(json_is_false(json_object_get(key, "extractable")));
    assert_null(object_in(token_in(all, "twin", 0), "private"));
    json_decref(all);
}

static void namesakes_are_told_apart(void **state)
{
    (void)state;
    json_t *all = list("tokens --json");
    const json_t *first = token_in(all, "twin", 0);
    const json_t *second = token_in(all, "twin", 1);
    assert_non_null(second);
    const char *uri = json_string_value(json_object_get(first, "uri"));
    assert_non_null(strstr(uri, json_string_value(json_object_get(first, "serial"))));
    assert_string_not_equal(uri, json_string_value(json_object_get(second, "uri")));
    json_decref(all);
}

static void people_read_it(void **state)
{
    (void)state;
    nodekey_ends(scratch_folder(), "tokens --login a.json", NULL, 0,
                 "private key  P-256, generated here\n"
                 "             pkcs11:token=alpha;id=%01;object=identity;type=private\n",
                 NULL);
}

/* --- refusals --- */

static const struct row {
    const char *name, *arguments;
    int code;
    const char *err;
} rows[] = {
    { "a PIN is not sent to several tokens", "tokens --pin-file node.pin", 1,
      "a PIN is not sent to several" },
    { "nor to namesakes", "tokens --pin-file node.pin --token twin", 1,
      "a PIN is not sent to several" },
    { "a PIN that is refused", "tokens --pin-file wrong.pin --token alpha", 1, "refuses the PIN" },
    { "a token that is not there", "tokens --pin-file node.pin --token omega", 1, "no such token" },
    { "a module that is not there", "tokens --module /nonexistent/m.so", 1, "no PKCS#11 module" },
    { "two ways to one PIN", "tokens --login a.json --pin-file node.pin", 2, "give one" },
    { "an argument too many", "tokens a.json", 2, "one argument too many" },

    { "init without configuration", "init", 2, "CONFIG is missing" },
    { "init leaves a token alone", "init a.json --so-pin-file so.pin", 1,
      "an initialised token is never touched" },
    { "init wants a label", "init unnamed.json --so-pin-file so.pin", 1, "add token=LABEL" },
    { "init wants no serial", "init serial.json --so-pin-file so.pin", 1,
      "a new token does not have yet" },
    { "init heeds the model", "init other-model.json --so-pin-file so.pin", 1,
      "no token that is not initialised yet" },
    { "init wants a SO PIN that is a secret", "init new.json --so-pin-file open.pin", 1,
      "SO PIN: " },
    { "init wants a SO PIN that fits", "init new.json --so-pin-file short.pin", 1,
      "the SO PIN has 2 bytes, and this token takes 4 to" },
    { "init wants two PINs", "init new.json --so-pin-file node.pin", 1, "are equal" },
    { "init cannot ask without a terminal", "init new.json", 1,
      "no terminal to ask for the new SO PIN on; give it by --so-pin-file FILE" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    json_t *before = list("tokens --json");
    nodekey_ends(scratch_folder(), row->arguments, NULL, row->code, NULL, row->err);
    json_t *after = list("tokens --json");
    assert_int_equal(json_array_size(before), json_array_size(after));
    json_decref(before);
    json_decref(after);
}

/* --- PINs typed on a terminal --- */

static char *type_into(const char *const *answers, const char *config, int *ret_code)
{
    const char *const argv[] = { "nodekey", "init", config, NULL };
    return nodekey_typed(argv, answers, ret_code);
}

static void a_pin_that_is_set_is_asked_for_twice(void **state)
{
    (void)state;
    static const char *const answers[] = { SOFTHSM_SO_PIN, SOFTHSM_SO_PIN, SOFTHSM_PIN, "slip",
                                           NULL };
    int code = -1;
    char *shown = type_into(answers, path_of("%s/typed.json", scratch_folder()), &code);
    assert_int_equal(code, 1);
    assert_non_null(strstr(shown, "these differ"));
    assert_null(strstr(shown, SOFTHSM_PIN));
    free(shown);
    json_t *all = list("tokens --json");
    assert_null(token_in(all, "typed", 0));
    json_decref(all);
}

static void typed_pins_make_the_token(void **state)
{
    (void)state;
    static const char *const answers[] = { SOFTHSM_SO_PIN, SOFTHSM_SO_PIN, SOFTHSM_PIN, SOFTHSM_PIN,
                                           NULL };
    int code = -1;
    char *shown = type_into(answers, path_of("%s/typed.json", scratch_folder()), &code);
    assert_int_equal(code, 0);
    assert_null(strstr(shown, SOFTHSM_PIN)); /* the terminal does not echo it */
    free(shown);
    nodekey_ends(scratch_folder(), "tokens --pin-file node.pin --token typed", NULL, 0,
                 "logged in\n             pkcs11:token=typed\n", NULL);
}

/* --- init: the last, since it makes a token --- */

static void init_makes_the_token(void **state)
{
    (void)state;
    nodekey_ends(scratch_folder(), "init new.json --so-pin-file so.pin --json", NULL, 0,
                 "\"fresh\"", NULL);
    json_t *all = list("tokens --pin-file node.pin --token fresh --json");
    const json_t *token = token_in(all, "fresh", 0);
    assert_non_null(token);
    assert_true(json_is_true(json_object_get(token, "pin_set")));
    assert_true(json_is_true(json_object_get(token, "logged_in")));
    json_decref(all);
    nodekey_ends(scratch_folder(), "init new.json --so-pin-file so.pin", NULL, 1, NULL,
                 "is there already");
}

int main(void)
{
    static const char login[] = "tokens --login a.json --json";
    static const char pin_file[] = "tokens --pin-file node.pin --token alpha --json";

    rows_add("without_login_the_public_objects", without_login_the_public_objects, NULL);
    rows_add("with_login_the_private_key", with_login_the_private_key, login);
    rows_add("with_pin_file_the_private_key", with_login_the_private_key, pin_file);
    ROWS_TEST(namesakes_are_told_apart);
    ROWS_TEST(people_read_it);
    ROWS_OF(rows, check_row)
    ROWS_TEST(init_makes_the_token);
    ROWS_TEST(a_pin_that_is_set_is_asked_for_twice);
    ROWS_TEST(typed_pins_make_the_token);
    softhsm_start();
    softhsm_token("alpha");
    softhsm_token("twin");
    softhsm_token("twin");
    softhsm_generate("alpha", "P-256", "identity", "01");
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        write_file(path_of("%s/%s", scratch_folder(), files[i].name), files[i].text, files[i].mode);
    }
    return ROWS_RUN("cli_tokens", NULL, NULL);
}
