/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path_terms.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fork.h"
#include "base/report.h"

#define NOTES_MAX 16 /* the rest of an operator's paths is likely to be of the same kind */

struct path_terms {
    atomic_uint refs;
    bool trust_folders;
    size_t room;
    size_t len; /* guarded by notes_lock, as what follows is */
    size_t told;
    char *notes[NOTES_MAX];
};

static pthread_mutex_t notes_lock = PTHREAD_MUTEX_INITIALIZER;
FORK_PART(.lock = &notes_lock);

static struct path_terms strict = { .refs = 1 };
static _Thread_local struct path_terms *current = &strict;

struct path_terms *path_terms_new(bool trust_folders)
{
    struct path_terms *terms = calloc(1, sizeof(*terms));

    if (terms != NULL) {
        atomic_init(&terms->refs, 1);
        terms->trust_folders = trust_folders;
        terms->room = NOTES_MAX;
    }
    return terms;
}

struct path_terms *path_terms_ref(struct path_terms *terms)
{
    atomic_fetch_add(&terms->refs, 1);
    return terms;
}

void path_terms_unref(struct path_terms *terms)
{
    if (terms == NULL || atomic_fetch_sub(&terms->refs, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < terms->len; i++) {
        free(terms->notes[i]);
    }
    free(terms);
}

struct path_terms *path_terms(void)
{
    return current;
}

struct path_terms *path_terms_use(struct path_terms *next)
{
    struct path_terms *former = current;

    current = next;
    return former;
}

void path_terms_restore(struct path_terms *former)
{
    current = former;
}

bool path_terms_trust_folders(const struct path_terms *terms)
{
    return terms->trust_folders;
}

/* --- warnings --- */

static bool is_noted_locked(const struct path_terms *terms, const char *text)
{
    const char *end = strstr(text, ": ");
    size_t len = end != NULL ? (size_t)(end - text) : strlen(text);

    for (size_t i = 0; i < terms->len; i++) {
        if (strncmp(terms->notes[i], text, len) == 0 && terms->notes[i][len] == text[len]) {
            return true;
        }
    }
    return false;
}

void path_terms_note(struct path_terms *terms, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        return;
    }
    pthread_mutex_lock(&notes_lock);
    if (terms->len < terms->room && !is_noted_locked(terms, text)) {
        terms->notes[terms->len++] = text;
        text = NULL;
    }
    pthread_mutex_unlock(&notes_lock);
    free(text);
}

/* Notes stay for the life of their terms, so that none is told twice. */
static const char *next_untold(struct path_terms *terms)
{
    pthread_mutex_lock(&notes_lock);
    const char *text = terms->told < terms->len ? terms->notes[terms->told++] : NULL;
    pthread_mutex_unlock(&notes_lock);
    return text;
}

void path_terms_tell(struct path_terms *terms, const nk_host *host)
{
    for (const char *text = next_untold(terms); text != NULL; text = next_untold(terms)) {
        log_line(host, NK_LOG_WARNING, "%s", text);
    }
}
