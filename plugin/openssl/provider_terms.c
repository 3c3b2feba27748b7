/* SPDX-License-Identifier: Apache-2.0 */
#include "openssl/provider_terms.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "config/config.h"
#include "provider/provider_config.h"

DEFINE_AUTO(struct config *, config_free);

static struct config_identity *whose(struct config *config, const char *uri)
{
    for (int role = 0; role < OUR_ROLES; role++) {
        if (strcmp(config->ours[role].key, uri) == 0) {
            return &config->ours[role];
        }
    }
    return &config->ours[OUR_SERVER];
}

static char *take(char **from)
{
    char *taken = *from;
    *from = NULL;
    return taken;
}

nk_status provider_terms_from_file(const char *path, const char *uri, struct provider_terms *terms,
                                   nk_error *err)
{
    AUTO(config_free) struct config *config = NULL;
    nk_status status = config_read(path, &config, err);
    if (status != NK_OK) {
        return status;
    }
    struct config_identity *ours = whose(config, uri);
    if (ours->pin_kind == HSM_PIN_FD || ours->pin_kind == HSM_PIN_PROMPT) {
        return report(err, NK_E_PIN,
                      "%s: node.pin.%s: a program that knows nothing of us cannot give a PIN that "
                      "way; use file or credential",
                      path, ours->pin_kind == HSM_PIN_FD ? "fd" : "prompt");
    }
    *terms = (struct provider_terms){ .module = take(&ours->module),
                                      .pin_kind = ours->pin_kind,
                                      .pin_where = take(&ours->pin_where),
                                      .allow_extractable = ours->allow_extractable,
                                      .allow_imported = ours->allow_imported,
                                      .require_hardware = ours->require_hardware,
                                      .max_sessions = config->max_sessions,
                                      .max_waiting_inbound = config->max_waiting_inbound,
                                      .login_timeout_ms = config->login_timeout_ms,
                                      .sign_timeout_ms = config->sign_timeout_ms,
                                      .state_dir = take(&config->state_dir) };
    return NK_OK;
}
