/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_present.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "base/report.h"
#include "base/text.h"
#include "judge/own_chain.h"
#include "peer/leaf_names.h"
#include "rules/rule_member.h"
#include "trust/x509_name.h"

#define SUBJECT_BYTES 256

DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(GENERAL_NAME *, GENERAL_NAME_free);
DEFINE_AUTO(GENERAL_NAMES *, GENERAL_NAMES_free);

/* --- reading --- */

static const char *place_of(const struct ours *ours)
{
    return ours->config->identities[ours->role].certificate;
}

nk_status present_read(const struct ours *ours, X509 **ret_leaf, nk_error *err)
{
    struct own_chain chain = { .leaf = NULL };
    nk_error own = { .struct_size = sizeof(own) };
    nk_status status = own_chain_read(ours->config, ours->role, &chain, &own);
    bool is_absent = status != NK_OK && !config_is_uri(place_of(ours)) &&
                     own.native_kind == NK_NATIVE_ERRNO && own.native == ENOENT;

    if (status == NK_OK || is_absent) {
        *ret_leaf = chain.leaf;
        chain.leaf = NULL;
    }
    own_chain_clear(&chain);
    return status == NK_OK || is_absent ? NK_OK : report_copy(err, &own);
}

/* --- its names --- */

static bool is_asked_for(const GENERAL_NAME *name)
{
    return name->type == GEN_URI || name->type == GEN_DNS || name->type == GEN_IPADD ||
           name->type == GEN_EMAIL;
}

/* Names of other kinds are of no use to peers, and no request should ask for them. */
static nk_status copy_names(const X509 *leaf, GENERAL_NAMES *names, nk_error *err)
{
    AUTO(GENERAL_NAMES_free)
    GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        if (!is_asked_for(sk_GENERAL_NAME_value(all, i))) {
            cli_fail("warning: name %d of the present certificate is left out: it is no URI, DNS "
                     "name, address or e-mail address",
                     i + 1);
            continue;
        }
        AUTO(GENERAL_NAME_free)
        GENERAL_NAME *name = GENERAL_NAME_dup(sk_GENERAL_NAME_value(all, i));
        if (name == NULL || sk_GENERAL_NAME_push(names, name) == 0) {
            return report(err, NK_E_NOMEM, "out of memory");
        }
        name = NULL;
    }
    return NK_OK;
}

static void tell_names(const struct ours *ours, const X509 *leaf, const nk_peer *facts)
{
    char subject[SUBJECT_BYTES];
    char until[TEXT_UNTIL_BYTES];
    char *list = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&list, &len);

    for (size_t i = 0; out != NULL && i < facts->names_len; i++) {
        fprintf(out, "%s %s %s", i == 0 ? ":" : ",", rule_member_of_kind(facts->names[i].kind),
                facts->names[i].text);
    }
    x509_name_text(X509_get_subject_name(leaf), subject, sizeof(subject));
    text_until(until, text_read_time(X509_get0_notAfter(leaf)), time(NULL));
    if (out != NULL && fclose(out) == 0) {
        cli_fail("no --san: the names are those of %s, \"%s\" %s%s", place_of(ours), subject, until,
                 list);
    }
    free(list);
}

static nk_status read_names(const struct ours *ours, const X509 *leaf, GENERAL_NAMES *names,
                            nk_error *err)
{
    struct names_storage storage = { .texts = NULL };
    nk_peer facts = { .struct_size = sizeof(facts) };
    nk_error own = { .struct_size = sizeof(own) };
    nk_status status = leaf_names_read(leaf, &storage, &facts, &own);

    if (status == NK_E_PEER) {
        status = report(err, NK_E_IDENTITY,
                        "peers would refuse a certificate with the names of the present one, %s "
                        "(%s): give others by --san",
                        place_of(ours), own.text);
    } else if (status != NK_OK) {
        status = report_copy(err, &own);
    } else if (facts.names_len == 0) {
        status = report(err, NK_E_IDENTITY,
                        "the present certificate, %s, has no names in a subjectAltName: give them "
                        "by --san",
                        place_of(ours));
    } else {
        tell_names(ours, leaf, &facts);
        status = copy_names(leaf, names, err);
    }
    leaf_names_clear(&storage);
    ERR_clear_error();
    return status;
}

nk_status present_take_names(const struct ours *ours, GENERAL_NAMES *names, X509 **ret_leaf,
                             nk_error *err)
{
    AUTO(X509_free) X509 *leaf = NULL;
    nk_error own = { .struct_size = sizeof(own) };
    nk_status status = present_read(ours, &leaf, &own);

    if (status != NK_OK) {
        return report(err, status,
                      "%s; without --san the names are those of the present certificate: give "
                      "--san, or mend it",
                      own.text);
    }
    if (leaf == NULL) {
        return report(err, NK_E_USAGE,
                      "--san is missing: peers know a node by the names in its certificate, and "
                      "there is none yet at %s to take them from",
                      place_of(ours));
    }
    status = read_names(ours, leaf, names, err);
    if (status == NK_OK) {
        *ret_leaf = leaf;
        leaf = NULL;
    }
    return status;
}
