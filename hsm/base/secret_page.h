/* SPDX-License-Identifier: Apache-2.0
 * One page for secrets: locked in memory, not in core dumps, zero in forked children. All [any]. */
#ifndef NODEKEY_SECRET_PAGE_H
#define NODEKEY_SECRET_PAGE_H

#include <stddef.h>

#include <sys/mman.h>

#include <openssl/crypto.h>

#define SECRET_PAGE_BYTES 4096

/* Owned: secret_page_free. NULL: see errno; no memory, or the kernel refuses one of the
 * protections. mlock alone may fail (its limit is often 64 KiB): then the page could be swapped,
 * which swap encryption is for. */
static inline void *secret_page_new(void)
{
    void *page =
        mmap(NULL, SECRET_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    if (madvise(page, SECRET_PAGE_BYTES, MADV_DONTDUMP) != 0 ||
        madvise(page, SECRET_PAGE_BYTES, MADV_WIPEONFORK) != 0) {
        munmap(page, SECRET_PAGE_BYTES);
        return NULL;
    }
    (void)mlock(page, SECRET_PAGE_BYTES);
    return page;
}

static inline void secret_page_free(void *page)
{
    OPENSSL_cleanse(page, SECRET_PAGE_BYTES);
    munmap(page, SECRET_PAGE_BYTES);
}

#endif
