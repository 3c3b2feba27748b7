/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/report.h"
#include "base/text.h"
#include "cli/cli_ours.h"
#include "cli/cli_read.h"
#include "cli/cli_verify_read.h"
#include "peer/leaf_extension.h"
#include "peer/leaf_names.h"
#include "rules/rule_member.h"
#include "trust/key_limits.h"
#include "trust/key_types.h"
#include "trust/x509_name.h"

#define LABEL_COLUMNS 9
#define OID_BYTES 128
#define SUBJECT_BYTES 256
#define KEY_TEXT_BYTES 48
#define FINDING_BYTES 512

struct asked {
    X509_REQ *request;
    X509 *like; /* with the request's subject, key and extensions: what is asked for */
    struct names_storage storage;
    nk_peer facts;
    char subject[SUBJECT_BYTES];
    char key[KEY_TEXT_BYTES];
    json_t *usages;
    json_t *findings;
};

static void clear_asked(struct asked *asked)
{
    X509_REQ_free(asked->request);
    X509_free(asked->like);
    leaf_names_clear(&asked->storage);
    json_decref(asked->usages);
    json_decref(asked->findings);
}

static void object_to(const struct asked *asked, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void object_to(const struct asked *asked, const char *fmt, ...)
{
    char text[FINDING_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    text_flatten(text, strlen(text), TEXT_PRINTABLE);
    if (json_array_append_new(asked->findings, json_string(text)) != 0) {
        abort(); /* a finding that is lost would be a request that is sound */
    }
}

static const char *name_oid(const ASN1_OBJECT *oid, char text[OID_BYTES])
{
    text[0] = '\0';
    (void)OBJ_obj2txt(text, OID_BYTES, oid, 0);
    return text;
}

/* --- who asks --- */

static void check_key(struct asked *asked)
{
    EVP_PKEY *key = X509_REQ_get0_pubkey(asked->request);
    bool weak = false;

    if (key == NULL) {
        object_to(asked, "its key cannot be read");
        return;
    }
    key_type_text(key, asked->key, sizeof(asked->key));
    const char *problem = key_limits_problem(asked->like, &weak);
    if (problem != NULL) {
        object_to(asked, "%s, so no peer would take its certificate", problem);
    }
    if (X509_REQ_verify(asked->request, key) != 1) {
        object_to(asked,
                  "its signature is not by its key: who sent it has not shown that they hold "
                  "that key");
    }
    ERR_clear_error();
}

static void check_attributes(struct asked *asked)
{
    char text[OID_BYTES];
    int requests = 0;

    for (int i = 0; i < X509_REQ_get_attr_count(asked->request); i++) {
        const ASN1_OBJECT *oid = X509_ATTRIBUTE_get0_object(X509_REQ_get_attr(asked->request, i));
        if (OBJ_obj2nid(oid) == NID_ext_req) {
            requests += X509_ATTRIBUTE_count(X509_REQ_get_attr(asked->request, i));
        } else {
            object_to(asked, "it has the attribute %s, which no node needs", name_oid(oid, text));
        }
    }
    if (requests > 1) {
        object_to(asked, "it asks for extensions more than once");
    }
}

/* --- what for --- */

static void check_constraints(struct asked *asked, const void *data)
{
    const BASIC_CONSTRAINTS *value = data;

    if (value->ca != 0 || value->pathlen != NULL) {
        object_to(asked,
                  "it asks to be a CA (basicConstraints), which could issue certificates for "
                  "anybody");
    }
}

static void check_key_usage(struct asked *asked, const void *data)
{
    const ASN1_BIT_STRING *value = data;
    bool more = false;

    for (int i = 1; i < 8 * ASN1_STRING_length(value); i++) {
        more = more || ASN1_BIT_STRING_get_bit(value, i) != 0;
    }
    if (more) {
        object_to(asked, "its keyUsage is more than digitalSignature");
    }
}

static void check_extended_usage(struct asked *asked, const void *data)
{
    const EXTENDED_KEY_USAGE *value = data;
    char text[OID_BYTES];

    for (int i = 0; i < sk_ASN1_OBJECT_num(value); i++) {
        const ASN1_OBJECT *oid = sk_ASN1_OBJECT_value(value, i);
        int nid = OBJ_obj2nid(oid);
        if (nid == NID_server_auth || nid == NID_client_auth) {
            (void)json_array_append_new(asked->usages, json_string(OBJ_nid2sn(nid)));
        } else {
            object_to(asked,
                      "it asks for the extended key usage %s; a node needs serverAuth and "
                      "clientAuth",
                      name_oid(oid, text));
        }
    }
}

static void check_kinds_of_names(struct asked *asked, const void *data)
{
    const GENERAL_NAMES *names = data;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type = sk_GENERAL_NAME_value(names, i)->type;
        if (type != GEN_URI && type != GEN_DNS && type != GEN_IPADD && type != GEN_EMAIL) {
            object_to(asked,
                      "name %d in its subjectAltName is no URI, DNS name, address or e-mail "
                      "address",
                      i + 1);
        }
    }
}

/* A value that is not DER, or with bytes behind it, may be two things to two readers. */
static void check_value(struct asked *asked, int nid, const ASN1_ITEM *item,
                        void (*check)(struct asked *asked, const void *data))
{
    void *value = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    if (leaf_extension_read(asked->like, nid, item, &value, &err) != NK_OK) {
        object_to(asked, "peers would refuse its certificate: %s", err.text);
        return;
    }
    check(asked, value);
    ASN1_item_free(value, item);
}

static void check_extension(struct asked *asked, X509_EXTENSION *extension)
{
    const struct {
        int nid;
        const ASN1_ITEM *item;
        void (*check)(struct asked *asked, const void *data);
    } taken[] = {
        { NID_subject_alt_name, ASN1_ITEM_rptr(GENERAL_NAMES), check_kinds_of_names },
        { NID_basic_constraints, ASN1_ITEM_rptr(BASIC_CONSTRAINTS), check_constraints },
        { NID_key_usage, ASN1_ITEM_rptr(ASN1_BIT_STRING), check_key_usage },
        { NID_ext_key_usage, ASN1_ITEM_rptr(EXTENDED_KEY_USAGE), check_extended_usage },
    };
    char text[OID_BYTES];
    const ASN1_OBJECT *oid = X509_EXTENSION_get_object(extension);
    int nid = OBJ_obj2nid(oid);

    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        if (taken[i].nid != nid) {
            continue;
        }
        if (X509_get_ext_by_NID(asked->like, nid, -1) >= 0) {
            object_to(asked, "it asks for %s twice", OBJ_nid2sn(nid));
        } else if (X509_add_ext(asked->like, extension, -1) != 1) {
            object_to(asked, "there is no memory to look at %s", OBJ_nid2sn(nid));
        } else {
            check_value(asked, nid, taken[i].item, taken[i].check);
        }
        return;
    }
    object_to(asked, "it asks for the extension %s, which is its CA's to decide",
              name_oid(oid, text));
}

static void check_extensions(struct asked *asked)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(asked->request);

    if (extensions == NULL && X509_REQ_get_attr_by_NID(asked->request, NID_ext_req, -1) >= 0) {
        object_to(asked, "the extensions that it asks for are malformed");
    }
    for (int i = 0; extensions != NULL && i < sk_X509_EXTENSION_num(extensions); i++) {
        check_extension(asked, sk_X509_EXTENSION_value(extensions, i));
    }
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    ERR_clear_error();
}

static void check_names(struct asked *asked)
{
    nk_error err = { .struct_size = sizeof(err) };

    asked->facts.struct_size = sizeof(asked->facts);
    if (leaf_names_read(asked->like, &asked->storage, &asked->facts, &err) != NK_OK) {
        object_to(asked, "peers would refuse its certificate: %s", err.text);
    }
    ERR_clear_error();
}

static nk_status examine(struct asked *asked, nk_error *err)
{
    const X509_NAME *subject = X509_REQ_get_subject_name(asked->request);
    EVP_PKEY *key = X509_REQ_get0_pubkey(asked->request);

    asked->like = X509_new();
    asked->usages = json_array();
    asked->findings = json_array();
    if (asked->like == NULL || asked->usages == NULL || asked->findings == NULL ||
        X509_set_subject_name(asked->like, subject) != 1 ||
        (key != NULL && X509_set_pubkey(asked->like, key) != 1)) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    x509_name_text(subject, asked->subject, sizeof(asked->subject));
    if (strlen(asked->subject) == sizeof(asked->subject) - 1) { /* its last may be its CN */
        object_to(asked, "its subject is longer than can be shown, so read it with openssl req");
    }
    check_key(asked);
    check_attributes(asked);
    check_extensions(asked);
    check_names(asked);
    return NK_OK;
}

/* --- what is said of it --- */

static json_t *json_of_names(const nk_peer *facts)
{
    json_t *names = json_array();

    for (size_t i = 0; i < facts->names_len; i++) {
        json_t *name = json_pack("{s:s, s:s}", "kind", rule_member_of_kind(facts->names[i].kind),
                                 "name", facts->names[i].text);
        if (json_array_append_new(names, name) != 0) {
            json_decref(names);
            return NULL;
        }
    }
    return names;
}

static enum cli_exit tell_json(const struct asked *asked, enum cli_exit end)
{
    return cli_put_json(json_pack("{s:b, s:s, s:s, s:o, s:O, s:O}", "sound", end == CLI_OK,
                                  "subject", asked->subject, "key_type", asked->key, "names",
                                  json_of_names(&asked->facts), "usages", asked->usages, "findings",
                                  asked->findings),
                        end);
}

static void tell_people(const struct asked *asked)
{
    printf("%-*s%s\n", LABEL_COLUMNS, "subject",
           asked->subject[0] != '\0' ? asked->subject : "none");
    printf("%-*s%s\n", LABEL_COLUMNS, "key", asked->key);
    for (size_t i = 0; i < asked->facts.names_len; i++) {
        const nk_name *name = &asked->facts.names[i];
        printf("%-*s%s\n", LABEL_COLUMNS, rule_member_of_kind(name->kind), name->text);
    }
    for (size_t i = 0; i < json_array_size(asked->usages); i++) {
        printf("%-*s%s\n", LABEL_COLUMNS, "usage",
               json_string_value(json_array_get(asked->usages, i)));
    }
}

enum cli_exit verify_request(const char *path, bool json)
{
    struct asked asked = { .request = NULL };
    nk_error err = { .struct_size = sizeof(err) };

    nk_status status = request_read(path, &asked.request, &err);
    if (status == NK_OK) {
        status = examine(&asked, &err);
    }
    if (status != NK_OK) {
        clear_asked(&asked);
        return cli_fail("%s", err.text);
    }
    enum cli_exit end = json_array_size(asked.findings) == 0 ? CLI_OK : CLI_FAILED;
    for (size_t i = 0; i < json_array_size(asked.findings); i++) {
        (void)cli_fail("%s: %s", sent_name(path),
                       json_string_value(json_array_get(asked.findings, i)));
    }
    if (json) {
        end = tell_json(&asked, end);
    } else {
        tell_people(&asked);
    }
    clear_asked(&asked);
    return end;
}
