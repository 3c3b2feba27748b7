/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_ours.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"
#include "hsm_admin.h"
#include "trust/roots.h"

bool ours_option(int key, const char *argument, struct ours_choice *choice,
                 const struct argp_state *state)
{
    switch (key) {
    case CLI_OPTION_JSON:
        choice->json = true;
        return true;
    case CLI_OPTION_ROLE:
        if (strcmp(argument, "server") != 0 && strcmp(argument, "client") != 0) {
            argp_error(state, "--role is server or client, not `%s'", argument);
        }
        choice->role = strcmp(argument, "server") == 0 ? OUR_SERVER : OUR_CLIENT;
        return true;
    default:
        return false;
    }
}

error_t ours_argument(int key, const char *argument, struct ours_choice *choice,
                      const struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) {
            argp_error(state, "`%s' is one argument too many", argument);
        }
        choice->path = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "CONFIG is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Of one PIN, too: `nodekey init' sets it. */
static bool on_one_token(const struct config *config)
{
    const struct config_identity *server = &config->identities[OUR_SERVER];
    const struct config_identity *client = &config->identities[OUR_CLIENT];

    return strcmp(server->module, client->module) == 0 && config_shares_pin(config) &&
           hsm_same_token(server->key, client->key);
}

static nk_status choose_role(const struct ours_choice *choice, const struct config *config,
                             int *ret_role, nk_error *err)
{
    bool any = config->one_identity || (choice->of_token && on_one_token(config));

    if (choice->role < 0 && !any) {
        return report(err, NK_E_USAGE,
                      "%s has two identities; say which one is meant by --role server or --role "
                      "client",
                      choice->path);
    }
    *ret_role = choice->role < 0 ? OUR_SERVER : choice->role;
    return NK_OK;
}

nk_status ours_read(const struct ours_choice *choice, struct ours *ret_ours, nk_error *err)
{
    struct config *config = NULL;
    int role = OUR_SERVER;
    nk_status status = config_read(choice->path, &config, err);
    if (status != NK_OK) {
        return status;
    }
    status = choose_role(choice, config, &role, err);
    if (status != NK_OK) {
        config_free(config);
        return status;
    }
    *ret_ours = (struct ours){ .config = config,
                               .role = role,
                               .request = config_key_request(config, role) };
    ret_ours->request.host = &cli_asking_host;
    return NK_OK;
}

nk_status ours_check_roots(const struct ours *ours, nk_error *err)
{
    const struct config *config = ours->config;

    for (size_t i = 0; i < config->roots.len; i++) {
        STACK_OF(X509) *roots = NULL;
        char *path = config->roots.paths[i];
        if (access(path, F_OK) != 0 && errno == ENOENT) {
            continue;
        }
        nk_status status = roots_read(&path, 1, config->federation.strict, &cli_host, &roots, err);
        sk_X509_pop_free(roots, X509_free);
        if (status != NK_OK) {
            return status;
        }
    }
    return NK_OK;
}

void ours_clear(struct ours *ours)
{
    config_free(ours->config);
    ours->config = NULL;
}

enum cli_exit ours_fail(const nk_error *err)
{
    cli_fail("%s", err->text);
    return err->status == NK_E_USAGE ? CLI_USAGE : CLI_FAILED;
}

bool ours_shares_file(const struct ours *ours, int role)
{
    return strcmp(ours->config->identities[role].certificate,
                  ours->config->identities[ours->role].certificate) == 0;
}

enum cli_exit cli_put_json(json_t *document, enum cli_exit good)
{
    if (document == NULL ||
        (json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0 &&
         ferror(stdout) == 0)) { /* else exit tells */
        json_decref(document);
        return cli_fail("out of memory");
    }
    json_decref(document);
    putchar('\n');
    return good;
}
