/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret_page.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <sys/mman.h>

#include <openssl/crypto.h>

#include "base/fork.h"

/* Pages that the kernel does not wipe. Without a lock, since a child must wipe them whoever held
 * one in its parent. Slots are added in front, used again, and never freed. */
struct slot {
    _Atomic(void *) page; /* NULL: the slot is free */
    struct slot *next;
};

static _Atomic(struct slot *) slots;

static void wipe_pages(void)
{
    for (struct slot *slot = atomic_load(&slots); slot != NULL; slot = slot->next) {
        void *page = atomic_load(&slot->page);
        if (page != NULL) {
            OPENSSL_cleanse(page, SECRET_PAGE_BYTES);
        }
    }
}

FORK_PART(.wipe = wipe_pages);

static bool use_free_slot(void *page)
{
    for (struct slot *slot = atomic_load(&slots); slot != NULL; slot = slot->next) {
        void *none = NULL;
        if (atomic_compare_exchange_strong(&slot->page, &none, page)) {
            return true;
        }
    }
    return false;
}

static bool add_slot(void *page)
{
    struct slot *slot = calloc(1, sizeof(*slot));
    if (slot == NULL) {
        return false;
    }
    atomic_init(&slot->page, page);
    slot->next = atomic_load(&slots);
    while (!atomic_compare_exchange_weak(&slots, &slot->next, slot)) {
    }
    return true;
}

static void forget_page(void *page)
{
    for (struct slot *slot = atomic_load(&slots); slot != NULL; slot = slot->next) {
        void *held = page;
        if (atomic_compare_exchange_strong(&slot->page, &held, NULL)) {
            return;
        }
    }
}

static bool protect_page(void *page, enum secret_page_children children)
{
    return madvise(page, SECRET_PAGE_BYTES, MADV_DONTDUMP) == 0 &&
           (children == SECRET_PAGE_KEPT ||
            madvise(page, SECRET_PAGE_BYTES, MADV_WIPEONFORK) == 0 || use_free_slot(page) ||
            add_slot(page));
}

void *secret_page_new(enum secret_page_children children)
{
    void *page =
        mmap(NULL, SECRET_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    if (!protect_page(page, children)) {
        munmap(page, SECRET_PAGE_BYTES);
        return NULL;
    }
    (void)mlock(page, SECRET_PAGE_BYTES);
    return page;
}

void secret_page_free(void *page)
{
    if (page == NULL) {
        return;
    }
    OPENSSL_cleanse(page, SECRET_PAGE_BYTES);
    forget_page(page); /* before the page goes: a child made in between would touch it */
    munmap(page, SECRET_PAGE_BYTES);
}
