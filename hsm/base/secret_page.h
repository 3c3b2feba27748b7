/* SPDX-License-Identifier: Apache-2.0
 * One page for secrets: locked in memory, not in core dumps, zero in forked children. All [any]. */
#ifndef NODEKEY_SECRET_PAGE_H
#define NODEKEY_SECRET_PAGE_H

#define SECRET_PAGE_BYTES 4096

enum secret_page_children {
    SECRET_PAGE_WIPED, /* a forked child finds zeros */
    SECRET_PAGE_KEPT,  /* a forked child finds what its parent had */
};

/* Owned: secret_page_free. NULL: see errno; no memory, or the kernel would put the page into core
 * dumps. Where the kernel does not wipe pages for children (before Linux 4.14; gVisor), our fork
 * handler does, so that only a child made without fork() keeps the bytes. mlock may fail (its limit
 * is often 64 KiB): then the page could be swapped, which swap encryption is for. */
void *secret_page_new(enum secret_page_children children);
void secret_page_free(void *page); /* NULL is allowed */

#endif
