/* SPDX-License-Identifier: Apache-2.0 */
#include "base/words.h"

#include <stddef.h>

const struct hsm_words words_of_node = { .key = "node.key",
                                         .certificate = "node.certificate",
                                         .public_half = "node.certificate",
                                         .module = "node.module",
                                         .pin = "node.pin",
                                         .pin_credential = "node.pin.credential",
                                         .pin_prompt = "node.pin.prompt",
                                         .state_dir = "state_dir",
                                         .allow_extractable = "allow_extractable",
                                         .allow_imported = "allow_imported" };

static _Thread_local const struct hsm_words *current = &words_of_node;

const struct hsm_words *words(void)
{
    return current;
}

const struct hsm_words *words_use(const struct hsm_words *next)
{
    const struct hsm_words *former = current;

    current = next != NULL ? next : &words_of_node;
    return former;
}

void words_restore(const struct hsm_words *former)
{
    current = former;
}
