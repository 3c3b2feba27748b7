/* SPDX-License-Identifier: Apache-2.0
 * One token, found and logged in, for as long as an operator's command works on it. */
#include "admin/admin.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "module/discovery.h"
#include "module/module_needs.h"

/* --- which token --- */

static bool name_fits(P11KitUri *uri, const char *label, const struct token_name *name)
{
    return (uri == NULL || uri_names_token(uri, name)) &&
           (label == NULL || strcmp(label, name->label) == 0);
}

static nk_status pick_name(const struct token_names *names, const struct module *module,
                           P11KitUri *uri, const char *label, struct token_name *ret_name,
                           nk_error *err)
{
    const struct token_name *chosen = NULL;
    char told[384];
    char list[384];

    token_names_join(names, list, sizeof(list));
    for (size_t i = 0; i < names->len; i++) {
        if (!name_fits(uri, label, &names->names[i])) {
            continue;
        }
        if (chosen != NULL) {
            return report(err, NK_E_CONFIG,
                          "more than one token fits; %s shows %s: %s, a PIN is not sent to several",
                          module->path, list, uri_telling_apart(chosen, &names->names[i]));
        }
        chosen = &names->names[i];
    }
    if (chosen == NULL) {
        module_surroundings(module->path, told, sizeof(told));
        return report(err, NK_E_TOKEN,
                      "no such token: %s shows %s; correct the URI, or make one by `nodekey init "
                      "CONFIG' (%s)",
                      module->path, list, told);
    }
    *ret_name = *chosen;
    return NK_OK;
}

nk_status admin_pick(struct module *module, P11KitUri *uri, const char *label,
                     struct token_name *ret_name, nk_error *err)
{
    struct token_names names = { 0 };
    nk_status status = discovery_tokens(module, &names, err);
    if (status == NK_OK) {
        status = pick_name(&names, module, uri, label, ret_name, err);
    }
    token_names_clear(&names);
    return status;
}

/* --- the life of it --- */

/* The PIN was read once, and this ask_pin hands out the same. */
static nk_status hand_on_pin(void *host_data, const char *token_label, char *buf, size_t room,
                             size_t *ret_len)
{
    const struct hsm_admin *admin = host_data;
    const struct pin *pin = admin->sibling != NULL ? admin->sibling->pin : admin->pin;

    (void)token_label;
    if (pin_len(pin) > room) {
        return NK_E_PIN;
    }
    memcpy(buf, pin_bytes(pin), pin_len(pin));
    *ret_len = pin_len(pin);
    return NK_OK;
}

static void relay_log(void *host_data, int32_t level, const char *line)
{
    const struct hsm_admin *admin = host_data;

    if (admin->host.log != NULL) {
        admin->host.log(admin->host.host_data, level, line);
    }
}

static struct hsm_admin *make_admin(const struct hsm_key_request *request)
{
    struct hsm_admin *admin = calloc(1, sizeof(*admin));
    if (admin == NULL) {
        return NULL;
    }
    admin->module_name = strdup(request->module);
    admin->uri_text = strdup(request->uri);
    admin->state_dir = request->state_dir != NULL ? strdup(request->state_dir) : NULL;
    if (admin->module_name == NULL || admin->uri_text == NULL ||
        (request->state_dir != NULL && admin->state_dir == NULL)) {
        hsm_admin_close(admin);
        return NULL;
    }
    admin->host = request->host != NULL ? *request->host : (nk_host){ .struct_size = 0 };
    admin->relay = (nk_host){ .struct_size = sizeof(admin->relay),
                              .host_data = admin,
                              .log = relay_log,
                              .ask_pin = hand_on_pin };
    admin->request = *request;
    admin->request.module = admin->module_name;
    admin->request.uri = admin->uri_text;
    admin->request.state_dir = admin->state_dir;
    admin->request.pin = (struct hsm_pin_source){ .kind = HSM_PIN_PROMPT };
    admin->request.host = &admin->relay;
    return admin;
}

/* The token has the relay's answer and no file, so it is here that another PIN of the file is tried
 * (pin_take_other). */
static nk_status log_in_with(struct hsm_admin *admin, const struct hsm_pin_source *pin,
                             nk_error *err)
{
    const struct token_terms terms = { .pin = &admin->request.pin,
                                       .settings = { .max_sessions = ADMIN_SESSIONS,
                                                     .login_timeout_ms =
                                                         admin->request.token.login_timeout_ms },
                                       .state_dir = admin->request.state_dir,
                                       .host = &admin->relay };
    nk_error first = { .struct_size = sizeof(first) };
    nk_status status = pin_open(pin, admin->name.label, &admin->host, &admin->pin, err);
    if (status != NK_OK) {
        return status;
    }
    status = token_join(admin->module, &admin->name, &terms, &admin->token, &first);
    if (status == NK_E_PIN && ckr_refuses_pin(first.native) && !admin->request.only_looks &&
        pin_take_other(admin->pin)) {
        status = token_join(admin->module, &admin->name, &terms, &admin->token, err);
        if (status == NK_OK) {
            pin_finish_change(admin->pin);
        }
        return status;
    }
    return status == NK_OK ? NK_OK : report_copy(err, &first);
}

static nk_status log_in(struct hsm_admin *admin, const struct hsm_pin_source *pin,
                        const struct hsm_admin *sibling, nk_error *err)
{
    if (sibling != NULL && sibling->module == admin->module &&
        token_name_equal(&sibling->name, &admin->name)) {
        admin->sibling = sibling;
        admin->token = token_share(sibling->token);
        return NK_OK;
    }
    return log_in_with(admin, pin, err);
}

nk_status hsm_admin_open_beside(const struct hsm_key_request *request,
                                const struct hsm_admin *sibling, struct hsm_admin **ret_admin,
                                nk_error *err)
{
    AUTO(hsm_admin_close) struct hsm_admin *admin = make_admin(request);
    if (admin == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = hsm_provider_register(NULL, err);
    if (status == NK_OK) {
        status = uri_parse(admin->uri_text, &admin->uri, err);
    }
    if (status == NK_OK) {
        status = module_get(admin->module_name, &admin->module, err);
    }
    if (status == NK_OK) {
        status = admin_pick(admin->module, admin->uri, NULL, &admin->name, err);
    }
    if (status == NK_OK) {
        status = log_in(admin, &request->pin, sibling, err);
    }
    if (status == NK_OK) {
        *ret_admin = admin;
        admin = NULL;
    }
    return status;
}

nk_status hsm_admin_open(const struct hsm_key_request *request, struct hsm_admin **ret_admin,
                         nk_error *err)
{
    return hsm_admin_open_beside(request, NULL, ret_admin, err);
}

void hsm_admin_close(struct hsm_admin *admin)
{
    if (admin == NULL) {
        return;
    }
    if (admin->token != NULL) {
        token_leave(admin->token);
    }
    pin_free(admin->pin);
    p11_kit_uri_free(admin->uri);
    free(admin->module_name);
    free(admin->uri_text);
    free(admin->state_dir);
    free(admin);
}

const char *hsm_admin_label(const struct hsm_admin *admin)
{
    return admin->name.label;
}

nk_status hsm_admin_use(struct hsm_admin *admin, EVP_PKEY *public_key,
                        const struct hsm_custody *custody, struct hsm_key **ret_key, nk_error *err)
{
    struct hsm_key_request request = admin->request;

    request.custody = custody != NULL ? *custody : request.custody;
    return hsm_key_open(&request, public_key, ret_key, err);
}

/* The part of a URI that names the token, in p11-kit's own order and escapes. Owned: free. */
static char *format_token(const char *text)
{
    P11KitUri *uri = NULL;
    char *formatted = NULL;

    if (uri_parse(text, &uri, NULL) == NK_OK &&
        p11_kit_uri_format(
            uri, P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_SLOT | P11_KIT_URI_FOR_MODULE_WITH_VERSION,
            &formatted) != P11_KIT_URI_OK) {
        formatted = NULL;
    }
    p11_kit_uri_free(uri);
    return formatted;
}

bool hsm_same_token(const char *uri, const char *other)
{
    AUTO(free) char *one = format_token(uri);
    AUTO(free) char *its = format_token(other);

    /* Two that name no token may be on two. */
    return one != NULL && its != NULL && strcmp(one, "pkcs11:") != 0 && strcmp(one, its) == 0;
}
