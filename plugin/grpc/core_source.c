/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/core_source.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

static const struct link_map *find_object(const void *address)
{
    struct dl_find_object place;

    return _dl_find_object((void *)address, &place) == 0 ? place.dlfo_link_map : NULL;
}

/* A program that shows a part of a core of its own would get the rest of another's. Its procedure
 * linkage table tells nothing. */
static bool is_of_another_core(struct core_source *source, const char *name, void *found)
{
    const ElfW(Sym) *symbol = NULL;
    const struct link_map *object = find_object(found);
    Dl_info info;

    if (strncmp(name, "grpc_", strlen("grpc_")) != 0 || object == NULL ||
        (dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol != NULL &&
         symbol->st_shndx == SHN_UNDEF)) {
        return false;
    }
    if (source->object == NULL) {
        source->object = object;
    }
    return source->object != object;
}

bool core_source_is_program(const struct core_source *source)
{
    return source->object != NULL && source->object->l_prev == NULL; /* first of all objects */
}

/* A function by its name. ISO C casts no object pointer to a function's. */
bool core_source_find(struct core_source *source, const char *name, void *function)
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
bool core_source_is_away(const nk_host *host)
{
    void *address = NULL;
    Lmid_t id = LM_ID_BASE; /* of ours, too, or there is no node */

    memcpy(&address, &host->grpc_version, sizeof(address));
    const struct link_map *object = find_object(address);
    if (object != NULL) {
        (void)dlinfo((void *)object, RTLD_DI_LMID, &id);
    }
    return id != LM_ID_BASE;
}

/* NULL: the program has it. */
static void *open_library_of(const void *function)
{
    Dl_info info;

    return function != NULL && dladdr(function, &info) != 0
               ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD)
               : NULL;
}

/* A program that is not position-independent has the address of its own procedure linkage table:
 * then the core is looked for in what it is linked with. And from the core on, since a program may
 * be linked with another OpenSSL, too, of which dlsym, that heeds no versions, would tell first. */
static void *open_core(const nk_host *host)
{
    void *version = NULL;

    memcpy(&version, &host->grpc_version, sizeof(version));
    void *library = open_library_of(version);
    if (library != NULL) {
        return library;
    }
    void *program = dlopen(NULL, RTLD_LAZY | RTLD_LOCAL);
    library = open_library_of(dlsym(program, "grpc_tls_credentials_options_create"));
    return library != NULL ? library : program;
}

/* Whether other objects can have bound it. */
static bool is_shown(void *function)
{
    Dl_info info;

    return dladdr(function, &info) != 0 && info.dli_saddr == function;
}

/* A program that hands out the functions of a shared core need not have the OpenSSL of that: it may
 * carry one and hide it. What is beside such a core is right. */
static bool is_asked(const nk_host *host)
{
    void *version = NULL;
    void *crypto = NULL;

    if (host->symbol == NULL) {
        return false;
    }
    nk_function given = host->symbol("OSSL_PROVIDER_add_builtin");
    memcpy(&crypto, &given, sizeof(crypto));
    memcpy(&version, &host->grpc_version, sizeof(version));
    const struct link_map *core = find_object(version);
    bool is_shared = core != NULL && core->l_prev != NULL && is_shown(version);
    return !is_shared || core == find_object(crypto) || is_shown(crypto);
}

void core_source_open(const nk_host *host, struct core_source *ret_source)
{
    bool asked = is_asked(host);

    *ret_source = (struct core_source){
        .symbol = asked ? host->symbol : NULL,
        .handle = asked ? NULL : open_core(host),
    };
}

struct core_source core_source_shown(void)
{
    return (struct core_source){ .handle = RTLD_DEFAULT };
}
