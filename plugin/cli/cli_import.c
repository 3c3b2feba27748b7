/* SPDX-License-Identifier: Apache-2.0
 * `nodekey import`: what the CA returned is judged as the node would judge it at its start, and
 * only then takes the place that the configuration names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "answer/ends.h"
#include "base/file.h"
#include "base/report.h"
#include "base/text.h"
#include "base/trusted_path.h"
#include "check/admission.h"
#include "cli/cli_import.h"
#include "cli/cli_ours.h"
#include "cli/cli_write.h"
#include "hsm_admin.h"
#include "judge/policy.h"
#include "trust/x509_name.h"

#define SHUT_WAIT_MS 1000
#define SUBJECT_BYTES 256

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);

static const struct argp_option options[] = { CLI_ROLE_OPTION, CLI_JSON_OPTION, { 0 } };

static const char doc[] =
    "Takes the certificate that the CA issued, with its intermediates, from FILE (PEM, DER or "
    "PKCS#7; `-' is "
    "standard input), checks it, and writes it where node.certificate says.\v"
    "It must be for the key on the token, which signs to prove it; it must chain to "
    "federation.roots, be valid now, not revoked, and fit the roles that use the file: what a node "
    "would refuse at its start is refused here, and the old file stays. The order in FILE does "
    "not matter; self-signed roots are left out.\n\n"
    "Example: nodekey import node.json a.crt\n\n"
    "Exit status: 0 in place; 1 refused, nothing changed; 2 wrong usage.";

struct wish {
    struct ours_choice ours;
    const char *file;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;

    if (ours_option(key, argument, &wish->ours, state)) {
        return 0;
    }
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num > 1) {
            argp_error(state, "`%s' is one argument too many", argument);
        }
        *(state->arg_num == 0 ? &wish->ours.path : &wish->file) = argument;
        return 0;
    case ARGP_KEY_END:
        if (wish->file == NULL) {
            argp_error(state, "%s is missing", wish->ours.path == NULL ? "CONFIG" : "FILE");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* --- checking --- */

static void warn_if_not_admitted(const struct ours *ours, struct policy *policy,
                                 const struct own_chain *chain)
{
    char why[NK_DETAIL_BYTES] = "";
    bool admitted = false;

    for (int role = 0; !admitted && role < OUR_ROLES; role++) {
        admitted = ours_shares_file(ours, role) && admission_of_ours(policy, role, chain, why);
    }
    if (!admitted) {
        log_line(&cli_host, NK_LOG_WARNING,
                 "our own rules would not admit this certificate (%s): peers with the same rules "
                 "refuse us; have the certificate or the admit rules changed",
                 why);
    }
}

/* Without state_dir, which is the node's: it refuses a list that is older than one it has seen. */
static nk_status judge_chain(const struct ours *ours, const struct own_chain *chain, nk_error *err)
{
    struct policy_memory memory;
    AUTO(policy_unref) struct policy *policy = NULL;
    nk_status status = policy_memory_open(NULL, &memory, err);
    if (status != NK_OK) {
        return status;
    }
    status = policy_new(ours->config, &memory, &cli_host, &policy, err);
    for (int role = 0; status == NK_OK && role < OUR_ROLES; role++) {
        if (ours_shares_file(ours, role)) {
            status =
                policy_check_ours(policy, role, chain->leaf, chain->intermediates, &cli_host, err);
        }
    }
    if (status == NK_OK) {
        warn_if_not_admitted(ours, policy, chain);
    }
    policy_memory_clear(&memory);
    return status;
}

static nk_status prove_key(struct hsm_admin *admin, const struct own_chain *chain, nk_error *err)
{
    struct hsm_key *key = NULL;
    EVP_PKEY *its = X509_get0_pubkey(chain->leaf);
    if (its == NULL) {
        return report_openssl(err, NK_E_IDENTITY, "the certificate's public key cannot be read");
    }
    nk_status status = hsm_admin_use(admin, its, NULL, &key, err);
    if (status == NK_OK) {
        hsm_key_shut(key, SHUT_WAIT_MS);
        hsm_key_unref(key);
    }
    return status;
}

static nk_status check_chain(const struct wish *wish, const struct ours *ours, STACK_OF(X509) *all,
                             struct own_chain *chain, nk_error *err)
{
    AUTO(hsm_admin_close) struct hsm_admin *admin = NULL;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    nk_status status = hsm_admin_open(&ours->request, &admin, err);
    if (status == NK_OK) {
        status = hsm_admin_find(admin, &key, err);
    }
    if (status == NK_OK) {
        status = chain_file_sort(all, key, wish->file, chain, err);
    }
    if (status == NK_OK) {
        status = judge_chain(ours, chain, err);
    }
    return status == NK_OK ? prove_key(admin, chain, err) : status;
}

/* --- writing --- */

/* Whoever else can lead the path elsewhere would have us replace a file of his choice. */
static nk_status check_way(const char *path, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };
    int fd = -1;
    nk_status status = trusted_open_any(path, NK_E_CONFIG, &fd, &own);
    if (status != NK_OK && (own.native_kind != NK_NATIVE_ERRNO || own.native != ENOENT)) {
        return report_copy(err, &own);
    }
    if (status != NK_OK) {
        AUTO(free) char *folder = file_folder(path);
        status = folder != NULL
                     ? trusted_open_folder(folder, TRUSTED_TO_HOLD, NK_E_CONFIG, &fd, err)
                     : report(err, NK_E_NOMEM, "out of memory");
    }
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

static nk_status write_chain(const struct own_chain *chain, const char *path, nk_error *err)
{
    nk_status status = check_way(path, err);
    if (status != NK_OK) {
        return report_where(err, status, "node.certificate");
    }
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || !own_chain_write(chain, bio)) {
        return report_openssl(err, NK_E_INTERNAL, "encode the certificates");
    }
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    return write_whole(path, text, (size_t)len, err);
}

static void put_certificate(X509 *certificate, const char *place, const char *more)
{
    char subject[SUBJECT_BYTES];
    char until[TEXT_UNTIL_BYTES];

    x509_name_text(X509_get_subject_name(certificate), subject, sizeof(subject));
    text_until(until, text_read_time(X509_get0_notAfter(certificate)), time(NULL));
    printf("%s \"%s\" %s%s\n", place, subject, until, more);
}

static enum cli_exit tell_import(const struct wish *wish, const struct ours *ours,
                                 const struct own_chain *chain)
{
    char subject[SUBJECT_BYTES];
    char signs[64];
    const char *path = ours->config->identities[ours->role].certificate;
    int others = sk_X509_num(chain->intermediates);

    if (wish->ours.json) {
        x509_name_text(X509_get_subject_name(chain->leaf), subject, sizeof(subject));
        return cli_put_json(json_pack("{s:s, s:s, s:o, s:i, s:o}", "certificate", path, "subject",
                                      subject, "not_after",
                                      ends_json(text_read_time(X509_get0_notAfter(chain->leaf))),
                                      "intermediates", others, "chain",
                                      ends_of_chain(chain->leaf, chain->intermediates)),
                            CLI_OK);
    }
    snprintf(signs, sizeof(signs), ", intermediates: %d; the key on the token signs for it",
             others);
    printf("%s: ", path);
    put_certificate(chain->leaf, "certificate", signs);
    for (int i = 0; i < others; i++) {
        put_certificate(sk_X509_value(chain->intermediates, i), "intermediate", "");
    }
    return CLI_OK;
}

static enum cli_exit carry_out(const struct wish *wish, const struct ours *ours,
                               STACK_OF(X509) *all, struct own_chain *chain)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = chain_file_read(wish->file, all, &err);
    if (status == NK_OK) {
        status = check_chain(wish, ours, all, chain, &err);
    }
    if (status == NK_OK) {
        status = write_chain(chain, ours->config->identities[ours->role].certificate, &err);
    }
    return status == NK_OK ? tell_import(wish, ours, chain) : ours_fail(&err);
}

enum cli_exit cli_import(int argc, char **argv)
{
    static const struct argp argp = { options, parse_option, "CONFIG FILE", doc, NULL, NULL, NULL };
    struct wish wish = { .ours = { .role = -1 } };
    struct ours ours;
    nk_error err = { .struct_size = sizeof(err) };

    if (argp_parse(&argp, argc, argv, 0, NULL, &wish) != 0) {
        return CLI_USAGE;
    }
    if (ours_read(&wish.ours, &ours, &err) != NK_OK) {
        return ours_fail(&err);
    }
    struct own_chain chain = { .intermediates = sk_X509_new_null() };
    STACK_OF(X509) *all = sk_X509_new_null();
    enum cli_exit end = chain.intermediates != NULL && all != NULL
                            ? carry_out(&wish, &ours, all, &chain)
                            : cli_fail("out of memory");
    sk_X509_pop_free(all, X509_free);
    own_chain_clear(&chain);
    ours_clear(&ours);
    return end;
}
