/* SPDX-License-Identifier: Apache-2.0
 * Which URIs name a key, which are refused and with what words; and that no refusal tells a PIN. */
#include <string.h>

#include "fixtures/rows.h"
#include "module/uri.h"

#define PIN "8461-spruce"
#define PIN_TEXT "remove it, change the PIN"

static const struct row {
    const char *name, *uri;
    const char *piece; /* of the refusal; NULL: accepted */
} rows[] = {
    { "token and object", "pkcs11:token=node-a;object=identity", NULL },
    { "token and id", "pkcs11:token=node-a;id=%01", NULL },
    { "type=private", "pkcs11:token=node-a;object=identity;type=private", NULL },
    { "percent-encoded", "pkcs11:token=node%20a;object=a%3bb", NULL },
    { "an object called pin-ned", "pkcs11:token=node-a;object=pin-ned", NULL },
    { "pin-value", "pkcs11:token=a;object=k?pin-value=" PIN, PIN_TEXT },
    { "pin-value in the path", "pkcs11:token=a;object=k;pin-value=" PIN, PIN_TEXT },
    { "pin-value in capitals", "pkcs11:token=a;object=k?PIN-VALUE=" PIN, PIN_TEXT },
    { "pin-value in bad syntax", "pkcs11:token=a;object=%zz?pin-value=" PIN, PIN_TEXT },
    { "pin-value before its question mark", "pin-value=" PIN, PIN_TEXT },
    { "pin-value, percent-encoded", "pkcs11:token=a;object=k?pin%2dvalue=" PIN, "node.key: " },
    { "pin-value beside a module", "pkcs11:object=k?module-path=/m.so&pin-value=" PIN, PIN_TEXT },
    { "pin-source", "pkcs11:token=a;object=k?pin-source=file:/p", PIN_TEXT },
    { "pinfile", "pkcs11:token=a;object=k;pinfile=/p", PIN_TEXT },
    { "pin-value cut by white space", "pkcs11:token=a;object=k?pin -value=" PIN, "white space" },
    { "a line break", "pkcs11:token=a;object=k?pin-\nvalue=" PIN, "white space" },
    { "white space", "pkcs11:token=node a;object=identity", "write it as %20" },
    { "unknown attribute", "pkcs11:token=a;object=k;colour=red", "does not know" },
    { "module-path", "pkcs11:token=a;object=k?module-path=/m.so", "names a module or slot" },
    { "module-name", "pkcs11:token=a;object=k?module-name=m", "names a module or slot" },
    { "slot-id", "pkcs11:slot-id=3;object=k", "names a module or slot" },
    { "slot-description", "pkcs11:slot-description=s;object=k", "names a module or slot" },
    { "slot-manufacturer", "pkcs11:slot-manufacturer=s;object=k", "names a module or slot" },
    { "library-description", "pkcs11:library-description=s;object=k", "names a module or slot" },
    { "library-manufacturer", "pkcs11:library-manufacturer=s;object=k", "names a module or slot" },
    { "library-version", "pkcs11:library-version=2;object=k", "names a module or slot" },
    { "type=public", "pkcs11:token=a;object=k;type=public", "another type than a private key" },
    { "type=cert", "pkcs11:token=a;object=k;type=cert", "another type than a private key" },
    { "neither object nor id", "pkcs11:token=a", "names no key" },
    { "nothing but the scheme", "pkcs11:", "names no key" },
    { "empty", "", "not a PKCS#11 URI" },
    { "a path", "/etc/node-a.key", "not a PKCS#11 URI" },
    { "another scheme", "tpm2:token=a;object=k", "not a PKCS#11 URI" },
    { "bad percent-encoding", "pkcs11:token=a;object=%zz", "not a PKCS#11 URI" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    nk_error err = { .struct_size = sizeof(err) };
    P11KitUri *uri = NULL;
    nk_status status = uri_parse(row->uri, &uri, &err);

    assert_null(strstr(err.text, PIN));
    if (row->piece == NULL) {
        assert_int_equal(status, NK_OK);
        assert_non_null(uri);
    } else {
        assert_int_equal(status, NK_E_CONFIG);
        assert_null(uri);
        if (strstr(err.text, row->piece) == NULL) {
            fail_msg("%s", err.text);
        }
    }
    p11_kit_uri_free(uri);
}

static const struct token_row {
    const char *name, *uri;
    bool want;
} token_rows[] = {
    { "a label fits", "pkcs11:token=node-a;object=k", true },
    { "another label does not", "pkcs11:token=node-b;object=k", false },
    { "a label is not a prefix", "pkcs11:token=node;object=k", false },
    { "a label is not cut", "pkcs11:token=node-a2;object=k", false },
    { "a percent-encoded label fits", "pkcs11:token=%6eode-a;object=k", true },
    { "no token fits each", "pkcs11:object=k", true },
    { "a NUL-padded model fits", "pkcs11:model=ST33;object=k", true },
    { "another model does not", "pkcs11:token=node-a;model=ST34;object=k", false },
    { "a serial fits", "pkcs11:token=node-a;serial=0123456789abcdef;object=k", true },
    { "another serial does not", "pkcs11:token=node-a;serial=0123456789abcdee;object=k", false },
    { "a manufacturer padded in both ways fits", "pkcs11:manufacturer=STMicro;object=k", true },
    { "another manufacturer does not", "pkcs11:manufacturer=Infineon;object=k", false },
};

/* As modules fill it: spaces by the standard, NULs by tpm2-pkcs11. */
static CK_TOKEN_INFO token_info(void)
{
    CK_TOKEN_INFO info;
    memset(&info, 0, sizeof(info));
    memset(info.label, ' ', sizeof(info.label));
    memcpy(info.label, "node-a", strlen("node-a"));
    memcpy(info.model, "ST33", strlen("ST33"));
    memcpy(info.serialNumber, "0123456789abcdef", sizeof(info.serialNumber));
    memset(info.manufacturerID, ' ', sizeof(info.manufacturerID));
    memcpy(info.manufacturerID, "STMicro", strlen("STMicro"));
    info.manufacturerID[sizeof(info.manufacturerID) - 1] = '\0'; /* both */
    return info;
}

static void check_token_row(void **state)
{
    const struct token_row *row = *state;
    CK_TOKEN_INFO info = token_info();
    struct token_name name;
    P11KitUri *uri = NULL;

    token_name_of(&info, &name);
    assert_int_equal(uri_parse(row->uri, &uri, NULL), NK_OK);
    assert_int_equal(uri_names_token(uri, &name), row->want);
    p11_kit_uri_free(uri);
}

static void the_template_asks_for_the_private_key(void **state)
{
    (void)state;
    CK_OBJECT_CLASS key_class = 0;
    CK_ATTRIBUTE template[URI_TEMPLATE_MAX];
    P11KitUri *uri = NULL;

    assert_int_equal(uri_parse("pkcs11:object=a%3bb;id=%01%00%ff", &uri, NULL), NK_OK);
    assert_int_equal(uri_template(uri, &key_class, template), URI_TEMPLATE_MAX);
    assert_int_equal(key_class, CKO_PRIVATE_KEY);
    assert_int_equal(template[0].type, CKA_CLASS);
    assert_int_equal(template[1].type, CKA_LABEL);
    assert_int_equal(template[1].ulValueLen, 3);
    assert_memory_equal(template[1].pValue, "a;b", 3);
    assert_int_equal(template[2].type, CKA_ID);
    assert_int_equal(template[2].ulValueLen, 3);
    assert_memory_equal(template[2].pValue, "\x01\x00\xff", 3);
    p11_kit_uri_free(uri);
}

/* --- two tokens that fit --- */

static const struct token_name one_of_two = { "maker", "model", "01", "node-a" };
static const struct apart_row {
    const char *name;
    struct token_name other;
    const char *advice;
} apart_rows[] = {
    { "serials differ", { "maker", "model", "02", "node-a" }, "add serial=" },
    { "labels differ", { "maker", "model", "01", "node-b" }, "add token=" },
    { "models differ", { "maker", "other", "01", "node-a" }, "add model=" },
    { "makers differ", { "other", "model", "01", "node-a" }, "add manufacturer=" },
    { "nothing differs", { "maker", "model", "01", "node-a" }, "another label" },
};

static void check_apart(void **state)
{
    const struct apart_row *row = *state;

    assert_non_null(strstr(uri_telling_apart(&one_of_two, &row->other), row->advice));
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_OF(token_rows, check_token_row)
    ROWS_OF(apart_rows, check_apart)
    ROWS_TEST(the_template_asks_for_the_private_key);
    return ROWS_RUN("uri", NULL, NULL);
}
