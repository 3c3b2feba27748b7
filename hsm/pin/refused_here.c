/* SPDX-License-Identifier: Apache-2.0
 * The memory of refused PINs, for this process. */
#include "pin/pin.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/fork.h"
#include "base/secret_page.h"
#include "pin/refused_marks.h"

#define LATCH_ROOM (SECRET_PAGE_BYTES / PIN_MARK_BYTES - 2)

/* A hash of a PIN can be searched like the PIN itself, so it lies in a page like the PIN's. But
 * children keep it: what was refused to the parent is refused to them. */
struct latch {
    unsigned char salt[PIN_SALT_BYTES];
    unsigned char refused[LATCH_ROOM][PIN_MARK_BYTES];
    size_t len;
};
_Static_assert(sizeof(struct latch) <= SECRET_PAGE_BYTES, "the latch is one page");

static pthread_mutex_t refused_lock = PTHREAD_MUTEX_INITIALIZER;
static struct latch *latch; /* guarded by refused_lock */
FORK_PART(.lock = &refused_lock);

/* Under refused_lock. */
static bool start(void)
{
    if (latch != NULL) {
        return true;
    }
    struct latch *page = secret_page_new();
    if (page == NULL) {
        return false;
    }
    (void)madvise(page, SECRET_PAGE_BYTES, MADV_KEEPONFORK);
    if (RAND_bytes(page->salt, sizeof(page->salt)) != 1) {
        secret_page_free(page);
        return false;
    }
    latch = page;
    return true;
}

bool refused_here(const struct pin *pin, const struct token_name *token)
{
    unsigned char mac[PIN_MARK_BYTES];
    /* What cannot be looked up counts as refused: a locked token costs more than a failed open. */
    bool latched = true;

    pthread_mutex_lock(&refused_lock);
    if (start() && latch->len < LATCH_ROOM && pin_digest(pin, token, latch->salt, mac)) {
        latched = false;
        for (size_t i = 0; i < latch->len; i++) {
            latched |= CRYPTO_memcmp(latch->refused[i], mac, PIN_MARK_BYTES) == 0;
        }
    }
    pthread_mutex_unlock(&refused_lock);
    return latched;
}

void refused_here_remember(const struct pin *pin, const struct token_name *token)
{
    pthread_mutex_lock(&refused_lock);
    if (start()) {
        if (latch->len < LATCH_ROOM &&
            !pin_digest(pin, token, latch->salt, latch->refused[latch->len])) {
            latch->len = LATCH_ROOM; /* not to be remembered exactly: refuse them all */
        }
        latch->len += latch->len < LATCH_ROOM ? 1 : 0;
    }
    pthread_mutex_unlock(&refused_lock);
}
