/* SPDX-License-Identifier: Apache-2.0
 * Whether all functions of OpenSSL that we call are of one library. A program that shows functions
 * of these names to all (an own OpenSSL, a part of one, BoringSSL) gets our references to them, as
 * ELF wants, whatever their versions; two libraries that know nothing of each other's objects then
 * share our calls, and the first crosses into a crash. Here nothing of OpenSSL is called before
 * that is known. No list is kept: the linker has written next to each reference of ours which
 * library it was meant for, and the loader where it went. */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/auto.h"
#include "base/report.h"
#include "hsm.h"

#define LIBRARY "libcrypto.so" /* and its number */
#define VERSION_MASK 0x7fff    /* the other bit: hidden */
#if UINTPTR_MAX == UINT64_MAX
#define SYMBOL_OF(info) ELF64_R_SYM(info)
#else
#define SYMBOL_OF(info) ELF32_R_SYM(info)
#endif

/* Our own object, as the loader has it. */
struct object {
    const struct link_map *map;
    const char *names;
    const ElfW(Sym) * symbols;
    const ElfW(Half) * versions; /* of each symbol */
    const ElfW(Verneed) * needs; /* versions, by the library that has them */
};

/* A reference, and where it went. */
struct binding {
    const char *name; /* NULL: none yet */
    void *address;
    const struct link_map *map; /* NULL: in no object */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_started; /* our C library */
static Lmid_t namespace = LM_ID_BASE;
static struct binding first;
static struct binding other; /* in another object than `first` */

/* --- what the linker wrote --- */

static uintptr_t find_entry(const struct link_map *map, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == tag) {
            return entry->d_un.d_val;
        }
    }
    return 0;
}

/* Some loaders turn offsets into addresses in place, some do not. */
static const void *find_table(const struct link_map *map, ElfW(Sxword) tag)
{
    uintptr_t at = find_entry(map, tag);

    return (const void *)(at != 0 && at < map->l_addr ? at + map->l_addr : at);
}

static const struct link_map *find_map(void *address)
{
    struct dl_find_object found;

    return _dl_find_object(address, &found) == 0 ? found.dlfo_link_map : NULL;
}

static bool find_ourselves(struct object *ret_object)
{
    const struct link_map *map = find_map(&once);

    if (map == NULL) {
        return false;
    }
    *ret_object = (struct object){
        .map = map,
        .names = find_table(map, DT_STRTAB),
        .symbols = find_table(map, DT_SYMTAB),
        .versions = find_table(map, DT_VERSYM),
        .needs = find_table(map, DT_VERNEED),
    };
    return ret_object->versions != NULL && ret_object->needs != NULL;
}

static bool has_version(const ElfW(Verneed) * need, unsigned version)
{
    const ElfW(Vernaux) *known = (const void *)((const char *)need + need->vn_aux);

    for (unsigned i = 0; i < need->vn_cnt; i++) {
        if ((known->vna_other & VERSION_MASK) == version) {
            return true;
        }
        known = (const void *)((const char *)known + known->vna_next);
    }
    return false;
}

static bool is_of_crypto(const struct object *object, size_t symbol)
{
    const ElfW(Verneed) *need = object->needs;
    unsigned version = object->versions[symbol] & VERSION_MASK;

    while (!has_version(need, version)) {
        if (need->vn_next == 0) {
            return false;
        }
        need = (const void *)((const char *)need + need->vn_next);
    }
    return strncmp(object->names + need->vn_file, LIBRARY, strlen(LIBRARY)) == 0;
}

/* --- where the loader went --- */

/* A program that is not position-independent lends the address of its procedure linkage table to
 * functions of which it takes the address. Such an entry leads on to where calls go. */
static bool is_linkage_entry(const void *address)
{
    const ElfW(Sym) *symbol = NULL;
    Dl_info info;

    return dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol != NULL &&
           symbol->st_shndx == SHN_UNDEF;
}

static void note_binding(const char *name, void *address)
{
    const struct binding binding = { name, address, find_map(address) };

    bool is_first = first.name == NULL;
    if (!is_first && (other.name != NULL || binding.map == first.map)) {
        return;
    }
    if (!is_linkage_entry(address)) {
        *(is_first ? &first : &other) = binding;
    }
}

/* Entries of both forms, Rel and Rela, begin as Rel does. */
static void look_through(const struct object *object, const char *table, size_t bytes,
                         size_t entry_bytes)
{
    for (size_t at = 0; at < bytes; at += entry_bytes) {
        const ElfW(Rel) *entry = (const void *)(table + at);
        size_t symbol = SYMBOL_OF(entry->r_info);
        if (symbol != 0 && is_of_crypto(object, symbol)) {
            void *const *place = (const void *)(object->map->l_addr + entry->r_offset);
            note_binding(object->names + object->symbols[symbol].st_name, *place);
        }
    }
}

static int note_object(struct dl_phdr_info *info, size_t bytes, void *any)
{
    (void)info, (void)bytes;
    *(bool *)any = true;
    return 1;
}

/* A program with a static C library loads us by that, and our own C library beside it: where that
 * knows of no object, it was never started. */
static bool knows_objects(void)
{
    bool any = false;

    (void)dl_iterate_phdr(note_object, &any);
    return any;
}

static void look(void)
{
    struct object object;

    is_started = knows_objects();
    if (!is_started || !find_ourselves(&object)) {
        return;
    }
    const struct link_map *map = object.map;
    (void)dlinfo((void *)map, RTLD_DI_LMID, &namespace);
    size_t rela_bytes = find_entry(map, DT_RELAENT);
    size_t rel_bytes = find_entry(map, DT_RELENT);
    look_through(&object, find_table(map, DT_JMPREL), find_entry(map, DT_PLTRELSZ),
                 find_entry(map, DT_PLTREL) == DT_RELA ? rela_bytes : rel_bytes);
    look_through(&object, find_table(map, DT_RELA), find_entry(map, DT_RELASZ), rela_bytes);
    look_through(&object, find_table(map, DT_REL), find_entry(map, DT_RELSZ), rel_bytes);
}

/* A definition without a version takes references of all versions. */
static bool has_no_version(const struct binding *binding)
{
    const ElfW(Sym) *symbol = NULL;
    Dl_info info;

    if (binding->map == NULL ||
        dladdr1(binding->address, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL) {
        return false;
    }
    const ElfW(Sym) *symbols = find_table(binding->map, DT_SYMTAB);
    const ElfW(Half) *versions = find_table(binding->map, DT_VERSYM);
    return versions == NULL || (versions[symbol - symbols] & VERSION_MASK) <= VER_NDX_GLOBAL;
}

bool hsm_crypto_is_shown(void)
{
    pthread_once(&once, look);
    return has_no_version(&first);
}

static const char *path_of_object(const struct binding *binding)
{
    Dl_info info;

    return dladdr(binding->address, &info) != 0 ? info.dli_fname : "no library";
}

nk_status hsm_check_crypto(nk_error *err)
{
    pthread_once(&once, look);
    if (!is_started) {
        return report(err, NK_E_USAGE,
                      "this program is linked with -static, so that the C library of nodekey.so is "
                      "not its own, and does not work; link the program with the shared C library "
                      "(its gRPC and OpenSSL may be static)");
    }
    if (namespace != LM_ID_BASE) {
        return report(
            err, NK_E_USAGE,
            "nodekey is in a namespace of the dynamic linker of its own, where threads of "
            "the C library end the process; load it by dlopen, not by dlmopen");
    }
    if (other.name != NULL) {
        return report(err, NK_E_USAGE,
                      "OpenSSL is in two pieces for nodekey in this process: its %s is in %s, its "
                      "%s in %s; link the program without -rdynamic, or with "
                      "-Wl,--exclude-libs,ALL, and with no library that shows functions of "
                      "OpenSSL's names",
                      first.name, path_of_object(&first), other.name, path_of_object(&other));
    }
    if (OPENSSL_version_major() != 3 && OPENSSL_version_major() != 4) {
        return report(err, NK_E_UNSUPPORTED,
                      "this process has OpenSSL %u for nodekey, which knows 3 and 4",
                      OPENSSL_version_major());
    }
    return NK_OK;
}
