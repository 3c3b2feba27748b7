/* SPDX-License-Identifier: Apache-2.0
 * What operators get wrong. Each row: the status, and pieces of the sentence that name the thing
 * and the cure. The sentences are printed, since people will read them. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "node/misconfig.h"

#define PATCH_KEY(object) "{\"node\": {\"key\": \"pkcs11:token=alice;object=" object "\"}}"
#define PATCH_OBJECT(object)                                                                       \
    "{\"node\": {\"key\": \"pkcs11:token=alice;object=" object                                     \
    "\", \"certificate\": \"alice-" object ".pem\"}}"
#define PATCH_NODE(member, value) "{\"node\": {\"" member "\": " value "}}"
#define PATCH_PIN(file) PATCH_NODE("pin", "{\"file\": \"" file "\"}")
#define PATCH_ROOTS(list) "{\"federation\": {\"roots\": " list "}}"

#define SUITES_ROW(what, list, word)                                                               \
    {                                                                                              \
        "GRPC_SSL_CIPHER_SUITES: " what, "{}", NK_E_CONFIG,                                        \
            .says = { "GRPC_SSL_CIPHER_SUITES", word, "unset" }, .suites = list                    \
    }

static struct misconfig_world world;

static const struct row {
    const char *name;
    const char *patch; /* over alice's good configuration; NULL: `text` */
    nk_status status;
    const char *says[3];
    const char *text;   /* the whole configuration */
    const char *script; /* faults of the token; NULL: none */
    const char *suites; /* $GRPC_SSL_CIPHER_SUITES; NULL: unset */
} rows[] = {
    { "the good configuration opens", "{}", .status = NK_OK },

    /* the module */
    { "module missing", PATCH_NODE("module", "\"/nonexistent/pkcs11.so\""), NK_E_CONFIG,
      .says = { "node.module", "/nonexistent/pkcs11.so", "install it" } },
    { "a library that is no module", PATCH_NODE("module", "\"/lib/x86_64-linux-gnu/libc.so.6\""),
      NK_E_CONFIG, .says = { "node.module", "not a PKCS#11 module", "name the module" } },
    { "a file that is no library", PATCH_NODE("module", "\"/etc/passwd\""), NK_E_CONFIG,
      .says = { "node.module", "/etc/passwd" } },
    { "no such bare name", PATCH_NODE("module", "\"nosuch\""), NK_E_CONFIG,
      .says = { "node.module", "\"nosuch\"", "install" } },

    /* token and key */
    { "token absent", PATCH_NODE("key", "\"pkcs11:token=nobody;object=identity\""), NK_E_TOKEN,
      .says = { "no such token", "nobody", "alice" } },
    { "two tokens with the label", PATCH_NODE("key", "\"pkcs11:token=twin;object=identity\""),
      NK_E_CONFIG, .says = { "more than one token", "twin", "serial=" } },
    { "key absent", PATCH_KEY("nosuch"), NK_E_IDENTITY,
      .says = { "no private key", "nosuch", "identity" } },
    { "two keys match, and neither is the certificate's", PATCH_KEY("double"), NK_E_IDENTITY,
      .says = { "2 private keys", "double", "id=" } },
    { "the URI names no key", PATCH_NODE("key", "\"pkcs11:token=alice\""), NK_E_CONFIG,
      .says = { "node.key", "object=" } },
    { "PIN inside the URI",
      PATCH_NODE("key", "\"pkcs11:token=alice;object=identity?pin-value=1234\""), NK_E_CONFIG,
      .says = { "node.key", "PIN", "use node.pin" } },
    { "a key file instead of a URI", PATCH_NODE("key", "\"alice.key\""), NK_E_CONFIG,
      .says = { "node.key", "pkcs11:token=" } },
    { "extractable key", PATCH_OBJECT("loose"), NK_E_IDENTITY,
      .says = { "extractable", "loose", "allow_extractable" } },
    { "imported key", PATCH_OBJECT("imported"), NK_E_IDENTITY,
      .says = { "imported", "generate", "allow_imported" } },
    { "RSA-1024", PATCH_OBJECT("small"), NK_E_IDENTITY,
      .says = { "RSA-1024", "P-256", "enrol again" } },
    { "no hardware where it is required", PATCH_NODE("require_hardware", "true"), NK_E_IDENTITY,
      .says = { "require_hardware", "alice", "hardware" } },
    { "hardware, as the module claims", PATCH_NODE("require_hardware", "true"), .status = NK_OK,
      .script = "flags=hw_slot" },
    { "no mechanism for TLS 1.3", PATCH_OBJECT("rsa"), NK_E_IDENTITY,
      .says = { "PSS", "1.3", "EC key" }, .script = "hide=0xd,0x3,0x43,0x44,0x45" },
    { "no mechanism for an EC key", "{}", NK_E_IDENTITY,
      .says = { "CKM_ECDSA", "alice", "another token" }, .script = "hide=0x1041" },
    { "the token fails to sign", "{}", NK_E_TOKEN, .says = { "alice", "CKR_DEVICE_ERROR" },
      .script = "sign_error=0x30" },

    /* the PIN */
    { "PIN refused", PATCH_PIN("wrong.pin"), NK_E_PIN,
      .says = { "alice", "refuses the PIN", "correct it" } },
    { "PIN refused before", PATCH_PIN("wrong.pin"), NK_E_PIN,
      .says = { "alice", "not sent again", "correct node.pin" } },
    { "PIN locked", "{}", NK_E_PIN, .says = { "alice", "locked", "SO PIN" },
      .script = "flags=locked" },
    { "final try", "{}", NK_E_PIN, .says = { "alice", "one wrong PIN more locks it", "by hand" },
      .script = "flags=final_try,count_low" },
    { "earlier wrong PINs, some left", "{}", .status = NK_OK, .script = "flags=count_low" },
    { "PIN file readable by others", PATCH_PIN("open.pin"), NK_E_PIN,
      .says = { "open.pin", "644", "chmod 600" } },
    { "PIN file empty", PATCH_PIN("empty.pin"), NK_E_PIN,
      .says = { "empty.pin", "is empty", "write the user PIN" } },
    { "PIN file absent", PATCH_PIN("nosuch.pin"), NK_E_PIN,
      .says = { "nosuch.pin", "must exist" } },
    { "trailing newline is no part of a PIN", PATCH_PIN("newline.pin"), .status = NK_OK },
    { "a prompt without anybody to ask", PATCH_NODE("pin", "{\"file\": null, \"prompt\": true}"),
      NK_E_PIN, .says = { "node.pin.prompt", "ask_pin", "use file" } },
    { "the client's own PIN file is absent", "{\"client\": {\"pin\": {\"file\": \"nosuch.pin\"}}}",
      NK_E_PIN, .says = { "nosuch.pin" } },
    { "the client's own PIN is another one", "{\"client\": {\"pin\": {\"file\": \"wrong.pin\"}}}",
      NK_E_PIN, .says = { "not the PIN that this process has logged in" } },
    { "two sources of the PIN", PATCH_NODE("pin", "{\"prompt\": true}"), NK_E_CONFIG,
      .says = { "node.pin", "exactly one" } },

    /* the certificate */
    { "certificate absent", PATCH_NODE("certificate", "\"nosuch.pem\""), NK_E_IDENTITY,
      .says = { "nosuch.pem", "node.certificate" } },
    { "certificate of another key", PATCH_NODE("certificate", "\"alice-rsa.pem\""), NK_E_IDENTITY,
      .says = { "node.certificate", "does not match", "issued for this key" } },
    { "certificate of another key of that type", PATCH_NODE("certificate", "\"alice-second.pem\""),
      NK_E_IDENTITY, .says = { "node.certificate", "does not match" } },
    { "certificate expired", PATCH_NODE("certificate", "\"expired.pem\""), NK_E_IDENTITY,
      .says = { "expired on", "renew it" } },
    { "certificate not yet valid", PATCH_NODE("certificate", "\"future.pem\""), NK_E_IDENTITY,
      .says = { "valid only from", "clock" } },
    { "no chain to the roots", PATCH_NODE("certificate", "\"foreign.pem\""), NK_E_IDENTITY,
      .says = { "federation.roots", "append missing intermediates" } },
    { "intermediate missing in the file", PATCH_NODE("certificate", "\"alone.pem\""), NK_E_IDENTITY,
      .says = { "issuer", "append missing intermediates" } },
    { "a certificate for clients only", PATCH_NODE("certificate", "\"client.pem\""), NK_E_IDENTITY,
      .says = { "not for that role", "serverAuth" } },
    { "unreadable PEM", PATCH_NODE("certificate", "\"garbage.pem\""), NK_E_IDENTITY,
      .says = { "garbage.pem", "not whole PEM" } },

    /* the roots */
    { "no roots", PATCH_ROOTS("[]"), NK_E_CONFIG,
      .says = { "federation.roots", "is empty", "root CA" } },
    { "root file absent", PATCH_ROOTS("[\"nosuch.pem\"]"), NK_E_TRUST, .says = { "nosuch.pem" } },
    { "root file empty", PATCH_ROOTS("[\"empty.pem\"]"), NK_E_TRUST,
      .says = { "empty.pem", "no certificate" } },
    { "a leaf as root", PATCH_ROOTS("[\"leaf.pem\"]"), NK_E_TRUST,
      .says = { "leaf.pem", "not a CA", "name the federation's root" } },
    { "an intermediate as root", PATCH_ROOTS("[\"intermediate.pem\"]"), NK_E_TRUST,
      .says = { "intermediate.pem", "intermediate", "name the root" } },

    /* the document */
    { "unknown member", "{\"federation\": {\"root\": [\"ca.pem\"]}}", NK_E_CONFIG,
      .says = { "federation.root", "unknown member", "did you mean \"roots\"" } },
    { "wrong type", "{\"federation\": {\"roots\": \"ca.pem\"}}", NK_E_CONFIG,
      .says = { "federation.roots", "must be an array", "not a string" } },
    { "bad JSON", NULL, NK_E_CONFIG, .says = { "line 3", "not valid JSON" },
      .text = "{\n  \"version\": 1,\n  oops\n}\n" },
    { "admit absent", "{\"admit\": null}", NK_E_CONFIG, .says = { "admit", "missing" } },
    { "a rule that matches nothing in particular", "{\"admit\": [{\"name\": \"all\"}]}",
      NK_E_CONFIG, .says = { "admit[0]", "all-certified" } },
    { "a member of a later version", "{\"status_file\": \"status.json\"}", NK_E_UNSUPPORTED,
      .says = { "status_file", "not enforced", "remove it" } },
    { "another version of the document", "{\"version\": 2}", NK_E_CONFIG,
      .says = { "version", "must be 1" } },
    { "code from a relative path", PATCH_NODE("module", "\"./pkcs11.so\""), NK_E_CONFIG,
      .says = { "node.module", "absolute path" } },

    /* the environment */
    { "suites that gRPC would take by itself", "{}", .status = NK_OK,
      .suites =
          "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305" },
    { "suites with OpenSSL's other separators", "{}", .status = NK_OK,
      .suites = "ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384;" },
    SUITES_ROW("a suite that encrypts nothing", "ECDHE-ECDSA-NULL-SHA", "\"ECDHE-ECDSA-NULL-SHA\""),
    SUITES_ROW("one such behind good ones",
               "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0",
               "\"ECDHE-ECDSA-NULL-SHA\""),
    SUITES_ROW("a security level", "ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0", "@SECLEVEL=0"),
    SUITES_ROW("a level behind a name", "ECDHE-ECDSA-AES128-GCM-SHA256@SECLEVEL=0", "not taken"),
    SUITES_ROW("an alias", "HIGH", "\"HIGH\""),
    SUITES_ROW("another order", "+ECDHE-ECDSA-AES128-GCM-SHA256", "not taken"),
    SUITES_ROW("no forward secrecy", "AES128-GCM-SHA256", "not taken"),
    SUITES_ROW("CBC", "ECDHE-ECDSA-AES128-SHA256", "not taken"),
    SUITES_ROW("the beginning of a name", "ECDHE-ECDSA-AES128-GCM-SHA25", "not taken"),
    SUITES_ROW("lower case", "ecdhe-ecdsa-aes128-gcm-sha256", "not taken"),
    SUITES_ROW("nothing", "", "no suite of TLS 1.2"),
    SUITES_ROW("separators alone", ": ,;", "no suite of TLS 1.2"),
    SUITES_ROW("TLS 1.3 alone, which OpenSSL refuses", "TLS_AES_256_GCM_SHA384",
               "no suite of TLS 1.2"),
    SUITES_ROW("bytes that no log should see", "A\n\x1b[31m\xff", "\"A??[31m?\""),
};

static void expect(const struct row *row, const nk_error *err, nk_status status)
{
    print_message("    %d %s\n", (int)status, err->text);
    assert_int_equal(status, row->status);
    assert_int_equal(err->status, row->status);
    for (size_t i = 0; i < ARRAY_LEN(row->says) && row->says[i] != NULL; i++) {
        if (strstr(err->text, row->says[i]) == NULL) {
            fail_msg("the text lacks \"%s\"", row->says[i]);
        }
    }
}

static void check_row(void **state)
{
    const struct row *row = *state;
    const nk_plugin *plugin = plugin_load();
    nk_host host = recording_host(recorder_new());
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *untouched = (nk_instance *)&world.federation;
    nk_instance *instance = untouched;
    char *config = row->patch != NULL ? member_config(&world.alice, row->patch) : strdup(row->text);

    faulty_set(row->script != NULL ? row->script : "");
    if (row->suites != NULL) {
        setenv("GRPC_SSL_CIPHER_SUITES", row->suites, 1);
    }
    nk_status status = plugin->open_text(&host, config, world.federation.folder, &instance, &err);
    unsetenv("GRPC_SSL_CIPHER_SUITES");
    free(config);
    expect(row, &err, status);
    if (status == NK_OK) {
        assert_int_equal(plugin->close(instance, &err), NK_OK);
    } else {
        assert_ptr_equal(instance, untouched);
    }
}

/* Each step of the ladder must be one that sends no PIN twice. */
static void a_refused_pin_was_sent_once(void **state)
{
    (void)state;
    assert_int_equal(faulty_count()->login_failed, 1);
}

static int start(void **state)
{
    (void)state;
    misconfig_make(&world);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    misconfig_free(&world);
    return 0;
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_TEST(a_refused_pin_was_sent_once);
    return ROWS_RUN("misconfig", start, stop);
}
