/* SPDX-License-Identifier: Apache-2.0
 * Words for the ends of a dial; dial_peer.c dials. */
#include "dial/dial.h"

#define DIAL_LABEL(constant, label, meaning, advice) [constant] = (label),
#define DIAL_MEANING(constant, label, meaning, advice) [constant] = (meaning),
#define DIAL_ADVICE(constant, label, meaning, advice) [constant] = (advice),

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

const char *dial_advice(enum dial_end end)
{
    static const char *const advice[] = { DIAL_ENDS(DIAL_ADVICE) };
    return advice[end];
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

/* Milliseconds; null: the step was not reached. Owned: json_decref. */
static json_t *json_of_time(long long us)
{
    return us == DIAL_NO_TIME ? json_null() : json_real((double)us / 1000.0);
}

json_t *dial_json(const struct dial_result *result)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s?, s:b, s:b, s:b, s:O?}",
        "address", result->address, "end", dial_label(result->end), "meaning",
        dial_meaning(result->end), "detail", result->detail, "others", result->others, "lookup_ms",
        json_of_time(result->lookup_us), "connect_ms", json_of_time(result->connect_us),
        "handshake_ms", json_of_time(result->handshake_us), "first_byte_ms",
        json_of_time(result->first_byte_us), "version", result->version, "cipher", result->cipher,
        "group", result->group, "scheme", result->scheme, "asked", result->asked, "other_cas",
        result->other_cas, "allowed", result->allowed, "answer", result->answer);
}
