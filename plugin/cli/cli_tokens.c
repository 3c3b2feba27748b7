/* SPDX-License-Identifier: Apache-2.0
 * `nodekey tokens`: what a module shows, with URIs to paste. */
#include <stdio.h>
#include <string.h>

#include "answer/ends.h"
#include "base/text.h"
#include "cli/cli_ours.h"
#include "hsm_admin.h"

#define DEFAULT_MODULE "softhsm"
#define LABEL_COLUMNS 13

DEFINE_AUTO(json_t *, json_decref);

enum { OPTION_MODULE = CLI_OPTION_OWN, OPTION_LOGIN, OPTION_PIN_FILE, OPTION_TOKEN };

static const struct argp_option options[] = {
    { "module", OPTION_MODULE, "M", 0,
      "The PKCS#11 module: an absolute path, or a bare name as in node.module. Default: that of "
      "--login, else " DEFAULT_MODULE,
      0 },
    { "login", OPTION_LOGIN, "CONFIG", 0,
      "Log in to the token of node.key with node.pin, which shows its private keys, too", 0 },
    { "pin-file", OPTION_PIN_FILE, "FILE", 0,
      "Log in with the PIN of this file to the only token, or to that of --token", 0 },
    { "token", OPTION_TOKEN, "LABEL", 0, "Which token the PIN of --pin-file is for", 0 },
    CLI_ROLE_OPTION,
    CLI_JSON_OPTION,
    { 0 },
};

static const char doc[] =
    "Which tokens does the module show, and which keys and certificates are on them?\v"
    "Without login there are the public objects only, and no PIN is read. A PIN is sent to one "
    "token, once.\n\n"
    "Examples: nodekey tokens --module tpm2\n"
    "          nodekey tokens --login node.json\n\n"
    "Exit status: 0 listed; 1 could not be, or not all of it; 2 wrong usage.";

struct wish {
    struct ours_choice ours; /* its path: of --login */
    const char *module;
    const char *pin_file;
    const char *token;
};

static void check_wish(const struct wish *wish, const struct argp_state *state)
{
    if (wish->pin_file != NULL && wish->ours.path != NULL) {
        argp_error(state, "--login and --pin-file are two ways to one PIN; give one");
    }
    if (wish->token != NULL && wish->pin_file == NULL) {
        argp_error(state, "--token says whose PIN --pin-file holds; it is missing");
    }
    if (wish->module != NULL && wish->ours.path != NULL) {
        argp_error(state, "--login CONFIG has its module; leave --module away");
    }
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;

    if (ours_option(key, argument, &wish->ours, state)) {
        return 0;
    }
    switch (key) {
    case OPTION_MODULE:
        wish->module = argument;
        return 0;
    case OPTION_LOGIN:
        wish->ours.path = argument;
        return 0;
    case OPTION_PIN_FILE:
        wish->pin_file = argument;
        return 0;
    case OPTION_TOKEN:
        wish->token = argument;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "`%s' is one argument too many", argument);
        return 0;
    case ARGP_KEY_END:
        check_wish(wish, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* --- for people --- */

static const char *custody_claimed(const struct hsm_token *token)
{
    return token->hardware ? "hardware, as the module claims" : "software";
}

static void put_token(const struct hsm_token *token)
{
    if (!token->initialised) {
        printf("%-*s%s, %s: not initialised; `nodekey init CONFIG' makes a token of it\n",
               LABEL_COLUMNS, "blank", token->manufacturer, token->model);
        return;
    }
    printf("%-*s%s\n", LABEL_COLUMNS, "token", token->label);
    printf("%*s%s, %s, serial %s\n", LABEL_COLUMNS, "", token->manufacturer, token->model,
           token->serial);
    printf("%*scustody: %s; user PIN %s; %s\n", LABEL_COLUMNS, "", custody_claimed(token),
           !token->pin_set        ? "not set"
           : token->pin_locked    ? "LOCKED"
           : token->pin_final_try ? "set, ONE TRY LEFT"
                                  : "set",
           token->logged_in ? "logged in" : "not logged in: private keys do not show");
    printf("%*s%s\n", LABEL_COLUMNS, "", token->uri);
}

static const char *custody_of(const struct hsm_object *object)
{
    if (object->extractable || !object->sensitive) {
        return ", CAN BE COPIED OUT";
    }
    if (!object->birth_told) {
        return ", generated here or imported: the module does not tell";
    }
    return object->born_here ? ", generated here" : ", imported: copies may exist";
}

static void put_object(const struct hsm_object *object)
{
    static const char *const names[] = { [HSM_PRIVATE_KEY] = "private key",
                                         [HSM_PUBLIC_KEY] = "public key",
                                         [HSM_CERTIFICATE] = "certificate" };
    const char *type = object->type[0] != '\0' ? object->type : "type not told";
    char until[TEXT_UNTIL_BYTES];

    if (object->kind == HSM_CERTIFICATE) {
        printf("%-*s%s, %s, %s\n", LABEL_COLUMNS, names[object->kind], object->subject, type,
               text_until(until, object->not_after, time(NULL)));
    } else {
        printf("%-*s%s%s\n", LABEL_COLUMNS, names[object->kind], type,
               object->kind == HSM_PRIVATE_KEY ? custody_of(object) : "");
    }
    printf("%*s%s\n", LABEL_COLUMNS, "",
           object->uri != NULL ? object->uri : "neither label nor id: no URI can name it");
}

static void put_listing(const struct hsm_listing *listing)
{
    bool any = false;

    for (size_t i = 0; i < listing->len; i++) {
        put_token(&listing->tokens[i]);
        for (size_t j = 0; j < listing->tokens[i].len; j++) {
            put_object(&listing->tokens[i].objects[j]);
        }
        if (listing->tokens[i].trouble != NULL) {
            printf("%-*s%s\n", LABEL_COLUMNS, "NOT WHOLE", listing->tokens[i].trouble);
        }
        putchar('\n');
        any = any || listing->tokens[i].initialised;
    }
    if (!any) {
        printf("no %s: %s\n", listing->len == 0 ? "tokens" : "initialised token", listing->looked);
    }
}

/* --- for programs --- */

static json_t *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *json_of_object(const struct hsm_object *object)
{
    static const char *const kinds[] = {
        [HSM_PRIVATE_KEY] = "private", [HSM_PUBLIC_KEY] = "public", [HSM_CERTIFICATE] = "cert"
    };
    json_t *made = json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", kinds[object->kind], "label",
                             text_or_null(object->label), "id", text_or_null(object->id), "type",
                             text_or_null(object->type), "uri", text_or_null(object->uri));
    json_t *more = NULL;

    if (object->kind == HSM_PRIVATE_KEY) {
        more = json_pack("{s:b, s:b, s:o}", "sensitive", object->sensitive, "extractable",
                         object->extractable, "generated_on_token",
                         object->birth_told ? json_boolean(object->born_here) : json_null());
    } else if (object->kind == HSM_CERTIFICATE) {
        more = json_pack("{s:o, s:o}", "subject", text_or_null(object->subject), "not_after",
                         ends_json(object->not_after));
    } else {
        return made;
    }
    if (json_object_update(made, more) != 0) { /* either may be NULL */
        json_decref(made);
        made = NULL;
    }
    json_decref(more);
    return made;
}

static json_t *json_of_token(const struct hsm_token *token)
{
    AUTO(json_decref) json_t *objects = json_array();

    for (size_t i = 0; i < token->len; i++) {
        if (json_array_append_new(objects, json_of_object(&token->objects[i])) != 0) {
            return NULL;
        }
    }
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:b, s:b, s:b, s:b, s:s, s:b, s:O, s:o}", "label",
                     text_or_null(token->label), "manufacturer", token->manufacturer, "model",
                     token->model, "serial", text_or_null(token->serial), "uri",
                     text_or_null(token->uri), "initialised", token->initialised, "pin_set",
                     token->pin_set, "pin_locked", token->pin_locked, "pin_final_try",
                     token->pin_final_try, "custody", custody_claimed(token), "logged_in",
                     token->logged_in, "objects", objects, "error", text_or_null(token->trouble));
}

static json_t *json_of(const struct hsm_listing *listing)
{
    json_t *all = json_array();

    for (size_t i = 0; i < listing->len; i++) {
        if (json_array_append_new(all, json_of_token(&listing->tokens[i])) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static nk_status list_tokens(const struct wish *wish, struct hsm_listing *ret_listing,
                             nk_error *err)
{
    struct ours ours = { .config = NULL };
    struct hsm_list_request request = {
        .module = wish->module != NULL ? wish->module : DEFAULT_MODULE,
        .label = wish->token,
        .host = &cli_asking_host,
    };
    if (wish->pin_file != NULL) {
        request.pin = (struct hsm_pin_source){ .kind = HSM_PIN_FILE, .where = wish->pin_file };
    }
    if (wish->ours.path != NULL) {
        nk_status status = ours_read(&wish->ours, &ours, err);
        if (status != NK_OK) {
            return status;
        }
        request.module = ours.request.module;
        request.uri = ours.request.uri;
        request.pin = ours.request.pin;
        request.state_dir = ours.request.state_dir;
    }
    nk_status status = hsm_list(&request, ret_listing, err);
    ours_clear(&ours);
    return status;
}

static enum cli_exit tell_troubles(const struct hsm_listing *listing)
{
    enum cli_exit end = CLI_OK;

    for (size_t i = 0; i < listing->len; i++) {
        if (listing->tokens[i].trouble != NULL) {
            end = cli_fail("%s", listing->tokens[i].trouble);
        }
    }
    return end;
}

enum cli_exit cli_tokens(int argc, char **argv)
{
    static const struct argp argp = { options, parse_option, NULL, doc, NULL, NULL, NULL };
    struct wish wish = { .ours = { .role = -1, .of_token = true } };
    struct hsm_listing listing = { .len = 0 };
    nk_error err = { .struct_size = sizeof(err) };

    if (argp_parse(&argp, argc, argv, 0, NULL, &wish) != 0) {
        return CLI_USAGE;
    }
    if (list_tokens(&wish, &listing, &err) != NK_OK) {
        return ours_fail(&err);
    }
    enum cli_exit end = tell_troubles(&listing);
    if (wish.ours.json) {
        end = cli_put_json(json_of(&listing), end);
    } else {
        put_listing(&listing);
    }
    hsm_listing_clear(&listing);
    return end;
}
