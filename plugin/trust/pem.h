/* SPDX-License-Identifier: Apache-2.0
 * PEM blocks one after the other. Nothing is decrypted, so no one is asked for a passphrase. */
#ifndef NODEKEY_PEM_H
#define NODEKEY_PEM_H

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/auto.h"

struct pem_block {
    char *label;
    char *header; /* "" but for encrypted blocks */
    unsigned char *data;
    long len;
};

static inline void auto_pem_block_clear(struct pem_block *block)
{
    OPENSSL_free(block->label);
    OPENSSL_free(block->header);
    OPENSSL_free(block->data);
}

/* [any] 1: *ret_block is filled, and owned: pem_block_clear. 0: no more blocks. -1: damaged,
 * OpenSSL's queue says how. */
static inline int pem_next(BIO *bio, struct pem_block *ret_block)
{
    if (PEM_read_bio(bio, &ret_block->label, &ret_block->header, &ret_block->data,
                     &ret_block->len) != 0) {
        return 1;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        return -1;
    }
    ERR_clear_error();
    return 0;
}

static inline int pem_is_certificate(const struct pem_block *block)
{
    return strcmp(block->label, PEM_STRING_X509) == 0 && block->header[0] == '\0';
}

#endif
