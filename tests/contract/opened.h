/* SPDX-License-Identifier: Apache-2.0
 * One member of one federation, opened: for tests of single calls. Included once per program. */
#ifndef NODEKEY_TESTS_OPENED_H
#define NODEKEY_TESTS_OPENED_H

#include <stdlib.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice;
static const char *config_path;
static nk_host good_host;
static nk_instance *instance;
static char *leaf;

static int start(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    config_path = path_of("%s/alice.json", federation.folder);
    plugin = plugin_load();
    good_host = recording_host(recorder_new());
    leaf = pem_of(alice.leaf, federation.intermediate.certificate, NULL);
    if (plugin->open_file(&good_host, config_path, &instance, &err) != NK_OK) {
        print_error("%s\n", err.text);
        return 1;
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    nk_status status = plugin->close(instance, NULL);
    free(leaf);
    member_free(&alice);
    federation_free(&federation);
    return status;
}

#endif
