/* SPDX-License-Identifier: Apache-2.0 */
#include "module/uri.h"

#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "base/words.h"

/* A field that the URI does not give begins with NUL. */
static bool field_fits(const CK_UTF8CHAR *wanted, size_t len, const char *name)
{
    char text[65];

    if (wanted[0] == '\0') {
        return true;
    }
    token_field_copy(text, wanted, len);
    return strcmp(text, name) == 0;
}

/* The object that a URI is to name, and how texts call it. */
struct purpose {
    const char *member;
    CK_OBJECT_CLASS object_class;
    const char *noun;
    const char *type;
    const char *short_noun;
};

/* Description and maker of a slot or a library; libp11-kit parses them, and no search of ours heeds
 * them. A version that is not given is all ones. */
static bool names_slot_or_library(P11KitUri *uri)
{
    const CK_SLOT_INFO *slot = p11_kit_uri_get_slot_info(uri);
    const CK_INFO *library = p11_kit_uri_get_module_info(uri);

    return slot->slotDescription[0] != '\0' || slot->manufacturerID[0] != '\0' ||
           library->libraryDescription[0] != '\0' || library->manufacturerID[0] != '\0' ||
           library->libraryVersion.major != (CK_BYTE)-1;
}

static nk_status check_shape(const struct purpose *purpose, P11KitUri *uri, const char *text,
                             nk_error *err)
{
    CK_ATTRIBUTE *object_class = p11_kit_uri_get_attribute(uri, CKA_CLASS);

    if (p11_kit_uri_any_unrecognized(uri) != 0) {
        return report(err, NK_E_CONFIG,
                      "%s: the URI has an attribute that RFC 7512 does not know; token, serial, "
                      "model, manufacturer, object, id and type are meant",
                      purpose->member);
    }
    if (p11_kit_uri_get_module_path(uri) != NULL || p11_kit_uri_get_module_name(uri) != NULL ||
        p11_kit_uri_get_slot_id(uri) != (CK_SLOT_ID)-1 || names_slot_or_library(uri)) {
        return report(err, NK_E_CONFIG,
                      "%s: %s names a module or slot; the module belongs into %s, and "
                      "slots change: name the token",
                      purpose->member, text, words()->module);
    }
    if (object_class != NULL &&
        *(const CK_OBJECT_CLASS *)object_class->pValue != purpose->object_class) {
        return report(err, NK_E_CONFIG,
                      "%s: %s asks for another type than a %s; leave type away or write type=%s",
                      purpose->member, text, purpose->noun, purpose->type);
    }
    if (p11_kit_uri_get_attribute(uri, CKA_LABEL) == NULL &&
        p11_kit_uri_get_attribute(uri, CKA_ID) == NULL) {
        return report(err, NK_E_CONFIG, "%s: %s names no %s; add object=LABEL or id=%%01",
                      purpose->member, text, purpose->short_noun);
    }
    return NK_OK;
}

static bool looks_like_pin(const char *text)
{
    static const char *const pieces[] = { "pin-value", "pin-source", "pinfile", "pin_value" };

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        if (strcasestr(text, pieces[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static nk_status refuse_pin(const struct purpose *purpose, nk_error *err)
{
    return report(err, NK_E_CONFIG,
                  "%s: the URI holds a PIN or its source; configurations are copied and logged: "
                  "remove it, change the PIN, and use %s",
                  purpose->member, words()->pin);
}

static nk_status parse_for(const struct purpose *purpose, const char *text, P11KitUri **ret_uri,
                           nk_error *err)
{
    /* The text is searched, too: a URI that does not parse must not be echoed with its PIN. */
    if (looks_like_pin(text)) {
        return refuse_pin(purpose, err);
    }
    if (strpbrk(text, " \t\r\n\v\f") != NULL) { /* libp11-kit would drop it: "pi n-value" */
        return report(err, NK_E_CONFIG,
                      "%s: the URI holds white space; write it as %%20, or remove it",
                      purpose->member);
    }
    AUTO(p11_kit_uri_free) P11KitUri *uri = p11_kit_uri_new();
    if (uri == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    int rc = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri);
    if (rc != P11_KIT_URI_OK) {
        return report(err, NK_E_CONFIG,
                      "%s: this is not a PKCS#11 URI (%s); for example "
                      "pkcs11:token=node-a;object=identity",
                      purpose->member, p11_kit_uri_message(rc));
    }
    if (p11_kit_uri_get_pin_value(uri) != NULL || p11_kit_uri_get_pin_source(uri) != NULL) {
        return refuse_pin(purpose, err);
    }
    nk_status status = check_shape(purpose, uri, text, err);
    if (status == NK_OK) {
        *ret_uri = uri;
        uri = NULL;
    }
    return status;
}

nk_status uri_parse(const char *text, P11KitUri **ret_uri, nk_error *err)
{
    const struct purpose key = { words()->key, CKO_PRIVATE_KEY, "private key", "private", "key" };
    return parse_for(&key, text, ret_uri, err);
}

nk_status uri_parse_certificate(const char *text, P11KitUri **ret_uri, nk_error *err)
{
    const struct purpose certificate = { words()->certificate, CKO_CERTIFICATE, "certificate",
                                         "cert", "certificate" };
    return parse_for(&certificate, text, ret_uri, err);
}

bool uri_names_token(P11KitUri *uri, const struct token_name *name)
{
    const CK_TOKEN_INFO *wanted = p11_kit_uri_get_token_info(uri);

    return field_fits(wanted->label, sizeof(wanted->label), name->label) &&
           field_fits(wanted->serialNumber, sizeof(wanted->serialNumber), name->serial) &&
           field_fits(wanted->model, sizeof(wanted->model), name->model) &&
           field_fits(wanted->manufacturerID, sizeof(wanted->manufacturerID), name->manufacturer);
}

const char *uri_telling_apart(const struct token_name *a, const struct token_name *b)
{
    const struct {
        const char *a, *b, *advice;
    } rows[] = { { a->serial, b->serial, "add serial= to name one" },
                 { a->label, b->label, "add token= to name one" },
                 { a->model, b->model, "add model= to name one" },
                 { a->manufacturer, b->manufacturer, "add manufacturer= to name one" } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].a, rows[i].b) != 0) {
            return rows[i].advice;
        }
    }
    return "no attribute tells them apart: give one another label";
}

CK_ULONG uri_template(P11KitUri *uri, CK_OBJECT_CLASS *key_class,
                      CK_ATTRIBUTE out[URI_TEMPLATE_MAX])
{
    const CK_ATTRIBUTE *label = p11_kit_uri_get_attribute(uri, CKA_LABEL);
    const CK_ATTRIBUTE *id = p11_kit_uri_get_attribute(uri, CKA_ID);
    CK_ULONG n = 0;

    *key_class = CKO_PRIVATE_KEY;
    out[n++] = (CK_ATTRIBUTE){ CKA_CLASS, key_class, sizeof(*key_class) };
    if (label != NULL) {
        out[n++] = *label;
    }
    if (id != NULL) {
        out[n++] = *id;
    }
    return n;
}

/* --- URIs to paste --- */

static void set_field(CK_UTF8CHAR *to, size_t room, const char *text)
{
    memset(to, ' ', room);
    memcpy(to, text, strlen(text));
}

static P11KitUri *name_token(const struct token_name *name, bool with_serial)
{
    P11KitUri *uri = p11_kit_uri_new();
    if (uri == NULL) {
        return NULL;
    }
    CK_TOKEN_INFO *wanted = p11_kit_uri_get_token_info(uri);
    if (name->label[0] != '\0') {
        set_field(wanted->label, sizeof(wanted->label), name->label);
    }
    if (with_serial || name->label[0] == '\0') {
        set_field(wanted->serialNumber, sizeof(wanted->serialNumber), name->serial);
    }
    return uri;
}

static char *format_uri(P11KitUri *uri)
{
    char *text = NULL;

    return uri != NULL && p11_kit_uri_format(uri, P11_KIT_URI_FOR_ANY, &text) == P11_KIT_URI_OK
               ? text
               : NULL;
}

char *uri_of_token(const struct token_name *name, bool with_serial)
{
    AUTO(p11_kit_uri_free) P11KitUri *uri = name_token(name, with_serial);

    return format_uri(uri);
}

char *uri_of_object(const struct token_name *name, bool with_serial,
                    const struct uri_object *object)
{
    CK_OBJECT_CLASS object_class = object->object_class;
    CK_ATTRIBUTE attribute = { CKA_CLASS, &object_class, sizeof(object_class) };
    CK_ATTRIBUTE label = { CKA_LABEL, object->label, object->label_len };
    CK_ATTRIBUTE id = { CKA_ID, object->id, object->id_len };
    AUTO(p11_kit_uri_free) P11KitUri *uri = name_token(name, with_serial);

    if (uri == NULL || (object->label_len == 0 && object->id_len == 0) ||
        p11_kit_uri_set_attribute(uri, &attribute) != P11_KIT_URI_OK ||
        (object->label_len > 0 && p11_kit_uri_set_attribute(uri, &label) != P11_KIT_URI_OK) ||
        (object->id_len > 0 && p11_kit_uri_set_attribute(uri, &id) != P11_KIT_URI_OK)) {
        return NULL;
    }
    return format_uri(uri);
}

void uri_join(char *list, size_t room, const char *uri)
{
    static const char more[] = "...";
    size_t used = strlen(list);
    const char *comma = used > 0 ? ", " : "";
    bool full = used >= strlen(more) && strcmp(list + used - strlen(more), more) == 0;

    if (!full) {
        bool fits = uri != NULL && used + strlen(comma) + strlen(uri) + sizeof(", ...") <= room;
        snprintf(list + used, room - used, "%s%s", comma, fits ? uri : more);
    }
}
