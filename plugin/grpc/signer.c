/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/signer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "config/config.h"

#define QUICK_US 2000u /* two changes of threads cost 0.3 ms of CPU */
#define SILENT_MS 10u  /* a quick token that does not answer for so long may hang */

struct nk_signer {
    atomic_uint refs;
    atomic_ullong tls_12; /* messages of its handshakes */
    struct hsm_key *key;
    int our_role;
    char chain[];
};

static const nk_plugin *_Atomic the_plugin;

void signer_set_plugin(const nk_plugin *plugin)
{
    atomic_store(&the_plugin, plugin);
}

const nk_plugin *signer_plugin(void)
{
    return atomic_load(&the_plugin);
}

nk_status signer_new(struct hsm_key *key, int our_role, const char *chain, nk_signer **ret_signer,
                     nk_error *err)
{
    size_t size = strlen(chain) + 1;
    nk_signer *signer = calloc(1, sizeof(*signer) + size);

    if (signer == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    atomic_init(&signer->refs, 1);
    atomic_init(&signer->tls_12, 0);
    hsm_key_ref(key);
    signer->key = key;
    signer->our_role = our_role;
    memcpy(signer->chain, chain, size);
    *ret_signer = signer;
    return NK_OK;
}

const char *signer_chain(const nk_signer *signer)
{
    return signer->chain;
}

bool key_is_quick(const struct hsm_key *key)
{
    return hsm_key_is_direct(key) && hsm_key_preflight_us(key) < QUICK_US;
}

uint32_t signer_is_quick(const nk_signer *signer)
{
    return key_is_quick(signer->key) && hsm_key_may_be_waited_for(signer->key, SILENT_MS);
}

/* --- what is signed --- */

/* RFC 8446 section 4.4.3: what a CertificateVerify signs begins with 64 spaces and whose it is. So
 * do credentials that are delegated (RFC 9345) and authenticators (RFC 9261), and nothing of TLS
 * 1.2: a client signs from the header of its hello on, a server after 32 bytes of the peer's choice
 * 32 random ones. */
#define TLS_13 "TLS 1.3, "
#define PAD_BYTES 64

static bool is_of_tls_13(const uint8_t *input, size_t len)
{
    if (len < PAD_BYTES) {
        return false;
    }
    for (size_t i = 0; i < PAD_BYTES; i++) {
        if (input[i] != ' ') {
            return false;
        }
    }
    return true;
}

/* Else whoever gets signatures of one role could be the node in the other. */
static bool is_of_role(const uint8_t *input, size_t len, int our_role)
{
    static const char *const contexts[OUR_ROLES] = {
        [OUR_SERVER] = TLS_13 "server CertificateVerify",
        [OUR_CLIENT] = TLS_13 "client CertificateVerify",
    };
    size_t size = strlen(contexts[our_role]) + 1; /* a NUL byte ends it */

    return len > PAD_BYTES + size && memcmp(input + PAD_BYTES, contexts[our_role], size) == 0;
}

static nk_status read_message(nk_signer *signer, uint32_t algorithm, const uint8_t *input,
                              size_t len, struct hsm_message *ret_message, nk_error *err)
{
    if (input == NULL || algorithm > UINT16_MAX) {
        return report(err, NK_E_USAGE, "sign: input is NULL, or algorithm is no SignatureScheme");
    }
    bool tls_13 = is_of_tls_13(input, len);
    if (tls_13 && !is_of_role(input, len, signer->our_role)) {
        return report(err, NK_E_USAGE,
                      "sign: this is no CertificateVerify of a %s; take the signer of that role",
                      signer->our_role == OUR_SERVER ? "server" : "client");
    }
    if (!tls_13) {
        atomic_fetch_add_explicit(&signer->tls_12, 1, memory_order_relaxed);
    }
    *ret_message = (struct hsm_message){ .algorithm = (uint16_t)algorithm,
                                         .inbound = signer->our_role == OUR_SERVER,
                                         .any_curve = !tls_13,
                                         .data = input,
                                         .len = len };
    return NK_OK;
}

nk_status signer_sign(nk_signer *signer, uint32_t algorithm, const uint8_t *input, size_t len,
                      uint8_t *signature, size_t room, size_t *ret_len, nk_error *err)
{
    struct hsm_message message = { .len = 0 };
    nk_error own = { .struct_size = sizeof(own) };

    if (signer == NULL || signature == NULL || room < NK_SIGNATURE_BYTES || ret_len == NULL ||
        !report_is_ready(err)) {
        return report(err, NK_E_USAGE,
                      "sign: signer, signature or ret_len is NULL, or less than "
                      "NK_SIGNATURE_BYTES of room");
    }
    nk_status status = read_message(signer, algorithm, input, len, &message, &own);
    if (status == NK_OK) {
        status = hsm_key_sign(signer->key, &message, signature, ret_len, &own);
    }
    return status == NK_OK ? NK_OK : report_copy(err, &own);
}

nk_status signer_start(nk_signer *signer, uint32_t algorithm, const uint8_t *input, size_t len,
                       nk_sign_done *done, void *arg, nk_signing **ret_signing, nk_error *err)
{
    struct hsm_message message = { .len = 0 };
    struct hsm_signing *signing = NULL;
    nk_error own = { .struct_size = sizeof(own) };

    if (signer == NULL || done == NULL || ret_signing == NULL || !report_is_ready(err)) {
        return report(err, NK_E_USAGE, "sign_start: signer, done or ret is NULL");
    }
    nk_status status = read_message(signer, algorithm, input, len, &message, &own);
    if (status == NK_OK) {
        status = hsm_key_start(signer->key, &message, done, arg, &signing, &own);
    }
    if (status != NK_OK) {
        return report_copy(err, &own);
    }
    *ret_signing = (nk_signing *)signing;
    return NK_OK;
}

void signer_cancel(nk_signing *signing)
{
    if (signing != NULL) {
        hsm_signing_cancel((struct hsm_signing *)signing);
    }
}

void signer_free_signing(nk_signing *signing)
{
    hsm_signing_free((struct hsm_signing *)signing);
}

unsigned long long signer_tls_12(const nk_signer *signer)
{
    return atomic_load_explicit(&signer->tls_12, memory_order_relaxed);
}

/* --- life --- */

void signer_ref(nk_signer *signer)
{
    atomic_fetch_add(&signer->refs, 1);
}

void signer_free(nk_signer *signer)
{
    if (signer == NULL || atomic_fetch_sub(&signer->refs, 1) != 1) {
        return;
    }
    hsm_key_unref(signer->key);
    free(signer);
}
