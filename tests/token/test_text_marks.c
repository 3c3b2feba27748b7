/* SPDX-License-Identifier: Apache-2.0
 * A node whose files were written by an editor that puts the mark of UTF-8 before a text. */
#include <stdlib.h>
#include <string.h>

#include "fixtures/federation.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define MARK "\xef\xbb\xbf"

static struct federation federation;
static struct member alice;

static char *read_whole(const char *path)
{
    char *text = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(getdelim(&text, &room, '\0', file) > 0);
    fclose(file);
    return text;
}

/* The last three held before: OpenSSL passes over the mark. */
static const struct row {
    const char *name;
    const char *file;
} rows[] = {
    { "configuration", "marked.json" }, { "PIN file", "alice.pin" }, { "root", "ca.pem" },
    { "certificate", "alice.pem" },     { "CRL", "root.crl" },
};

static nk_status open_node(nk_error *err)
{
    const nk_host host = { .struct_size = sizeof(host), .grpc_version = grpc_version_string };
    nk_instance *instance = NULL;
    *err = (nk_error){ .struct_size = sizeof(*err) };
    nk_status status = plugin_load()->open_file(&host, path_of("%s/marked.json", federation.folder),
                                                &instance, err);
    if (status == NK_OK) {
        plugin_load()->close(instance, NULL);
    }
    return status;
}

static void check_row(void **state)
{
    const struct row *row = *state;
    nk_error err;
    const char *path = path_of("%s/%s", federation.folder, row->file);
    char *plain = read_whole(path);

    write_file(path, path_of(MARK "%s", plain), 0600);
    nk_status status = open_node(&err);
    write_file(path, plain, 0600);
    free(plain);
    if (status != NK_OK) {
        fail_msg("%d: %s", (int)status, err.text);
    }
    assert_int_equal(open_node(&err), NK_OK);
}

/* As PEM: a mark before DER would be damage. */
static void write_lists(void)
{
    const struct authority *const issuers[] = { &federation.root, &federation.intermediate };
    static const char *const files[] = { "root.crl", "intermediate.crl" };
    for (size_t i = 0; i < 2; i++) {
        const struct crl_spec spec = { .issuer = issuers[i], .number = 1, .pem = true };
        crl_write(path_of("%s/%s", federation.folder, files[i]), &spec);
    }
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    write_lists();
    char *config = member_config(&alice, "{" FEDERATION_CRLS "}");
    write_file(path_of("%s/marked.json", federation.folder), config, 0600);
    free(config);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    return 0;
}

int main(void)
{
    ROWS_OF(rows, check_row)
    grpc_init();
    int failed = ROWS_RUN("text_marks", start, stop);
    rpc_shutdown();
    return failed;
}
