/* SPDX-License-Identifier: Apache-2.0 */
#include "openssl/provider_terms.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "config/config.h"
#include "provider/provider_config.h"

static int find_role(const struct config *config, const char *uri)
{
    for (int role = 0; role < OUR_ROLES; role++) {
        if (strcmp(config->identities[role].key, uri) == 0) {
            return role;
        }
    }
    return OUR_SERVER;
}

nk_status provider_terms_from_file(const char *path, const char *uri, struct provider_terms *terms,
                                   nk_error *err)
{
    AUTO(config_free) struct config *config = NULL;
    nk_status status = config_read(path, &config, err);
    if (status != NK_OK) {
        return status;
    }
    int role = find_role(config, uri);
    struct config_identity *identity = &config->identities[role];
    if (identity->pin.kind == HSM_PIN_FD || identity->pin.kind == HSM_PIN_PROMPT) {
        return report(err, NK_E_PIN,
                      "%s: node.pin.%s: a program that knows nothing of us cannot give a PIN that "
                      "way; use file or credential",
                      path, identity->pin.kind == HSM_PIN_FD ? "fd" : "prompt");
    }
    terms->request = config_key_request(config, role);
    terms->request.uri = uri;
    identity->module = NULL; /* the strings are the request's now */
    identity->pin.where = NULL;
    config->state_dir = NULL;
    return NK_OK;
}
