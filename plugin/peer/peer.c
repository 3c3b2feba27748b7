/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/report.h"
#include "base/text.h"
#include "peer/leaf_names.h"
#include "peer/leaf_traits.h"
#include "trust/pem.h"

#define FINGERPRINT_SHOWN_BYTES 8

struct peer_storage {
    unsigned char *der[PEER_CHAIN_MAX_CERTS]; /* OPENSSL_free */
    nk_bytes chain[PEER_CHAIN_MAX_CERTS];
    struct names_storage names;
    char *target;
    struct traits_storage traits;
};

DEFINE_AUTO(BIO *, BIO_free_all);

/* --- certificates --- */

static bool is_known_certificate(const struct peer_storage *storage, size_t len,
                                 const struct pem_block *block)
{
    for (size_t i = 0; i < len; i++) {
        if (storage->der[i] != NULL && storage->chain[i].len == (size_t)block->len &&
            memcmp(storage->der[i], block->data, (size_t)block->len) == 0) {
            return true;
        }
    }
    return false;
}

/* The certificate, and in *ret_end where its bytes end. */
static X509 *decode_certificate(const struct pem_block *block, size_t number,
                                const struct peer_decoded *decoded, const unsigned char **ret_end)
{
    X509 *certificate = number > 0 && decoded != NULL
                            ? decoded->find(decoded->arg, block->data, (size_t)block->len)
                            : NULL;
    if (certificate != NULL) {
        *ret_end = block->data + block->len;
        return certificate;
    }
    *ret_end = block->data;
    return d2i_X509(NULL, ret_end, block->len);
}

/* gRPC hands the leaf over alone and again in the chain, so known certificates are skipped. */
static nk_status add_certificate(struct peer *peer, struct pem_block *block,
                                 const struct peer_decoded *decoded, nk_error *err)
{
    struct peer_storage *storage = peer->storage;
    size_t number = peer->facts.chain_len;

    if (is_known_certificate(storage, number, block)) {
        return NK_OK;
    }
    if (number == PEER_CHAIN_MAX_CERTS) {
        return report(err, NK_E_PEER, "the peer sent more than %d certificates",
                      PEER_CHAIN_MAX_CERTS);
    }
    const unsigned char *end = NULL;
    X509 *certificate = decode_certificate(block, number, decoded, &end);
    if (certificate == NULL) {
        return report_openssl(err, NK_E_PEER, "read certificate %zu of the peer", number + 1);
    }
    if (number == 0) {
        peer->leaf = certificate;
    } else if (sk_X509_push(peer->others, certificate) == 0) {
        X509_free(certificate);
        return report(err, NK_E_NOMEM, "out of memory");
    }
    if (end != block->data + block->len) {
        return report(err, NK_E_PEER, "bytes follow certificate %zu of the peer", number + 1);
    }
    storage->der[number] = block->data;
    storage->chain[number] = (nk_bytes){ .data = block->data, .len = (size_t)block->len };
    block->data = NULL; /* the storage has it */
    peer->facts.chain_len++;
    return NK_OK;
}

static nk_status add_pem_certificates(struct peer *peer, const char *pem,
                                      const struct peer_decoded *decoded, nk_error *err)
{
    size_t len = strnlen(pem, PEER_CHAIN_MAX_BYTES + 1);
    if (len > PEER_CHAIN_MAX_BYTES) {
        return report(err, NK_E_PEER, "the peer's certificates are more than %u bytes of PEM",
                      PEER_CHAIN_MAX_BYTES);
    }
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(pem, (int)len);
    if (bio == NULL) {
        return report_openssl(err, NK_E_NOMEM, "read the peer's certificates");
    }

    for (;;) {
        AUTO(pem_block_clear) struct pem_block block = { 0 };
        int next = pem_next(bio, &block);
        if (next < 0) {
            return report_openssl(err, NK_E_PEER, "read the peer's certificates");
        }
        if (next == 0) {
            return NK_OK;
        }
        if (!pem_is_certificate(&block)) {
            return report(err, NK_E_PEER, "the peer's PEM holds something else than certificates");
        }
        nk_status status = add_certificate(peer, &block, decoded, err);
        if (status != NK_OK) {
            return status;
        }
    }
}

static nk_status read_chain(struct peer *peer, const char *leaf_pem, const char *chain_pem,
                            const struct peer_decoded *decoded, nk_error *err)
{
    if (leaf_pem == NULL || leaf_pem[0] == '\0') {
        return report(err, NK_E_PEER, "the peer showed no certificate");
    }
    nk_status status = add_pem_certificates(peer, leaf_pem, decoded, err);
    if (status != NK_OK) {
        return status;
    }
    if (peer->leaf == NULL) {
        return report(err, NK_E_PEER, "what the peer showed holds no PEM certificate");
    }
    return chain_pem != NULL ? add_pem_certificates(peer, chain_pem, decoded, err) : NK_OK;
}

/* --- facts of the leaf --- */

static nk_status read_digests(struct peer *peer, nk_error *err)
{
    const nk_bytes *leaf = &peer->storage->chain[0];

    if (EVP_Digest(leaf->data, leaf->len, peer->facts.leaf_sha256, NULL, EVP_sha256(), NULL) != 1 ||
        !leaf_traits_hash_spki(peer->leaf, peer->facts.spki_sha256)) {
        return report_openssl(err, NK_E_INTERNAL, "hash the peer's certificate");
    }
    return NK_OK;
}

/* --- the peer --- */

static nk_status read_facts(struct peer *peer, uint32_t role, const char *target, nk_error *err)
{
    struct peer_storage *storage = peer->storage;

    peer->facts.struct_size = (uint32_t)sizeof(peer->facts);
    peer->facts.role = role;
    peer->facts.chain = storage->chain;
    if (target != NULL) {
        storage->target = strdup(target);
        if (storage->target == NULL) {
            return report(err, NK_E_NOMEM, "out of memory");
        }
        peer->facts.target = storage->target;
    }

    nk_status status = leaf_names_read(peer->leaf, &storage->names, &peer->facts, err);
    if (status == NK_OK) {
        status = read_digests(peer, err);
    }
    peer->traits.peer = &peer->facts;
    return status == NK_OK ? leaf_traits_read(peer->leaf, &storage->traits, &peer->traits, err)
                           : status;
}

static struct peer *peer_new(void)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL) {
        return NULL;
    }
    atomic_init(&peer->references, 1);
    peer->storage = calloc(1, sizeof(*peer->storage));
    peer->others = sk_X509_new_null();
    if (peer->storage == NULL || peer->others == NULL) {
        peer_free(peer);
        return NULL;
    }
    return peer;
}

nk_status peer_read_beside(uint32_t role, const char *target, const char *leaf_pem,
                           const char *chain_pem, const struct peer_decoded *decoded,
                           struct peer **ret_peer, nk_error *err)
{
    if (role != NK_PEER_IS_CLIENT && role != NK_PEER_IS_SERVER) {
        return report(err, NK_E_USAGE, "%u is no role of a peer", role);
    }
    ERR_clear_error(); /* the thread is gRPC's: an entry it left is not our cause */
    struct peer *peer = peer_new();
    if (peer == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }

    nk_status status = read_chain(peer, leaf_pem, chain_pem, decoded, err);
    if (status == NK_OK) {
        status = read_facts(peer, role, target, err);
    }
    ERR_clear_error();
    if (status != NK_OK) {
        peer_free(peer);
        return status;
    }
    *ret_peer = peer;
    return NK_OK;
}

nk_status peer_read(uint32_t role, const char *target, const char *leaf_pem, const char *chain_pem,
                    struct peer **ret_peer, nk_error *err)
{
    return peer_read_beside(role, target, leaf_pem, chain_pem, NULL, ret_peer, err);
}

nk_status peer_check_leaf(X509 *leaf, nk_error *err)
{
    AUTO(peer_free) struct peer *peer = peer_new();
    if (peer == NULL || X509_up_ref(leaf) != 1) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    peer->leaf = leaf;
    nk_status status = leaf_names_read(leaf, &peer->storage->names, &peer->facts, err);
    peer->traits.peer = &peer->facts;
    status = status == NK_OK ? leaf_traits_read(leaf, &peer->storage->traits, &peer->traits, err)
                             : status;
    ERR_clear_error();
    return status;
}

struct peer *peer_ref(struct peer *peer)
{
    atomic_fetch_add_explicit(&peer->references, 1, memory_order_relaxed);
    return peer;
}

void peer_forget_certificates(struct peer *peer)
{
    X509_free(peer->leaf);
    sk_X509_pop_free(peer->others, X509_free);
    peer->leaf = NULL;
    peer->others = NULL;
}

void peer_free(struct peer *peer)
{
    if (peer == NULL ||
        atomic_fetch_sub_explicit(&peer->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    peer_forget_certificates(peer);
    if (peer->storage != NULL) {
        for (size_t i = 0; i < PEER_CHAIN_MAX_CERTS; i++) {
            OPENSSL_free(peer->storage->der[i]);
        }
        leaf_names_clear(&peer->storage->names);
        free(peer->storage->target);
        leaf_traits_clear(&peer->storage->traits);
    }
    free(peer->storage);
    free(peer);
}

void peer_describe(const struct peer *peer, char *text, size_t room)
{
    const nk_peer *facts = &peer->facts;
    char fingerprint[TEXT_HEX_BYTES(FINGERPRINT_SHOWN_BYTES)];
    char more[48] = "";
    char name[4 * NAMES_COMMON_NAME_MAX_BYTES + 1];

    if (facts->names_len > 1) {
        snprintf(more, sizeof(more), " (and %zu more)", facts->names_len - 1);
    }
    snprintf(text, room, "%s%s%s%s%s%ssha256:%s...", facts->common_name[0] != '\0' ? "CN=" : "",
             text_escape(name, sizeof(name), facts->common_name),
             facts->common_name[0] != '\0' ? ", " : "",
             facts->names_len > 0 ? facts->names[0].text : "", more,
             facts->names_len > 0 ? ", " : "",
             text_hex(fingerprint, facts->leaf_sha256, FINGERPRINT_SHOWN_BYTES));
}

/* --- who was dialled --- */

#define DIALLED_SHOWN 3

static uint32_t kind_of_target(const char *target)
{
    uint8_t address[4];
    bool is_address = strchr(target, ':') != NULL || inet_pton(AF_INET, target, address) == 1;

    return is_address ? NK_NAME_IP : NK_NAME_DNS;
}

/* The names of this kind that fit; returns how many there are. */
static size_t list_names(const nk_peer *facts, uint32_t kind, char *text, size_t room)
{
    size_t found = 0;
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < facts->names_len; i++) {
        const nk_name *name = &facts->names[i];
        if (name->kind == kind && ++found <= DIALLED_SHOWN && used < room) {
            used += (size_t)snprintf(text + used, room - used, "%s%s", found > 1 ? ", " : "",
                                     name->text);
        }
    }
    return found;
}

void peer_describe_dialled(const struct peer *peer, char *text, size_t room)
{
    const nk_peer *facts = &peer->facts;
    uint32_t kind = kind_of_target(facts->target);
    const char *word = kind == NK_NAME_IP ? "IP" : "DNS";
    char names[DIALLED_SHOWN * (NAMES_COMMON_NAME_MAX_BYTES + 2)];
    char whole[NK_DETAIL_BYTES];
    char more[48] = "";
    size_t found = list_names(facts, kind, names, sizeof(names));

    peer_describe(peer, whole, sizeof(whole));
    if (found > DIALLED_SHOWN) {
        snprintf(more, sizeof(more), " (and %zu more)", found - DIALLED_SHOWN);
    }
    if (found == 0) {
        snprintf(text, room, "no %s name: %s", word, whole);
    } else {
        snprintf(text, room, "%s %s%s: %s", word, names, more, whole);
    }
}
