/* SPDX-License-Identifier: Apache-2.0
 * `nodekey enroll` and `nodekey csr`: a certificate is requested for a key that stays on its token;
 * the first generates it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "cli/cli_ours.h"
#include "cli/cli_present.h"
#include "cli/cli_request.h"
#include "cli/cli_verify.h"
#include "cli/cli_write.h"
#include "hsm_admin.h"

#define CN_MAX_BYTES 64 /* ub-common-name, RFC 5280 appendix A.1 */
#define SHUT_WAIT_MS 1000

DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);
DEFINE_AUTO(X509 *, X509_free);

enum { OPTION_SAN = CLI_OPTION_OWN, OPTION_CN, OPTION_OUT, OPTION_KEY_TYPE, OPTION_VERIFY };

#define SAN_OPTION                                                                                 \
    {                                                                                              \
        "san", OPTION_SAN, "KIND:NAME", 0,                                                         \
            "A name to ask for, once or more: URI:spiffe://..., DNS:..., IP:... or email:... "     \
            "Default: the names of the certificate that is there, and its subject",                \
            0                                                                                      \
    }
#define CN_OPTION                                                                                  \
    {                                                                                              \
        "cn", OPTION_CN, "NAME", 0,                                                                \
            "The common name to ask for; empty: none. Default: the token's label, if --san is "    \
            "given",                                                                               \
            0                                                                                      \
    }
#define OUT_OPTION                                                                                 \
    {                                                                                              \
        "out", OPTION_OUT, "FILE", 0, "Where to write the request. Default: standard output", 0    \
    }

static const struct argp_option enroll_options[] = {
    SAN_OPTION,
    { "key-type", OPTION_KEY_TYPE, "TYPE", 0, "The kind of key",
      0 }, /* list_key_types says which */
    CN_OPTION,
    OUT_OPTION,
    CLI_ROLE_OPTION,
    CLI_JSON_OPTION,
    { 0 },
};
static const struct argp_option csr_options[] = {
    { "verify", OPTION_VERIFY, "FILE", 0,
      "For a CA: print what the request in FILE asks for (`-': standard input), instead of making "
      "one; no CONFIG is read",
      0 },
    SAN_OPTION,
    CN_OPTION,
    OUT_OPTION,
    CLI_ROLE_OPTION,
    CLI_JSON_OPTION,
    { 0 }
};

static const char enroll_doc[] =
    "Generates the key that node.key names on its token, where it stays, and writes a PKCS#10 "
    "request for a certificate.\v"
    "Give the request to the federation's CA, and what it returns to `nodekey import'. A key that "
    "fits node.key already is left as it is, and is an error; see `nodekey csr'.\n\n"
    "Example: nodekey enroll node.json --san URI:spiffe://f.example/node/a --out a.csr\n\n"
    "Exit status: 0 written; 1 not; 2 wrong usage.";
static const char csr_doc[] =
    "Writes a PKCS#10 request for a certificate for the key that node.key names; the key is on its "
    "token.\v"
    "For a renewal, which asks for the names of the present certificate, and after `nodekey "
    "enroll' "
    "whose request got lost.\n\n"
    "Examples: nodekey csr node.json --out a.csr\n"
    "          nodekey csr --verify a.csr\n\n"
    "Exit status: 0 written; 1 not; 2 wrong usage. With --verify: 0 the request asks for nothing "
    "but "
    "names, digitalSignature, serverAuth and clientAuth; 1 it asks for more, or is none.";

struct wish {
    struct ours_choice ours;
    GENERAL_NAMES *names;
    X509 *present;  /* whose names they are; NULL: they were given by --san */
    const char *cn; /* NULL: the subject of that, else the token's label */
    const char *out;
    const char *type;   /* NULL: the key is there */
    const char *verify; /* a request that is there; NULL: one is made */
};

/* --- the command line --- */

static void take_name(struct wish *wish, const char *text, const struct argp_state *state)
{
    const char *flaw = request_add_name(wish->names, text);
    if (flaw != NULL) {
        argp_error(state, "--san `%s' %s", text, flaw);
    }
}

/* argp's help_filter. The text is owned: free. */
static char *list_key_types(int key, const char *text, void *unused)
{
    char *list = NULL;
    size_t len = 0;

    (void)unused;
    FILE *out = key == OPTION_KEY_TYPE ? open_memstream(&list, &len) : NULL;
    if (out == NULL) {
        return (char *)(uintptr_t)text;
    }
    for (size_t i = 0; hsm_key_type(i) != NULL; i++) {
        fprintf(out, i == 0 ? "%s (default)" : ", %s", hsm_key_type(i));
    }
    return fclose(out) == 0 ? list : (char *)(uintptr_t)text;
}

static void check_wish(const struct wish *wish, const struct argp_state *state)
{
    if (wish->verify != NULL) {
        if (wish->ours.path != NULL || wish->out != NULL || wish->cn != NULL ||
            sk_GENERAL_NAME_num(wish->names) > 0) {
            argp_error(state, "--verify looks at a request that is there; it takes --json alone");
        }
        return;
    }
    if (wish->cn != NULL && strlen(wish->cn) > CN_MAX_BYTES) {
        argp_error(state, "--cn has more than %d bytes", CN_MAX_BYTES);
    }
    if (wish->type != NULL && !hsm_is_key_type(wish->type)) {
        argp_error(state, "--key-type `%s' is not one that nodekey makes; see --help", wish->type);
    }
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;

    if (ours_option(key, argument, &wish->ours, state)) {
        return 0;
    }
    switch (key) {
    case OPTION_SAN:
        take_name(wish, argument, state);
        return 0;
    case OPTION_CN:
        wish->cn = argument;
        return 0;
    case OPTION_OUT:
        wish->out = argument;
        return 0;
    case OPTION_KEY_TYPE:
        wish->type = argument;
        return 0;
    case OPTION_VERIFY:
        wish->verify = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        return wish->verify != NULL ? 0 : ours_argument(key, argument, &wish->ours, state);
    case ARGP_KEY_END:
        check_wish(wish, state);
        return 0;
    default:
        return ours_argument(key, argument, &wish->ours, state);
    }
}

/* --- the work --- */

static const char *usages_of(const struct ours *ours)
{
    return ours->config->one_identity ||
                   (ours_shares_file(ours, OUR_SERVER) && ours_shares_file(ours, OUR_CLIENT))
               ? "serverAuth,clientAuth"
           : ours->role == OUR_SERVER ? "serverAuth"
                                      : "clientAuth";
}

static struct request_spec specify(const struct wish *wish, const struct ours *ours,
                                   const struct hsm_admin *admin)
{
    bool as_before = wish->present != NULL && wish->cn == NULL;

    return (struct request_spec){ .subject =
                                      as_before ? X509_get_subject_name(wish->present) : NULL,
                                  .cn = wish->cn != NULL ? wish->cn : hsm_admin_label(admin),
                                  .names = wish->names,
                                  .usages = usages_of(ours) };
}

static nk_status make_request(const struct wish *wish, const struct ours *ours,
                              struct hsm_admin *admin, EVP_PKEY *public_key, char **ret_pem,
                              nk_error *err)
{
    const struct request_spec spec = specify(wish, ours, admin);
    struct hsm_key *key = NULL;
    nk_status status = hsm_admin_use(admin, public_key, NULL, &key, err);
    if (status != NK_OK) {
        return status;
    }
    status = request_make(&spec, key, public_key, ret_pem, err);
    hsm_key_shut(key, SHUT_WAIT_MS);
    hsm_key_unref(key);
    return status;
}

/* A key that a node could not open is no key: it would only be in the way of the next try. */
static nk_status give_up(struct hsm_admin *admin, const struct ours *ours, nk_status status,
                         nk_error *err)
{
    if (hsm_admin_discard(admin)) {
        return status;
    }
    return report_where(err, status, "the new key %s is still on its token, remove it by hand",
                        ours->request.uri);
}

/* The public key of the certificate in use; NULL: there is none yet, or it is on a token. Owned:
 * EVP_PKEY_free. */
static EVP_PKEY *key_in_use(const struct ours *ours)
{
    AUTO(X509_free) X509 *leaf = NULL;
    nk_error own = { .struct_size = sizeof(own) };
    bool on_token = config_is_uri(ours->config->identities[ours->role].certificate);

    return !on_token && present_read(ours, &leaf, &own) == NK_OK && leaf != NULL
               ? X509_get_pubkey(leaf)
               : NULL;
}

static nk_status find_key(struct hsm_admin *admin, const struct ours *ours, EVP_PKEY **ret_public,
                          nk_error *err)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *hint = key_in_use(ours);

    return hsm_admin_public(admin, hint, ret_public, err);
}

/* Told before the CA signs: it may still be another key. */
static void tell_unmet(const EVP_PKEY *public_key)
{
    char unmet[HSM_UNMET_BYTES];

    if (hsm_key_unmet(public_key, unmet)) {
        cli_fail("warning: %s", unmet);
    }
}

static nk_status on_token(const struct wish *wish, const struct ours *ours, char **ret_pem,
                          nk_error *err)
{
    AUTO(hsm_admin_close) struct hsm_admin *admin = NULL;
    AUTO(EVP_PKEY_free) EVP_PKEY *public_key = NULL;
    nk_status status = hsm_admin_open(&ours->request, &admin, err);
    if (status != NK_OK) {
        return status;
    }
    const struct request_spec spec = specify(wish, ours, admin);
    status = request_check_names(&spec, err);
    if (status != NK_OK) {
        return status;
    }
    status = wish->type != NULL ? hsm_admin_generate(admin, wish->type, &public_key, err)
                                : find_key(admin, ours, &public_key, err);
    if (status == NK_OK) {
        status = make_request(wish, ours, admin, public_key, ret_pem, err);
    }
    if (status == NK_OK) {
        tell_unmet(public_key);
    }
    return status == NK_OK ? NK_OK : give_up(admin, ours, status, err);
}

/* The request is lost only if the key is: whoever cannot write it is told what to do. */
static nk_status deliver_request(const struct wish *wish, const char *pem, nk_error *err)
{
    if (wish->out == NULL || pem == NULL) {
        return NK_OK;
    }
    nk_status status = write_whole(wish->out, pem, strlen(pem), err);
    return status == NK_OK ? NK_OK
                           : report_where(err, status,
                                          "the key is on its token, the request is not written "
                                          "(`nodekey csr' makes it again)");
}

static enum cli_exit tell_request(const struct wish *wish, const struct ours *ours, const char *pem)
{
    if (wish->ours.json) {
        return cli_put_json(
            json_pack("{s:s, s:s, s:s, s:b, s:s}", "key", ours->request.uri, "certificate",
                      ours->config->identities[ours->role].certificate, "usages", usages_of(ours),
                      "generated", wish->type != NULL, "request", pem),
            CLI_OK);
    }
    if (wish->out == NULL) {
        fputs(pem, stdout);
        return CLI_OK;
    }
    printf("%s is the request for %s; have it signed, then: nodekey import %s CERTIFICATE.pem\n",
           wish->out, ours->request.uri, wish->ours.path);
    return CLI_OK;
}

static nk_status find_names(struct wish *wish, const struct ours *ours, nk_error *err)
{
    return sk_GENERAL_NAME_num(wish->names) > 0
               ? NK_OK
               : present_take_names(ours, wish->names, &wish->present, err);
}

static enum cli_exit carry_out(struct wish *wish)
{
    if (wish->verify != NULL) {
        return verify_request(wish->verify, wish->ours.json);
    }
    AUTO(free) char *pem = NULL;
    struct ours ours;
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = ours_read(&wish->ours, &ours, &err);
    if (status != NK_OK) {
        return ours_fail(&err);
    }
    status = find_names(wish, &ours, &err);
    if (status == NK_OK) {
        status = ours_check_roots(&ours, &err);
    }
    if (status == NK_OK) {
        status = on_token(wish, &ours, &pem, &err);
    }
    if (status == NK_OK) {
        status = deliver_request(wish, pem, &err);
    }
    enum cli_exit end = status == NK_OK ? tell_request(wish, &ours, pem) : ours_fail(&err);
    ours_clear(&ours);
    return end;
}

static enum cli_exit run_command(const struct argp *argp, const char *type, int argc, char **argv)
{
    struct wish wish = { .ours = { .role = -1 },
                         .names = sk_GENERAL_NAME_new_null(),
                         .type = type };
    if (wish.names == NULL) {
        return cli_fail("out of memory");
    }
    enum cli_exit end =
        argp_parse(argp, argc, argv, 0, NULL, &wish) == 0 ? carry_out(&wish) : CLI_USAGE;
    GENERAL_NAMES_free(wish.names);
    X509_free(wish.present);
    return end;
}

enum cli_exit cli_enroll(int argc, char **argv)
{
    static const struct argp argp = { enroll_options, parse_option,   "CONFIG", enroll_doc,
                                      NULL,           list_key_types, NULL };
    return run_command(&argp, hsm_key_type(0), argc, argv);
}

enum cli_exit cli_csr(int argc, char **argv)
{
    static const struct argp argp = { csr_options, parse_option, "CONFIG\n--verify FILE",
                                      csr_doc,     NULL,         NULL,
                                      NULL };
    return run_command(&argp, NULL, argc, argv);
}
