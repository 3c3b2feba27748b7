/* SPDX-License-Identifier: Apache-2.0
 * Every step on a token runs in a child program; this process only moves folders and pipes. */
#include "softhsm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "authority.h"
#include "process.h"

#define DER_MAX_BYTES 8192

static const char *tokens;
static const char *away;

static void die(const char *what)
{
    fprintf(stderr, "softhsm: %s: %s\n", what, strerror(errno));
    abort();
}

/* Returns how many bytes the child wrote to `out`; a child that fails aborts the test. */
static size_t run(const char *const *argv, const unsigned char *in, size_t in_len,
                  unsigned char *out, size_t room)
{
    const struct process process = { .argv = argv, .in = in, .in_len = in_len };
    struct process_end end = process_run(&process);
    if (end.status != 0) {
        fprintf(stderr, "softhsm: %s %s ended with status 0x%x\n", argv[0], argv[1], end.status);
        abort();
    }
    size_t len = end.out_len < room ? end.out_len : room;
    if (len > 0) {
        memcpy(out, end.out, len);
    }
    free(end.out);
    return len;
}

void softhsm_start(void)
{
    tokens = path_of("%s/tokens", scratch_folder());
    away = path_of("%s/tokens-away", scratch_folder());
    const char *conf = path_of("%s/softhsm2.conf", scratch_folder());
    if (mkdir(tokens, 0700) != 0) {
        die(tokens);
    }
    write_file(conf,
               path_of("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n"
                       "slots.removable = false\n",
                       tokens),
               0600);
    setenv("SOFTHSM2_CONF", conf, 1);
}

void softhsm_token(const char *label)
{
    const char *const argv[] = { "softhsm2-util", "--init-token", "--free", "--label",   label,
                                 "--so-pin",      SOFTHSM_SO_PIN, "--pin",  SOFTHSM_PIN, NULL };
    run(argv, NULL, 0, NULL, 0);
}

void softhsm_generate(const char *label, const char *type, const char *object, const char *id)
{
    const char *const argv[] = { SOFTHSM_CHILD, "generate", label, object, id, type, NULL };
    run(argv, NULL, 0, NULL, 0);
}

void softhsm_import(const char *label, EVP_PKEY *key, const char *object, const char *id,
                    bool extractable)
{
    const char *const argv[] = { SOFTHSM_CHILD, "import", label,
                                 object,        id,       extractable ? "extractable" : "keep",
                                 NULL };
    unsigned char *der = NULL;
    int len = i2d_PrivateKey(key, &der);
    if (len <= 0) {
        die("encode the key");
    }
    run(argv, der, (size_t)len, NULL, 0);
    OPENSSL_clear_free(der, (size_t)len);
}

EVP_PKEY *softhsm_public_key(const char *label, const char *object, const char *id)
{
    const char *const argv[] = { SOFTHSM_CHILD, "public", label, object, id, NULL };
    unsigned char der[DER_MAX_BYTES];
    const unsigned char *in = der;
    size_t len = run(argv, NULL, 0, der, sizeof(der));
    EVP_PKEY *key = d2i_PUBKEY(NULL, &in, (long)len);
    if (key == NULL) {
        die("decode the public key");
    }
    return key;
}

void softhsm_unplug(void)
{
    if (rename(tokens, away) != 0 || mkdir(tokens, 0700) != 0) {
        die("unplug");
    }
}

void softhsm_replug(void)
{
    if (rmdir(tokens) != 0 || rename(away, tokens) != 0) {
        die("replug");
    }
}
