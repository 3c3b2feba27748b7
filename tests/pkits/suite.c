/* SPDX-License-Identifier: Apache-2.0 */
#include "pkits/suite.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "fixtures/authority.h"

#define ANCHOR "TrustAnchorRootCertificate"
#define ANCHOR_LIST "TrustAnchorRootCRL.crl"
#define NEED(what)                                                                                 \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* --- reading --- */

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* "name.crt" becomes "name". Owned: free each, and the list. */
static char **list(const char *folder, size_t *ret_len)
{
    struct dirent **entries = NULL;
    int len = scandir(folder, &entries, is_file, alphasort);
    NEED(len > 0);
    char **names = calloc((size_t)len, sizeof(*names));
    NEED(names != NULL);
    for (int i = 0; i < len; i++) {
        char *end = strrchr(entries[i]->d_name, '.');
        NEED(end != NULL && strlen(end) == strlen(".crt"));
        names[i] = strndup(entries[i]->d_name, (size_t)(end - entries[i]->d_name));
        NEED(names[i] != NULL);
        free(entries[i]);
    }
    free(entries);
    *ret_len = (size_t)len;
    return names;
}

static BIO *open_file(const char *folder, const char *name, const char *suffix)
{
    BIO *file = BIO_new_file(path_of("%s/%s%s", folder, name, suffix), "rb");
    NEED(file != NULL);
    return file;
}

static void push(STACK_OF(X509) *to, X509 *certificate)
{
    NEED(X509_up_ref(certificate) == 1 && sk_X509_push(to, certificate) > 0);
}

static void read_certificates(const char *folder, struct suite *suite)
{
    size_t len = 0;
    suite->names = list(folder, &len);
    for (size_t i = 0; i < len; i++) {
        BIO *file = open_file(folder, suite->names[i], ".crt");
        X509 *certificate = d2i_X509_bio(file, NULL);
        NEED(certificate != NULL && sk_X509_push(suite->all, certificate) > 0);
        BIO_free(file);
        if (strcmp(suite->names[i], ANCHOR) == 0) {
            push(suite->anchor, certificate);
        } else if (!suite_is_leaf(suite->names[i])) {
            push(suite->authorities, certificate);
        }
    }
    NEED(sk_X509_num(suite->anchor) == 1);
}

static void keep_line(void *suite, int32_t level, const char *line)
{
    char **text = &((struct suite *)suite)->refusals;
    char *longer = NULL;
    if (level == NK_LOG_ERROR) {
        NEED(asprintf(&longer, "%s%s\n", *text != NULL ? *text : "", line) > 0);
        free(*text);
        *text = longer;
    }
}

/* One good file first: what is bad is then reported as at a reload, and the rest is in force. */
static void read_lists(const char *folder, struct suite *suite)
{
    const nk_host host = { .struct_size = sizeof(host), .host_data = suite, .log = keep_line };
    char *first[] = { (char *)path_of("%s/%s", folder, ANCHOR_LIST) };
    char *all[] = { (char *)folder };
    struct crl_ledger *ledger = NULL;
    struct crls *anchor = NULL;
    NEED(crl_ledger_open(NULL, &ledger, NULL) == NK_OK);
    NEED(crls_read(first, 1, NULL, ledger, NULL, NULL, &anchor, NULL) == NK_OK);
    NEED(crls_read(all, 1, NULL, ledger, anchor, &host, &suite->lists, NULL) == NK_E_TRUST);
    crls_unref(anchor);
    crl_ledger_free(ledger);
}

void suite_read(const char *folder, struct suite *ret_suite)
{
    *ret_suite = (struct suite){ .all = sk_X509_new_null(),
                                 .authorities = sk_X509_new_null(),
                                 .anchor = sk_X509_new_null() };
    read_certificates(path_of("%s/certs", folder), ret_suite);
    read_lists(path_of("%s/crls", folder), ret_suite);
}

void suite_clear(struct suite *suite)
{
    for (int i = 0; i < sk_X509_num(suite->all); i++) {
        free(suite->names[i]);
    }
    free(suite->names);
    sk_X509_pop_free(suite->all, X509_free);
    sk_X509_pop_free(suite->authorities, X509_free);
    sk_X509_pop_free(suite->anchor, X509_free);
    crls_unref(suite->lists);
    free(suite->refusals);
}

/* --- asking --- */

int suite_is_leaf(const char *name)
{
    size_t len = strlen(name);
    return len > 2 && strcmp(name + len - 2, "EE") == 0;
}

X509 *suite_find(const struct suite *suite, const char *name)
{
    for (int i = 0; i < sk_X509_num(suite->all); i++) {
        if (strcmp(suite->names[i], name) == 0) {
            return sk_X509_value(suite->all, i);
        }
    }
    return NULL;
}

/* By name or by key: some tests break the one, some the other. */
static bool may_issue(X509 *issuer, X509 *subject)
{
    const ASN1_OCTET_STRING *wanted = X509_get0_authority_key_id(subject);
    const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(issuer);
    return X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(subject)) == 0 ||
           (wanted != NULL && own != NULL && ASN1_OCTET_STRING_cmp(wanted, own) == 0);
}

static void add_issuers(const struct suite *suite, X509 *subject, STACK_OF(X509) *found)
{
    for (int i = 0; i < sk_X509_num(suite->authorities); i++) {
        X509 *authority = sk_X509_value(suite->authorities, i);
        bool is_new = true;
        for (int j = 0; is_new && j < sk_X509_num(found); j++) {
            is_new = sk_X509_value(found, j) != authority;
        }
        if (is_new && may_issue(authority, subject)) {
            NEED(sk_X509_push(found, authority) > 0);
        }
    }
}

STACK_OF(X509) *suite_issuers(const struct suite *suite, X509 *leaf, int max)
{
    STACK_OF(X509) *found = sk_X509_new_null();
    NEED(found != NULL);
    add_issuers(suite, leaf, found);
    for (int i = 0; i < sk_X509_num(found); i++) {
        add_issuers(suite, sk_X509_value(found, i), found);
    }
    NEED(sk_X509_num(found) <= max);
    return found;
}
