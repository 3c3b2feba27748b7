/* SPDX-License-Identifier: Apache-2.0
 * RFC 7512 through libp11-kit: which token, which private key. All of it [any]. */
#ifndef NODEKEY_URI_H
#define NODEKEY_URI_H

#include <stdbool.h>

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include "base/auto.h"
#include "module/token_name.h"
#include "nodekey/plugin.h"

DEFINE_AUTO(P11KitUri *, p11_kit_uri_free);

#define URI_TEMPLATE_MAX 3 /* class, label, id */

/* Refuses with NK_E_CONFIG: not a pkcs11: URI, attributes unknown to RFC 7512, another object type
 * than private, a module or slot (node.module says that), neither object nor id; and a PIN in any
 * form, without echoing it. NK_E_NOMEM. *ret_uri is owned: p11_kit_uri_free. */
MUST_USE nk_status uri_parse(const char *text, P11KitUri **ret_uri, nk_error *err);
/* The same for the URI of a certificate. */
MUST_USE nk_status uri_parse_certificate(const char *text, P11KitUri **ret_uri, nk_error *err);
bool uri_names_token(P11KitUri *uri, const struct token_name *name);
/* The advice about a URI that fits both tokens. */
const char *uri_telling_apart(const struct token_name *a, const struct token_name *b);
/* The search template for the private key; points into `uri` and `class`. Returns its length. */
CK_ULONG uri_template(P11KitUri *uri, CK_OBJECT_CLASS *key_class,
                      CK_ATTRIBUTE out[URI_TEMPLATE_MAX]);

/* Names of an object; a length is 0 when it is not. */
struct uri_object {
    CK_OBJECT_CLASS object_class;
    unsigned char *label;
    size_t label_len;
    unsigned char *id;
    size_t id_len;
};
/* URIs to paste, in ASCII whatever the bytes are. The serial is there if asked for, and where there
 * is no label. Owned: free. NULL: no memory, or of an object that has neither label nor id. */
char *uri_of_token(const struct token_name *name, bool with_serial);
char *uri_of_object(const struct token_name *name, bool with_serial,
                    const struct uri_object *object);
/* Adds a URI to a list of `room` bytes, at least 8, that begins as "": whole, so that it can be
 * pasted, or "..." for all that no more fit. NULL counts as one that does not. */
void uri_join(char *list, size_t room, const char *uri);

#endif
