/* SPDX-License-Identifier: Apache-2.0
 * A whole configuration: text to settings, or a refusal; and all of its faults. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/config.h"
#include "fuzz/fuzz.h"

#define REFUSALS (1u << NK_E_CONFIG | 1u << NK_E_UNSUPPORTED)

static struct config *parse(const char *text, nk_error *err)
{
    struct config *config = NULL;
    nk_status status = config_parse(text, "/base", &config, err);

    if (status != NK_OK) {
        fuzz_require(config == NULL, "a refused configuration was given");
        fuzz_check_error(err, status, REFUSALS);
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

/* --- all faults --- */

static char path[] = "/tmp/nodekey-fuzz-XXXXXX";

static void remove_file(void)
{
    (void)unlink(path);
}

static void write_file_of(const char *text)
{
    static int fd = -1;

    if (fd < 0) {
        fd = mkstemp(path);
        fuzz_require(fd >= 0 && atexit(remove_file) == 0, "no file for the text");
    }
    size_t len = strlen(text);
    fuzz_require(pwrite(fd, text, len, 0) == (ssize_t)len && ftruncate(fd, (off_t)len) == 0,
                 "the text cannot be written");
}

static void take_fault(void *arg, const nk_error *fault)
{
    nk_error *first = arg;

    fuzz_check_error(fault, fault->status, REFUSALS);
    if (first->status == NK_OK) {
        *first = *fault;
    }
}

/* Examining a text tells the fault for which others refuse it, and others only besides. */
static void examine(const char *text, const nk_error *refusal)
{
    nk_error first = { .struct_size = sizeof(first) };
    nk_error err = { .struct_size = sizeof(err) };
    struct json_faults faults = { .found = take_fault, .arg = &first };
    struct config *config = NULL;

    write_file_of(text);
    nk_status status = config_examine(path, &faults, &config, &err);
    fuzz_require((status == NK_OK) == (config != NULL), "a status, and a configuration");
    fuzz_require((faults.len > 0 || status != NK_OK) == (refusal->status != NK_OK), refusal->text);
    if (faults.len > 0) {
        fuzz_require(strstr(first.text, refusal->text) != NULL, refusal->text);
    }
    if (config != NULL) {
        check_settings(config);
    }
    config_free(config);
}

/* The same text again has nothing that only the next start brings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char changed[CONFIG_PATH_BYTES] = "";
    char *text = fuzz_text(data, len);
    nk_error err = { .struct_size = sizeof(err) };
    struct config *config = parse(text, &err);

    if (config != NULL) {
        check_settings(config);
        struct config *again = parse(text, &err);
        fuzz_require(again != NULL, "the same text is refused the second time");
        fuzz_require(!config_keep(again, config, changed), changed);
        config_free(again);
    }
    config_free(config);
    if (strncmp(text, FILE_UTF8_MARK, strlen(FILE_UTF8_MARK)) !=
        0) { /* which only files may have */
        examine(text, &err);
    }
    free(text);
    fuzz_check_queue();
    return 0;
}
