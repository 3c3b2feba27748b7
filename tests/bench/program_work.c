/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/program_work.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "fixtures/authority.h"

#define TURNS_MAX 16 /* a handshake in memory takes 3 */

struct program_papers {
    const char *p256;
    const char *rsa;
    const char *certificate; /* of the P-256 key */
    const char *root;
};

struct program {
    const struct program_papers *papers;
    SSL_CTX *server;
    SSL_CTX *client;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_program: %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

const struct program_papers *program_papers_make(void)
{
    static struct program_papers papers;
    struct authority root = authority_make(NULL, "Root", NULL);
    EVP_PKEY *p256 = software_key("P-256");
    EVP_PKEY *rsa = software_key("RSA-2048");
    X509 *leaf = authority_issue(&root, p256, NULL);

    papers = (struct program_papers){
        .p256 = pem_of_key(p256),
        .rsa = pem_of_key(rsa),
        .certificate = pem_of(leaf, NULL),
        .root = pem_of(root.certificate, NULL),
    };
    X509_free(leaf);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p256);
    authority_free(&root);
    return &papers;
}

/* --- reading --- */

static EVP_PKEY *key_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (key == NULL) {
        die("a key does not load");
    }
    return key;
}

static X509 *certificate_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (certificate == NULL || X509_get0_pubkey(certificate) == NULL) {
        die("a certificate does not load");
    }
    return certificate;
}

/* --- handshakes --- */

static SSL_CTX *end_of(const struct program_papers *papers, const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    EVP_PKEY *key = key_of(papers->p256);
    X509 *leaf = certificate_of(papers->certificate);
    X509 *root = certificate_of(papers->root);

    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_use_certificate(ctx, leaf) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root) != 1 ||
        SSL_CTX_set_num_tickets(ctx, 0) != 1) {
        die("no SSL_CTX");
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    X509_free(root);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return ctx;
}

static void shake_hands(const struct program *program)
{
    SSL *server = SSL_new(program->server);
    SSL *client = SSL_new(program->client);
    BIO *one = NULL;
    BIO *other = NULL;
    bool done = false;

    if (server == NULL || client == NULL || BIO_new_bio_pair(&one, 0, &other, 0) != 1) {
        die("no connection");
    }
    SSL_set_bio(server, one, one);
    SSL_set_bio(client, other, other);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int i = 0; i < TURNS_MAX && !done; i++) {
        int client_done = SSL_do_handshake(client);
        done = SSL_do_handshake(server) == 1 && client_done == 1;
    }
    if (!done) {
        die("a handshake failed");
    }
    SSL_free(client);
    SSL_free(server);
}

/* --- */

struct program *program_new(const struct program_papers *papers)
{
    struct program *program = calloc(1, sizeof(*program));
    if (program == NULL) {
        die("out of memory");
    }
    program->papers = papers;
    program->server = end_of(papers, TLS_server_method());
    program->client = end_of(papers, TLS_client_method());
    return program;
}

static void do_once(const struct program *program, enum program_operation operation)
{
    switch (operation) {
    case READ_P256:
        EVP_PKEY_free(key_of(program->papers->p256));
        break;
    case READ_RSA:
        EVP_PKEY_free(key_of(program->papers->rsa));
        break;
    case READ_CERTIFICATE:
        X509_free(certificate_of(program->papers->certificate));
        break;
    case HANDSHAKE:
        shake_hands(program);
        break;
    }
}

struct contest_cost program_work(const struct program *program, const struct bounded_call *bounded)
{
    struct bench_time start = bench_now();
    for (size_t i = 0; i < bounded->operations; i++) {
        do_once(program, (enum program_operation)bounded->what);
    }
    return (struct contest_cost){ .time = bench_since(start), .done = bounded->operations };
}
