/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl_reading.h"

#include <string.h>

#include "base/report.h"

#define MEMBER "federation.crls"

bool reading_no_memory(struct reading *reading)
{
    reading->first = (nk_error){ .struct_size = sizeof(reading->first) };
    (void)report(&reading->first, NK_E_NOMEM, "out of memory");
    return false;
}

bool reading_bear(struct reading *reading, nk_error *why)
{
    if (why->status == NK_E_NOMEM) {
        return reading_no_memory(reading);
    }
    (void)report_where(why, why->status, MEMBER);
    (void)report_copy(&reading->first, why);
    if (reading->old == NULL) {
        return false;
    }
    log_line(reading->host, NK_LOG_ERROR, "%s; what was read before stays in force", why->text);
    return true;
}

const struct crl_list *reading_find_old(const struct reading *reading, const struct crl_list *list)
{
    const struct crls *old = reading->old;
    size_t low = 0;
    size_t high = old != NULL ? old->lists.len : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int difference = memcmp(old->lists.at[middle]->digest, list->digest, CRL_DIGEST_BYTES);
        if (difference == 0) {
            return old->lists.at[middle];
        }
        low = difference < 0 ? middle + 1 : low;
        high = difference < 0 ? high : middle;
    }
    return NULL;
}
