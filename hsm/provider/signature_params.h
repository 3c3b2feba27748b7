/* SPDX-License-Identifier: Apache-2.0
 * Parameters of a signature that a program may set and ask for: digest, padding, salt, and the
 * name by which certificates call it. */
#ifndef NODEKEY_SIGNATURE_PARAMS_H
#define NODEKEY_SIGNATURE_PARAMS_H

#include <openssl/core_dispatch.h>

OSSL_FUNC_signature_set_ctx_params_fn signature_set_params;
OSSL_FUNC_signature_settable_ctx_params_fn signature_settable_params;
OSSL_FUNC_signature_get_ctx_params_fn signature_get_params;
OSSL_FUNC_signature_gettable_ctx_params_fn signature_gettable_params;

#endif
