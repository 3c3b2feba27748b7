/* SPDX-License-Identifier: Apache-2.0
 * Making the key that a configuration names, and unmaking it. */
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <openssl/rand.h>

#include "admin/admin.h"
#include "base/report.h"
#include "key/object_public.h"
#include "scheme/key_kinds.h"

#define ID_BYTES 8
#define ID_MAX_BYTES 255
#define TEMPLATE_MAX 12
#define PARAMS_MAX_BYTES 32

DEFINE_AUTO(ASN1_PRINTABLESTRING *, ASN1_PRINTABLESTRING_free);

const char *hsm_key_type(size_t i)
{
    return key_kind_at(i) != NULL ? key_kind_at(i)->name : NULL;
}

bool hsm_is_key_type(const char *type)
{
    return key_kind_named(type) != NULL;
}

/* CKA_EC_PARAMS: a curve's OID; an Edwards curve's name, which is all that SoftHSM takes. */
static CK_ULONG curve_params(const struct key_kind *kind, unsigned char out[PARAMS_MAX_BYTES])
{
    AUTO(ASN1_PRINTABLESTRING_free) ASN1_PRINTABLESTRING *name = ASN1_PRINTABLESTRING_new();
    unsigned char *at = out;
    int len = 0;

    if (kind->form == KEY_ECDSA) {
        len = i2d_ASN1_OBJECT(OBJ_nid2obj(kind->nid), &at);
    } else if (name != NULL && ASN1_STRING_set(name, kind->curve, -1) == 1) {
        len = i2d_ASN1_PRINTABLESTRING(name, &at);
    }
    return len > 0 ? (CK_ULONG)len : 0;
}

static void add_attribute(struct cryptoki_template *template, CK_ATTRIBUTE_TYPE type,
                          const void *value, CK_ULONG len)
{
    template->at[template->len++] =
        (CK_ATTRIBUTE){ .type = type, .pValue = (void *)(uintptr_t)value, .ulValueLen = len };
}

/* Label and id of the new key. Without an id of its own a key could not be told from its
 * namesakes later. */
struct names {
    const CK_ATTRIBUTE *label; /* NULL: the URI has none */
    unsigned char id[ID_MAX_BYTES];
    CK_ULONG id_len;
};

static nk_status read_names(P11KitUri *uri, struct names *ret_names, nk_error *err)
{
    const CK_ATTRIBUTE *id = p11_kit_uri_get_attribute(uri, CKA_ID);

    ret_names->label = p11_kit_uri_get_attribute(uri, CKA_LABEL);
    ret_names->id_len = id != NULL ? id->ulValueLen : ID_BYTES;
    if (ret_names->id_len > sizeof(ret_names->id)) {
        return report(err, NK_E_CONFIG, "node.key: an id of %lu bytes is too long; take one byte",
                      (unsigned long)ret_names->id_len);
    }
    if (id != NULL) {
        memcpy(ret_names->id, id->pValue, id->ulValueLen);
    } else if (RAND_bytes(ret_names->id, ID_BYTES) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "make an id for the key");
    }
    return NK_OK;
}

static const CK_BBOOL yes = CK_TRUE;
static const CK_BBOOL no = CK_FALSE;

static void add_names(struct cryptoki_template *template, const struct names *names)
{
    add_attribute(template, CKA_TOKEN, &yes, sizeof(yes));
    add_attribute(template, CKA_ID, names->id, names->id_len);
    if (names->label != NULL) {
        add_attribute(template, CKA_LABEL, names->label->pValue, names->label->ulValueLen);
    }
}

struct generation {
    const struct key_kind *kind;
    EVP_PKEY *public_key;
};

static CK_RV make_pair(struct hsm_admin *admin, CK_SESSION_HANDLE session,
                       const struct generation *generation, const struct names *names)
{
    static const unsigned char f4[] = { 1, 0, 1 };
    CK_MECHANISM mechanism = { .mechanism = generation->kind->generation };
    CK_ULONG bits = (CK_ULONG)generation->kind->bits_min;
    unsigned char params[PARAMS_MAX_BYTES];
    CK_ATTRIBUTE public_at[TEMPLATE_MAX];
    CK_ATTRIBUTE private_at[TEMPLATE_MAX];
    struct cryptoki_template public_key = { .at = public_at };
    struct cryptoki_template private_key = { .at = private_at };

    add_names(&public_key, names);
    add_attribute(&public_key, CKA_PRIVATE, &no, sizeof(no));
    add_attribute(&public_key, CKA_VERIFY, &yes, sizeof(yes));
    if (generation->kind->form == KEY_RSA) {
        add_attribute(&public_key, CKA_MODULUS_BITS, &bits, sizeof(bits));
        add_attribute(&public_key, CKA_PUBLIC_EXPONENT, f4, sizeof(f4));
    } else {
        add_attribute(&public_key, CKA_EC_PARAMS, params, curve_params(generation->kind, params));
    }
    add_names(&private_key, names);
    add_attribute(&private_key, CKA_PRIVATE, &yes, sizeof(yes));
    add_attribute(&private_key, CKA_SENSITIVE, &yes, sizeof(yes));
    add_attribute(&private_key, CKA_EXTRACTABLE, &no, sizeof(no));
    add_attribute(&private_key, CKA_SIGN, &yes, sizeof(yes));
    return cryptoki_generate_key_pair(admin->module->call, session, &mechanism, &public_key,
                                      &private_key, &admin->made[0], &admin->made[1]);
}

static nk_status refuse_type(const struct hsm_admin *admin, const struct generation *generation,
                             CK_RV rv, nk_error *err)
{
    switch (rv) {
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
    case CKR_KEY_SIZE_RANGE:
    case CKR_DOMAIN_PARAMS_INVALID:
    case CKR_CURVE_NOT_SUPPORTED:
        return report_ckr(err, NK_E_IDENTITY, rv,
                          "token \"%s\" does not generate %s keys (%s); try another --key-type",
                          admin->name.label, generation->kind->name,
                          generation->kind->generation_name);
    default:
        return report_ckr(err, NK_E_TOKEN, rv, "generate a %s key on token \"%s\"",
                          generation->kind->name, admin->name.label);
    }
}

static nk_status generate_key(struct hsm_admin *admin, CK_SESSION_HANDLE session, void *arg,
                              nk_error *err)
{
    struct generation *generation = arg;
    struct names names;
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;
    nk_status status = admin_find_keys(admin, session, &found, &len, err);
    if (status == NK_OK && len > 0) {
        status = report(err, NK_E_IDENTITY,
                        "token \"%s\" has a key that fits %s already, and it is left as it is; "
                        "`nodekey csr' makes a request for it, another object= or id= in node.key "
                        "names a new one",
                        admin->name.label, admin->uri_text);
    }
    if (status == NK_OK) {
        status = read_names(admin->uri, &names, err);
    }
    if (status != NK_OK) {
        return status;
    }
    CK_RV rv = make_pair(admin, session, generation, &names);
    if (rv != CKR_OK) {
        return refuse_type(admin, generation, rv, err);
    }
    rv = object_public_key(admin->module->call, session, admin->made[0], &generation->public_key);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "read the new key on token \"%s\"",
                          admin->name.label);
    }
    if (generation->public_key == NULL) {
        return report(err, NK_E_TOKEN, "token \"%s\" does not tell the public half of its new key",
                      admin->name.label);
    }
    return NK_OK;
}

nk_status hsm_admin_generate(struct hsm_admin *admin, const char *type, EVP_PKEY **ret_public,
                             nk_error *err)
{
    struct generation generation = { .kind = key_kind_named(type) };
    if (generation.kind == NULL) {
        return report(err, NK_E_USAGE, "%s is not a type of key", type);
    }
    nk_status status =
        cryptoki_need(admin->module->call, CRYPTOKI_C_GenerateKeyPair, admin->module->path, err);
    if (status == NK_OK) { /* a key that is refused afterwards is removed */
        status =
            cryptoki_need(admin->module->call, CRYPTOKI_C_DestroyObject, admin->module->path, err);
    }
    if (status == NK_OK) {
        status = admin_work(admin, CKF_RW_SESSION, generate_key, &generation, err);
    }
    if (status == NK_OK) {
        *ret_public = generation.public_key;
    } else {
        EVP_PKEY_free(generation.public_key);
    }
    return status;
}

static nk_status destroy_made(struct hsm_admin *admin, CK_SESSION_HANDLE session, void *arg,
                              nk_error *err)
{
    nk_status status = NK_OK;

    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(admin->made); i++) {
        CK_RV rv = admin->made[i] != CK_INVALID_HANDLE
                       ? cryptoki_destroy_object(admin->module->call, session, admin->made[i])
                       : CKR_OK;
        /* tpm2-pkcs11 keeps a pair as one */
        if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID) {
            status = report_ckr(err, NK_E_TOKEN, rv, "remove the key");
        }
        admin->made[i] = CK_INVALID_HANDLE;
    }
    return status;
}

bool hsm_admin_discard(struct hsm_admin *admin)
{
    if (admin->made[0] == CK_INVALID_HANDLE && admin->made[1] == CK_INVALID_HANDLE) {
        return true;
    }
    return admin_work(admin, CKF_RW_SESSION, destroy_made, NULL, NULL) == NK_OK;
}
