/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_lists.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define PROOFS 4                 /* keys per list: the issuer's old and new one, and namesakes */
#define SIGNATURE_AS_BYTES 65536 /* cost of checking one, beside reading the list */

struct proof {
    EVP_PKEY *key; /* NULL: free */
    bool signed_it;
};

struct list {
    const struct crl *crl;
    size_t bytes;
    /* guarded by the lists' lock */
    struct proof proofs[PROOFS];
    size_t next_proof; /* to be forgotten, unless it is good and another is not */
};

struct chain_lists {
    struct crls *crls;
    pthread_mutex_t lock;
    struct list *at;
    size_t len;
};

/* --- life --- */

static size_t count_lists(const struct crls *crls)
{
    size_t at = 0;
    size_t len = 0;
    while (crls_next(crls, &at) != NULL) {
        len++;
    }
    return len;
}

struct chain_lists *chain_lists_new(struct crls *crls)
{
    size_t len = crls != NULL ? count_lists(crls) : 0;
    struct chain_lists *lists = calloc(1, sizeof(*lists));
    if (lists == NULL) {
        return NULL;
    }
    pthread_mutex_init(&lists->lock, NULL);
    lists->crls = crls != NULL ? crls_ref(crls) : NULL;
    lists->at = calloc(len + 1, sizeof(*lists->at));
    if (lists->at == NULL) {
        chain_lists_free(lists);
        return NULL;
    }
    size_t at = 0;
    for (const struct crl *crl = NULL; lists->len < len && (crl = crls_next(crls, &at)) != NULL;) {
        size_t bytes = (size_t)i2d_X509_CRL(crl->list, NULL);
        lists->at[lists->len++] = (struct list){ .crl = crl, .bytes = bytes };
    }
    return lists;
}

void chain_lists_free(struct chain_lists *lists)
{
    if (lists == NULL) {
        return;
    }
    for (size_t i = 0; lists->at != NULL && i < lists->len; i++) {
        for (size_t j = 0; j < PROOFS; j++) {
            EVP_PKEY_free(lists->at[i].proofs[j].key);
        }
    }
    free(lists->at);
    crls_unref(lists->crls);
    pthread_mutex_destroy(&lists->lock);
    free(lists);
}

size_t chain_lists_len(const struct chain_lists *lists)
{
    return lists->len;
}

const struct crl *chain_lists_at(const struct chain_lists *lists, size_t i)
{
    return lists->at[i].crl;
}

/* --- their signers --- */

static bool is_proven_before(struct chain_lists *lists, struct list *list, EVP_PKEY *key,
                             bool *ret_signed_it)
{
    bool found = false;
    pthread_mutex_lock(&lists->lock);
    for (size_t i = 0; i < PROOFS && !found; i++) {
        found = list->proofs[i].key != NULL && EVP_PKEY_eq(list->proofs[i].key, key) == 1;
        if (found) {
            *ret_signed_it = list->proofs[i].signed_it;
        }
    }
    pthread_mutex_unlock(&lists->lock);
    return found;
}

/* A member with CAs of the issuer's name cannot make us forget the issuer's own key. */
static struct proof *find_place_locked(struct list *list)
{
    for (size_t i = 0; i < PROOFS; i++) {
        if (list->proofs[i].key == NULL || !list->proofs[i].signed_it) {
            return &list->proofs[i];
        }
    }
    struct proof *oldest = &list->proofs[list->next_proof];
    list->next_proof = (list->next_proof + 1) % PROOFS;
    return oldest;
}

static void keep_proof(struct chain_lists *lists, struct list *list, EVP_PKEY *key, bool signed_it)
{
    pthread_mutex_lock(&lists->lock);
    struct proof *proof = find_place_locked(list);
    EVP_PKEY_up_ref(key);
    EVP_PKEY_free(proof->key);
    *proof = (struct proof){ .key = key, .signed_it = signed_it };
    pthread_mutex_unlock(&lists->lock);
}

static bool key_signed(struct chain_lists *lists, struct list *list, X509 *issuer, size_t *wasted)
{
    bool signed_it = false;
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    /* All bits are set when there is no keyUsage. */
    if (key == NULL || (X509_get_key_usage(issuer) & KU_CRL_SIGN) == 0) {
        return false;
    }
    if (!is_proven_before(lists, list, key, &signed_it)) {
        if (*wasted > CHAIN_LISTS_WASTE_MAX) {
            return false;
        }
        signed_it = X509_CRL_verify(list->crl->list, key) == 1;
        *wasted += signed_it ? 0 : list->bytes + SIGNATURE_AS_BYTES;
        ERR_clear_error(); /* a wrong signature is an answer */
        keep_proof(lists, list, key, signed_it);
    }
    return signed_it;
}

/* A CA that changes its key signs its lists with the new one, under the same name (RFC 5280 6.3.3
 * f). */
bool chain_lists_signed(struct chain_lists *lists, size_t i, STACK_OF(X509) *path, int number,
                        size_t *wasted)
{
    struct list *list = &lists->at[i];
    const X509_NAME *name = X509_CRL_get_issuer(list->crl->list);
    int root = sk_X509_num(path) - 1;

    for (int j = number < root ? number + 1 : root; j <= root; j++) {
        X509 *issuer = sk_X509_value(path, j);
        if (X509_NAME_cmp(X509_get_subject_name(issuer), name) == 0 &&
            key_signed(lists, list, issuer, wasted)) {
            return true;
        }
    }
    return false;
}
