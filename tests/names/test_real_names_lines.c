/* SPDX-License-Identifier: Apache-2.0
 * The one line that other programs take from OpenSSL's queue: it is the reason. All rows failed
 * before. */
#include <string.h>

#include <openssl/err.h>

#include "fixtures/authority.h"
#include "fixtures/openssl_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define LINE_BYTES 256 /* of ERR_error_string */

static const struct line_row {
    const char *name;
    const char *uri;
    const char *lines; /* of the section; NULL: good ones */
    const char *says;
} lines[] = {
    { "no such token", "pkcs11:token=nobody;object=identity", NULL, "no such token" },
    { "no such key", "pkcs11:token=alice;object=nokey", NULL, "nokey" },
    { "a token alone", "pkcs11:token=alice", NULL, "names no key" },
    { "another scheme", "file:/etc/passwd", NULL, "not a PKCS#11 URI" },
    { "no section", "pkcs11:token=alice;object=identity", "", "add config = " },
    { "no PIN file", "pkcs11:token=alice;object=identity",
      "pkcs11-module = softhsm\npin-file = /no/pin", "No such file" },
    { "no module", "pkcs11:token=alice;object=identity",
      "pkcs11-module = /no/such.so\npin-file = /no/pin", "pkcs11-module: " },
};

/* As mosquitto 2.0's net__print_ssl_error: ERR_error_string of each code, and nothing beside. */
static void check_line(void **state)
{
    const struct line_row *row = *state;
    const char *good =
        path_of("pkcs11-module = softhsm\npin-file = %s/alice.pin", scratch_folder());
    OSSL_LIB_CTX *ctx = cnf_context(cnf_write("row", row->lines != NULL ? row->lines : good));
    char line[LINE_BYTES];
    bool found = false;

    ERR_clear_error();
    assert_null(load_pem(ctx, persistent_pem(row->uri)));
    for (unsigned long code; (code = ERR_get_error()) != 0;) {
        ERR_error_string(code, line);
        found = found || strstr(line, row->says) != NULL;
        assert_null(strstr(line, SOFTHSM_PIN));
        print_message("%s\n", line);
    }
    OSSL_LIB_CTX_free(ctx);
    assert_true(found);
}

int main(void)
{
    softhsm_start();
    softhsm_token("alice");
    softhsm_generate("alice", "P-256", "identity", "01");
    write_file(path_of("%s/alice.pin", scratch_folder()), SOFTHSM_PIN "\n", 0600);
    ROWS_OF(lines, check_line);
    return ROWS_RUN("real_names_lines", NULL, NULL);
}
