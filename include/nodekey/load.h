/* SPDX-License-Identifier: Apache-2.0
 *
 * nodekey.so by its path, in one call: dlopen, the entry symbol, the ABI, and the reason when one
 * of them fails. Header-only, C11 and C++17; needs libdl where it is not part of the C library.
 *
 *     nk_error err = { .struct_size = sizeof(err) };
 *     const nk_plugin *nk = nk_load("/usr/local/lib/nodekey/nodekey.so", &err);
 *     if (nk == NULL) {
 *         fprintf(stderr, "%s\n", err.text);
 *     }
 *
 * `pkg-config --variable=plugin nodekey` prints the path of an installed one. */
#ifndef NODEKEY_LOAD_H
#define NODEKEY_LOAD_H

#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "nodekey/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For nk_load alone: fills `err` as the plugin's calls do, the first failure wins; answers NULL. */
#if defined(__GNUC__)
__attribute__((__format__(__printf__, 3, 4)))
#endif
static inline const nk_plugin *
nk_load_refuse(nk_error *err, nk_status status, const char *format, ...)
{
    va_list values;
    if (err == NULL || !NK_HAS(nk_error, err, text) || err->status != NK_OK) {
        return NULL;
    }
    va_start(values, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, values);
    va_end(values);
    err->native_kind = NK_NATIVE_NONE;
    err->native = 0;
    err->status = status;
    return NULL;
}

/* [any] The plugin's table, valid until the process ends: the module is never unloaded, since gRPC
 * and OpenSSL keep pointers into it. A second call answers the same table. `path` is borrowed and
 * absolute, so that no search path decides what holds the identity. `err` may be NULL. NULL, with
 * one line in err->text, when there is no such table:
 *   NK_E_USAGE        the path is absent or relative: give an absolute one
 *   NK_E_CONFIG       dlopen refuses it, and the text ends in dlerror's reason: correct the path,
 *                     or install the library that it names
 *   NK_E_UNSUPPORTED  the module is not nodekey's, or has another ABI than this header, or an older
 *                     minor of it: install the one that the program was compiled for, or compile
 *                     the program again */
static inline const nk_plugin *nk_load(const char *path, nk_error *err)
{
    void *library;
    void *symbol;
    const char *reason;
    const nk_plugin *table;
    nk_entry_fn entry = NULL;
    if (path == NULL || path[0] != '/') {
        return nk_load_refuse(err, NK_E_USAGE, "load the plugin: %s is not an absolute path",
                              path != NULL ? path : "(none)");
    }
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        reason = dlerror();
        return nk_load_refuse(err, NK_E_CONFIG, "load the plugin: %s",
                              reason != NULL ? reason : path);
    }
    symbol = dlsym(library, NK_ENTRY_SYMBOL);
    memcpy(&entry, &symbol, sizeof(entry)); /* ISO C casts no object pointer to a function's */
    table = entry != NULL ? entry() : NULL;
    if (table == NULL) {
        return nk_load_refuse(err, NK_E_UNSUPPORTED,
                              "load the plugin: %s is not nodekey of ABI %u: it has no %s", path,
                              NK_ABI_MAJOR, NK_ENTRY_SYMBOL);
    }
    if (table->abi_major != NK_ABI_MAJOR || table->abi_minor < NK_ABI_MINOR ||
        !NK_HAS(nk_plugin, table, signer_free)) {
        return nk_load_refuse(err, NK_E_UNSUPPORTED,
                              "load the plugin: %s has ABI %u.%u, this program needs %u.%u or a "
                              "later minor",
                              path, (unsigned)table->abi_major, (unsigned)table->abi_minor,
                              NK_ABI_MAJOR, NK_ABI_MINOR);
    }
    return table;
}

#ifdef __cplusplus
}
#endif
#endif
