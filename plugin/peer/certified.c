/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/certified.h"

#include "peer/leaf_traits.h"

void certified_begin(const struct peer *peer, struct certified *ret_certified)
{
    *ret_certified = (struct certified){ .peer = peer, .traits = peer->traits };
}

bool certified_add_path(struct certified *certified, STACK_OF(X509) *path, char *const *policies,
                        size_t policies_len)
{
    int len = sk_X509_num(path); /* -1 of NULL */

    /* A leaf that is itself a root has issued itself. */
    if (len < 1 || !leaf_traits_hash_spki(sk_X509_value(path, len > 1 ? 1 : 0),
                                          certified->issuer_spki_sha256)) {
        return false;
    }
    certified->traits.issuer_spki_sha256 = certified->issuer_spki_sha256;
    certified->traits.policies = policies;
    certified->traits.policies_len = policies_len;
    return true;
}
