/* SPDX-License-Identifier: Apache-2.0
 * Two spellings of one address. */
#ifndef NODEKEY_ADDRESS_H
#define NODEKEY_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ADDRESS_IPV6_BYTES 16
#define ADDRESS_IPV4_AT 12 /* where an IPv6 address holds an IPv4 one, RFC 4291 section 2.5.5 */

static inline bool address_is_mapped(const uint8_t address[ADDRESS_IPV6_BYTES])
{
    static const uint8_t prefix[ADDRESS_IPV4_AT] = { [10] = 0xff, [11] = 0xff };
    return memcmp(address, prefix, sizeof(prefix)) == 0;
}

/* Whether an IPv6 address is an IPv4 one, mapped or "compatible": a rule for one form does not see
 * the other. :: and ::1 only look compatible. */
static inline bool address_hides_ipv4(const uint8_t address[ADDRESS_IPV6_BYTES])
{
    static const uint8_t one[ADDRESS_IPV6_BYTES] = { [15] = 1 };
    bool low = memcmp(address, one, ADDRESS_IPV4_AT) == 0;
    return address_is_mapped(address) ||
           (low && (memcmp(address, one, 15) != 0 || address[15] > 1));
}

#endif
