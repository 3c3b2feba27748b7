/* SPDX-License-Identifier: Apache-2.0
 * A file of revocation lists, PEM or DER, as federation.crls names it: read at open, and again on a
 * reload that has the lists of before. */
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "fixtures/authority.h"
#include "fuzz/fuzz.h"
#include "trust/crl.h"

static const nk_host host = { .struct_size = sizeof(host) };
/* Who signed the seeds; valid until 2124. */
static const char issuer_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBXTCCAQOgAwIBAgIBATAKBggqhkjOPQQDAjAVMRMwEQYDVQQDDApmZWRlcmF0\n"
    "aW9uMCAXDTI0MDEwMTAwMDAwMFoYDzIxMjQwMTAxMDAwMDAwWjAVMRMwEQYDVQQD\n"
    "DApmZWRlcmF0aW9uMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENjInOicuyXMH\n"
    "ZpJNjhS0PdhSR6qbzrEOkEpBdZkPTF3Qwuvpz+TWESjx3ZRmDGT/DmRhKVBWN3k9\n"
    "JhNuLZQ/qKNCMEAwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwHQYD\n"
    "VR0OBBYEFNprKW7ajHyKcbCLq3tUsaZXA5+5MAoGCCqGSM49BAMCA0gAMEUCIE3t\n"
    "3NjVst287etoJ121DQcH5YNvckqFJ5o+dtN0mXSlAiEAr93KBZzz5D+MmJ2c+btf\n"
    "kD1X2Oz7mB8qcoHP+BYdm6Y=\n"
    "-----END CERTIFICATE-----\n";

static char *path;
static STACK_OF(X509) *issuers;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    BIO *bio = BIO_new_mem_buf(issuer_pem, -1);
    X509 *issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    (void)argc;
    (void)argv;
    path = (char *)path_of("%s/fuzzed.crl", scratch_folder());
    issuers = sk_X509_new_null();
    fuzz_require(issuer != NULL && issuers != NULL && sk_X509_push(issuers, issuer) > 0, "issuers");
    BIO_free(bio);
    return 0;
}

/* NULL: refused. */
static struct crls *read_lists(struct crl_ledger *ledger, const struct crls *old)
{
    nk_error err = { .struct_size = sizeof(err) };
    struct crls *crls = NULL;
    nk_status status = crls_read(&path, 1, issuers, ledger, old, &host, &crls, &err);

    fuzz_require(old == NULL || crls != NULL, "a reload gives no lists");
    fuzz_require(status == NK_OK || old != NULL || crls == NULL, "a refused file was given");
    if (status != NK_OK) {
        fuzz_check_error(&err, status, 1u << NK_E_TRUST);
    }
    fuzz_check_queue();
    return crls;
}

static void look_at(struct crls *crls)
{
    size_t at = 0;
    const struct crl *crl = NULL;

    while ((crl = crls_next(crls, &at)) != NULL) {
        fuzz_require(crl->list != NULL && crl->next_update >= 0, "a list without its end");
    }
    crls_warn(crls, 0, &host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct crl_ledger *ledger = NULL;

    fuzz_require(crl_ledger_open(NULL, &ledger, NULL) == NK_OK, "the ledger");
    fuzz_write_file(path, data, len);
    struct crls *first = read_lists(ledger, NULL);
    if (first != NULL) {
        look_at(first);
        struct crls *second = read_lists(ledger, first);
        fuzz_require(crls_equal(first, second), "the same file gives other lists");
        crls_unref(second);
    }
    crls_unref(first);
    crl_ledger_free(ledger);
    return 0;
}
