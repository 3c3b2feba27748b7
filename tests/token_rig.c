/* SPDX-License-Identifier: Apache-2.0 */
#include "token_rig.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "authority.h"
#include "softhsm.h"

#define WAIT_MS 2000
#define SLOTS_MAX 64
#define SIGNATURE_ROOM 1024

static const char *module_name;
static struct recorder *recorder;
static nk_host host;
static struct rig_terms own_terms;

static void die(const char *what)
{
    fprintf(stderr, "token_rig: %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

struct recorder *rig_start(const char *module)
{
    module_name = module;
    recorder = recorder_new();
    host = recording_host(recorder);
    return recorder;
}

struct identity identity_make(const char *label, const char *object, const char *id,
                              const char *type)
{
    softhsm_generate(label, type, object, id);
    struct identity made = {
        .label = label,
        .uri = path_of("pkcs11:token=%s;object=%s", label, object),
        .pin_path = path_of("%s/%s-%s.pin", scratch_folder(), label, object),
        .public_key = softhsm_public_key(label, object, id),
    };
    identity_set_pin(&made, SOFTHSM_PIN);
    return made;
}

void identity_free(struct identity *identity)
{
    EVP_PKEY_free(identity->public_key);
}

void identity_set_pin(const struct identity *identity, const char *pin)
{
    write_file(identity->pin_path, pin, 0600);
}

void rig_set_terms(const struct rig_terms *terms)
{
    own_terms = *terms;
}

nk_status identity_open(const struct identity *identity, struct hsm_key **ret_key, nk_error *err)
{
    const struct hsm_key_request request = {
        .module = own_terms.module != NULL ? own_terms.module : module_name,
        .uri = identity->uri,
        .pin = { .kind = identity->protected ? HSM_PIN_PROTECTED : HSM_PIN_FILE,
                 .where = identity->pin_path },
        .max_sessions = own_terms.max_sessions > 0 ? own_terms.max_sessions : 16,
        .max_waiting_inbound = own_terms.max_waiting_inbound,
        .login_timeout_ms = own_terms.login_timeout_ms > 0 ? own_terms.login_timeout_ms : WAIT_MS,
        .sign_timeout_ms = own_terms.sign_timeout_ms,
        .state_dir = identity->state_dir,
        .host = &host,
    };
    *err = (nk_error){ .struct_size = sizeof(*err) };
    nk_status status = hsm_provider_register(err);
    return status == NK_OK ? hsm_key_open(&request, identity->public_key, ret_key, err) : status;
}

void rig_shut(struct hsm_key *key)
{
    hsm_key_shut(key, WAIT_MS);
    hsm_key_unref(key);
}

EVP_PKEY *rig_load_pem(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    if (bio == NULL) {
        die("no BIO");
    }
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

static EVP_PKEY *load_reference(const struct hsm_key *key,
                                nk_status (*reference)(const struct hsm_key *, char **, nk_error *))
{
    nk_error err = { .struct_size = sizeof(err) };
    char *pem = NULL;
    if (reference(key, &pem, &err) != NK_OK) {
        die(err.text);
    }
    EVP_PKEY *loaded = rig_load_pem(pem);
    free(pem);
    return loaded;
}

EVP_PKEY *rig_load(const struct hsm_key *key)
{
    return load_reference(key, hsm_key_reference);
}

EVP_PKEY *rig_load_inbound(const struct hsm_key *key)
{
    return load_reference(key, hsm_key_reference_inbound);
}

bool rig_signs(EVP_PKEY *private_key, const struct identity *identity)
{
    static const unsigned char message[] = "what is signed";
    unsigned char signature[SIGNATURE_ROOM];
    size_t len = sizeof(signature);
    const EVP_MD *digest = EVP_PKEY_is_a(private_key, "ED25519") ? NULL : EVP_sha256();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = EVP_DigestSignInit(ctx, NULL, digest, NULL, private_key) == 1 &&
              EVP_DigestSign(ctx, signature, &len, message, sizeof(message)) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok) {
        return false;
    }
    ctx = EVP_MD_CTX_new();
    if (EVP_DigestVerifyInit(ctx, NULL, digest, NULL, identity->public_key) != 1 ||
        EVP_DigestVerify(ctx, signature, len, message, sizeof(message)) != 1) {
        die("a wrong signature");
    }
    EVP_MD_CTX_free(ctx);
    return true;
}

struct wanted {
    const char *piece;
    bool found;
};

static int look_at(const char *line, size_t len, void *arg)
{
    struct wanted *wanted = arg;
    (void)len;
    wanted->found |= strstr(line, wanted->piece) != NULL;
    return 1;
}

bool rig_queue_has(const char *piece)
{
    struct wanted wanted = { .piece = piece };
    ERR_print_errors_cb(look_at, &wanted);
    return wanted.found;
}

CK_FUNCTION_LIST *rig_other_user(const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    CK_FUNCTION_LIST *p11 = NULL;
    if (module != NULL) {
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    }
    if (get == NULL || get(&p11) != CKR_OK) {
        die(path);
    }
    return p11;
}

CK_SLOT_ID rig_slot(CK_FUNCTION_LIST *p11, const char *label)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG len = SLOTS_MAX;
    char padded[sizeof(((CK_TOKEN_INFO *)NULL)->label) + 1];
    snprintf(padded, sizeof(padded), "%-32s", label);
    if (p11->C_GetSlotList(CK_TRUE, slots, &len) != CKR_OK) {
        die("C_GetSlotList");
    }
    for (CK_ULONG i = 0; i < len; i++) {
        CK_TOKEN_INFO info;
        if (p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            memcmp(info.label, padded, sizeof(info.label)) == 0) {
            return slots[i];
        }
    }
    die(label);
    return 0;
}

CK_SESSION_HANDLE rig_session(CK_FUNCTION_LIST *p11, const char *label, CK_FLAGS flags)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    if (p11->C_OpenSession(rig_slot(p11, label), CKF_SERIAL_SESSION | flags, NULL, NULL,
                           &session) != CKR_OK) {
        die("C_OpenSession");
    }
    return session;
}
