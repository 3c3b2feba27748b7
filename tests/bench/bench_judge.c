/* SPDX-License-Identifier: Apache-2.0
 * A peer as the verifier gets it, from PEM text to verdict. What long lists cost: under a policy of
 * thousands of rules and under one of a single rule. What a peer costs that was never seen, below a
 * CA that was: beside OpenSSL alone, which reads its certificates and validates their path. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509_vfy.h>

#include "base/auto.h"
#include "bench/harness/bench.h"
#include "config/config.h"
#include "fixtures/authority.h"
#include "judge/policy.h"
#include "peer/peer.h"

#define ROUNDS 101
#define PEERS 16
#define JUDGEMENTS (2 * PEERS) /* in one batch */
#define DENIED 10000
#define ADMIT_RULES 1000
#define RATIO_MAX 1.2

static const char about[] =
    "Judging a peer, path validation included, with 10,000 denied keys and 1,000 admit rules of\n"
    "which the last one matches, against the same with that one rule alone. Judging a peer that\n"
    "was never seen, against OpenSSL alone.\n";

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(X509_STORE_CTX *, X509_STORE_CTX_free);

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_judge: %s: %s\n", what, why);
    abort();
}

/* --- the policies --- */

enum denying { DENY_NOTHING, DENY_BY_RULES, DENY_BY_VALUES };

/* The digest of a key that nobody has. */
static void print_spki(FILE *out, const char *kind, size_t number)
{
    char text[64];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int len = snprintf(text, sizeof(text), "%s %zu", kind, number);
    SHA256((const unsigned char *)text, (size_t)len, digest);
    fputc('"', out);
    for (size_t i = 0; i < sizeof(digest); i++) {
        fprintf(out, "%02x", digest[i]);
    }
    fputc('"', out);
}

static void print_deny(FILE *out, enum denying denying)
{
    fputs("\"deny\": [", out);
    for (size_t i = 0; denying != DENY_NOTHING && i < DENIED; i++) {
        if (denying == DENY_BY_RULES || i == 0) {
            fprintf(out, "%s{\"name\": \"stolen-%zu\", \"spki_sha256\": [", i > 0 ? "," : "", i);
        }
        fputs(denying == DENY_BY_VALUES && i > 0 ? "," : "", out);
        print_spki(out, "denied", i);
        fputs(denying == DENY_BY_RULES || i + 1 == DENIED ? "]}" : "", out);
    }
    fputs("],", out);
}

/* Rules as sites of one federation would write them; none of them fits a peer of this program. */
static void print_other_rule(FILE *out, size_t i)
{
    fprintf(out, "{\"name\": \"site-%zu\", ", i);
    if (i % 5 == 0) {
        fprintf(out, "\"uri\": [\"spiffe://fed.example/site-%zu/node/*\"]", i);
    } else if (i % 5 == 1) {
        fprintf(out, "\"dns\": [\"*.site-%zu.fed.example\"]", i);
    } else if (i % 5 == 2) {
        fprintf(out, "\"ip\": [\"10.%zu.%zu.0/24\"]", i / 250, i % 250);
    } else if (i % 5 == 3) {
        fprintf(out, "\"cn\": [\"node-%zu\"]", i);
    } else {
        fputs("\"spki_sha256\": [", out);
        print_spki(out, "admitted", i);
        fputc(']', out);
    }
    fputs("},", out);
}

static void print_admit(FILE *out, size_t rules)
{
    fputs("\"admit\": [", out);
    for (size_t i = 1; i < rules; i++) {
        print_other_rule(out, i);
    }
    fputs("{\"name\": \"members\", \"uri\": [\"spiffe://fed.example/node/*\"]}]", out);
}

static char *config_text(enum denying denying, size_t admit_rules)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        die("configuration", "no memory");
    }
    fputs("{\"version\": 1, \"node\": {\"module\": \"softhsm\", \"key\": \"pkcs11:object=key\", "
          "\"certificate\": \"leaf.pem\", \"pin\": {\"file\": \"pin\"}}, "
          "\"federation\": {\"roots\": [\"root.pem\"]}, ",
          out);
    print_deny(out, denying);
    print_admit(out, admit_rules);
    fputs("}", out);
    fclose(out);
    return text;
}

static struct policy *make_policy(enum denying denying, size_t admit_rules)
{
    static const nk_host silent = { .struct_size = sizeof(silent) };
    nk_error err = { .struct_size = sizeof(err) };
    struct config *config = NULL;
    struct policy *policy = NULL;
    char *text = config_text(denying, admit_rules);
    struct policy_memory memory;
    if (config_parse(text, scratch_folder(), &config, &err) != NK_OK ||
        policy_memory_open(NULL, &memory, &err) != NK_OK ||
        policy_new(config, &memory, &silent, &policy, &err) != NK_OK) {
        die("policy", err.text);
    }
    policy_memory_clear(&memory);
    config_free(config);
    free(text);
    return policy;
}

/* --- the peers --- */

struct shown { /* as gRPC hands it to a verifier */
    char *leaf;
    char *chain;
    char *issuer; /* the chain's last */
};

static struct shown make_peer(const struct authority *issuer, const char *key_type, size_t number)
{
    const struct certificate_spec spec = {
        .cn = path_of("peer-%zu", number),
        .san = path_of("URI:spiffe://fed.example/node/peer-%zu,DNS:peer-%zu.fed.example,"
                       "IP:192.0.2.%zu",
                       number, number, number),
    };
    EVP_PKEY *key = software_key(key_type);
    X509 *leaf = authority_issue(issuer, key, &spec);
    struct shown shown = { pem_of(leaf, NULL), pem_of(leaf, issuer->certificate, NULL),
                           pem_of(issuer->certificate, NULL) };
    X509_free(leaf);
    EVP_PKEY_free(key);
    return shown;
}

static struct authority make_authority(const struct authority *parent, const char *cn,
                                       const char *key_type)
{
    const struct certificate_spec spec = {
        .cn = cn,
        .eku = "",
        .key_usage = "critical,keyCertSign,cRLSign",
        .basic_constraints = "critical,CA:TRUE",
    };
    EVP_PKEY *key = software_key(key_type);
    return (struct authority){ key, authority_issue(parent, key, &spec) };
}

/* Their root is root.pem then. */
static void make_peers(struct shown peers[PEERS], const char *key_type)
{
    struct authority root = make_authority(NULL, "root", key_type);
    struct authority issuer = make_authority(&root, "intermediate", key_type);
    char *pem = pem_of(root.certificate, NULL);
    write_file(path_of("%s/root.pem", scratch_folder()), pem, 0644);
    free(pem);
    for (size_t i = 0; i < PEERS; i++) {
        peers[i] = make_peer(&issuer, key_type, i);
    }
    authority_free(&issuer);
    authority_free(&root);
}

static void free_peers(struct shown peers[PEERS])
{
    for (size_t i = 0; i < PEERS; i++) {
        free(peers[i].leaf);
        free(peers[i].chain);
        free(peers[i].issuer);
    }
}

/* --- judging --- */

struct judging {
    const struct shown *peers;
    struct policy *policies[BENCH_SIDES];
};

static void judge(struct policy *policy, const struct shown *shown)
{
    nk_error err = { .struct_size = sizeof(err) };
    struct opinion opinion;
    struct peer *peer = NULL;
    if (policy_read_peer(policy, NK_PEER_IS_CLIENT, NULL, shown->leaf, shown->chain, &peer, &err) !=
        NK_OK) {
        die("peer", err.text);
    }
    policy_judge(policy, peer, &opinion);
    if (opinion.verdict.decision != NK_ALLOW) {
        die("a peer that should be let in", opinion.verdict.detail);
    }
    peer_free(peer);
}

static struct bench_time judge_batch(void *user, enum bench_side side)
{
    const struct judging *judging = user;
    struct bench_time start = bench_now();
    for (size_t i = 0; i < JUDGEMENTS; i++) {
        judge(judging->policies[side], &judging->peers[i % PEERS]);
    }
    return bench_since(start);
}

static void compare(const struct bench_options *options, const struct shown *peers,
                    enum denying denying, const char *name, const char *what)
{
    struct judging judging = { .peers = peers };
    judging.policies[BENCH_WITHOUT] = make_policy(DENY_NOTHING, 1);
    judging.policies[BENCH_WITH] = make_policy(denying, ADMIT_RULES);
    const struct bench_row row = {
        .name = name,
        .what = what,
        .figure = BENCH_RATIO,
        .bound = { .side = STATS_AT_MOST, .value = RATIO_MAX },
        .operations = JUDGEMENTS,
        .batch = judge_batch,
        .user = &judging,
    };
    bench_run(options, &row);
    policy_unref(judging.policies[BENCH_WITHOUT]);
    policy_unref(judging.policies[BENCH_WITH]);
}

/* --- a peer that was never seen --- */

struct beside_openssl {
    const struct shown *peers;
    struct policy *policy;
    X509_STORE *store; /* of the policy's root */
};

static X509 *read_one(const char *pem)
{
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (certificate == NULL) {
        die("certificate", "not read");
    }
    return certificate;
}

/* The least that OpenSSL needs for a verdict on the path: each certificate is read once. */
static void validate(X509_STORE *store, const struct shown *shown)
{
    AUTO(X509_free) X509 *leaf = read_one(shown->leaf);
    AUTO(X509_free) X509 *issuer = read_one(shown->issuer);
    AUTO(X509_STORE_CTX_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    if (ctx == NULL || sk_X509_push(others, issuer) == 0 ||
        X509_STORE_CTX_init(ctx, store, leaf, others) != 1 ||
        X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) != 1 ||
        X509_verify_cert(ctx) != 1) {
        die("OpenSSL", "a path that should hold");
    }
    sk_X509_free(others);
}

static struct bench_time first_seen_batch(void *user, enum bench_side side)
{
    const struct beside_openssl *beside = user;
    struct bench_time start = bench_now();
    for (size_t i = 0; i < JUDGEMENTS; i++) {
        if (side == BENCH_WITH) {
            judge(beside->policy, &beside->peers[i % PEERS]);
        } else {
            validate(beside->store, &beside->peers[i % PEERS]);
        }
    }
    return bench_since(start);
}

/* `at_most`: 0.8 of what it was when each intermediate was decoded and verified for each peer. */
static void compare_first_seen(const struct bench_options *options, const char *key_type,
                               const char *name, const char *what, double at_most)
{
    struct shown peers[PEERS];
    make_peers(peers, key_type);
    struct beside_openssl beside = { peers, make_policy(DENY_NOTHING, 1), X509_STORE_new() };
    if (beside.store == NULL ||
        X509_STORE_load_file(beside.store, path_of("%s/root.pem", scratch_folder())) != 1) {
        die("store", "no root");
    }
    X509_STORE_set_flags(beside.store, X509_V_FLAG_X509_STRICT);
    const struct bench_row row = {
        .name = name,
        .what = what,
        .figure = BENCH_RATIO,
        .bound = { .side = STATS_AT_MOST, .value = at_most },
        .operations = JUDGEMENTS,
        .batch = first_seen_batch,
        .user = &beside,
    };
    bench_run(options, &row);
    X509_STORE_free(beside.store);
    policy_unref(beside.policy);
    free_peers(peers);
}

int main(int argc, char **argv)
{
    const struct bench_options options = bench_parse(argc, argv, about, ROUNDS);
    struct shown peers[PEERS];
    make_peers(peers, "P-256");
    compare(&options, peers, DENY_BY_RULES, "judge_denied_rules",
            "judging: 10,000 deny rules and 1,000 admit rules / one");
    compare(&options, peers, DENY_BY_VALUES, "judge_denied_values",
            "judging: one deny rule of 10,000 keys, 1,000 admit / one");
    free_peers(peers);
    compare_first_seen(&options, "P-256", "judge_first_seen_p256",
                       "judging a leaf never seen below a met CA, P-256 / OpenSSL alone", 0.85);
    compare_first_seen(&options, "RSA-2048", "judge_first_seen_rsa2048",
                       "judging a leaf never seen below a met CA, RSA-2048 / OpenSSL alone", 0.89);
    return 0;
}
