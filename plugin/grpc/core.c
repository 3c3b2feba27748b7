/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/core.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fork.h"
#include "base/report.h"
#include "grpc/core_source.h"
#include "hsm.h"

#define FIVE_ARGUMENTS_SINCE 50 /* grpc_tls_certificate_provider_file_watcher_create, gRPC 1.75 */

/* Of the file watcher: with the path of a SPIFFE bundle in later cores. */
typedef grpc_tls_certificate_provider *watch_of_four(const char *key, const char *certificate,
                                                     const char *roots, unsigned seconds);
typedef grpc_tls_certificate_provider *watch_of_five(const char *key, const char *certificate,
                                                     const char *roots, const char *bundle,
                                                     unsigned seconds);
typedef void set_provider(grpc_tls_credentials_options *options,
                          grpc_tls_certificate_provider *provider);
typedef grpc_tls_certificate_provider *new_provider(void);
typedef bool tell_provider(grpc_tls_certificate_provider *provider, grpc_tls_identity_pairs *pairs);
typedef grpc_tls_identity_pairs *new_pairs(void);
typedef void add_pair(grpc_tls_identity_pairs *pairs, const char *key, const char *chain);
typedef void take_options(grpc_tls_credentials_options *options);

/* A core: functions of one type, those of several, and its number. */
struct bound {
    struct core functions;
    unsigned long number; /* 29 of gRPC 1.51 */
    bool wants_signers;
    set_provider *set_identity;
    take_options *watch_identity; /* NULL: not needed any more */
    watch_of_four *watch_of_four; /* one of the two */
    watch_of_five *watch_of_five;
    new_provider *new_provider; /* this one and the next three: of later cores, all or none */
    tell_provider *tell_provider;
    new_pairs *new_pairs;
    add_pair *add_pair;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct bound the_core; /* written once, under the lock, before is_bound */
static atomic_bool is_bound;
FORK_PART(.lock = &lock);

/* --- finding functions --- */

/* By the text that both answer: each core has one of its own. */
static bool is_core_of(struct core_source *source, const char *(*version)(void))
{
    const char *(*found)(void) = NULL;

    return core_source_find(source, "grpc_version_string", &found) && found() == version();
}

static bool find_named(struct core_source *source, struct core *functions, const char **ret_missing)
{
#define CORE_FIND(name)                                                                            \
    if (!core_source_find(source, #name, &functions->name)) {                                      \
        *ret_missing = #name;                                                                      \
        return false;                                                                              \
    }
    NK_CORE_GRPC(CORE_FIND)
#undef CORE_FIND
    return true;
}

static void find_told(struct core_source *source, struct bound *bound)
{
    bool all =
        core_source_find(source, "grpc_tls_certificate_provider_in_memory_create",
                         &bound->new_provider) &&
        core_source_find(source, "grpc_tls_certificate_provider_in_memory_set_identity_certificate",
                         &bound->tell_provider) &&
        core_source_find(source, "grpc_tls_identity_pairs_create", &bound->new_pairs) &&
        core_source_find(source, "grpc_tls_identity_pairs_add_pair", &bound->add_pair);

    bound->new_provider = all ? bound->new_provider : NULL;
}

static bool find_renamed(struct core_source *source, struct bound *bound, const char **ret_missing)
{
    if (!core_source_find(source, "grpc_tls_credentials_options_set_identity_certificate_provider",
                          &bound->set_identity) &&
        !core_source_find(source, "grpc_tls_credentials_options_set_certificate_provider",
                          &bound->set_identity)) {
        *ret_missing = "grpc_tls_credentials_options_set_identity_certificate_provider";
        return false;
    }
    (void)core_source_find(source, "grpc_tls_credentials_options_watch_identity_key_cert_pairs",
                           &bound->watch_identity);
    find_told(source, bound);
    void *watch = bound->number >= FIVE_ARGUMENTS_SINCE ? (void *)&bound->watch_of_five
                                                        : (void *)&bound->watch_of_four;
    *ret_missing = "grpc_tls_certificate_provider_file_watcher_create";
    return core_source_find(source, *ret_missing, watch);
}

/* --- binding --- */

/* The number before the first dot of "29.0.0"; 0: another grammar. */
static unsigned long read_number(const char *version)
{
    char *end = NULL;

    if (version == NULL || version[0] < '1' || version[0] > '9') {
        return 0;
    }
    unsigned long number = strtoul(version, &end, 10);
    return *end == '.' && number != ULONG_MAX ? number : 0;
}

/* For hsm_use_crypto: a shared core shows the libcrypto that it is linked with, too. */
static nk_function find_in_source(void *arg, const char *name)
{
    nk_function found = NULL;

    return core_source_find(arg, name, &found) ? found : NULL;
}

/* Of an OpenSSL that the program shows to all, a shared core calls the functions as we do. */
static nk_status use_crypto_of(struct core_source *source, nk_error *err)
{
    bool is_ours = source->symbol == NULL && hsm_crypto_is_shown();

    return is_ours ? hsm_use_own_crypto(err) : hsm_use_crypto(find_in_source, source, err);
}

static nk_status report_no_core(nk_error *err)
{
    return report(err, NK_E_USAGE,
                  "the functions of this program's gRPC core cannot be found: for one that is "
                  "linked in statically set nk_host.symbol = nk_core_symbol (nodekey/core.h); and "
                  "nk_host.grpc_version is grpc_version_string itself, no function of yours that "
                  "calls it");
}

static nk_status find_core(const nk_host *host, struct core_source *source, struct bound *bound,
                           nk_error *err)
{
    const char *missing = "";

    if (core_source_is_away(host)) {
        return report(err, NK_E_USAGE,
                      "this program's gRPC is in another namespace of the dynamic linker than "
                      "nodekey.so; load both by dlopen, not by dlmopen");
    }
    core_source_open(host, source);
    if (!is_core_of(source, host->grpc_version)) {
        return report_no_core(err);
    }
    const char *version = host->grpc_version();
    bound->number = read_number(version);
    if (bound->number == 0) {
        return report(err, NK_E_UNSUPPORTED, "gRPC core \"%s\" has no number that nodekey knows",
                      version != NULL ? version : "(none)");
    }
    bool whole =
        find_named(source, &bound->functions, &missing) && find_renamed(source, bound, &missing);
    if (core_source_is_program(source)) {
        return report_no_core(err);
    }
    return whole ? NK_OK
                 : report(err, NK_E_UNSUPPORTED, "gRPC core %s lacks %s; take another version",
                          version, missing);
}

/* In whichever order hosts come: the first core that is fit is the one of the process. */
static bool is_bound_to(const struct bound *bound)
{
    pthread_mutex_lock(&lock);
    if (!atomic_load(&is_bound)) {
        the_core = *bound;
        atomic_store(&is_bound, true);
    }
    bool same = the_core.functions.grpc_init == bound->functions.grpc_init;
    pthread_mutex_unlock(&lock);
    return same;
}

static void warn_of_untested(const struct bound *bound, const nk_host *host)
{
    static const unsigned long tested[] = { 29, 56, 58 };

    for (size_t i = 0; i < ARRAY_LEN(tested); i++) {
        if (tested[i] == bound->number) {
            return;
        }
    }
    log_line(
        host, NK_LOG_WARNING,
        "gRPC core %s: nodekey is tested with the cores 29 (gRPC 1.51), 56 (gRPC 1.83) and, on "
        "BoringSSL, 58 (gRPC 1.85); try this one before you rely on it, or take one of those",
        host->grpc_version());
}

/* gRPC on BoringSSL takes no provider of OpenSSL's, but signers, in the cores that are told. */
static nk_status use_crypto(const nk_host *host, struct core_source *source, struct bound *bound,
                            nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };

    nk_status status = use_crypto_of(source, &own);
    bound->wants_signers =
        status == NK_E_UNSUPPORTED && host->set_identity != NULL && bound->new_provider != NULL;
    return status == NK_OK || bound->wants_signers ? NK_OK : report_copy(err, &own);
}

nk_status core_bind(const nk_host *host, nk_error *err)
{
    struct bound bound = { .number = 0 };
    struct core_source source = { .symbol = NULL };
    nk_status status = find_core(host, &source, &bound, err);

    bool lacks_signers = core_wants_signers(host) && host->set_identity == NULL;
    if (status == NK_OK && (!atomic_load(&is_bound) || lacks_signers)) {
        status = use_crypto(host, &source, &bound, err);
    }
    if (status != NK_OK) {
        return status;
    }
    if (is_bound_to(&bound)) {
        warn_of_untested(&bound, host);
        return NK_OK;
    }
    return report(err, NK_E_USAGE,
                  "this process has two gRPC cores, and nodekey serves the other one; use one "
                  "core, or another process");
}

bool core_is_bound(void)
{
    return atomic_load(&is_bound);
}

/* Also on threads of gRPC's, which order themselves behind ours in ways that nobody else sees. */
static const struct bound *bound_core(void)
{
    (void)atomic_load_explicit(&is_bound, memory_order_acquire);
    return &the_core;
}

const struct core *core(void)
{
    return &bound_core()->functions;
}

/* --- what has other names --- */

void core_set_identity_provider(grpc_tls_credentials_options *options,
                                grpc_tls_certificate_provider *provider)
{
    bound_core()->set_identity(options, provider);
    if (bound_core()->watch_identity != NULL) {
        bound_core()->watch_identity(options);
    }
}

bool core_is_told(void)
{
    return core_is_bound() && bound_core()->new_provider != NULL;
}

/* By what was measured: 1.51 signs on pollers, 1.83 on threads of its own. In between a core may do
 * either, and a thread lent in vain rests. */
bool core_signs_on_pollers(void)
{
    return !core_is_told();
}

bool core_wants_signers(const nk_host *host)
{
    return core_is_bound() && the_core.wants_signers && host->grpc_version != NULL;
}

grpc_tls_certificate_provider *core_provider_new(void)
{
    return bound_core()->new_provider();
}

bool core_provider_tell(grpc_tls_certificate_provider *provider, const char *pem)
{
    grpc_tls_identity_pairs *pairs = bound_core()->new_pairs();

    bound_core()->add_pair(pairs, pem, pem);
    return bound_core()->tell_provider(provider, pairs); /* which takes the pairs over */
}

grpc_tls_certificate_provider *core_watch_file(const char *path, unsigned seconds)
{
    return bound_core()->watch_of_five != NULL
               ? bound_core()->watch_of_five(path, path, NULL, NULL, seconds)
               : bound_core()->watch_of_four(path, path, NULL, seconds);
}

/* --- before a host has spoken --- */

static int (*shown_is_initialized)(void); /* NULL: no core is shown to all */

__attribute__((__constructor__)) static void look_for_shown(void)
{
    struct core_source all = core_source_shown();

    (void)core_source_find(&all, "grpc_is_initialized", &shown_is_initialized);
}

bool core_is_initialized(void)
{
    if (atomic_load(&is_bound)) {
        return bound_core()->functions.grpc_is_initialized() != 0;
    }
    return shown_is_initialized != NULL && shown_is_initialized() != 0;
}
