/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/core.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fork.h"
#include "base/report.h"
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

/* Where functions are looked for: what the host hands out, else a library. */
struct source {
    nk_function (*symbol)(const char *name);
    void *handle;                  /* of dlopen */
    const struct link_map *object; /* that has the functions of a library; NULL: none found yet */
};

/* A program that shows a part of a core of its own would get the rest of another's. Its procedure
 * linkage table tells nothing. */
static bool is_of_another_core(struct source *source, const char *name, void *found)
{
    const ElfW(Sym) *symbol = NULL;
    struct dl_find_object place;
    Dl_info info;

    if (strncmp(name, "grpc_", strlen("grpc_")) != 0 || _dl_find_object(found, &place) != 0 ||
        (dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol != NULL &&
         symbol->st_shndx == SHN_UNDEF)) {
        return false;
    }
    if (source->object == NULL) {
        source->object = place.dlfo_link_map;
    }
    return source->object != place.dlfo_link_map;
}

/* A program that shows a core of its own may still hide the OpenSSL which that uses. */
static bool is_in_program(const struct source *source)
{
    return source->object != NULL && source->object->l_prev == NULL; /* first of all objects */
}

/* A function by its name. ISO C casts no object pointer to a function's. */
static bool find_function(struct source *source, const char *name, void *function)
{
    if (source->symbol != NULL) {
        nk_function given = source->symbol(name);
        memcpy(function, &given, sizeof(given));
        return given != NULL;
    }
    void *found = dlsym(source->handle, name);
    if (found == NULL || is_of_another_core(source, name, found)) {
        return false;
    }
    memcpy(function, &found, sizeof(found));
    return true;
}

/* The C library of another namespace gives out the keys of thread-specific data once more. */
static bool is_of_another_namespace(const char *(*version)(void))
{
    struct link_map *map = NULL;
    Lmid_t id = LM_ID_BASE; /* ours, or there is no node */
    void *address = NULL;
    Dl_info info;

    memcpy(&address, &version, sizeof(address));
    if (dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map != NULL) {
        (void)dlinfo(map, RTLD_DI_LMID, &id);
    }
    return id != LM_ID_BASE;
}

/* The library whose function that is. A program that is not position-independent has the address of
 * its own procedure linkage table: then what it is linked with is looked through. */
static void *open_library_of(const char *(*version)(void))
{
    Dl_info info;
    void *address = NULL;

    memcpy(&address, &version, sizeof(address));
    void *library = dladdr(address, &info) != 0
                        ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD)
                        : NULL;
    return library != NULL ? library : dlopen(NULL, RTLD_LAZY | RTLD_LOCAL);
}

/* By the text that both answer: each core has one of its own. */
static bool is_core_of(struct source *source, const char *(*version)(void))
{
    const char *(*found)(void) = NULL;

    return find_function(source, "grpc_version_string", &found) && found() == version();
}

static bool find_named(struct source *source, struct core *functions, const char **ret_missing)
{
#define CORE_FIND(name)                                                                            \
    if (!find_function(source, #name, &functions->name)) {                                         \
        *ret_missing = #name;                                                                      \
        return false;                                                                              \
    }
    NK_CORE_GRPC(CORE_FIND)
#undef CORE_FIND
    return true;
}

static void find_told(struct source *source, struct bound *bound)
{
    bool all =
        find_function(source, "grpc_tls_certificate_provider_in_memory_create",
                      &bound->new_provider) &&
        find_function(source, "grpc_tls_certificate_provider_in_memory_set_identity_certificate",
                      &bound->tell_provider) &&
        find_function(source, "grpc_tls_identity_pairs_create", &bound->new_pairs) &&
        find_function(source, "grpc_tls_identity_pairs_add_pair", &bound->add_pair);

    bound->new_provider = all ? bound->new_provider : NULL;
}

static bool find_renamed(struct source *source, struct bound *bound, const char **ret_missing)
{
    if (!find_function(source, "grpc_tls_credentials_options_set_identity_certificate_provider",
                       &bound->set_identity) &&
        !find_function(source, "grpc_tls_credentials_options_set_certificate_provider",
                       &bound->set_identity)) {
        *ret_missing = "grpc_tls_credentials_options_set_identity_certificate_provider";
        return false;
    }
    (void)find_function(source, "grpc_tls_credentials_options_watch_identity_key_cert_pairs",
                        &bound->watch_identity);
    find_told(source, bound);
    void *watch = bound->number >= FIVE_ARGUMENTS_SINCE ? (void *)&bound->watch_of_five
                                                        : (void *)&bound->watch_of_four;
    *ret_missing = "grpc_tls_certificate_provider_file_watcher_create";
    return find_function(source, *ret_missing, watch);
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

    return find_function(arg, name, &found) ? found : NULL;
}

/* Of an OpenSSL that the program shows to all, a shared core calls the functions as we do. */
static nk_status use_crypto_of(struct source *source, nk_error *err)
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

static nk_status find_core(const nk_host *host, struct source *source, struct bound *bound,
                           nk_error *err)
{
    const char *missing = "";

    if (is_of_another_namespace(host->grpc_version)) {
        return report(err, NK_E_USAGE,
                      "this program's gRPC is in another namespace of the dynamic linker than "
                      "nodekey.so; load both by dlopen, not by dlmopen");
    }
    source->symbol = host->symbol;
    source->handle = host->symbol == NULL ? open_library_of(host->grpc_version) : NULL;
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
    if (is_in_program(source)) {
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
    static const unsigned long tested[] = { 29, 56 };

    for (size_t i = 0; i < ARRAY_LEN(tested); i++) {
        if (tested[i] == bound->number) {
            return;
        }
    }
    log_line(
        host, NK_LOG_WARNING,
        "gRPC core %s: nodekey is tested with the cores 29 (gRPC 1.51) and 56 (gRPC 1.83); try "
        "this one before you rely on it, or take one of those",
        host->grpc_version());
}

nk_status core_bind(const nk_host *host, nk_error *err)
{
    struct bound bound = { .number = 0 };
    struct source source = { .symbol = NULL };
    nk_status status = find_core(host, &source, &bound, err);

    if (status == NK_OK && !atomic_load(&is_bound)) {
        status = use_crypto_of(&source, err);
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

const struct core *core(void)
{
    return &the_core.functions;
}

/* --- what has other names --- */

void core_set_identity_provider(grpc_tls_credentials_options *options,
                                grpc_tls_certificate_provider *provider)
{
    the_core.set_identity(options, provider);
    if (the_core.watch_identity != NULL) {
        the_core.watch_identity(options);
    }
}

bool core_is_told(void)
{
    return core_is_bound() && the_core.new_provider != NULL;
}

/* By what was measured: 1.51 signs on pollers, 1.83 on threads of its own. In between a core may do
 * either, and a thread lent in vain rests. */
bool core_signs_on_pollers(void)
{
    return !core_is_told();
}

grpc_tls_certificate_provider *core_provider_new(void)
{
    return the_core.new_provider();
}

bool core_provider_tell(grpc_tls_certificate_provider *provider, const char *pem)
{
    grpc_tls_identity_pairs *pairs = the_core.new_pairs();

    the_core.add_pair(pairs, pem, pem);
    return the_core.tell_provider(provider, pairs); /* which takes the pairs over */
}

grpc_tls_certificate_provider *core_watch_file(const char *path, unsigned seconds)
{
    return the_core.watch_of_five != NULL ? the_core.watch_of_five(path, path, NULL, NULL, seconds)
                                          : the_core.watch_of_four(path, path, NULL, seconds);
}

/* --- before a host has spoken --- */

static int (*shown_is_initialized)(void); /* NULL: no core is shown to all */

__attribute__((__constructor__)) static void look_for_shown(void)
{
    struct source all = { .handle = RTLD_DEFAULT };

    (void)find_function(&all, "grpc_is_initialized", &shown_is_initialized);
}

bool core_is_initialized(void)
{
    if (atomic_load(&is_bound)) {
        return the_core.functions.grpc_is_initialized() != 0;
    }
    return shown_is_initialized != NULL && shown_is_initialized() != 0;
}
