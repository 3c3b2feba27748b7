/* SPDX-License-Identifier: Apache-2.0
 * A file of trust anchors, as federation.roots names it; the first byte says whether strictly. */
#include <openssl/x509v3.h>

#include "fixtures/authority.h"
#include "fuzz/fuzz.h"
#include "trust/roots.h"

static const nk_host host = { .struct_size = sizeof(host) };
static char *path;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    path = (char *)path_of("%s/fuzzed.pem", scratch_folder());
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    nk_error err = { .struct_size = sizeof(err) };
    STACK_OF(X509) *roots = NULL;

    fuzz_write_file(path, data, len);
    nk_status status = roots_read(&path, 1, len > 0 && data[0] == '-', &host, &roots, &err);
    if (status != NK_OK) {
        fuzz_require(roots == NULL, "refused roots were given");
        fuzz_check_error(&err, status, 1u << NK_E_TRUST);
    }
    fuzz_require(status != NK_OK || sk_X509_num(roots) > 0, "no root is enough");
    for (int i = 0; i < sk_X509_num(roots); i++) {
        X509 *root = sk_X509_value(roots, i);
        fuzz_require(X509_check_ca(root) == 1, "a root that is no CA");
        fuzz_require(X509_self_signed(root, 0) == 1, "a root that another issued");
    }
    sk_X509_pop_free(roots, X509_free);
    fuzz_check_queue();
    return 0;
}
