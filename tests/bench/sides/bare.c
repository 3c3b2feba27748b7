/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sides/bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"
#include "scheme/scheme.h"

static void die(const char *what)
{
    fprintf(stderr, "bench: bare token: %s\n", what);
    abort();
}

static void start_module(CK_FUNCTION_LIST *call)
{
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    CK_RV rv = call->C_Initialize(&args);
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
        die("C_Initialize");
    }
}

static void log_in(const struct bare *bare)
{
    CK_UTF8CHAR pin[] = SOFTHSM_PIN;
    CK_RV rv = bare->call->C_Login(bare->sessions[0], CKU_USER, pin, sizeof(pin) - 1);
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
        die("C_Login");
    }
}

static CK_OBJECT_HANDLE find(const struct bare *bare, const char *object)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE wanted[] = {
        { CKA_CLASS, &class, sizeof(class) },
        { CKA_LABEL, (void *)object, strlen(object) },
    };
    CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
    CK_ULONG len = 0;
    if (bare->call->C_FindObjectsInit(bare->sessions[0], wanted, ARRAY_LEN(wanted)) != CKR_OK ||
        bare->call->C_FindObjects(bare->sessions[0], &found, 1, &len) != CKR_OK ||
        bare->call->C_FindObjectsFinal(bare->sessions[0]) != CKR_OK || len != 1) {
        die(object);
    }
    return found;
}

/* As TLS 1.3 asks for it; the digest stands for any. */
static void choose_mechanism(struct bare *bare, const char *key_type)
{
    memset(bare->input, 0x5a, sizeof(bare->input));
    bare->input_len = 32;
    bare->mechanism = (CK_MECHANISM){ .mechanism = CKM_ECDSA };
    if (strncmp(key_type, "RSA", 3) == 0) {
        bare->pss = (CK_RSA_PKCS_PSS_PARAMS){ CKM_SHA256, CKG_MGF1_SHA256, 32 };
        bare->mechanism = (CK_MECHANISM){ CKM_RSA_PKCS_PSS, &bare->pss, sizeof(bare->pss) };
    }
    if (strcmp(key_type, "Ed25519") == 0) {
        bare->mechanism = (CK_MECHANISM){ .mechanism = CKM_EDDSA };
        bare->input_len = sizeof(bare->input);
    }
}

void bare_open(struct bare *bare, const char *module, const char *label, const char *object,
               const char *key_type, unsigned sessions)
{
    *bare = (struct bare){ .call = rig_other_user(module) };
    start_module(bare->call);
    for (unsigned i = 0; i < sessions; i++) {
        bare->sessions[i] = rig_session(bare->call, label, 0);
    }
    log_in(bare);
    bare->key = find(bare, object);
    choose_mechanism(bare, key_type);
}

bool bare_sign(void *user, unsigned seat)
{
    struct bare *bare = user;
    CK_BYTE signature[SIGNATURE_MAX_BYTES];
    CK_ULONG len = sizeof(signature);
    CK_SESSION_HANDLE session = bare->sessions[seat];
    return bare->call->C_SignInit(session, &bare->mechanism, bare->key) == CKR_OK &&
           bare->call->C_Sign(session, bare->input, bare->input_len, signature, &len) == CKR_OK;
}
