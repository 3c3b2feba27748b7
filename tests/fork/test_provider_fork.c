/* SPDX-License-Identifier: Apache-2.0
 * A forking server that knows nothing of us: it loads its key through nodekey-provider.so, forks
 * its workers while it signs itself, and every worker serves with what it has inherited. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/auto.h"
#include "fixtures/authority.h"
#include "fixtures/child.h"
#include "fixtures/openssl_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define WORKERS 4
#ifdef NODEKEY_SANITIZED /* ten times as slow */
#define HANDSHAKES 40
#else
#define HANDSHAKES 200
#endif
#define FLIGHTS_MAX 20

static struct kind {
    const char *name;
    const char *type;
    const char *object;
    const char *id;
    const char *pem; /* where its reference is; a child has another scratch folder */
} kinds[] = {
    { "with P-256", "P-256", "ec", "01", NULL },
    { "with RSA-2048", "RSA-2048", "rsa", "02", NULL },
    { "with Ed25519", "Ed25519", "ed", "03", NULL },
};

static const char *cnf;
static struct authority ca;

/* --- a server, which is its own client --- */

struct server {
    OSSL_LIB_CTX *libctx;
    const struct kind *kind;
    SSL_CTX *ctx; /* both ends' */
    EVP_PKEY *key;
    EVP_PKEY *public_key;
};

/* NULL: see the queue. No assertions, as in all that a worker does: it must end, not run tests. */
static SSL_CTX *make_context(const struct server *server)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(server->libctx, NULL, TLS_method());
    X509 *certificate =
        authority_issue(&ca, server->public_key, &(struct certificate_spec){ .cn = "web" });
    if (ctx == NULL || SSL_CTX_use_certificate(ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, server->kind->pem, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1 ||
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.certificate) != 1) {
        X509_free(certificate);
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_purpose(ctx, X509_PURPOSE_ANY);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    X509_free(certificate);
    return ctx;
}

static struct server server_start(const struct kind *kind)
{
    struct server server = { .libctx = cnf_context(cnf), .kind = kind };
    server.public_key = softhsm_public_key("web", kind->object, kind->id);
    server.ctx = make_context(&server);
    if (server.ctx == NULL) {
        fail_msg("%s", queue_text());
    }
    server.key = SSL_CTX_get0_privatekey(server.ctx);
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(server.key)), "nodekey");
    return server;
}

static void server_stop(struct server *server)
{
    SSL_CTX_free(server->ctx);
    EVP_PKEY_free(server->public_key);
    OSSL_LIB_CTX_free(server->libctx);
}

/* Mutual, both signatures by the token. */
static bool shake_hands(SSL_CTX *ctx, int version)
{
    SSL *ends[2] = { SSL_new(ctx), SSL_new(ctx) };
    BIO *bios[2] = { NULL, NULL };
    bool done[2] = { false, false };
    bool ok = BIO_new_bio_pair(&bios[0], 0, &bios[1], 0) == 1;
    SSL_set_accept_state(ends[0]);
    SSL_set_connect_state(ends[1]);
    for (int i = 0; i < 2; i++) {
        SSL_set_bio(ends[i], bios[i], bios[i]);
        ok = ok && SSL_set_min_proto_version(ends[i], version) == 1 &&
             SSL_set_max_proto_version(ends[i], version) == 1;
    }
    for (int flight = 0; ok && flight < FLIGHTS_MAX && !(done[0] && done[1]); flight++) {
        for (int i = 1; i >= 0; i--) {
            int rc = SSL_do_handshake(ends[i]);
            done[i] = rc == 1;
            ok = ok && (rc == 1 || SSL_get_error(ends[i], rc) == SSL_ERROR_WANT_READ);
        }
    }
    ok = ok && done[0] && done[1] && SSL_get0_peer_certificate(ends[0]) != NULL;
    SSL_free(ends[0]);
    SSL_free(ends[1]);
    return ok;
}

/* False, having said why, at the first that fails. */
static bool serve(const struct server *server, int handshakes)
{
    for (int i = 0; i < handshakes; i++) {
        if (!shake_hands(server->ctx, i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION)) {
            fprintf(stderr, "pid %ld, handshake %d: %s\n", (long)getpid(), i, queue_text());
            return false;
        }
    }
    return true;
}

/* --- workers --- */

static bool serves_with_what_it_inherited(const struct server *server)
{
    return serve(server, HANDSHAKES);
}

/* As a server does whose workers read the configuration for themselves. */
static bool loads_the_key_itself(const struct server *server)
{
    struct server own = *server;
    own.ctx = make_context(server);
    if (own.ctx == NULL) {
        fprintf(stderr, "pid %ld: %s\n", (long)getpid(), queue_text());
        return false;
    }
    bool ok = serve(&own, HANDSHAKES / 10);
    SSL_CTX_free(own.ctx);
    return ok;
}

/* As one does whose parent never asked for a key. */
static bool begins_with_nothing(const struct server *server)
{
    struct server own = *server;
    own.libctx = cnf_context(cnf);
    bool ok = loads_the_key_itself(&own);
    OSSL_LIB_CTX_free(own.libctx);
    return ok;
}

/* As its parent would: in the program's own report. */
static bool says_why_it_cannot_sign(const struct server *server)
{
    softhsm_unplug();
    bool signs = signs_for(server->libctx, server->key, server->public_key);
    const char *queue = queue_text();
    bool says = strstr(queue, "no signature: ") != NULL;
    if (signs || !says) {
        fprintf(stderr, "pid %ld: %s\n", (long)getpid(), signs ? "signed" : queue);
    }
    softhsm_replug();
    return !signs && says;
}

static bool only_ends(const struct server *server)
{
    (void)server;
    return true;
}

typedef bool work(const struct server *server);

/* OpenSSL 3.0's own locks do not live through a fork: no thread may be inside it at that moment. */
static pthread_mutex_t inside_openssl = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool forking; /* the signing thread lets go */

static pid_t fork_worker(const struct server *server, work *does)
{
    forking = true;
    pthread_mutex_lock(&inside_openssl);
    pid_t worker = child_fork(true);
    pthread_mutex_unlock(&inside_openssl);
    forking = false;
    assert_true(worker >= 0);
    if (worker == 0) {
        exit(does(server) ? 0 : 1); /* with its handlers, as a program ends */
    }
    return worker;
}

/* --- the parent, meanwhile --- */

struct signer {
    const struct server *server;
    atomic_bool enough;
    atomic_uint signatures;
    atomic_uint failures;
};

static void *sign_on(void *data)
{
    struct signer *signer = data;
    while (!signer->enough) {
        if (forking) {
            usleep(100);
            continue;
        }
        pthread_mutex_lock(&inside_openssl);
        if (signs_for(signer->server->libctx, signer->server->key, signer->server->public_key)) {
            signer->signatures++;
        } else {
            fprintf(stderr, "parent: %s\n", queue_text());
            signer->failures++;
        }
        pthread_mutex_unlock(&inside_openssl);
    }
    return NULL;
}

/* Between two forks it does sign. */
static void await_signature(const struct signer *signer)
{
    unsigned seen = signer->signatures;
    while (signer->signatures == seen && signer->failures == 0) {
        usleep(100);
    }
}

static void fork_under_load(const struct kind *kind, work *does)
{
    struct server server = server_start(kind);
    struct signer signer = { .server = &server };
    pid_t workers[WORKERS];
    bool fine = true;
    pthread_t thread;
    assert_true(serve(&server, 2));
    assert_int_equal(pthread_create(&thread, NULL, sign_on, &signer), 0);
    for (int i = 0; i < WORKERS; i++) {
        await_signature(&signer);
        workers[i] = fork_worker(&server, does);
    }
    for (int i = 0; i < WORKERS; i++) {
        fine &= child_is_fine(workers[i]);
    }
    signer.enough = true;
    pthread_join(thread, NULL);
    assert_true(fine);
    assert_int_equal(signer.failures, 0);
    assert_true(serve(&server, HANDSHAKES / 10));
    server_stop(&server);
}

/* The first of all: nobody in this process has loaded the module yet. */
static void check_fresh(void **state)
{
    const struct kind *kind = *state;
    struct server server = { .kind = kind };
    pid_t workers[WORKERS];
    bool fine = true;
    server.public_key = softhsm_public_key("web", kind->object, kind->id);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = fork_worker(&server, begins_with_nothing);
    }
    for (int i = 0; i < WORKERS; i++) {
        fine &= child_is_fine(workers[i]);
    }
    assert_true(fine);
    EVP_PKEY_free(server.public_key);
}

static void check_inherited(void **state)
{
    fork_under_load(*state, serves_with_what_it_inherited);
}

static void check_own(void **state)
{
    fork_under_load(*state, loads_the_key_itself);
}

static void check_why(void **state)
{
    struct server server = server_start(*state);
    assert_true(serve(&server, 2));
    assert_true(child_is_fine(fork_worker(&server, says_why_it_cannot_sign)));
    assert_true(serve(&server, 2));
    server_stop(&server);
}

static void check_end(void **state)
{
    fork_under_load(*state, only_ends);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("web");
    ca = authority_make(NULL, "root", NULL);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        softhsm_generate("web", kinds[i].type, kinds[i].object, kinds[i].id);
        kinds[i].pem = path_of("%s/%s.pem", scratch_folder(), kinds[i].object);
        write_file(kinds[i].pem,
                   persistent_pem(path_of("pkcs11:token=web;object=%s", kinds[i].object)), 0600);
    }
    write_file(path_of("%s/pin", scratch_folder()), SOFTHSM_PIN "\n", 0600);
    cnf = cnf_write("server",
                    path_of("pkcs11-module = softhsm\npin-file = %s/pin", scratch_folder()));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    authority_free(&ca);
    return 0;
}

int main(void)
{
    static const struct {
        const char *name;
        void (*check)(void **state);
    } rows[] = {
        { "workers of a parent without a key", check_fresh },
        { "workers that only end leave the parent alone", check_end },
        { "workers serve with the key they inherited", check_inherited },
        { "workers load the key themselves", check_own },
        { "workers say why they cannot sign", check_why },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(kinds); i++) {
        const struct kind *kind = &kinds[i % ARRAY_LEN(kinds)];
        rows_add(path_of("%s, %s", rows[i / ARRAY_LEN(kinds)].name, kind->name),
                 rows[i / ARRAY_LEN(kinds)].check, kind);
    }
    return ROWS_RUN("fork_provider", start, stop);
}
