/* SPDX-License-Identifier: Apache-2.0
 * softhsm_child generate LABEL OBJECT ID TYPE
 * softhsm_child import   LABEL OBJECT ID keep|extractable   < PKCS#8 DER
 * softhsm_child public   LABEL OBJECT ID                    > SubjectPublicKeyInfo DER
 *
 * Talks to SoftHSM in a process of its own, so that a test has not loaded the module when the
 * plugin does. */
#include "softhsm_child.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/x509.h>

#include "softhsm.h"

#define SLOTS_MAX 64

void die(const char *what, unsigned long native)
{
    fprintf(stderr, "softhsm_child: %s failed (0x%lx)\n", what, native);
    exit(1);
}

static CK_FUNCTION_LIST *load(void)
{
    void *module = dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        die(dlerror(), 0);
    }
    CK_C_GetFunctionList get = NULL;
    *(void **)&get = dlsym(module, "C_GetFunctionList");
    CK_FUNCTION_LIST *p11 = NULL;
    CK_RV rv = get != NULL ? get(&p11) : CKR_FUNCTION_NOT_SUPPORTED;
    if (rv == CKR_OK) {
        rv = p11->C_Initialize(NULL);
    }
    if (rv != CKR_OK) {
        die("C_Initialize", rv);
    }
    return p11;
}

static CK_SLOT_ID slot_of(CK_FUNCTION_LIST *p11, const char *label)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG len = SLOTS_MAX;
    CK_RV rv = p11->C_GetSlotList(CK_TRUE, slots, &len);
    if (rv != CKR_OK) {
        die("C_GetSlotList", rv);
    }
    char padded[sizeof(((CK_TOKEN_INFO *)NULL)->label) + 1];
    snprintf(padded, sizeof(padded), "%-32s", label);
    for (CK_ULONG i = 0; i < len; i++) {
        CK_TOKEN_INFO info;
        if (p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            memcmp(info.label, padded, sizeof(info.label)) == 0) {
            return slots[i];
        }
    }
    die("finding the token", len);
}

static void login(struct child *child, const char *label)
{
    child->p11 = load();
    CK_RV rv =
        child->p11->C_OpenSession(slot_of(child->p11, label), CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                  NULL, NULL, &child->session);
    if (rv != CKR_OK) {
        die("C_OpenSession", rv);
    }
    rv = child->p11->C_Login(child->session, CKU_USER, (CK_UTF8CHAR *)SOFTHSM_PIN,
                             strlen(SOFTHSM_PIN));
    if (rv != CKR_OK) {
        die("C_Login", rv);
    }
}

static void set_id(struct child *child, const char *hex)
{
    size_t len = 0;
    if (OPENSSL_hexstr2buf_ex(child->id, sizeof(child->id), &len, hex, '\0') != 1) {
        die("reading the hex id", 0);
    }
    child->id_len = len;
}

static EVP_PKEY *key_from_stdin(void)
{
    BIO *in = BIO_new_fp(stdin, BIO_NOCLOSE);
    EVP_PKEY *key = in != NULL ? d2i_PrivateKey_bio(in, NULL) : NULL;
    if (key == NULL) {
        die("reading the key", 0);
    }
    BIO_free(in);
    return key;
}

static void public_to_stdout(EVP_PKEY *key)
{
    BIO *out = BIO_new_fp(stdout, BIO_NOCLOSE);
    if (out == NULL || i2d_PUBKEY_bio(out, key) != 1 || BIO_flush(out) != 1) {
        die("writing the public key", 0);
    }
    BIO_free(out);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        die("usage: softhsm_child generate|import|public LABEL OBJECT ID [...]", 0);
    }
    struct child child = { .object = argv[3] };
    set_id(&child, argv[4]);
    const char *verb = argv[1];
    EVP_PKEY *key = strcmp(verb, "import") == 0 ? key_from_stdin() : NULL;
    login(&child, argv[2]);
    if (strcmp(verb, "generate") == 0 && argc == 6) {
        child_generate(&child, argv[5]);
    } else if (strcmp(verb, "import") == 0 && argc == 6) {
        child_import(&child, key, strcmp(argv[5], "extractable") == 0 ? CK_TRUE : CK_FALSE);
    } else if (strcmp(verb, "public") == 0 && argc == 5) {
        key = child_public_key(&child);
        public_to_stdout(key);
    } else {
        die(verb, 0);
    }
    EVP_PKEY_free(key);
    child.p11->C_Finalize(NULL);
    fflush(stdout);
    _exit(0); /* SoftHSM leaks when it makes an Ed25519 key: no test's business */
}
