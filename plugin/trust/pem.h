/* SPDX-License-Identifier: Apache-2.0
 * PEM blocks one after the other. Nothing is decrypted, so no one is asked for a passphrase. */
#ifndef NODEKEY_PEM_H
#define NODEKEY_PEM_H

#include <stdbool.h>

#include <openssl/bio.h>
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

/* [any] 1: *ret_block is filled, and owned: pem_block_clear. 0: no more blocks. -1: damaged, or a
 * BEGIN line that OpenSSL would pass over (indented, cut short): its queue
 * says how, and for the latter in which line. `bio` is one of BIO_new_mem_buf. RFC 7468 section 2:
 * other text may stand around blocks. A byte order mark before one is passed over. */
int pem_next(BIO *bio, struct pem_block *ret_block);

/* [any] */
bool pem_is_certificate(const struct pem_block *block);

#endif
