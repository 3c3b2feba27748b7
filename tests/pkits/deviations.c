/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "auto.h"

const struct deviation deviations[] = {
    { "4.1.4", REASON_WEAK_KEY, "DSA" },
};
const size_t deviations_len = ARRAY_LEN(deviations);
