/* SPDX-License-Identifier: Apache-2.0
 * Whether all functions of OpenSSL that we call, and libraries that we call, are of one library.
 * Here nothing of OpenSSL is called before that is known. */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>

#include <openssl/crypto.h>

#include "base/report.h"
#include "hsm.h"
#include "module/bindings.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_started; /* our C library */
static Lmid_t namespace = LM_ID_BASE;
static struct bindings ours;
static struct bindings split; /* ours, or those of a library that we need */
static bool is_split;

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
    is_started = knows_objects();
    const struct link_map *map = is_started ? bindings_map(&once) : NULL;
    if (map != NULL) {
        (void)dlinfo((void *)map, RTLD_DI_LMID, &namespace);
        bindings_of_ours(&ours);
        is_split = bindings_in_two(map, &split);
    }
}

bool hsm_crypto_is_shown(void)
{
    pthread_once(&once, look);
    return binding_has_no_version(&ours.first);
}

static const char *whose_are_split(void)
{
    return split.map == ours.map ? "nodekey" : split.map->l_name;
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
    if (is_split) {
        return bindings_report(&split, whose_are_split(), err);
    }
    if (OPENSSL_version_major() != 3 && OPENSSL_version_major() != 4) {
        return report(err, NK_E_UNSUPPORTED,
                      "this process has OpenSSL %u for nodekey, which knows 3 and 4",
                      OPENSSL_version_major());
    }
    return NK_OK;
}
