/* SPDX-License-Identifier: Apache-2.0
 * The life of a key: opened, proven, shut, released. */
#include "key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "clock.h"
#include "gate.h"
#include "provider.h"
#include "report.h"
#include "token_find.h"

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 4096

DEFINE_AUTO(struct hsm_key *, hsm_key_unref);

static nk_status check_public_key(const struct hsm_key *key, nk_error *err)
{
    int bits = EVP_PKEY_get_bits(key->public_key);

    if (key->kind == KEY_RSA && (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS)) {
        return report(err, NK_E_IDENTITY,
                      "node.certificate is for an RSA-%d key; RSA keys of %d to %d bits are used, "
                      "or P-256, P-384, P-521, Ed25519: make another key",
                      bits, RSA_MIN_BITS, RSA_MAX_BITS);
    }
    if (key->kind == KEY_EC) {
        char group[64] = "";
        EVP_PKEY_get_group_name(key->public_key, group, sizeof(group), NULL);
        int nid = OBJ_sn2nid(group);
        if (nid != NID_X9_62_prime256v1 && nid != NID_secp384r1 && nid != NID_secp521r1) {
            return report(err, NK_E_IDENTITY,
                          "node.certificate is for an EC key on curve %s; P-256, P-384 and P-521 "
                          "are used: make another key",
                          group);
        }
    }
    if (key->kind == 0) {
        return report(err, NK_E_IDENTITY,
                      "node.certificate is for a %s key; RSA, P-256, P-384, P-521 and Ed25519 are "
                      "used: make another key",
                      EVP_PKEY_get0_type_name(key->public_key));
    }
    return NK_OK;
}

static nk_status check_hardware(struct hsm_key *key, bool require, nk_error *err)
{
    key->hardware = (token_slot_flags(key->token) & CKF_HW_SLOT) != 0;
    if (require && !key->hardware) {
        return report(err, NK_E_IDENTITY,
                      "node.require_hardware: token \"%s\" does not claim to be hardware "
                      "(CKF_HW_SLOT); use a hardware token or drop the requirement",
                      key->label);
    }
    return NK_OK;
}

bool key_prepare(const struct hsm_key *key, const struct scheme *scheme, const unsigned char *input,
                 size_t len, struct to_sign *ret_to_sign)
{
    if (key->bare_pss && scheme->padding == RSA_PKCS1_PSS_PADDING) {
        return scheme_prepare_bare_pss(key->public_key, scheme, input, len, ret_to_sign);
    }
    return scheme_prepare(key->public_key, scheme, input, len, ret_to_sign);
}

static CK_RV no_mechanism(const struct hsm_key *key, const struct scheme_need *need, nk_error *err)
{
    bool pss = need->mechanism == CKM_RSA_PKCS_PSS;

    report_ckr(err, NK_E_IDENTITY, CKR_MECHANISM_INVALID,
               "node.key: token \"%s\" has no mechanism %s%s, which TLS %s needs (%s); use an EC "
               "key or another token",
               key->label, need->mechanism_name, pss ? " and no CKM_RSA_X_509" : "",
               need->mechanism == CKM_RSA_PKCS ? "1.2" : "1.3", need->name);
    return CKR_MECHANISM_INVALID;
}

/* By the token's own mechanism if it has it, else by our padding if that can help. */
static CK_RV prove_scheme(struct hsm_key *key, const struct lease *lease, CK_OBJECT_HANDLE object,
                          const struct scheme_need *need, nk_error *err)
{
    bool pss = need->mechanism == CKM_RSA_PKCS_PSS;
    bool bare = pss && token_has_mechanism(key->token, CKM_RSA_X_509);
    nk_error first = { .struct_size = sizeof(first) };

    if (pss && key->bare_pss) {
        return key_prove(key, lease->session, object, need, err);
    }
    CK_RV rv = CKR_MECHANISM_INVALID;
    if (token_has_mechanism(key->token, need->mechanism)) {
        rv = key_prove(key, lease->session, object, need, &first);
    } else if (!bare) {
        return no_mechanism(key, need, err);
    }
    /* Listed is not able: parameters that a remote or a firmware refuses come out here only. */
    if (bare && (rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID)) {
        key->bare_pss = true;
        return key_prove(key, lease->session, object, need, err);
    }
    report_copy(err, &first);
    return rv;
}

/* Every scheme that TLS may ask of this key: what fails here would fail in a handshake. */
static CK_RV prove_all(struct hsm_key *key, const struct lease *lease, CK_OBJECT_HANDLE object,
                       nk_error *err)
{
    size_t len = 0;
    const struct scheme_need *needs = scheme_needs(key->public_key, &len);
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < len && rv == CKR_OK; i++) {
        bool was_bare = key->bare_pss;
        rv = prove_scheme(key, lease, object, &needs[i], err);
        if (rv == CKR_OK && key->bare_pss && !was_bare) {
            i = (size_t)-1; /* those before were proven by another mechanism */
        }
    }
    return rv;
}

static CK_RV prove_once(struct hsm_key *key, nk_error *err)
{
    struct lease lease;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;

    CK_RV rv = token_take(key->token, &lease, err);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = key_find(key, lease.session, &object, err);
    if (rv == CKR_OK) {
        rv = prove_all(key, &lease, object, err);
    }
    if (rv == CKR_OK) {
        key->object = object;
        key->generation = lease.generation;
    }
    token_give(key->token, &lease, rv == CKR_OK);
    return rv;
}

static nk_status prove(struct hsm_key *key, nk_error *err)
{
    nk_error first = { .struct_size = sizeof(first) };
    unsigned epoch = token_epoch(key->token);

    CK_RV rv = prove_once(key, &first);
    /* A token that was away while another instance idled; an absent key needs no second look. */
    if (rv != CKR_OK && ckr_rung(rv) == RUNG_REINIT &&
        token_recover(key->token, RUNG_REINIT, 0, epoch, &first) == CKR_OK) {
        first = (nk_error){ .struct_size = sizeof(first) };
        rv = prove_once(key, &first);
    }
    if (rv == CKR_OK) {
        return NK_OK;
    }
    report_ckr(&first, NK_E_TOKEN, rv, "token \"%s\"", key->label); /* unless a sentence is there */
    return report_copy(err, &first);
}

static struct hsm_key *make(const struct hsm_key_request *request, EVP_PKEY *leaf_public)
{
    struct hsm_key *key = calloc(1, sizeof(*key));

    if (key == NULL) {
        return NULL;
    }
    atomic_init(&key->refs, 1);
    pthread_mutex_init(&key->lock, NULL);
    key->allow_extractable = request->allow_extractable;
    key->allow_imported = request->allow_imported;
    key->host = request->host != NULL ? *request->host : (nk_host){ .struct_size = 0 };
    key->uri_text = strdup(request->uri);
    EVP_PKEY_up_ref(leaf_public);
    key->public_key = leaf_public;
    key->kind = scheme_kind_of(leaf_public);
    if (key->uri_text == NULL || RAND_bytes(key->handle, sizeof(key->handle)) != 1) {
        hsm_key_unref(key);
        return NULL;
    }
    return key;
}

static nk_status reach_token(struct hsm_key *key, const struct hsm_key_request *request,
                             nk_error *err)
{
    struct module *module = NULL;
    struct token_name name;
    nk_status status = module_get(request->module, &module, err);
    if (status == NK_OK) {
        status = token_find(module, key->uri, key->uri_text, "node.key", &name, err);
    }
    if (status != NK_OK) {
        return status;
    }
    memcpy(key->label, name.label, sizeof(key->label));
    const struct hsm_key *sibling = request->sibling;
    if (sibling != NULL && token_module(sibling->token) == module &&
        token_name_equal(token_known_as(sibling->token), &name)) {
        key->token = token_share(sibling->token);
        return NK_OK;
    }
    if (sibling != NULL && request->pin.kind == HSM_PIN_FD) { /* it has been read and closed */
        return report(err, NK_E_CONFIG,
                      "pin.fd: one descriptor cannot hold the PINs of two tokens; use files or two "
                      "descriptors");
    }
    const struct token_terms terms = { .pin = &request->pin,
                                       .max_sessions = request->max_sessions,
                                       .max_waiting_inbound = request->max_waiting_inbound,
                                       .login_timeout_ms = request->login_timeout_ms,
                                       .state_dir = request->state_dir,
                                       .host = request->host };
    return token_join(module, &name, &terms, &key->token, err);
}

static nk_status hire_crew(struct hsm_key *key, unsigned sign_timeout_ms, nk_error *err)
{
    key->sign_timeout_ms = sign_timeout_ms;
    key->crew = token_crew(key->token);
    return key->crew != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

nk_status hsm_key_open(const struct hsm_key_request *request, EVP_PKEY *leaf_public,
                       struct hsm_key **ret_key, nk_error *err)
{
    nk_error ignored = { .struct_size = sizeof(ignored) };
    err = err != NULL ? err : &ignored;
    if (gate_in_child()) {
        return report(
            err, NK_E_USAGE,
            "this process was forked from one that had a token open; fork first, then open "
            "in each process");
    }
    AUTO(hsm_key_unref) struct hsm_key *key = make(request, leaf_public);
    if (key == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = provider_register(err);
    if (status == NK_OK) {
        status = uri_parse(request->uri, &key->uri, err);
    }
    if (status == NK_OK) {
        status = check_public_key(key, err);
    }
    if (status == NK_OK) {
        status = reach_token(key, request, err);
    }
    if (status == NK_OK) {
        status = check_hardware(key, request->require_hardware, err);
    }
    if (status == NK_OK) {
        status = prove(key, err);
    }
    if (status == NK_OK && request->sign_timeout_ms > 0) {
        status = hire_crew(key, request->sign_timeout_ms, err);
    }
    if (status == NK_OK) {
        status = reference_prepare(key, err);
    }
    if (status == NK_OK) {
        status = key_twin_make(key, err);
    }
    if (status != NK_OK) {
        hsm_key_shut(key, 0);
        return status;
    }
    reference_add(key);
    reference_add(key->twin);
    *ret_key = key;
    key = NULL;
    return NK_OK;
}

/* The token goes back, once: by who shuts, or by the use that he could not wait for. */
static void tidy_up(struct hsm_key *key)
{
    if (atomic_exchange(&key->left_behind, false)) {
        token_leave(key->token);
        key->token = NULL;
        hsm_key_unref(key);
    }
}

void key_end_use(struct hsm_key *key)
{
    if (atomic_fetch_sub(&key->uses, 1) == 1) {
        tidy_up(key);
    }
}

static void give_back(struct hsm_key *key, long long deadline, unsigned wait_ms)
{
    unsigned uses = 0;
    while ((uses = atomic_load(&key->uses)) > 0 && clock_now_ms() < deadline) {
        clock_sleep_ms(1);
    }
    if (key->token == NULL) {
        return;
    }
    if (uses > 0) {
        log_line(&key->host, NK_LOG_ERROR,
                 "token %s: a signature has not come back for %u ms; it is left behind, logged in",
                 key->label, wait_ms);
    }
    key_ref(key); /* for tidy_up */
    atomic_store(&key->left_behind, true);
    if (atomic_load(&key->uses) == 0) { /* else its end sees the mark */
        tidy_up(key);
    }
}

void hsm_key_shut(struct hsm_key *key, unsigned wait_ms)
{
    atomic_store(&key->shut, true);
    if (key->twin != NULL) {
        atomic_store(&key->twin->shut, true);
    }
    if (gate_in_child()) {
        return; /* nothing here is ours to give back, and locks may be held by threads that are not
                 */
    }
    long long deadline = clock_now_ms() + wait_ms;
    reference_remove(key);
    if (key->twin != NULL) {
        reference_remove(key->twin);
        give_back(key->twin, deadline, wait_ms);
    }
    give_back(key, deadline, wait_ms);
}

void key_ref(struct hsm_key *key)
{
    atomic_fetch_add(&key->refs, 1);
}

void hsm_key_unref(struct hsm_key *key)
{
    if (key == NULL || atomic_fetch_sub(&key->refs, 1) != 1) {
        return;
    }
    hsm_key_unref(key->twin);
    EVP_PKEY_free(key->public_key);
    p11_kit_uri_free(key->uri);
    pthread_mutex_destroy(&key->lock);
    free(key->uri_text);
    free(key);
}

bool hsm_enter(void)
{
    return gate_enter();
}

void hsm_leave(void)
{
    gate_leave();
}

const char *hsm_key_custody(const struct hsm_key *key)
{
    return key->hardware ? "hardware, as the module claims" : "software";
}

const char *hsm_key_token_label(const struct hsm_key *key)
{
    return key->label;
}
