/* SPDX-License-Identifier: Apache-2.0
 * Certificates that lie on a token, by our own session: pkcs11-helper lists neither labels nor
 * objects without an id, which issuers often are. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/report.h"
#include "base/words.h"
#include "key/certificate_read.h"
#include "key/object.h"
#include "module/ckr.h"
#include "module/session.h"
#include "module/slots.h"
#include "token/token_find.h"

#define CERTIFICATES_MAX 64
#define ISSUERS_MAX 8
#define LIST_BYTES 512

DEFINE_AUTO(X509 *, X509_free);
typedef STACK_OF(X509) *stack;

static void free_stack(stack certificates)
{
    sk_X509_pop_free(certificates, X509_free);
}
DEFINE_AUTO(stack, free_stack);

struct reader {
    const struct module *module;
    struct token_name name;
    P11KitUri *uri;
    const char *text;
    CK_SESSION_HANDLE session;
};

/* Names of certificates to paste; "none". */
static void describe_certificates(const struct reader *reader, const CK_OBJECT_HANDLE *found,
                                  CK_ULONG len, char *list, size_t room)
{
    const CK_TOKEN_INFO *wanted = p11_kit_uri_get_token_info(reader->uri);
    struct object_name name;

    snprintf(list, room, "%s", len > 0 ? "" : "none");
    for (CK_ULONG i = 0; i < len && i < CERTIFICATES_MAX; i++) {
        if (object_name(reader->module->call, reader->session, found[i], &name) != CKR_OK) {
            continue; /* a lie about its name; an error is under way already */
        }
        struct uri_object object = { CKO_CERTIFICATE, name.label, name.label_len, name.id,
                                     name.id_len };
        AUTO(free)
        char *uri = uri_of_object(&reader->name, wanted->serialNumber[0] != '\0', &object);
        uri_join(list, room, uri);
    }
}

static nk_status report_count(const struct reader *reader, const CK_OBJECT_HANDLE *found,
                              CK_ULONG len, nk_error *err)
{
    AUTO(handles_free) handles_ptr all = NULL;
    CK_ULONG all_len = 0;
    char list[LIST_BYTES];

    if (len > 0) {
        describe_certificates(reader, found, len, list, sizeof(list));
        return report(err, NK_E_IDENTITY,
                      "%s: %lu certificates on token \"%s\" fit %s, not one; name one of them: %s",
                      words()->certificate, (unsigned long)len, reader->name.label, reader->text,
                      list);
    }
    if (object_find_class(reader->module->call, reader->session, CKO_CERTIFICATE, &all, &all_len) !=
        CKR_OK) {
        all_len = 0;
    }
    describe_certificates(reader, all, all_len, list, sizeof(list));
    return report(err, NK_E_IDENTITY,
                  "%s: 0 certificates on token \"%s\" fit %s, not one; write it there "
                  "(pkcs11-tool --write-object), or name a PEM file; there are: %s",
                  words()->certificate, reader->name.label, reader->text, list);
}

static nk_status read_leaf(const struct reader *reader, X509 **ret_leaf, nk_error *err)
{
    const struct cryptoki *call = reader->module->call;
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;

    CK_RV rv = object_find_named(call, reader->session, reader->uri, CKO_CERTIFICATE, &found, &len);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "search token \"%s\" for the certificate",
                          reader->name.label);
    }
    if (len != 1) {
        return report_count(reader, found, len, err);
    }
    rv = object_certificate(call, reader->session, found[0], ret_leaf);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "read the certificate on token \"%s\"",
                          reader->name.label);
    }
    if (*ret_leaf == NULL) {
        return report(err, NK_E_IDENTITY,
                      "%s: %s on token \"%s\" is not a certificate in DER form; "
                      "write it there again",
                      words()->certificate, reader->text, reader->name.label);
    }
    return NK_OK;
}

/* Certificates that cannot be read are passed over: a token holds others', too. */
static nk_status read_others(const struct reader *reader, stack all, nk_error *err)
{
    const struct cryptoki *call = reader->module->call;
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;

    CK_RV rv = object_find_class(call, reader->session, CKO_CERTIFICATE, &found, &len);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "list the certificates on token \"%s\"",
                          reader->name.label);
    }
    for (CK_ULONG i = 0; i < len && i < CERTIFICATES_MAX; i++) {
        AUTO(X509_free) X509 *one = NULL;
        rv = object_certificate(call, reader->session, found[i], &one);
        if (rv != CKR_OK) {
            return report_ckr(err, NK_E_TOKEN, rv, "read the certificates on token \"%s\"",
                              reader->name.label);
        }
        if (one != NULL && sk_X509_push(all, one) == 0) {
            return report(err, NK_E_NOMEM, "out of memory");
        }
        one = NULL;
    }
    return NK_OK;
}

static int is_in_chain(stack chain, const X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        if (X509_cmp(sk_X509_value(chain, i), certificate) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Of several issuers with one name and key, the one that lasts longest. */
static X509 *find_issuer(X509 *subject, stack all, stack chain)
{
    X509 *best = NULL;

    for (int i = 0; i < sk_X509_num(all); i++) {
        X509 *one = sk_X509_value(all, i);
        if (X509_check_issued(one, subject) != X509_V_OK || X509_self_signed(one, 0) != 0 ||
            X509_verify(subject, X509_get0_pubkey(one)) != 1 || is_in_chain(chain, one)) {
            continue;
        }
        if (best == NULL ||
            ASN1_TIME_compare(X509_get0_notAfter(one), X509_get0_notAfter(best)) > 0) {
            best = one;
        }
    }
    return best;
}

static nk_status add_issuers(stack all, stack chain, nk_error *err)
{
    X509 *last = sk_X509_value(chain, 0);

    while (sk_X509_num(chain) <= ISSUERS_MAX && (last = find_issuer(last, all, chain)) != NULL) {
        if (X509_add_cert(chain, last, X509_ADD_FLAG_UP_REF) != 1) {
            return report(err, NK_E_NOMEM, "out of memory");
        }
    }
    ERR_clear_error(); /* errors of those that did not issue the last */
    return NK_OK;
}

static CK_RV open_session(struct reader *reader, struct module *module)
{
    CK_SLOT_ID slot = 0;
    CK_RV rv = slots_find(module, &reader->name, &slot);
    return rv == CKR_OK ? session_open(module, slot, 0, &reader->session) : rv;
}

static nk_status read_leaf_and_others(struct reader *reader, struct module *module, stack all,
                                      X509 **ret_leaf, nk_error *err)
{
    CK_RV rv = module_enter(module);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "enter %s", module->path);
    }
    nk_status status = NK_OK;
    rv = open_session(reader, module);
    if (rv != CKR_OK) {
        status =
            report_ckr(err, NK_E_TOKEN, rv, "open a session with token \"%s\"", reader->name.label);
    } else {
        status = read_leaf(reader, ret_leaf, err);
        if (status == NK_OK) {
            status = read_others(reader, all, err);
        }
        session_close(module, reader->session);
    }
    module_leave(module);
    return status;
}

nk_status certificate_read(struct module *module, P11KitUri *uri, const char *text,
                           STACK_OF(X509) *chain, bool *ret_absent, nk_error *err)
{
    struct reader reader = { .module = module, .uri = uri, .text = text };
    AUTO(free_stack) stack all = sk_X509_new_null();
    AUTO(X509_free) X509 *leaf = NULL;
    if (all == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = token_find(module, uri, text, words()->certificate, &reader.name, err);
    *ret_absent = status == NK_E_TOKEN;
    if (status != NK_OK) {
        return status;
    }
    status = read_leaf_and_others(&reader, module, all, &leaf, err);
    *ret_absent = status == NK_E_TOKEN && err->native == CKR_TOKEN_NOT_PRESENT;
    if (status != NK_OK) {
        return status;
    }
    if (sk_X509_push(chain, leaf) == 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    leaf = NULL;
    return add_issuers(all, chain, err);
}
