/* SPDX-License-Identifier: Apache-2.0
 * The state of a user PIN, as a token and state_dir tell it. */
#include <stdio.h>

#include "admin/admin.h"
#include "base/report.h"
#include "pin/refused_file.h"

static nk_status find_token(const struct hsm_key_request *request, struct module **ret_module,
                            struct token_name *ret_name, nk_error *err)
{
    P11KitUri *uri = NULL;

    if (request->state_dir == NULL) {
        return report(err, NK_E_CONFIG,
                      "there is no state_dir, so no process remembers what PINs the one before it "
                      "was refused; name a folder of the node's (install -d -m 0700)");
    }
    nk_status status = uri_parse(request->uri, &uri, err);
    if (status == NK_OK) {
        status = module_get(request->module, ret_module, err);
    }
    if (status == NK_OK) {
        status = admin_pick(*ret_module, uri, NULL, ret_name, err);
    }
    p11_kit_uri_free(uri);
    return status;
}

static nk_status ask_module(struct module *module, const struct token_name *name,
                            struct hsm_pin_news *news, nk_error *err)
{
    CK_TOKEN_INFO info;
    CK_SLOT_ID slot = 0;
    CK_RV rv = module_enter(module);
    if (rv == CKR_OK) {
        rv = slots_find(module, name, &slot);
        rv = rv == CKR_OK ? cryptoki_get_token_info(module->call, slot, &info) : rv;
        module_leave(module);
    }
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "ask token \"%s\" for its state", name->label);
    }
    snprintf(news->label, sizeof(news->label), "%s", name->label);
    news->locked = (info.flags & CKF_USER_PIN_LOCKED) != 0;
    news->final_try = (info.flags & CKF_USER_PIN_FINAL_TRY) != 0;
    news->count_low = (info.flags & CKF_USER_PIN_COUNT_LOW) != 0;
    return NK_OK;
}

static nk_status ask_token(const struct hsm_key_request *request, struct token_name *ret_name,
                           struct hsm_pin_news *news, nk_error *err)
{
    struct module *module = NULL;
    nk_status status = find_token(request, &module, ret_name, err);
    return status == NK_OK && module != NULL ? ask_module(module, ret_name, news, err) : status;
}

nk_status hsm_pin_look(const struct hsm_key_request *request, struct hsm_pin_news *ret_news,
                       nk_error *err)
{
    AUTO(refused_file_close) struct refused_file *state = NULL;
    struct hsm_pin_news news = { .refused = 0 };
    struct token_name name;
    nk_status status = ask_token(request, &name, &news, err);
    if (status == NK_OK) {
        status = refused_file_open(request->state_dir, &name, request->token.login_timeout_ms,
                                   &state, err);
    }
    if (status == NK_OK) {
        news.refused = refused_file_count(state);
        *ret_news = news;
    }
    return status;
}

nk_status hsm_pin_forget(const struct hsm_key_request *request, bool *ret_forgot,
                         struct hsm_pin_news *ret_news, nk_error *err)
{
    struct hsm_pin_news news = { .refused = 0 };
    struct token_name name;
    nk_status status = ask_token(request, &name, &news, err);
    if (status == NK_OK) {
        status = refused_file_forget(request->state_dir, &name, request->token.login_timeout_ms,
                                     ret_forgot, err);
    }
    if (status == NK_OK) {
        *ret_news = news;
    }
    return status;
}

nk_status hsm_pin_source_check(const struct hsm_pin_source *source, const nk_host *host,
                               nk_error *err)
{
    struct pin *pin = NULL;

    if (source->kind != HSM_PIN_FILE && source->kind != HSM_PIN_CREDENTIAL) {
        return NK_OK;
    }
    nk_status status = pin_open(source, "", host, &pin, err);
    pin_free(pin);
    return status;
}
