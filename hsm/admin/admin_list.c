/* SPDX-License-Identifier: Apache-2.0
 * Listing the tokens of a module and their objects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "base/report.h"
#include "module/ckr.h"
#include "module/module_needs.h"

/* --- one token --- */

/* A private key tells no EC point; its public half, which has the same id, does. */
static void borrow_types(struct hsm_token *token)
{
    for (size_t i = 0; i < token->len; i++) {
        struct hsm_object *object = &token->objects[i];
        for (size_t j = 0; object->type[0] == '\0' && j < token->len; j++) {
            const struct hsm_object *other = &token->objects[j];
            bool tied = object->id[0] != '\0' ? strcmp(object->id, other->id) == 0
                                              : strcmp(object->label, other->label) == 0;
            if (tied) {
                memcpy(object->type, other->type, sizeof(object->type));
            }
        }
    }
}

static void clear_object(struct hsm_object *object)
{
    free(object->label);
    free(object->id);
    free(object->uri);
}

static CK_RV list_class(const struct admin_look *look, enum hsm_object_kind kind,
                        CK_OBJECT_CLASS object_class)
{
    struct hsm_token *token = look->token;
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;
    CK_RV rv = object_find_class(look->call, look->session, object_class, &found, &len);
    if (rv != CKR_OK) {
        return rv;
    }
    struct hsm_object *objects = realloc(token->objects, (token->len + len + 1) * sizeof(*objects));
    if (objects == NULL) {
        return CKR_HOST_MEMORY;
    }
    token->objects = objects;
    for (CK_ULONG i = 0; i < len && rv == CKR_OK; i++) {
        struct hsm_object *object = &objects[token->len];
        *object = (struct hsm_object){ .kind = kind };
        rv = admin_describe_object(look, object_class, found[i], object);
        if (rv == CKR_OK) {
            token->len++;
        } else {
            clear_object(object);
        }
    }
    return rv;
}

static CK_RV list_objects(struct admin_look *look, struct module *module, CK_SLOT_ID slot)
{
    CK_RV rv = session_open(module, slot, 0, &look->session);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = list_class(look, HSM_PRIVATE_KEY, CKO_PRIVATE_KEY);
    if (rv == CKR_OK) {
        rv = list_class(look, HSM_PUBLIC_KEY, CKO_PUBLIC_KEY);
    }
    if (rv == CKR_OK) {
        rv = list_class(look, HSM_CERTIFICATE, CKO_CERTIFICATE);
    }
    session_close(module, look->session);
    borrow_types(look->token);
    return rv;
}

/* --- all tokens --- */

struct tour {
    struct module *module;
    const struct token_name *logged_in; /* NULL: no token */
    struct seen {
        CK_SLOT_ID slot;
        CK_TOKEN_INFO info;
    } * seen; /* the slots that answer, in their order */
    CK_ULONG len;
};

static bool has_namesake(const struct tour *tour, CK_ULONG i)
{
    bool found = false;

    for (CK_ULONG j = 0; j < tour->len; j++) {
        found |= j != i && memcmp(tour->seen[i].info.label, tour->seen[j].info.label,
                                  sizeof(tour->seen[i].info.label)) == 0;
    }
    return found;
}

/* A token that fails must not hide the others of its module. */
static nk_status keep_trouble(struct hsm_token *token, CK_RV rv, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };

    if (rv != CKR_HOST_MEMORY) {
        report_ckr(&own, NK_E_TOKEN, rv, "list the objects of token \"%s\"", token->label);
        token->trouble = strdup(own.text);
    }
    return token->trouble != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

static nk_status visit_slot(const struct tour *tour, CK_ULONG i, struct hsm_token *token,
                            nk_error *err)
{
    const CK_TOKEN_INFO *info = &tour->seen[i].info;
    CK_SLOT_ID slot = tour->seen[i].slot;
    struct token_name name;
    struct admin_look look = {
        .call = tour->module->call, .info = info, .namesakes = has_namesake(tour, i), .token = token
    };

    admin_describe_token(token, info, slots_flags(tour->module, slot));
    if (!token->initialised) {
        return NK_OK;
    }
    token_name_of(info, &name);
    token->logged_in = tour->logged_in != NULL && token_name_equal(tour->logged_in, &name);
    token->uri = uri_of_token(&name, look.namesakes);
    if (token->uri == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    CK_RV rv = list_objects(&look, tour->module, slot);
    return rv == CKR_OK ? NK_OK : keep_trouble(token, rv, err);
}

/* A slot that does not answer is left out, as open would pass it over. */
static CK_RV ask_slots(struct tour *tour)
{
    AUTO(slots_free) struct slots *slots = NULL;
    CK_RV rv = slots_list(tour->module, &slots);
    if (slots == NULL) {
        return rv;
    }
    tour->seen = calloc(slots->len + 1, sizeof(*tour->seen));
    if (tour->seen == NULL) {
        return CKR_HOST_MEMORY;
    }
    struct seen *next = tour->seen;
    while (slots_next(slots, &next->slot, &next->info)) {
        next = &tour->seen[++tour->len];
    }
    return tour->len > 0 ? CKR_OK : slots->rv;
}

static nk_status visit_slots(struct tour *tour, struct hsm_listing *listing, nk_error *err)
{
    CK_RV rv = ask_slots(tour);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "list the slots of %s", tour->module->path);
    }
    listing->tokens = calloc(tour->len + 1, sizeof(*listing->tokens));
    if (listing->tokens == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = NK_OK;
    for (CK_ULONG i = 0; i < tour->len && status == NK_OK; i++) {
        status = visit_slot(tour, i, &listing->tokens[listing->len++], err);
    }
    return status;
}

static nk_status tell_surroundings(const struct module *module, char **ret_text, nk_error *err)
{
    char told[384];

    module_surroundings(module->path, told, sizeof(told));
    if (asprintf(ret_text, "%s (%s)", module->path, told) < 0) {
        *ret_text = NULL;
        return report(err, NK_E_NOMEM, "out of memory");
    }
    return NK_OK;
}

static nk_status list_all(struct module *module, const struct token_name *logged_in,
                          struct hsm_listing *ret_listing, nk_error *err)
{
    struct tour tour = { .module = module, .logged_in = logged_in };
    struct hsm_listing listing = { .len = 0 };
    CK_RV rv = module_enter(module);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "enter %s", module->path);
    }
    nk_status status = visit_slots(&tour, &listing, err);
    module_leave(module);
    free(tour.seen);
    if (status == NK_OK) {
        status = tell_surroundings(module, &listing.looked, err);
    }
    if (status == NK_OK) {
        *ret_listing = listing;
    } else {
        hsm_listing_clear(&listing);
    }
    return status;
}

/* Whoever asks for a login wants to see what is hidden without, whatever the token's flags say. */
static nk_status log_in_unasked(struct token *token, nk_error *err)
{
    bool logged_in = false;
    struct module *module = token_module(token);
    CK_RV rv = module_enter(module);
    if (rv == CKR_OK) {
        rv = token_login_unasked(token, &logged_in, err);
        module_leave(module);
    }
    return rv == CKR_OK ? NK_OK
                        : report_ckr(err, NK_E_TOKEN, rv, "log in to token \"%s\"",
                                     token_known_as(token)->label);
}

static nk_status log_in_to_pick(struct module *module, const struct hsm_list_request *request,
                                struct token_name *name, struct token **ret_token, nk_error *err)
{
    const struct token_terms terms = { .pin = &request->pin,
                                       .settings = { .max_sessions = ADMIN_SESSIONS,
                                                     .login_timeout_ms = ADMIN_LOGIN_MS },
                                       .state_dir = request->state_dir,
                                       .host = request->host };
    P11KitUri *uri = NULL;
    nk_status status = request->uri != NULL ? uri_parse(request->uri, &uri, err) : NK_OK;
    if (status == NK_OK) {
        status = admin_pick(module, uri, request->label, name, err);
    }
    p11_kit_uri_free(uri);
    status = status == NK_OK ? token_join(module, name, &terms, ret_token, err) : status;
    return status == NK_OK ? log_in_unasked(*ret_token, err) : status;
}

nk_status hsm_list(const struct hsm_list_request *request, struct hsm_listing *ret_listing,
                   nk_error *err)
{
    struct module *module = NULL;
    struct token *token = NULL;
    struct token_name name;
    nk_status status = module_get(request->module, &module, err);
    if (status == NK_OK && request->pin.kind != HSM_PIN_ABSENT) {
        status = log_in_to_pick(module, request, &name, &token, err);
    }
    if (status == NK_OK) {
        status = list_all(module, token != NULL ? &name : NULL, ret_listing, err);
    }
    if (token != NULL) {
        token_leave(token);
    }
    return status;
}

void hsm_listing_clear(struct hsm_listing *listing)
{
    for (size_t i = 0; i < listing->len; i++) {
        struct hsm_token *token = &listing->tokens[i];
        for (size_t j = 0; j < token->len; j++) {
            clear_object(&token->objects[j]);
        }
        free(token->objects);
        free(token->uri);
        free(token->trouble);
    }
    free(listing->tokens);
    free(listing->looked);
    *listing = (struct hsm_listing){ 0 };
}
