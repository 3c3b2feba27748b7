/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/provider_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/params.h>

#include "base/file.h"
#include "base/report.h"
#include "base/words.h"
#include "provider/provider_context.h"

#define SECTION "openssl.cnf, our section: "

/* "module" is OpenSSL's own word, for the path of the provider. */
enum { CONFIG, MODULE, PIN_FILE, PIN_CREDENTIAL, EXTRACTABLE, IMPORTED, STATE_DIR, WORDS };
static const char *const names[WORDS] = { [CONFIG] = "config",
                                          [MODULE] = "pkcs11-module",
                                          [PIN_FILE] = "pin-file",
                                          [PIN_CREDENTIAL] = "pin-credential",
                                          [EXTRACTABLE] = "allow-extractable",
                                          [IMPORTED] = "allow-imported",
                                          [STATE_DIR] = "state-dir" };

/* --- what sentences of hsm/ call these --- */

#define WORDS_OF_KEY                                                                               \
    .key = "the key", .certificate = "the certificate",                                            \
    .public_half = "its public half on the token"
#define WORDS_OF_SECTION(pin_word)                                                                 \
    {                                                                                              \
        WORDS_OF_KEY, .module = "pkcs11-module", .pin = (pin_word), .pin_credential = (pin_word),  \
                      .pin_prompt = (pin_word), .state_dir = "state-dir",                          \
                      .allow_extractable = "allow-extractable = yes",                              \
                      .allow_imported = "allow-imported = yes"                                     \
    }
static const struct hsm_words words_of_pin_file = WORDS_OF_SECTION("pin-file");
static const struct hsm_words words_of_pin_credential = WORDS_OF_SECTION("pin-credential");
static const struct hsm_words words_of_config = { WORDS_OF_KEY,
                                                  .module = "node.module",
                                                  .pin = "node.pin",
                                                  .pin_credential = "node.pin.credential",
                                                  .pin_prompt = "node.pin.prompt",
                                                  .state_dir = "state_dir",
                                                  .allow_extractable = "allow_extractable",
                                                  .allow_imported = "allow_imported" };

/* --- the section --- */

struct section {
    const char *at[WORDS]; /* the core's; NULL: absent */
};

static struct section read_section(const struct provider *provider)
{
    struct section section = { { NULL } };
    OSSL_PARAM params[WORDS + 1];

    for (size_t i = 0; i < WORDS; i++) {
        params[i] = OSSL_PARAM_construct_utf8_ptr(names[i], (char **)(uintptr_t)&section.at[i], 0);
    }
    params[WORDS] = OSSL_PARAM_construct_end();
    if (provider->get_params == NULL || provider->get_params(provider->core, params) != 1) {
        return (struct section){ { NULL } };
    }
    return section;
}

char *provider_section(const struct provider *provider)
{
    const struct section section = read_section(provider);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    for (size_t i = 0; out != NULL && i < WORDS; i++) {
        fprintf(out, "%s\n", section.at[i] != NULL ? section.at[i] : "");
    }
    if (out == NULL || fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static nk_status copy_text(const char *text, const char **ret_copy, nk_error *err)
{
    *ret_copy = text != NULL ? strdup(text) : NULL;
    return text == NULL || *ret_copy != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

static nk_status read_flag(const struct section *section, int word, bool *ret_yes, nk_error *err)
{
    const char *text = section->at[word];

    *ret_yes = text != NULL && strcmp(text, "yes") == 0;
    if (text != NULL && !*ret_yes && strcmp(text, "no") != 0) {
        return report(err, NK_E_CONFIG, SECTION "%s is yes or no, not \"%s\"", names[word], text);
    }
    return NK_OK;
}

static nk_status check_path(const struct section *section, int word, nk_error *err)
{
    const char *text = section->at[word];

    if (text != NULL && text[0] != '/') {
        return report(err, NK_E_CONFIG,
                      SECTION "%s = %s is not an absolute path, and programs start in any folder",
                      names[word], text);
    }
    return NK_OK;
}

/* Two sources for one thing would leave the operator guessing which one counts. */
static nk_status check_shape(const struct section *section, nk_error *err)
{
    for (int i = MODULE; section->at[CONFIG] != NULL && i < WORDS; i++) {
        if (section->at[i] != NULL) {
            return report(err, NK_E_CONFIG,
                          SECTION "both config and %s are there; the file named by config says "
                                  "that, too: remove one",
                          names[i]);
        }
    }
    if (section->at[CONFIG] == NULL && section->at[MODULE] == NULL) {
        return report(err, NK_E_CONFIG,
                      SECTION "it says of no token; add config = /path/nodekey.json, or "
                              "pkcs11-module and pin-file");
    }
    if (section->at[CONFIG] == NULL &&
        (section->at[PIN_FILE] == NULL) == (section->at[PIN_CREDENTIAL] == NULL)) {
        return report(err, NK_E_CONFIG,
                      SECTION "exactly one of pin-file and pin-credential must say where the PIN "
                              "is");
    }
    nk_status status = check_path(section, CONFIG, err);
    if (status == NK_OK) {
        status = check_path(section, PIN_FILE, err);
    }
    return status == NK_OK ? check_path(section, STATE_DIR, err) : status;
}

static nk_status take_words(const struct section *section, struct provider_terms *terms,
                            nk_error *err)
{
    struct hsm_key_request *request = &terms->request;
    int pin = section->at[PIN_FILE] != NULL ? PIN_FILE : PIN_CREDENTIAL;

    request->pin.kind = pin == PIN_FILE ? HSM_PIN_FILE : HSM_PIN_CREDENTIAL;
    request->pin.fd = -1;
    request->token = HSM_TOKEN_DEFAULTS;
    request->words = pin == PIN_FILE ? &words_of_pin_file : &words_of_pin_credential;
    AUTO(words_restore) const struct hsm_words *former = words_use(request->words);
    nk_status status = copy_text(section->at[MODULE], &request->module, err);
    if (status == NK_OK) {
        status = copy_text(section->at[pin], &request->pin.where, err);
    }
    if (status == NK_OK) {
        status = section->at[STATE_DIR] != NULL
                     ? copy_text(section->at[STATE_DIR], &request->state_dir, err)
                     : file_state_directory((char **)&request->state_dir, err);
    }
    if (status == NK_OK) {
        status = read_flag(section, EXTRACTABLE, &request->custody.allow_extractable, err);
    }
    return status == NK_OK ? read_flag(section, IMPORTED, &request->custody.allow_imported, err)
                           : status;
}

nk_status provider_terms_read(const struct provider *provider, const char *uri,
                              struct provider_terms **ret_terms, nk_error *err)
{
    const struct section section = read_section(provider);
    AUTO(provider_terms_free) struct provider_terms *terms = calloc(1, sizeof(*terms));
    if (terms == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = check_shape(&section, err);
    if (status == NK_OK) {
        status = section.at[CONFIG] != NULL
                     ? provider->read_terms(section.at[CONFIG], uri, terms, err)
                     : take_words(&section, terms, err);
    }
    if (section.at[CONFIG] != NULL) {
        terms->request.words = &words_of_config;
    }
    if (status == NK_OK) {
        *ret_terms = terms;
        terms = NULL;
    }
    return status;
}

void provider_terms_free(struct provider_terms *terms)
{
    if (terms == NULL) {
        return;
    }
    free((char *)terms->request.module);
    free((char *)terms->request.pin.where);
    free((char *)terms->request.state_dir);
    free(terms);
}
