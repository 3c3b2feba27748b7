/* SPDX-License-Identifier: Apache-2.0
 * What a signature costs through us, beside the bare token, a key in memory and the rivals. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/harness/bench.h"
#include "bench/sign_side.h"
#include "fixtures/authority.h"
#include "fixtures/softhsm/softhsm.h"

#define ROUNDS 101

static const char about[] =
    "EVP_DigestSign through nodekey beside bare C_SignInit and C_Sign on the same token, a key in\n"
    "memory, libp11's engine and, where it is installed, pkcs11-provider: by one thread and by "
    "two,\n"
    "with a deadline, and by eight threads on a token that takes 5 ms. Needs\n"
    "libengine-pkcs11-openssl.\n";

/* One after the other, each in a process that knows nothing of the last. */
static void apart(void (*contest)(const struct bench_options *, const struct key_contest *),
                  const struct bench_options *options, const struct key_contest *keys)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        sign_side_die("fork failed");
    }
    if (child == 0) {
        contest(options, keys);
        exit(0);
    }
    if (waitpid(child, &status, 0) != child || status != 0) {
        sign_side_die("a contest did not end well");
    }
}

int main(int argc, char **argv)
{
    const struct bench_options options = bench_parse(argc, argv, about, ROUNDS);
    enum { RSA, P256, ED25519, KEYS };
    struct key_contest keys[KEYS] = {
        [RSA] = { "RSA-2048", "rsa2048", 24, { STATS_AT_LEAST, 0.97, 0 }, true, { 0 } },
        [P256] = { "P-256", "p256", 240, { STATS_AT_LEAST, 0.85, 0 }, true, { 0 } },
        [ED25519] = { "Ed25519", "ed25519", 160, { STATS_AT_LEAST, 0.97, 0 }, false, { 0 } },
    };
    softhsm_start();
    for (int i = 0; i < KEYS;
         i++) { /* a token each: libp11 does without one that has an Ed25519 key */
        softhsm_token(keys[i].name);
        keys[i].identity = identity_make(keys[i].name, OBJECT, "01", keys[i].type);
    }
    for (int i = 0; i < KEYS; i++) {
        apart(sign_keys, &options, &keys[i]);
    }
    apart(sign_deadline, &options, &keys[P256]);
    apart(sign_slow, &options, &keys[P256]);
    for (int i = 0; i < KEYS; i++) {
        identity_free(&keys[i].identity);
    }
    return 0;
}
