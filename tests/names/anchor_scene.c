/* SPDX-License-Identifier: Apache-2.0 */
#include "names/anchor_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "chain/chain.h"
#include "fixtures/check.h"
#include "trust/roots.h"
#include "unit/trust/known_issuers.h"

static __thread char ours_text[ANCHOR_TEXT_BYTES];
static __thread char openssl_text[2][ANCHOR_TEXT_BYTES];

static STACK_OF(X509) *stack_of(X509 *const *certificates)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (int i = 0; i < ANCHOR_OTHERS_MAX && certificates[i] != NULL; i++) {
        assert_true(sk_X509_push(stack, certificates[i]) > 0);
    }
    return stack;
}

/* As from the wire: no decoded part is shared with what made it. */
static X509 *reread(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    const unsigned char *at = der;
    X509 *read = d2i_X509(NULL, &at, len);
    assert_non_null(read);
    OPENSSL_free(der);
    return read;
}

static STACK_OF(X509) *reread_all(X509 *const *certificates)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (int i = 0; i < ANCHOR_OTHERS_MAX && certificates[i] != NULL; i++) {
        assert_true(sk_X509_push(stack, reread(certificates[i])) > 0);
    }
    return stack;
}

/* --- ours --- */

static const char *save_roots(X509 *const *roots)
{
    const char *path = path_of("%s/roots.pem", scratch_folder());
    char *all = NULL;
    size_t len = 0;
    FILE *text = open_memstream(&all, &len);
    for (int i = 0; i < ANCHOR_OTHERS_MAX && roots[i] != NULL; i++) {
        char *pem = pem_of(roots[i], NULL);
        fputs(pem, text);
        free(pem);
    }
    fclose(text);
    write_file(path, all, 0644);
    free(all);
    return path;
}

static nk_status read_lists(X509_CRL *const *lists, STACK_OF(X509) *roots, struct crls **ret_crls,
                            nk_error *err)
{
    char *path = (char *)path_of("%s/lists.pem", scratch_folder());
    BIO *file = BIO_new_file(path, "w");
    for (int i = 0; i < ANCHOR_OTHERS_MAX && lists[i] != NULL; i++) {
        assert_int_equal(PEM_write_bio_X509_CRL(file, lists[i]), 1);
    }
    BIO_free(file);
    struct crl_ledger *ledger = NULL;
    assert_int_equal(crl_ledger_open(NULL, &ledger, NULL), NK_OK);
    nk_status status = crls_read(&path, 1, roots, ledger, NULL, NULL, ret_crls, err);
    crl_ledger_free(ledger);
    return status;
}

static void judge(const struct anchor_case *asked, STACK_OF(X509) *roots, struct crls *crls)
{
    const struct chain_settings settings = {
        .strict = asked->strict,
        .crl = { .mode = crls != NULL ? CRL_HARD : CRL_OFF },
    };
    struct chain *chain = NULL;
    assert_int_equal(chain_new(roots, crls, &settings, &chain, NULL), NK_OK);
    X509 *leaf = reread(asked->leaf);
    STACK_OF(X509) *others = reread_all(asked->others);
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { .reason = REASON_INTERNAL };
    bool holds = chain_holds(chain, NULL, asked->role != 0 ? asked->role : NK_PEER_IS_CLIENT, leaf,
                             others, &path, &failure);
    snprintf(ours_text, sizeof(ours_text), holds ? "+" : "-%s %s", reason_label(failure.reason),
             failure.detail);
    assert_same_when_known(chain, asked->role != 0 ? asked->role : NK_PEER_IS_CLIENT, leaf, others,
                           roots);
    chain_path_clear(&path);
    sk_X509_pop_free(others, X509_free);
    X509_free(leaf);
    chain_free(chain);
    ERR_clear_error(); /* as judge.c does after OpenSSL's verdict */
}

const char *anchor_verdict(const struct anchor_case *asked)
{
    char *path = (char *)save_roots(asked->roots);
    nk_error err = { .struct_size = sizeof(err) };
    STACK_OF(X509) *roots = NULL;
    struct crls *crls = NULL;

    nk_status status = NK_OK;
    if (asked->unread) {
        roots = reread_all(asked->roots);
    } else {
        status = roots_read(&path, 1, asked->strict, NULL, &roots, &err);
    }
    if (status == NK_OK && asked->lists[0] != NULL) {
        status = read_lists(asked->lists, roots, &crls, &err);
    }
    if (status == NK_OK) {
        judge(asked, roots, crls);
    } else {
        snprintf(ours_text, sizeof(ours_text), "!%s", err.text);
    }
    crls_unref(crls);
    sk_X509_pop_free(roots, X509_free);
    assert_int_equal(ERR_peek_error(), 0);
    return ours_text;
}

void anchor_expect(const char *verdict, const char *want, const char *part)
{
    if (strncmp(verdict, want, strlen(want)) != 0 ||
        (part != NULL && strstr(verdict, part) == NULL)) {
        print_error("\"%s\", but right is \"%s\" with \"%s\"\n", verdict, want,
                    part != NULL ? part : "");
        fail();
    }
    /* A cure keeps strict on. */
    assert_null(strstr(verdict, "\"strict\""));
    assert_null(strstr(verdict, "strict false"));
}

/* --- others --- */

void anchor_hand_over(const struct anchor_case *asked, const char *name, const char *go)
{
    const char *folder = getenv("NODEKEY_NAMES_OUT");
    if (folder == NULL) {
        return;
    }
    char *file = strdup(name);
    for (char *at = file; *at != '\0'; at++) {
        *at = *at == '/' || *at == ' ' ? '_' : *at;
    }
    char *root = pem_of(asked->roots[0], NULL);
    char *chain = pem_of(asked->leaf, asked->others[0], NULL);
    write_file(path_of("%s/%s.root", folder, file), root, 0644);
    write_file(path_of("%s/%s.chain", folder, file), chain, 0644);
    write_file(path_of("%s/%s.want", folder, file), go, 0644);
    free(root);
    free(chain);
    free(file);
}

const char *anchor_openssl(const struct anchor_case *asked, bool strict)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *others = stack_of(asked->others);
    char *text = openssl_text[strict ? 1 : 0];

    for (int i = 0; i < ANCHOR_OTHERS_MAX && asked->roots[i] != NULL; i++) {
        assert_int_equal(X509_STORE_add_cert(store, asked->roots[i]), 1);
    }
    assert_int_equal(X509_STORE_CTX_init(ctx, store, asked->leaf, others), 1);
    X509_STORE_CTX_set_purpose(ctx, asked->role == NK_PEER_IS_SERVER ? X509_PURPOSE_SSL_SERVER
                                                                     : X509_PURPOSE_SSL_CLIENT);
    X509_STORE_CTX_set_flags(ctx, strict ? X509_V_FLAG_X509_STRICT : 0);
    bool holds = X509_verify_cert(ctx) == 1;
    snprintf(text, ANCHOR_TEXT_BYTES, holds ? "+" : "-%s at depth %d",
             X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)),
             X509_STORE_CTX_get_error_depth(ctx));
    sk_X509_free(others);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    return text;
}

/* --- odd certificates --- */

const char *anchor_key_identifier(const struct authority *issuer, bool critical)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned len = 0;

    assert_int_equal(X509_pubkey_digest(issuer->certificate, EVP_sha1(), hash, &len), 1);
    for (unsigned i = 0; i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
    return path_of("authorityKeyIdentifier=%sDER:3016%s%s", critical ? "critical," : "", "8014",
                   hex);
}

X509 *anchor_forge(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    assert_true(len > 0);
    der[len - 3] ^= 1;
    const unsigned char *at = der;
    X509 *forged = d2i_X509(NULL, &at, len);
    assert_non_null(forged);
    OPENSSL_free(der);
    return forged;
}
