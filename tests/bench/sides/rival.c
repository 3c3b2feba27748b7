/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED /* engines are; this one is what people use */
#include "bench/sides/rival.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/engine.h>
#include <openssl/err.h>

#include "bench/sides/signer.h"
#include "bench/sides/team.h"
#include "fixtures/authority.h"
#include "fixtures/softhsm/softhsm.h"

const char *rival_uri(const char *label, const char *object)
{
    return path_of("pkcs11:token=%s;object=%s;type=private;pin-value=%s", label, object,
                   SOFTHSM_PIN);
}

void rival_use(const char *module)
{
    setenv("PKCS11_MODULE_PATH", module, 1);
}

struct rival {
    rival_load load;
    const char *uri;
    EVP_PKEY *public_key;
    struct signer signer;
    struct team *teams[TEAM_MAX + 1];
};

#if OPENSSL_VERSION_MAJOR >= 4 /* engines are gone: there is no rival */
#define ENGINE_by_id(id) ((ENGINE *)NULL)
#define ENGINE_init(engine) ((void)(engine), 0)
#define ENGINE_load_private_key(engine, uri, method, data) ((EVP_PKEY *)NULL)
#define ENGINE_free(engine) ((void)(engine))
#endif

static ENGINE *find_engine(void)
{
    ENGINE *engine = ENGINE_by_id("pkcs11");
    if (engine == NULL) {
        ERR_print_errors_fp(stderr);
        fprintf(stderr, "bench: no engine pkcs11: install libengine-pkcs11-openssl\n");
        abort();
    }
    return engine;
}

void rival_hush(void)
{
    ENGINE_free(find_engine());
    if (freopen("/dev/null", "we", stderr) == NULL) {
        abort();
    }
}

static EVP_PKEY *load_by_engine(const char *uri)
{
    rival_hush();
    ENGINE *engine = find_engine();
    return ENGINE_init(engine) == 1 ? ENGINE_load_private_key(engine, uri, NULL, NULL) : NULL;
}

static bool start(void *user, char *why, size_t room)
{
    struct rival *rival = user;
    EVP_PKEY *key = rival->load(rival->uri);
    if (key == NULL) {
        snprintf(why, room, "it does not load the key: %s",
                 ERR_reason_error_string(ERR_peek_last_error()));
        return false;
    }
    rival->signer = signer_of(key);
    snprintf(why, room, "its signature does not verify");
    return signer_proves(&rival->signer, rival->public_key);
}

static struct contest_cost run(void *user, const struct bounded_call *bounded)
{
    struct rival *rival = user;
    struct team **team = &rival->teams[bounded->threads];
    if (*team == NULL) {
        *team = team_new(bounded->threads);
    }
    return team_run(*team, bounded->operations, signer_sign, &rival->signer);
}

struct outpost *rival_start_by(rival_load load, const char *name, const char *uri,
                               EVP_PKEY *public_key)
{
    static const struct outpost_work work = { .start = start, .run = run };
    struct rival rival = { .load = load, .uri = uri, .public_key = public_key };
    return outpost_start(name, &work, &rival);
}

struct outpost *rival_start(const char *label, const char *object, EVP_PKEY *public_key)
{
    return rival_start_by(load_by_engine, "libp11's engine", rival_uri(label, object), public_key);
}
