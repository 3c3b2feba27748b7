/* SPDX-License-Identifier: Apache-2.0 */
#include "node_digest.h"

#include <stdio.h>

#include <openssl/evp.h>

const char *digest_text(const void *bytes, size_t len, char text[DIGEST_TEXT_BYTES])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned sum_len = 0;
    if (EVP_Digest(bytes, len, sum, &sum_len, EVP_sha256(), NULL) != 1) {
        snprintf(text, DIGEST_TEXT_BYTES, "sha256:failed %zu", len);
        return text;
    }
    size_t at = (size_t)snprintf(text, DIGEST_TEXT_BYTES, "sha256:");
    for (unsigned i = 0; i < sum_len; i++) {
        at += (size_t)snprintf(text + at, DIGEST_TEXT_BYTES - at, "%02x", sum[i]);
    }
    snprintf(text + at, DIGEST_TEXT_BYTES - at, " %zu", len);
    return text;
}
