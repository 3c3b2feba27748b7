/* SPDX-License-Identifier: Apache-2.0
 * The private folder through which gRPC reads our identity, replaced while the node lives; and
 * nodes of one process that trust folders and do not. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <grpc/grpc.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/grpc_credentials.h"
#include "fixtures/wire/rpc.h"

#include "fixtures/rows.h"

#define OTHER 12346u
#define THEIRS "engine:theirs:key\n"
#define LOG_WAIT_MS 10000
#define PUBLISH_WAIT_S 4 /* more than gRPC's watcher takes before another identity may follow */

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice;
static const char *base;
static X509 *renewed;

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    struct certificate_spec spec = member_spec(&federation, "alice");
    EVP_PKEY *key = X509_get_pubkey(alice.leaf);
    renewed = authority_issue(&federation.intermediate, key, &spec);
    EVP_PKEY_free(key);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    X509_free(renewed);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static const char *path_in(const char *name)
{
    return path_of("%s/%s", base, name);
}

static void set_base(const char *name)
{
    base = path_of("%s/%s", scratch_folder(), name);
    assert_int_equal(mkdir(base, 0755), 0);
    assert_int_equal(setenv("TMPDIR", base, 1), 0);
}

/* NULL: none was made. */
static const char *find_private(void)
{
    const char *found = NULL;
    DIR *folder = opendir(base);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strncmp(entry->d_name, "nodekey-", 8) == 0) {
            assert_null(found);
            found = path_of("%s/%s", base, entry->d_name);
        }
    }
    closedir(folder);
    return found;
}

/* --- replaced --- */

static struct replaced {
    const char *name;
    uid_t uid;
    bool by_link;
    struct node node;
    const char *path; /* of the private folder */
    const char *aside;
    time_t written;
} replaced[] = {
    { .name = "by a folder of another user", .uid = OTHER },
    { .name = "by another folder of ours" },
    { .name = "by a link", .uid = OTHER, .by_link = true },
};

static time_t written(const char *folder)
{
    struct stat info;
    assert_int_equal(stat(path_of("%s/server.pem", folder), &info), 0);
    return info.st_mtime;
}

static void replace_folder(struct replaced *row)
{
    const char *put = row->by_link ? path_in("elsewhere") : row->path;
    row->aside = path_in("aside");
    assert_int_equal(rename(row->path, row->aside), 0);
    assert_int_equal(mkdir(put, 0700), 0);
    write_file(path_of("%s/server.pem", put), THEIRS, 0600);
    write_file(path_of("%s/client.pem", put), THEIRS, 0600);
    assert_int_equal(chown(put, row->uid, 0), 0);
    if (row->by_link) {
        assert_int_equal(symlink(put, row->path), 0);
        assert_int_equal(lchown(row->path, row->uid, 0), 0);
    }
    row->written = written(row->aside);
}

/* A node for each row, its folder replaced, and a renewed certificate that wants to be published:
 * all at once, since it takes seconds. */
static void folders_are_replaced(void **state)
{
    (void)state;
    member_write_certificate(&alice, "alice.pem", alice.leaf);
    for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
        set_base(replaced[i].name);
        node_open(&replaced[i].node, &alice, "{\"reload\": {\"interval_seconds\": 3600}}");
        replaced[i].path = find_private();
        assert_non_null(replaced[i].path);
        replace_folder(&replaced[i]);
    }
    for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
        (void)recorder_waits_for(replaced[i].node.log, "is not the folder", LOG_WAIT_MS);
    }
    member_write_certificate(&alice, "alice.pem", renewed);
    for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
        assert_int_equal(plugin->reload(replaced[i].node.instance, NULL), NK_OK);
    }
    sleep(PUBLISH_WAIT_S);
}

static bool is_theirs(const char *folder)
{
    char text[64] = "";
    FILE *file = fopen(path_of("%s/server.pem", folder), "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    return strcmp(text, THEIRS) == 0;
}

static void no_identity_is_put_into_it(void **state)
{
    struct replaced *row = *state;
    nk_error err = { .struct_size = sizeof(err) };
    struct grpc_server_credentials *more = NULL;

    assert_true(recorder_has(row->node.log, "is not the folder that we made"));
    assert_false(recorder_has(row->node.log, "event rotated"));
    assert_int_equal(recorder_count(row->node.log, "event reload-failed"), 1);
    assert_int_equal(written(row->aside), row->written);
    assert_int_equal(plugin->server_credentials(row->node.instance, &more, &err), NK_E_INTERNAL);
    assert_non_null(strstr(err.text, "is not the folder that we made"));
    node_close(&row->node);
    assert_true(is_theirs(row->path));
}

/* --- not needed --- */

static void a_core_that_is_told_needs_none(void **state)
{
    (void)state;
    struct node node;

    member_write_certificate(&alice, "alice.pem", alice.leaf);
    set_base("told");
    node_open(&node, &alice, "{}");
    assert_true((find_private() == NULL) == LATER_CORE);
    struct rpc_server *server = rpc_server_start(node.server, 1, NULL, NULL);
    assert_true(rpc_dial(node.channel, rpc_server_address(server), LOG_WAIT_MS).ok);
    rpc_server_stop(server);
    assert_true((find_private() == NULL) == LATER_CORE);
    node_close(&node);
    assert_null(find_private());
}

/* --- nodes of one process --- */

static nk_status open_with(struct node *node, uint32_t flags, const char *roots, nk_error *err)
{
    const char *path = path_in("node.json");
    char *text = member_config(
        &alice, path_of("{\"federation\": {\"roots\": [\"%s\"]}, \"node\": {\"certificate\": "
                        "\"%s/alice.pem\", \"pin\": {\"file\": \"%s/alice.pin\"}}}",
                        roots, federation.folder, federation.folder));
    write_file(path, text, 0644);
    free(text);
    node_prepare(node);
    node->host.flags = flags;
    *err = (nk_error){ .struct_size = sizeof(*err) };
    return plugin->open_file(&node->host, path, &node->instance, err);
}

static void one_that_trusts_folders_is_none_of_the_others_business(void **state)
{
    struct node trusting;
    struct node strict;
    nk_error err;

    (void)state;
    set_base("two");
    member_write_certificate(&alice, "alice.pem", alice.leaf);
    const char *roots = path_in("open/ca.pem");
    char *pem = pem_of(federation.root.certificate, NULL);
    assert_int_equal(mkdir(path_in("open"), 0755), 0);
    write_file(roots, pem, 0644);
    free(pem);
    assert_int_equal(open_with(&strict, 0, roots, &err), NK_OK);
    assert_int_equal(chmod(path_in("open"), 0777), 0);
    assert_int_equal(open_with(&trusting, NK_HOST_TRUST_FOLDERS, roots, &err), NK_OK);

    struct node third;
    assert_int_equal(open_with(&third, 0, roots, &err), NK_E_TRUST);
    assert_non_null(strstr(err.text, "everybody may replace what is in it"));
    err = (nk_error){ .struct_size = sizeof(err) };
    assert_int_equal(plugin->reload(strict.instance, &err), NK_E_TRUST);
    assert_non_null(strstr(err.text, "everybody may replace what is in it"));
    assert_int_equal(plugin->reload(trusting.instance, NULL), NK_OK);
    assert_int_equal(plugin->close(strict.instance, NULL), NK_OK);
    assert_int_equal(plugin->reload(trusting.instance, NULL), NK_OK);
    assert_int_equal(plugin->close(trusting.instance, NULL), NK_OK);
}

static void a_configuration_cannot_trust_folders(void **state)
{
    struct node node;
    nk_error err = { .struct_size = sizeof(err) };

    (void)state;
    char *text = member_config(&alice, "{\"trust_folders\": true}");
    node_prepare(&node);
    assert_int_equal(plugin->open_text(&node.host, text, federation.folder, &node.instance, &err),
                     NK_E_CONFIG);
    assert_non_null(strstr(err.text, "trust_folders"));
    free(text);
}

int main(void)
{
    if (LATER_CORE) {
        ROWS_TEST(a_core_that_is_told_needs_none);
    } else {
        ROWS_TEST(folders_are_replaced);
        ROWS_OF(replaced, no_identity_is_put_into_it)
    }
    ROWS_TEST(one_that_trusts_folders_is_none_of_the_others_business);
    ROWS_TEST(a_configuration_cannot_trust_folders);
    return ROWS_RUN("private folder", start, stop);
}
