/* SPDX-License-Identifier: Apache-2.0
 * Words for the ends of a dial; dial_peer.c dials. */
#include "dial/dial.h"

#define DIAL_LABEL(constant, label, meaning) [constant] = (label),
#define DIAL_MEANING(constant, label, meaning) [constant] = (meaning),

const char *dial_label(enum dial_end end)
{
    static const char *const labels[] = { DIAL_ENDS(DIAL_LABEL) };
    return labels[end];
}

const char *dial_meaning(enum dial_end end)
{
    static const char *const meanings[] = { DIAL_ENDS(DIAL_MEANING) };
    return meanings[end];
}

bool dial_is_fine(const struct dial_result *result)
{
    return result->end == DIAL_FINE && result->allowed;
}

void dial_result_clear(struct dial_result *result)
{
    sk_X509_pop_free(result->chain, X509_free);
    json_decref(result->answer);
    result->chain = NULL;
    result->answer = NULL;
}
