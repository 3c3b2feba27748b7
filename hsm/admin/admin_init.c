/* SPDX-License-Identifier: Apache-2.0
 * From a blank slot to a token with a user PIN. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "base/report.h"
#include "base/words.h"
#include "module/module_needs.h"

#define LABEL_BYTES 32 /* CK_TOKEN_INFO; padded with spaces */

struct plan {
    struct module *module;
    P11KitUri *uri;
    CK_SLOT_ID slot;
    CK_TOKEN_INFO info; /* of the blank token */
    CK_UTF8CHAR label[LABEL_BYTES];
    char label_text[LABEL_BYTES + 1];
    struct pin *so_pin;
    struct pin *user_pin;
};

static nk_status take_label(struct plan *plan, nk_error *err)
{
    const CK_TOKEN_INFO *wanted = p11_kit_uri_get_token_info(plan->uri);

    if (wanted->label[0] == '\0') {
        return report(err, NK_E_CONFIG,
                      "node.key does not say the label of the token; add token=LABEL to the URI");
    }
    if (wanted->serialNumber[0] != '\0') {
        return report(err, NK_E_CONFIG,
                      "node.key names the token by serial=, which a new token does not have yet; "
                      "leave it away until the token is made");
    }
    memcpy(plan->label, wanted->label, sizeof(plan->label));
    token_field_copy(plan->label_text, wanted->label, sizeof(wanted->label));
    return NK_OK;
}

/* A blank token has no label of its own yet; everything else in the URI must fit it. */
static bool slot_fits(const struct plan *plan, const CK_TOKEN_INFO *info)
{
    struct token_name name;

    token_name_of(info, &name);
    memcpy(name.label, plan->label_text, sizeof(name.label));
    return uri_names_token(plan->uri, &name);
}

static nk_status refuse_existing(const CK_TOKEN_INFO *info, nk_error *err)
{
    struct token_name name;

    token_name_of(info, &name);
    return report(err, NK_E_TOKEN,
                  "token \"%s\" (serial %s) is there already, and an initialised token is never "
                  "touched; go on with `nodekey enroll'%s",
                  name.label, name.serial,
                  (info->flags & CKF_USER_PIN_INITIALIZED) != 0
                      ? ""
                      : ", once it has a user PIN (pkcs11-tool --login-type so --init-pin)");
}

/* Inside a use of the module. */
static nk_status find_blank(struct plan *plan, nk_error *err)
{
    AUTO(slots_free) struct slots *slots = NULL;
    CK_SLOT_ID slot = 0;
    CK_TOKEN_INFO info;
    unsigned blank = 0;
    CK_RV rv = slots_list(plan->module, &slots);
    if (slots == NULL) {
        return report_ckr(err, NK_E_TOKEN, rv, "list the slots of %s", plan->module->path);
    }
    while (slots_next(slots, &slot, &info)) {
        struct token_name name;
        token_name_of(&info, &name);
        bool made = (info.flags & CKF_TOKEN_INITIALIZED) != 0;
        if (made && strcmp(name.label, plan->label_text) == 0) {
            return refuse_existing(&info, err);
        }
        if (!made && slot_fits(plan, &info)) {
            blank++;
            plan->slot = slot;
            plan->info = info;
        }
    }
    if (slots->rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, slots->rv, "ask the slots of %s", plan->module->path);
    }
    if (blank == 1) {
        return NK_OK;
    }
    char told[384];
    module_surroundings(plan->module->path, told, sizeof(told));
    return report(err, NK_E_TOKEN,
                  blank == 0 ? "%s shows no token that is not initialised yet%s (%s)"
                             : "%s shows several tokens that are not initialised yet%s (%s)",
                  plan->module->path,
                  blank == 0 ? "; put a blank one in place"
                             : ": leave one, or name it by model= in node.key",
                  told);
}

nk_status admin_check_length(const CK_TOKEN_INFO *info, const char *label, const struct pin *pin,
                             const char *what, nk_error *err)
{
    unsigned long min = info->ulMinPinLen;
    unsigned long max = info->ulMaxPinLen;

    if (max != 0 && min > max) {
        CK_RV rv = cryptoki_lied(
            CRYPTOKI_C_GetTokenInfo,
            "the module says that a PIN has %lu bytes or more, and at most %lu", min, max);
        return report_ckr(err, NK_E_TOKEN, rv, "set a PIN of token \"%s\"", label);
    }
    if (pin_len(pin) < min || (max != 0 && pin_len(pin) > max)) {
        return report(err, NK_E_PIN, "the %s has %zu bytes, and this token takes %lu to %lu", what,
                      pin_len(pin), min, max);
    }
    return NK_OK;
}

static nk_status read_so_pin(struct plan *plan, const struct hsm_pin_source *source,
                             const nk_host *host, nk_error *err)
{
    struct hsm_words so_pin = *words();
    so_pin.pin = so_pin.pin_credential = so_pin.pin_prompt = "SO PIN";
    AUTO(words_restore) const struct hsm_words *former = words_use(&so_pin);

    return pin_open(source, plan->label_text, host, &plan->so_pin, err);
}

static nk_status read_pins(struct plan *plan, const struct hsm_init_request *request, nk_error *err)
{
    nk_status status = read_so_pin(plan, &request->so_pin, request->so_host, err);
    if (status == NK_OK) {
        status = pin_open(&request->key->pin, plan->label_text, request->key->host, &plan->user_pin,
                          err);
    }
    if (status == NK_OK) {
        status = admin_check_length(&plan->info, plan->label_text, plan->so_pin, "SO PIN", err);
    }
    if (status == NK_OK) {
        status = admin_check_length(&plan->info, plan->label_text, plan->user_pin, "user PIN", err);
    }
    if (status == NK_OK && pin_equal(plan->so_pin, plan->user_pin)) {
        status = report(err, NK_E_PIN,
                        "SO PIN and user PIN are equal: whoever has the node's PIN could then "
                        "reset it; take different ones");
    }
    return status;
}

/* Inside a use of the module. */
static CK_RV set_user_pin(const struct plan *plan)
{
    const struct cryptoki *call = plan->module->call;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_RV rv = session_open(plan->module, plan->slot, CKF_RW_SESSION, &session);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = cryptoki_login(call, session, CKU_SO, pin_bytes(plan->so_pin), pin_len(plan->so_pin));
    if (rv == CKR_OK) {
        rv = cryptoki_init_pin(call, session, pin_bytes(plan->user_pin), pin_len(plan->user_pin));
        cryptoki_logout(call, session);
    }
    session_close(plan->module, session);
    return rv;
}

/* Inside a use of the module. */
static nk_status make_token(struct plan *plan, nk_error *err)
{
    CK_RV rv = cryptoki_init_token(plan->module->call, plan->slot, pin_bytes(plan->so_pin),
                                   pin_len(plan->so_pin), plan->label);
    if (rv != CKR_OK) {
        char told[384];
        module_surroundings(plan->module->path, told, sizeof(told));
        return report_ckr(err, rv == CKR_PIN_INCORRECT ? NK_E_PIN : NK_E_TOKEN, rv,
                          "initialise token \"%s\" (%s)", plan->label_text, told);
    }
    rv = set_user_pin(plan);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv,
                          "token \"%s\" is initialised, but its user PIN is not set; set it by "
                          "pkcs11-tool --login-type so --init-pin",
                          plan->label_text);
    }
    return NK_OK;
}

static nk_status carry_out_plan(struct plan *plan, const struct hsm_init_request *request,
                                nk_error *err)
{
    CK_RV rv = module_enter(plan->module);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "enter %s", plan->module->path);
    }
    nk_status status =
        cryptoki_need(plan->module->call, CRYPTOKI_C_InitToken, plan->module->path, err);
    if (status == NK_OK) {
        status = cryptoki_need(plan->module->call, CRYPTOKI_C_InitPIN, plan->module->path, err);
    }
    if (status == NK_OK) {
        status = find_blank(plan, err);
    }
    if (status == NK_OK) {
        status = read_pins(plan, request, err);
    }
    if (status == NK_OK) {
        status = make_token(plan, err);
    }
    module_leave(plan->module);
    return status;
}

nk_status hsm_init_token(const struct hsm_init_request *request, char **ret_label, nk_error *err)
{
    struct plan plan = { .module = NULL };
    nk_status status = uri_parse(request->key->uri, &plan.uri, err);
    if (status == NK_OK) {
        status = take_label(&plan, err);
    }
    if (status == NK_OK) {
        status = module_get(request->key->module, &plan.module, err);
    }
    if (status == NK_OK) {
        status = carry_out_plan(&plan, request, err);
    }
    char *label = status == NK_OK ? strdup(plan.label_text) : NULL;
    if (status == NK_OK && label == NULL) {
        status = report(err, NK_E_NOMEM, "out of memory");
    }
    pin_free(plan.so_pin);
    pin_free(plan.user_pin);
    p11_kit_uri_free(plan.uri);
    if (status == NK_OK) {
        *ret_label = label;
    }
    return status;
}
