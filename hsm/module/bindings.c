/* SPDX-License-Identifier: Apache-2.0
 * Where calls of OpenSSL's functions go. No list of them is kept: the linker has written next to
 * each reference of a library which library it was meant for, and the loader where it went. */
#include "module/bindings.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "base/report.h"

#define LIBRARY "libcrypto.so" /* and its number */
#define VERSION_MASK 0x7fff    /* the other bit: hidden */
#if UINTPTR_MAX == UINT64_MAX
#define SYMBOL_OF(info) ELF64_R_SYM(info)
#define IS_FUNCTION(info) (ELF64_ST_TYPE(info) == STT_FUNC)
#else
#define SYMBOL_OF(info) ELF32_R_SYM(info)
#define IS_FUNCTION(info) (ELF32_ST_TYPE(info) == STT_FUNC)
#endif

/* A library, as the loader has it. */
struct object {
    const struct link_map *map;
    const char *soname; /* "": none */
    const char *names;
    const ElfW(Sym) * symbols;
    const ElfW(Half) * versions; /* of each symbol; NULL: none has one */
    const ElfW(Verneed) * needs; /* versions, by the library that has them; NULL: none */
};

/* References. */
struct table {
    const char *begin;
    size_t bytes;
    size_t entry_bytes;
};

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

const struct link_map *bindings_map(void *address)
{
    struct dl_find_object found;

    return _dl_find_object(address, &found) == 0 ? found.dlfo_link_map : NULL;
}

static struct object find_object(const struct link_map *map)
{
    const char *names = find_table(map, DT_STRTAB);
    uintptr_t soname = find_entry(map, DT_SONAME);

    return (struct object){
        .map = map,
        .soname = soname != 0 ? names + soname : "",
        .names = names,
        .symbols = find_table(map, DT_SYMTAB),
        .versions = find_table(map, DT_VERSYM),
        .needs = find_table(map, DT_VERNEED),
    };
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

static bool is_crypto_name(const char *library)
{
    return strncmp(library, LIBRARY, strlen(LIBRARY)) == 0;
}

/* The libcrypto that the reference was meant for, by its name; NULL: none. */
static const char *find_meant(const struct object *object, const ElfW(Sym) * symbol)
{
    unsigned version = object->versions[symbol - object->symbols] & VERSION_MASK;
    const ElfW(Verneed) *need = object->needs;

    if (symbol->st_shndx != SHN_UNDEF) { /* libcrypto may call itself by its table, too */
        return is_crypto_name(object->soname) && IS_FUNCTION(symbol->st_info) ? object->soname
                                                                              : NULL;
    }
    while (need != NULL && !has_version(need, version)) {
        need = need->vn_next != 0 ? (const void *)((const char *)need + need->vn_next) : NULL;
    }
    const char *library = need != NULL ? object->names + need->vn_file : "";
    return is_crypto_name(library) ? library : NULL;
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

/* A place in nobody's library is of a weak reference, which may be to nothing; one in the library
 * that refers, of a function that it loads when it first calls it. */
static bool is_bound(const struct object *object, const ElfW(Sym) * symbol, void *address)
{
    return address != NULL &&
           (symbol->st_shndx != SHN_UNDEF || bindings_map(address) != object->map);
}

/* The library that it is in; `home` for one that is as good. */
static const struct link_map *find_piece(void *address, const char *meant,
                                         const struct link_map *home)
{
    const struct link_map *map = bindings_map(address);

    if (map == home || map == NULL) {
        return map;
    }
    return home != NULL && strcmp(find_object(map).soname, meant) == 0 ? home : map;
}

static void note_binding(const struct binding *binding, struct bindings *ret)
{
    bool is_first = ret->first.name == NULL;

    if (!is_first && (ret->other.name != NULL || binding->map == ret->first.map)) {
        return;
    }
    if (!is_linkage_entry(binding->address)) { /* which takes its time */
        *(is_first ? &ret->first : &ret->other) = *binding;
    }
}

/* Entries of both forms, Rel and Rela, begin as Rel does. */
static void look_through(const struct object *object, const struct table *table,
                         const struct link_map *home, struct bindings *ret)
{
    for (size_t at = 0; at < table->bytes; at += table->entry_bytes) {
        const ElfW(Rel) *entry = (const void *)(table->begin + at);
        const ElfW(Sym) *symbol = object->symbols + SYMBOL_OF(entry->r_info);
        const char *meant = symbol != object->symbols ? find_meant(object, symbol) : NULL;
        if (meant == NULL) {
            continue;
        }
        void *address = *(void *const *)(object->map->l_addr + entry->r_offset);
        if (is_bound(object, symbol, address)) {
            const struct binding binding = { object->names + symbol->st_name, address,
                                             find_piece(address, meant, home) };
            note_binding(&binding, ret);
        }
    }
}

static void look_at(const struct link_map *map, const struct link_map *home, struct bindings *ret)
{
    const struct object object = find_object(map);
    bool has_rela = find_entry(map, DT_PLTREL) == DT_RELA;
    const struct table tables[] = {
        { find_table(map, DT_JMPREL), find_entry(map, DT_PLTRELSZ),
          find_entry(map, has_rela ? DT_RELAENT : DT_RELENT) },
        { find_table(map, DT_RELA), find_entry(map, DT_RELASZ), find_entry(map, DT_RELAENT) },
        { find_table(map, DT_REL), find_entry(map, DT_RELSZ), find_entry(map, DT_RELENT) },
    };

    *ret = (struct bindings){ .map = map };
    for (size_t i = 0; object.versions != NULL && i < sizeof(tables) / sizeof(tables[0]); i++) {
        look_through(&object, &tables[i], home, ret);
    }
}

/* --- two pieces --- */

void bindings_of_ours(struct bindings *ret)
{
    static const char here;

    look_at(bindings_map((void *)&here), NULL, ret);
}

/* A library that is there, by its name. */
static bool is_in_two(const char *name, const struct link_map *home, struct bindings *ret)
{
    void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    const struct link_map *map = NULL;

    if (library == NULL) {
        return false;
    }
    if (dlinfo(library, RTLD_DI_LINKMAP, (void *)&map) == 0) {
        look_at(map, home, ret);
    }
    dlclose(library); /* whoever needs it keeps it */
    return map != NULL && ret->other.name != NULL;
}

bool bindings_in_two(const struct link_map *map, struct bindings *ret)
{
    const char *names = find_table(map, DT_STRTAB);

    bindings_of_ours(ret);
    const struct link_map *home = ret->first.map;
    if (map != ret->map) {
        look_at(map, home, ret);
    }
    bool in_two = ret->other.name != NULL;
    for (const ElfW(Dyn) *entry = map->l_ld; !in_two && entry->d_tag != DT_NULL; entry++) {
        in_two = entry->d_tag == DT_NEEDED && is_in_two(names + entry->d_un.d_val, home, ret);
    }
    return in_two;
}

/* A definition without a version takes references of all versions. */
bool binding_has_no_version(const struct binding *binding)
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

static const char *path_of_object(const struct binding *binding)
{
    Dl_info info;

    return dladdr(binding->address, &info) != 0 ? info.dli_fname : "no library";
}

nk_status bindings_report(const struct bindings *bindings, const char *whose, nk_error *err)
{
    return report(err, NK_E_USAGE,
                  "OpenSSL is in two pieces for %s in this process: its %s is in %s, its %s in %s; "
                  "link the program without -rdynamic, or with -Wl,--exclude-libs,ALL, and with no "
                  "library that shows functions of OpenSSL's names",
                  whose, bindings->first.name, path_of_object(&bindings->first),
                  bindings->other.name, path_of_object(&bindings->other));
}
