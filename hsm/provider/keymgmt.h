/* SPDX-License-Identifier: Apache-2.0
 * KEYMGMT: keys come by reference from our decoder, or as public halves to compare with. The public
 * half is an ordinary EVP_PKEY, which answers for bits, group and the like. */
#ifndef NODEKEY_KEYMGMT_H
#define NODEKEY_KEYMGMT_H

#include <openssl/core_dispatch.h>

#include "key/key_kinds.h"

#define KEYMGMT_TABLE(id, ...) extern const OSSL_DISPATCH keymgmt_##id[];
KEY_TYPES(KEYMGMT_TABLE)

#endif
