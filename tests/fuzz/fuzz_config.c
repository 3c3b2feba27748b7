/* SPDX-License-Identifier: Apache-2.0
 * A whole configuration: text to settings, or a refusal. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "fuzz/fuzz.h"

static struct config *parse(const char *text)
{
    nk_error err = { .struct_size = sizeof(err) };
    struct config *config = NULL;
    nk_status status = config_parse(text, "/base", &config, &err);

    if (status != NK_OK) {
        fuzz_require(config == NULL, "a refused configuration was given");
        fuzz_check_error(&err, status, 1u << NK_E_CONFIG | 1u << NK_E_UNSUPPORTED);
    }
    return config;
}

static void check_settings(struct config *config)
{
    for (int role = 0; role < OUR_ROLES; role++) {
        const struct hsm_key_request request = config_key_request(config, role);
        fuzz_require(request.module[0] != '\0' && request.uri[0] != '\0', "no module or no key");
        fuzz_require(request.pin.kind != HSM_PIN_ABSENT, "no source of the PIN");
        fuzz_require(config->identities[role].certificate[0] != '\0', "no certificate");
    }
    fuzz_require(config->roots.len > 0, "no roots");
    for (size_t i = 0; i < config->roots.len; i++) {
        fuzz_require(config->roots.paths[i][0] == '/', "a relative path");
    }
    fuzz_require(!config->all_certified || config->admit.len == 0, "all-certified, and rules");
    (void)config_shares_pin(config);
}

/* The same text again has nothing that only the next start brings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char changed[CONFIG_PATH_BYTES] = "";
    char *text = fuzz_text(data, len);
    struct config *config = parse(text);

    if (config != NULL) {
        check_settings(config);
        struct config *again = parse(text);
        fuzz_require(again != NULL, "the same text is refused the second time");
        fuzz_require(!config_keep(again, config, changed), changed);
        config_free(again);
    }
    config_free(config);
    free(text);
    fuzz_check_queue();
    return 0;
}
