/* SPDX-License-Identifier: Apache-2.0 */
#include "module/discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Both headers describe PKCS#11; the first one read wins, and they agree on the types used here. */
#include <pkcs11-helper-1.0/pkcs11h-core.h>
#include <pkcs11-helper-1.0/pkcs11h-token.h>

#include "base/fork.h"
#include "base/report.h"
#include "module/ckr.h"
#include "module/slots.h"
#include "module/uri.h"
#include "wait/bounded_call.h"

/* The helper keeps a provider that was removed for ever, without its name: by that name it is used
 * again, instead of one more for each listing. */
#define REFERENCE ""

static pthread_mutex_t helper_lock = PTHREAD_MUTEX_INITIALIZER; /* the helper is not for threads */
static bool helper_started;                                     /* guarded by helper_lock */
FORK_PART(.lock = &helper_lock);

static PKCS11H_BOOL refuse_pin(void *global_data, void *user_data, pkcs11h_token_id_t token,
                               unsigned retry, char *pin, size_t pin_max)
{
    (void)global_data, (void)user_data, (void)token, (void)retry, (void)pin, (void)pin_max;
    return 0;
}

static PKCS11H_BOOL refuse_token(void *global_data, void *user_data, pkcs11h_token_id_t token,
                                 unsigned retry)
{
    (void)global_data, (void)user_data, (void)token, (void)retry;
    return 0;
}

static CK_RV start_helper(void)
{
    if (helper_started) {
        return CKR_OK;
    }
    CK_RV rv = pkcs11h_initialize();
    if (rv == CKR_OK) {
        pkcs11h_setLogLevel(PKCS11H_LOG_QUIET);
        rv = pkcs11h_setPINPromptHook(refuse_pin, NULL);
    }
    if (rv == CKR_OK) {
        rv = pkcs11h_setTokenPromptHook(refuse_token, NULL);
    }
    if (rv == CKR_OK) {
        rv = pkcs11h_setMaxLoginRetries(0);
    }
    helper_started = rv == CKR_OK;
    return rv;
}

static CK_RV set_location(const char *path)
{
    return pkcs11h_setProviderProperty(REFERENCE, PKCS11H_PROVIDER_PROPERTY_LOCATION, path,
                                       strlen(path) + 1);
}

/* The provider is there for one listing only: nothing of it can go stale under a re-init. */
static CK_RV list_tokens(const char *path, pkcs11h_token_id_list_t *ret_list)
{
    unsigned events = PKCS11H_SLOTEVENT_METHOD_FETCH;

    CK_RV rv = set_location(path);
    if (rv == CKR_OBJECT_HANDLE_INVALID) { /* the first listing */
        rv = pkcs11h_registerProvider(REFERENCE);
        rv = rv == CKR_OK ? set_location(path) : rv;
    }
    if (rv == CKR_OK) {
        rv = pkcs11h_setProviderProperty(REFERENCE, PKCS11H_PROVIDER_PROPERTY_SLOT_EVENT_METHOD,
                                         &events, sizeof(events));
    }
    if (rv == CKR_OK) {
        rv = pkcs11h_initializeProvider(
            REFERENCE); /* initialised by us: the helper will not finalise it */
    }
    if (rv == CKR_OK) {
        rv = pkcs11h_token_enumTokenIds(PKCS11H_ENUM_METHOD_RELOAD, ret_list);
    }
    pkcs11h_removeProvider(REFERENCE);
    return rv;
}

void token_names_clear(struct token_names *names)
{
    free(names->names);
    *names = (struct token_names){ 0 };
}

void token_names_join(const struct token_names *names, char *text, size_t room)
{
    snprintf(text, room, "%s", names->len > 0 ? "" : "none");
    for (size_t i = 0; i < names->len; i++) {
        AUTO(free) char *uri = uri_of_token(&names->names[i], true);
        uri_join(text, room, uri);
    }
}

static size_t count_ids(const struct pkcs11h_token_id_list_s *list)
{
    size_t n = 0;
    for (; list != NULL; list = list->next) {
        n++;
    }
    return n;
}

static void copy_name(struct token_name *to, const struct pkcs11h_token_id_s *from)
{
    /* The helper cuts trailing spaces only. */
    token_field_copy(to->manufacturer, (const CK_UTF8CHAR *)from->manufacturerID,
                     strnlen(from->manufacturerID, sizeof(to->manufacturer) - 1));
    token_field_copy(to->model, (const CK_UTF8CHAR *)from->model,
                     strnlen(from->model, sizeof(to->model) - 1));
    token_field_copy(to->serial, (const CK_UTF8CHAR *)from->serialNumber,
                     strnlen(from->serialNumber, sizeof(to->serial) - 1));
    token_field_copy(to->label, (const CK_UTF8CHAR *)from->label,
                     strnlen(from->label, sizeof(to->label) - 1));
}

static bool
is_blank(const struct token_name *name) /* SoftHSM shows one slot that is to be used next */
{
    return name->label[0] == '\0' && name->serial[0] == '\0';
}

static nk_status copy_list(const struct pkcs11h_token_id_list_s *list,
                           struct token_names *ret_names, nk_error *err)
{
    struct token_names found = { .len = 0 };

    found.names = calloc(count_ids(list) + 1, sizeof(*found.names));
    if (found.names == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    for (; list != NULL; list = list->next) {
        struct token_name *name = &found.names[found.len];
        copy_name(name, list->token_id);
        found.len += is_blank(name) ? 0 : 1;
    }
    *ret_names = found;
    return NK_OK;
}

static CK_RV ask_helper(const struct module *module, struct token_names *ret_names,
                        nk_status *ret_status, nk_error *err)
{
    pkcs11h_token_id_list_t list = NULL;

    bounded_call_step("a listing by pkcs11-helper");
    CK_RV rv = start_helper();
    if (rv == CKR_OK) {
        rv = list_tokens(module->path, &list);
    }
    if (rv == CKR_OK) {
        *ret_status = copy_list(list, ret_names, err);
    }
    if (list != NULL) {
        pkcs11h_token_freeTokenIdList(list);
    }
    return rv;
}

static CK_RV ask_module(const struct module *module, struct token_names *ret_names,
                        nk_status *ret_status, nk_error *err)
{
    AUTO(slots_free) struct slots *slots = NULL;
    struct token_names found = { .len = 0 };
    CK_SLOT_ID slot = 0;
    CK_TOKEN_INFO info;
    CK_INFO ignored;
    /* Nothing of it is used, but the helper asks for it, too, and may hang there unnamed. */
    (void)!cryptoki_get_info(module->call, &ignored);
    CK_RV rv = slots_list(module, &slots);
    if (slots == NULL) {
        return rv;
    }
    found.names = calloc(slots->len + 1, sizeof(*found.names));
    if (found.names == NULL) {
        *ret_status = report(err, NK_E_NOMEM, "out of memory");
        return CKR_OK;
    }
    while (slots_next(slots, &slot, &info)) {
        token_name_of(&info, &found.names[found.len]);
        found.len += is_blank(&found.names[found.len]) ? 0 : 1;
    }
    if (slots->rv != CKR_OK && found.len == 0) {
        token_names_clear(&found);
        return slots->rv;
    }
    *ret_names = found;
    return CKR_OK;
}

/* The helper believes a module its counts, and walks off its own list by them: it is sent only
 * where we have been. It does one thing at a time, for all modules: while another listing has it,
 * which may hang in its module for ever, and where a slot that does not answer hides from it those
 * behind, what we have seen is the answer. */
static CK_RV ask_both(const struct module *module, struct token_names *ret_names,
                      nk_status *ret_status, nk_error *err)
{
    struct token_names seen = { .len = 0 };
    struct token_names listed = { .len = 0 };
    nk_error own = { .struct_size = sizeof(own) };
    nk_status status = NK_OK;

    CK_RV rv = ask_module(module, &seen, ret_status, err);
    if (rv != CKR_OK || *ret_status != NK_OK) {
        return rv;
    }
    if (pthread_mutex_trylock(&helper_lock) == 0) {
        rv = ask_helper(module, &listed, &status, &own);
        pthread_mutex_unlock(&helper_lock);
    }
    bool whole = rv == CKR_OK && status == NK_OK && listed.len >= seen.len;
    *ret_names = whole ? listed : seen;
    token_names_clear(whole ? &seen : &listed);
    return CKR_OK;
}

nk_status discovery_tokens(struct module *module, struct token_names *ret_names, nk_error *err)
{
    nk_status status = NK_OK;

    CK_RV rv = module_enter(module);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "list the tokens of %s", module->path);
    }
    rv = ask_both(module, ret_names, &status, err);
    module_leave(module);
    return rv == CKR_OK ? status
                        : report_ckr(err, NK_E_TOKEN, rv, "list the tokens of %s", module->path);
}
