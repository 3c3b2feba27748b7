/* SPDX-License-Identifier: Apache-2.0 */
#include "dial/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "answer/answer.h"
#include "base/clock.h"
#include "base/report.h"
#include "dial/address.h"
#include "dial/h2.h"
#include "dial/tls.h"

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(SSL_CTX *, SSL_CTX_free);

/* --- who answers --- */

static char *chain_text(const STACK_OF(X509) *chain)
{
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    bool good = bio != NULL;

    for (int i = 0; good && i < sk_X509_num(chain); i++) {
        good = PEM_write_bio_X509(bio, sk_X509_value(chain, i)) == 1;
    }
    long len = good ? BIO_get_mem_data(bio, &text) : 0;
    return good ? strndup(text, (size_t)len) : NULL;
}

static nk_status judge_peer(const struct dial_order *order, const char *host,
                            struct dial_result *result, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };
    AUTO(free) char *pem = chain_text(result->chain);
    if (pem == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    const struct answer_question question = { NK_PEER_IS_SERVER, host, pem };
    nk_status status =
        answer_make(order->policy, &question, &result->answer, &result->allowed, &own);
    if (status == NK_E_PEER) {
        return answer_malformed(&question, own.text, &result->answer, err);
    }
    return report_copy(err, &own);
}

static bool is_ours(const X509_NAME *name, const struct dial_order *order)
{
    bool ours = X509_NAME_cmp(name, X509_get_issuer_name(order->leaf)) == 0;

    for (int i = 0; !ours && i < sk_X509_num(order->intermediates); i++) {
        const X509 *issuer = sk_X509_value(order->intermediates, i);
        ours = X509_NAME_cmp(name, X509_get_subject_name(issuer)) == 0 ||
               X509_NAME_cmp(name, X509_get_issuer_name(issuer)) == 0;
    }
    return ours;
}

static bool names_other_cas(const struct tls *tls, const struct dial_order *order)
{
    const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(tls->ssl);

    for (int i = 0; i < sk_X509_NAME_num(names); i++) {
        if (is_ours(sk_X509_NAME_value(names, i), order)) {
            return false;
        }
    }
    return sk_X509_NAME_num(names) > 0;
}

/* Also of a handshake that failed: as far as it came. */
static void note_handshake(const struct tls *tls, const struct dial_order *order,
                           struct dial_result *result)
{
    const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(tls->ssl);

    result->asked = tls->seen.asked;
    result->scheme = tls->seen.scheme;
    result->other_cas = names_other_cas(tls, order);
    result->chain = chain != NULL ? X509_chain_up_ref((STACK_OF(X509) *)(uintptr_t)chain) : NULL;
    if (SSL_get_current_cipher(tls->ssl) != NULL) {
        result->version = SSL_get_version(tls->ssl);
        result->cipher = SSL_get_cipher_name(tls->ssl);
        const char *group = SSL_group_to_name(tls->ssl, (int)SSL_get_negotiated_group(tls->ssl));
        snprintf(result->group, sizeof(result->group), "%s", group != NULL ? group : "");
    }
}

/* --- one address --- */

struct dialling { /* what all addresses have in common */
    const struct dial_order *order;
    struct dial_target target;
    SSL_CTX *context;
};

static bool chose_h2(const SSL *ssl)
{
    const unsigned char *name = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(ssl, &name, &len);
    return (len == 2 && memcmp(name, "h2", 2) == 0) ||
           (len == 8 && memcmp(name, "grpc-exp", 8) == 0);
}

static enum dial_end end_of_connect(int cause, struct dial_result *result)
{
    snprintf(result->detail, sizeof(result->detail), "%s", strerror(cause));
    switch (cause) {
    case ECONNREFUSED:
        return DIAL_PORT_CLOSED;
    case ETIMEDOUT:
        return DIAL_TIMED_OUT;
    default:
        return DIAL_UNREACHABLE;
    }
}

/* gRPC asks in this order: the protocol, our policy, the first frame. */
static nk_status converse(const struct dialling *dialling, struct tls *tls,
                          struct dial_result *result, nk_error *err)
{
    nk_status status = NK_OK;
    long long first_us = DIAL_NO_TIME;
    long long began_us = clock_now_us();

    result->end = tls_shake_hands(tls, result->detail);
    long long done_us = clock_now_us();
    note_handshake(tls, dialling->order, result);
    if (result->chain != NULL) {
        status = judge_peer(dialling->order, dialling->target.host, result, err);
    }
    if (status != NK_OK || result->end != DIAL_FINE) {
        return status;
    }
    result->handshake_us = done_us - began_us;
    if (!chose_h2(tls->ssl)) {
        result->end = DIAL_NO_H2;
        return NK_OK;
    }
    result->end = h2_greet(tls, result->allowed, &first_us, result->detail);
    result->first_byte_us = first_us != DIAL_NO_TIME ? first_us - done_us : DIAL_NO_TIME;
    tls_end(tls);
    return NK_OK;
}

static nk_status try_address(const struct dialling *dialling, const struct dial_address *address,
                             long long deadline_ms, struct dial_result *result, nk_error *err)
{
    struct wire wire;
    struct tls tls;
    nk_status status = NK_OK;
    long long began_us = clock_now_us();

    dial_address_text(address, result->address, sizeof(result->address));
    int cause = wire_connect(&wire, address, deadline_ms);
    if (cause != 0) {
        result->end = end_of_connect(cause, result);
    } else {
        result->connect_us = clock_now_us() - began_us;
        if (tls_begin(&tls, dialling->context, dialling->target.host, &wire)) {
            status = converse(dialling, &tls, result, err);
            tls_clear(&tls);
        } else {
            status = report(err, NK_E_NOMEM, "out of memory");
        }
    }
    wire_close(&wire);
    return status;
}

/* --- all of them --- */

static void result_begin(struct dial_result *result, long long lookup_us)
{
    *result = (struct dial_result){
        .lookup_us = lookup_us,
        .connect_us = DIAL_NO_TIME,
        .handshake_us = DIAL_NO_TIME,
        .first_byte_us = DIAL_NO_TIME,
        .version = "",
        .cipher = "",
    };
}

static void add_other(struct dial_result *result, const struct dial_result *other)
{
    size_t used = strlen(result->others);

    snprintf(result->others + used, sizeof(result->others) - used, "%s%s: %s", used > 0 ? "; " : "",
             other->address, dial_label(other->end));
}

/* Keeps the one of both that came further, and a line on the other. Consumes `next`. */
static void keep_further(struct dial_result *best, struct dial_result *next)
{
    char others[NK_DETAIL_BYTES];

    if (best->address[0] == '\0') {
        *best = *next;
        return;
    }
    if (next->end > best->end || dial_is_fine(next)) {
        struct dial_result former = *best;
        memcpy(others, former.others, sizeof(others));
        *best = *next;
        memcpy(best->others, others, sizeof(others));
        *next = former;
    }
    add_other(best, next);
    dial_result_clear(next);
}

/* The time that is left is shared among the addresses that are left. */
static nk_status try_addresses(const struct dialling *dialling,
                               const struct dial_addresses *addresses, long long deadline_ms,
                               struct dial_result *result, nk_error *err)
{
    nk_status status = NK_OK;

    for (size_t i = 0; status == NK_OK && i < addresses->len && !dial_is_fine(result); i++) {
        struct dial_result next;
        long long now_ms = clock_now_ms();
        long long share = (deadline_ms - now_ms) / (long long)(addresses->len - i);
        result_begin(&next, result->lookup_us);
        status = try_address(dialling, &addresses->at[i], now_ms + share, &next, err);
        keep_further(result, &next);
    }
    return status;
}

nk_status dial_peer(const struct dial_order *order, struct dial_result *ret_result, nk_error *err)
{
    unsigned timeout_ms = order->timeout_ms > 0 ? order->timeout_ms : DIAL_TIMEOUT_MS;
    struct dialling dialling = { .order = order };
    struct dial_addresses addresses;
    struct dial_result result;

    result_begin(ret_result, DIAL_NO_TIME);
    nk_status status = dial_target_read(order->target, &dialling.target, err);
    AUTO(SSL_CTX_free) SSL_CTX *context = NULL;
    if (status == NK_OK) {
        status = tls_context(order, &context, err);
    }
    if (status != NK_OK) {
        return status;
    }
    dialling.context = context;
    long long began_us = clock_now_us();
    long long deadline_ms = clock_now_ms() + timeout_ms;
    result_begin(&result, DIAL_NO_TIME);
    if (!dial_lookup(&dialling.target, timeout_ms, &addresses, result.detail)) {
        *ret_result = result;
        return NK_OK;
    }
    result.lookup_us = clock_now_us() - began_us;
    status = try_addresses(&dialling, &addresses, deadline_ms, &result, err);
    if (status != NK_OK) {
        dial_result_clear(&result);
        return status;
    }
    *ret_result = result;
    return NK_OK;
}
