/* SPDX-License-Identifier: Apache-2.0
 * What a stranger shows. The first byte chooses: a whole certificate, DER and then
 * whatever follows it; or an extension, or the subject, of one that the federation's CA signs, so
 * that rules are reached, too. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "fixtures/authority.h"
#include "fuzz/fuzz.h"
#include "judge/policy.h"

#define BOTH (NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER)
#define INPUT_MAX_BYTES 20000

enum part { PART_CERTIFICATE, PART_NAMES, PART_SUBJECT, PART_USAGES, PARTS };

static const nk_host host = { .struct_size = sizeof(host) };
static struct authority root;
static EVP_PKEY *key;
static struct policy *policy;

static void add_rule(struct rule_list *list, const char *name, enum rule_member member,
                     const char *value)
{
    fuzz_require(rule_list_append(list, name, BOTH, NULL) == NK_OK &&
                     rule_list_add(list, member, value, NULL) == NK_OK,
                 value);
}

static void add_rules(struct config *config)
{
    add_rule(&config->deny, "uri", RULE_URI, "spiffe://f/evil/*");
    add_rule(&config->deny, "urn", RULE_URI, "urn:uuid:0a");
    add_rule(&config->deny, "site", RULE_URI, "https://[2001:db8::1]:8443/a");
    add_rule(&config->deny, "dns", RULE_DNS, "*.evil.example");
    add_rule(&config->deny, "ip", RULE_IP, "10.0.0.0/8");
    add_rule(&config->deny, "email", RULE_EMAIL, "evil@f.example");
    add_rule(&config->deny, "cn", RULE_CN, "evil");
    add_rule(&config->deny, "usage", RULE_EXTENDED_KEY_USAGE, "codeSigning");
    add_rule(&config->admit, "members", RULE_URI, "spiffe://f/*");
    add_rule(&config->admit, "hosts", RULE_DNS, "*.f.example");
    add_rule(&config->admit, "nodes", RULE_CN, "node");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    root = authority_make(NULL, "federation", NULL);
    key = software_key("P-256");
    char *roots[] = { (char *)path_of("%s/root.pem", scratch_folder()) };
    char *pem = pem_of(root.certificate, NULL);
    write_file(roots[0], pem, 0644);
    free(pem);

    struct config config = { .roots = { roots, 1 }, .federation.strict = true };
    struct policy_memory memory;
    add_rules(&config);
    fuzz_require(policy_memory_open(NULL, &memory, NULL) == NK_OK, "policy_memory_open");
    fuzz_require(policy_new(&config, &memory, &host, &policy, NULL) == NK_OK, "policy_new");
    policy_memory_clear(&memory);
    return 0;
}

static void set_extension(X509 *leaf, int nid, const uint8_t *data, size_t len)
{
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    fuzz_require(value != NULL && ASN1_OCTET_STRING_set(value, data, (int)len) == 1, "octets");
    X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, nid, 0, value);
    int old = X509_get_ext_by_NID(leaf, nid, -1);
    if (old >= 0) {
        X509_EXTENSION_free(X509_delete_ext(leaf, old));
    }
    fuzz_require(extension != NULL && X509_add_ext(leaf, extension, -1) == 1, "extension");
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
}

/* False: OpenSSL reads no name from it, so no certificate has it. */
static bool set_subject(X509 *leaf, const uint8_t *data, size_t len)
{
    X509_NAME *subject = d2i_X509_NAME(NULL, &data, (long)len);
    bool set = subject != NULL && X509_set_subject_name(leaf, subject) == 1;
    X509_NAME_free(subject);
    return set;
}

static char *pem_of_der(const uint8_t *data, size_t len)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    fuzz_require(bio != NULL && PEM_write_bio(bio, PEM_STRING_X509, "", data, (long)len) > 0,
                 "PEM");
    long text_len = BIO_get_mem_data(bio, &text);
    text = strndup(text, (size_t)text_len);
    fuzz_require(text != NULL, "memory");
    BIO_free(bio);
    return text;
}

/* NULL: there is no such certificate. */
static char *show(enum part part, const uint8_t *data, size_t len)
{
    if (part == PART_CERTIFICATE) {
        return pem_of_der(data, len);
    }
    const struct certificate_spec spec = { .san = part == PART_NAMES ? NULL : "DNS:a.f.example" };
    X509 *leaf = authority_issue(&root, key, &spec);
    bool shown = true;
    if (part == PART_SUBJECT) {
        shown = set_subject(leaf, data, len);
    } else {
        set_extension(leaf, part == PART_NAMES ? NID_subject_alt_name : NID_ext_key_usage, data,
                      len);
    }
    fuzz_require(!shown || X509_sign(leaf, root.key, EVP_sha256()) > 0, "sign");
    char *pem = shown ? pem_of(leaf, NULL) : NULL;
    X509_free(leaf);
    return pem;
}

static void is_one_printable_line(const char *text)
{
    for (; *text != '\0'; text++) {
        fuzz_require(*text >= ' ' && *text < 0x7f, "a line has another byte");
    }
}

static void judge(const char *pem, uint32_t role)
{
    nk_error err = { .struct_size = sizeof(err) };
    struct peer *peer = NULL;
    struct opinion opinion;

    nk_status status = peer_read(role, "a.f.example", pem, NULL, &peer, &err);
    fuzz_require(ERR_peek_error() == 0, "peer_read left an error behind");
    if (status != NK_OK) {
        fuzz_require(status == NK_E_PEER && err.status == NK_E_PEER && peer == NULL, err.text);
        is_one_printable_line(err.text);
        return;
    }
    policy_judge(policy, peer, &opinion);
    fuzz_require(ERR_peek_error() == 0, "policy_judge left an error behind");
    fuzz_require((opinion.verdict.decision == NK_ALLOW) == (opinion.verdict.reason[0] == '\0'),
                 "the verdict has no reason, or one too many");
    fuzz_require(strcmp(opinion.verdict.reason, "internal") != 0, opinion.verdict.detail);
    is_one_printable_line(opinion.verdict.detail);
    free(policy_explain(policy, peer, true, &opinion));
    peer_free(peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2 || len > INPUT_MAX_BYTES) {
        return 0;
    }
    ERR_clear_error();
    char *pem = show(data[0] % PARTS, data + 1, len - 1);
    ERR_clear_error();
    if (pem != NULL) {
        judge(pem, NK_PEER_IS_CLIENT);
        judge(pem, NK_PEER_IS_SERVER);
    }
    free(pem);
    return 0;
}
