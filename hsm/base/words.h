/* SPDX-License-Identifier: Apache-2.0
 * The words for what a caller has named: a node's configuration calls a key "node.key", a section
 * of openssl.cnf has no name for it. Each thread speaks in the words of the call it serves. */
#ifndef NODEKEY_WORDS_H
#define NODEKEY_WORDS_H

#include "base/auto.h"

/* Of static lifetime, strings too. */
struct hsm_words {
    const char *key;
    const char *certificate; /* on a token */
    const char *public_half; /* what the key must belong to */
    const char *module;
    const char *pin; /* the source of the PIN; the next two: of that kind */
    const char *pin_credential;
    const char *pin_prompt;
    const char *state_dir;
    const char *allow_extractable;
    const char *allow_imported;
};

/* Of a node's configuration. */
extern const struct hsm_words words_of_node;

/* The words of this thread; at first those of a node's configuration. */
const struct hsm_words *words(void);
/* NULL: a node's. Returns those of before, for words_restore at the end of the scope. */
const struct hsm_words *words_use(const struct hsm_words *next);
void words_restore(const struct hsm_words *former);
DEFINE_AUTO(const struct hsm_words *, words_restore);

#endif
