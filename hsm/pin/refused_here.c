/* SPDX-License-Identifier: Apache-2.0
 * The memory of refused PINs, for this process. */
#include "pin/pin.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/fork.h"
#include "base/secret_page.h"
#include "pin/refused_marks.h"

#define PAGE_ROOM (SECRET_PAGE_BYTES / PIN_MARK_BYTES - 2)

/* A hash of a PIN can be searched like the PIN itself, so it lies in a page like the PIN's. But
 * children keep it: what was refused to the parent is refused to them. */
struct refused_page {
    unsigned char salt[PIN_SALT_BYTES];
    unsigned char refused[PAGE_ROOM][PIN_MARK_BYTES];
    size_t len;
};
_Static_assert(sizeof(struct refused_page) <= SECRET_PAGE_BYTES, "the marks are one page");

static pthread_mutex_t refused_lock = PTHREAD_MUTEX_INITIALIZER;
static struct refused_page *here; /* guarded by refused_lock */
FORK_PART(.lock = &refused_lock);

static bool make_page_locked(void)
{
    if (here != NULL) {
        return true;
    }
    struct refused_page *page = secret_page_new(SECRET_PAGE_KEPT);
    if (page == NULL) {
        return false;
    }
    if (RAND_bytes(page->salt, sizeof(page->salt)) != 1) {
        secret_page_free(page);
        return false;
    }
    here = page;
    return true;
}

bool refused_here(const struct pin *pin, const struct token_name *token)
{
    unsigned char mac[PIN_MARK_BYTES];
    /* A PIN that cannot be looked up counts as refused: a locked token costs more than a failed
     * open. */
    bool refused = true;

    pthread_mutex_lock(&refused_lock);
    if (make_page_locked() && here->len < PAGE_ROOM && pin_digest(pin, token, here->salt, mac)) {
        refused = false;
        for (size_t i = 0; i < here->len; i++) {
            refused |= CRYPTO_memcmp(here->refused[i], mac, PIN_MARK_BYTES) == 0;
        }
    }
    pthread_mutex_unlock(&refused_lock);
    return refused;
}

void refused_here_remember(const struct pin *pin, const struct token_name *token)
{
    pthread_mutex_lock(&refused_lock);
    if (make_page_locked()) {
        if (here->len < PAGE_ROOM &&
            !pin_digest(pin, token, here->salt, here->refused[here->len])) {
            here->len = PAGE_ROOM; /* this PIN cannot be remembered: refuse them all */
        }
        here->len += here->len < PAGE_ROOM ? 1 : 0;
    }
    pthread_mutex_unlock(&refused_lock);
}
