/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_policies.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#define OID_BYTES 128

DEFINE_AUTO(CERTIFICATEPOLICIES *, CERTIFICATEPOLICIES_free);

bool chain_policies_ask(X509_VERIFY_PARAM *param)
{
    /* anyPolicy is said in words: an empty set is none to OpenSSL, and then requireExplicitPolicy
     * never holds. */
    ASN1_OBJECT *any = OBJ_nid2obj(NID_any_policy);
    return X509_VERIFY_PARAM_add0_policy(param, any) == 1 &&
           X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_POLICY_CHECK) == 1;
}

/* anyPolicy in the leaf says that its CA did not choose, and so vouches for nothing. */
static bool asserts_policies_by_name(X509 *leaf)
{
    AUTO(CERTIFICATEPOLICIES_free)
    CERTIFICATEPOLICIES *asserted = X509_get_ext_d2i(leaf, NID_certificate_policies, NULL, NULL);
    for (int i = 0; i < sk_POLICYINFO_num(asserted); i++) {
        if (OBJ_obj2nid(sk_POLICYINFO_value(asserted, i)->policyid) == NID_any_policy) {
            return false;
        }
    }
    return asserted != NULL;
}

static char *dotted_oid(const ASN1_OBJECT *oid)
{
    char text[OID_BYTES];
    int len = OBJ_obj2txt(text, sizeof(text), oid, 1);
    return len > 0 && (size_t)len < sizeof(text) ? strdup(text) : NULL;
}

bool chain_policies_read(const X509_STORE_CTX *ctx, X509 *leaf, char ***ret_policies,
                         size_t *ret_len)
{
    /* The authority's set is the user's: the initial set is anyPolicy. NULL: none is valid. */
    X509_POLICY_TREE *tree = X509_STORE_CTX_get0_policy_tree(ctx);
    STACK_OF(X509_POLICY_NODE) *valid = tree != NULL && asserts_policies_by_name(leaf)
                                            ? X509_policy_tree_get0_policies(tree)
                                            : NULL;
    int len = valid != NULL ? sk_X509_POLICY_NODE_num(valid) : 0;
    *ret_policies = calloc((size_t)len + 1, sizeof(**ret_policies));
    if (*ret_policies == NULL) {
        return false;
    }
    for (int i = 0; i < len; i++) {
        const ASN1_OBJECT *oid = X509_policy_node_get0_policy(sk_X509_POLICY_NODE_value(valid, i));
        if (OBJ_obj2nid(oid) == NID_any_policy) {
            continue;
        }
        char *text = dotted_oid(oid);
        if (text == NULL) {
            return false;
        }
        (*ret_policies)[(*ret_len)++] = text;
    }
    return true;
}

void chain_policies_free(char **policies, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        free(policies[i]);
    }
    free(policies);
}
