/* SPDX-License-Identifier: Apache-2.0
 * Programs that know nothing of us, with nodekey-provider.so in their openssl.cnf: OpenSSL's own
 * command and Python's ssl module use a token key by its reference and by its URI, in TLS, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/x509.h>

#include "base/auto.h"
#include "fixtures/authority.h"
#include "fixtures/guest_crypto.h"
#include "fixtures/openssl_rig.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

static const struct kind {
    const char *type;
    const char *object;
    const char *id;
} kinds[] = {
    { "RSA-2048", "rsa", "01" },
    { "P-256", "ec", "02" },
    { "Ed25519", "ed", "03" },
};

static const char *conf;

/* In a folder of its own, with $K the key's file stem and $U its URI. */
static struct process_end run(const char *object, const char *script)
{
    const char *folder = path_of("%s/%s", scratch_folder(), object);
    const char *argv[] = { "timeout", "100", "sh", "-ec", NULL, NULL };
    argv[4] = path_of("mkdir -p '%s'; cd '%s'; export OPENSSL_CONF='%s' K='../%s' "
                      "U='pkcs11:token=web;object=%s';\n%s",
                      folder, folder, conf, object, object, script);
    const struct process process = { .argv = argv, .with_stderr = true };
    return process_run(&process);
}

static void must(const char *object, const char *script)
{
    struct process_end end = run(object, script);
    if (end.status != 0) {
        fail_msg("%s: status 0x%x: %s", object, end.status, end.out);
    }
    free(end.out);
}

/* --- openssl --- */

static const struct row {
    const char *name;
    bool not_ed25519; /* OpenSSL 3.0 does not do it with software keys either */
    bool only_ed25519;
    bool only_rsa;
    const char *script;
} rows[] = {
    { "openssl pkey", false, false, false,
      "openssl pkey -in $K.pem -pubout | cmp - $K.pub; openssl pkey -in $U -pubout | cmp - "
      "$K.pub" },
    { "openssl dgst", true, false, false,
      "echo text >t; openssl dgst -sha256 -sign $K.pem -out s t;"
      "openssl dgst -sha256 -verify $K.pub -signature s t;"
      "openssl dgst -sha384 -sign $U -out s t;"
      "openssl dgst -sha384 -verify $K.pub -signature s t" },
    { "openssl pkeyutl", false, true, false,
      "echo text >t; openssl pkeyutl -sign -rawin -in t -inkey $K.pem -out s;"
      "openssl pkeyutl -verify -rawin -in t -pubin -inkey $K.pub -sigfile s" },
    { "openssl req", false, false, false,
      "openssl req -new -key $K.pem -subj /CN=a -out r; openssl req -in r -verify -noout;"
      "openssl req -in r -pubkey -noout | cmp - $K.pub;"
      "openssl req -new -x509 -key $U -subj /CN=a -out c; openssl verify -CAfile c c" },
    { "openssl req with PSS", false, false, true,
      "openssl req -new -x509 -key $K.pem -sigopt rsa_padding_mode:pss -subj /CN=a -out c;"
      "openssl verify -CAfile c c; openssl x509 -in c -noout -text | grep -q rsassaPss" },
    { "openssl cms", true, false, false,
      "echo text >t; openssl cms -sign -signer $K.crt -inkey $K.pem -in t -out m;"
      "openssl cms -verify -in m -CAfile ../ca.pem -purpose any -out v" },
    { "openssl cms with PSS", false, false, true,
      "echo text >t; openssl cms -sign -signer $K.crt -inkey $K.pem -keyopt rsa_padding_mode:pss "
      "-in t -out m; openssl cms -verify -in m -CAfile ../ca.pem -purpose any -out v" },
    { "openssl x509 -CA", false, false, false,
      "openssl genpkey -algorithm ED25519 -out soft; openssl req -new -key soft -subj /CN=b -out r;"
      ": >none; openssl x509 -req -extfile none -in r -CA $K.crt -CAkey $K.pem -set_serial 7"
      " -out c;"
      "openssl x509 -in c -noout -subject | grep -q 'CN *= *b'" },
    { "openssl storeutl", false, false, false,
      "openssl storeutl -keys $U | grep -q 'Total found: 1';"
      "openssl storeutl -noout $K.pem | grep -q 'Total found: 1'" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    size_t done = 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        bool ed25519 = strcmp(kinds[i].object, "ed") == 0;
        bool rsa = strcmp(kinds[i].object, "rsa") == 0;
        if ((row->not_ed25519 && ed25519) || (row->only_ed25519 && !ed25519) ||
            (row->only_rsa && !rsa)) {
            continue;
        }
        must(kinds[i].object, row->script);
        done++;
    }
    assert_true(done > 0);
}

/* --- TLS --- */

/* s_server ends after one connection. The page that it serves says what it saw of the client. */
#define TALK                                                                                       \
    "rm -f server; openssl s_server -accept 127.0.0.1:0 -naccept 1 -www -cert $K.crt -key $KEY "   \
    "-CAfile ../ca.pem -Verify 1 -verify_return_error >server 2>&1 & S=$!\n"                       \
    "P=; while kill -0 $S && [ -z \"$P\" ]; do sleep 0.1;"                                         \
    "P=$(sed -n 's/^ACCEPT 127.0.0.1:\\([0-9]*\\)$/\\1/p' server); done\n"                         \
    "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -connect 127.0.0.1:$P "         \
    "$VERSION "                                                                                    \
    "-cert $K.crt -key $KEY -CAfile ../ca.pem -verify_return_error >client 2>&1 || true\n"         \
    "wait $S || true; cat server client; grep -q \"New, $NAME\" client;"                           \
    "grep -q 'CN *= *'$(basename $K) client; grep -q 'Verify return code: 0 (ok)' client"

static void talk(const char *name, const char *version)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        must(kinds[i].object, path_of("NAME=%s VERSION=%s KEY=$K.pem\n" TALK, name, version));
        must(kinds[i].object, path_of("NAME=%s VERSION=%s KEY=$U\n" TALK, name, version));
    }
}

static void s_server_and_s_client_speak_tls_1_3(void **state)
{
    (void)state;
    talk("TLSv1.3", "-tls1_3");
}

static void s_server_and_s_client_speak_tls_1_2(void **state)
{
    (void)state;
    talk("TLSv1.2", "-tls1_2");
}

static void python_speaks_tls(void **state)
{
    static const char *const versions[][2] = { { "TLSv1_2", "TLSv1.2" }, { "TLSv1_3", "TLSv1.3" } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        for (size_t j = 0; j < ARRAY_LEN(versions); j++) {
            struct process_end end =
                run(kinds[i].object,
                    path_of("exec /usr/bin/python3 " PYTHON_TLS " $K.crt $K.pem ../ca.pem %s",
                            versions[j][0]));
            const char *wanted = path_of("client saw %s %s\nserver saw %s %s\n", versions[j][1],
                                         kinds[i].object, versions[j][1], kinds[i].object);
            assert_string_equal(end.out, wanted);
            assert_int_equal(end.status, 0);
            free(end.out);
        }
    }
}

/* --- the PIN, and the end --- */

/* What the module was asked for, by every process that had $PKCS11SPY_OUTPUT. */
#define SPY                                                                                        \
    "export PKCS11SPY=" SOFTHSM_MODULE " PKCS11SPY_OUTPUT=$PWD/spy OPENSSL_CONF=../%s.cnf\n"       \
    "rm -f spy; calls() { grep -c \": $1\\$\" spy || true; };"

static void a_wrong_pin_is_sent_once_by_all_processes(void **state)
{
    (void)state;
    struct process_end end =
        run("ec", path_of(SPY "for i in 1 2 3 4 5; do openssl pkey -in $K.pem -pubout && exit 1; "
                              "openssl pkey -in $U -pubout && exit 1; done; calls C_Login",
                          "wrong"));
    assert_int_equal(end.status, 0);
    assert_non_null(strstr(end.out, "refuses the PIN of pin-file"));
    assert_non_null(strstr(end.out, "has refused this PIN before"));
    assert_string_equal(end.out + end.out_len - 3, "\n1\n");
    free(end.out);
}

/* SoftHSM hides a token from one process while another logs in to it. */
static void programs_that_start_together_all_find_the_token(void **state)
{
    (void)state;
    must("ec", "for i in 1 2 3; do rm -f done-*; for j in 1 2 3 4 5 6 7 8; do (openssl dgst "
               "-sha256 -sign $K.pem -out s-$j $K.pub && touch done-$j) & done; wait;"
               "[ $(ls done-* | wc -l) = 8 ]; done");
}

static void at_the_end_the_module_is_left_alone(void **state)
{
    (void)state;
    must("ec",
         path_of(SPY "openssl dgst -sha256 -sign $K.pem -out s spy; cat spy;"
                     "[ $(calls C_Login) = 1 ]; [ $(calls C_Finalize) = 0 ];"
                     "[ $(calls C_Logout) = 0 ]; grep ': C_' spy | tail -1 | grep -q 'C_Sign$'",
                 "spied"));
}

/* With a deadline for each signature, so with threads of ours when the program ends. */
static void a_configuration_file_says_it_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        must(kinds[i].object,
             "export OPENSSL_CONF=../node.cnf; openssl req -new -key $K.pem -subj /CN=a -out r;"
             "openssl req -in r -verify -noout");
    }
    must("ec", "KEY=$K.pem NAME=TLSv1.3 VERSION=-tls1_3 OPENSSL_CONF=../node.cnf\n" TALK);
}

static void before_default_we_say_so(void **state)
{
    (void)state;
    must("ec",
         "sed '/^default = on/d; s/^nodekey = ours/&\\ndefault = on/' $OPENSSL_CONF >late.cnf;"
         "export OPENSSL_CONF=late.cnf; openssl pkey -in $K.pem -pubout >out 2>&1 && exit 1;"
         "cat out; grep -q 'activate \"default\" in the list of providers' out");
}

/* The example as it is, but for the paths of this build; and the script beside it. */
static void the_example_works(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        must(
            kinds[i].object,
            path_of("sed 's,/usr/local/lib/nodekey/nodekey-provider.so,%s,; "
                    "s,/etc/nodekey/web.pin,%s/pin,;"
                    "s,/var/lib/nodekey,%s,' " EXAMPLES "/openssl/openssl.cnf >example.cnf;"
                    "export OPENSSL_CONF=example.cnf; " EXAMPLES "/openssl/uri2pem.sh $U >k;"
                    "cmp k $K.pem; openssl pkey -in k -pubout | cmp - $K.pub;"
                    "openssl req -new -key $U -subj /CN=a -out r; openssl req -in r -verify -noout",
                    cnf_module(), scratch_folder(), scratch_folder()));
    }
    must("rsa",
         "U='pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;token=web;object=rsa;"
         "id=%01;type=private'\n"
         "for more in '' aaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb;"
         " do " EXAMPLES "/openssl/uri2pem.sh $U$more >k; openssl asn1parse -in k |"
         " grep -q \"UTF8STRING  *:$U$more$\"; done;" EXAMPLES "/openssl/uri2pem.sh $U >k;"
         "openssl pkey -in k -pubout | cmp - $K.pub;"
         "! " EXAMPLES "/openssl/uri2pem.sh \"$U?pin-value=1\"; ! " EXAMPLES
         "/openssl/uri2pem.sh file:x");
}

static void the_pin_is_in_no_output(void **state)
{
    (void)state;
    struct process_end end =
        run("ec", "openssl pkey -in $K.pem -text -pubout; openssl pkey -in $K.pem -text;"
                  "openssl storeutl -text $U || true");
    assert_null(strstr(end.out, SOFTHSM_PIN));
    free(end.out);
}

/* --- the rest of the program --- */

/* This program once more, as one that has loaded a token key through its openssl.cnf. */
static int be_a_guest(const char *key_path)
{
    FILE *file = fopen(key_path, "re");
    EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (key == NULL ||
        strcmp(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), "nodekey") != 0) {
        ERR_print_errors_fp(stdout);
        return 1;
    }
    fclose(file);
    char *report = guest_crypto();
    fputs(report, stdout);
    free(report);
    EVP_PKEY_free(key);
    return 0;
}

static void the_rest_of_the_program_notices_nothing(void **state)
{
    char self[4096] = "";
    (void)state;
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct process_end end = run(kinds[i].object, path_of("exec '%s' guest $K.pem", self));
        assert_string_equal(end.out, guest_crypto_expected);
        assert_int_equal(end.status, 0);
        free(end.out);
    }
}

/* --- */

static void save_key(const struct kind *kind, const struct authority *ca)
{
    const char *stem = path_of("%s/%s", scratch_folder(), kind->object);
    const struct certificate_spec spec = { .cn = kind->object,
                                           .key_usage = "critical,digitalSignature,keyCertSign",
                                           .basic_constraints = "critical,CA:TRUE" };
    softhsm_generate("web", kind->type, kind->object, kind->id);
    EVP_PKEY *public_key = softhsm_public_key("web", kind->object, kind->id);
    X509 *certificate = authority_issue(ca, public_key, &spec);
    char *text = pem_of(certificate, NULL);
    write_file(path_of("%s.crt", stem), text, 0644);
    write_file(path_of("%s.pem", stem),
               persistent_pem(path_of("pkcs11:token=web;object=%s", kind->object)), 0600);
    FILE *file = fopen(path_of("%s.pub", stem), "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_PUBKEY(file, public_key), 1);
    fclose(file);
    free(text);
    X509_free(certificate);
    EVP_PKEY_free(public_key);
}

static void write_sections(const char *folder)
{
    write_file(path_of("%s/pin", folder), SOFTHSM_PIN "\n", 0600);
    write_file(path_of("%s/wrong", folder), "not-the-pin\n", 0600);
    conf = cnf_write("good", path_of("pkcs11-module = softhsm\npin-file = %s/pin", folder));
    cnf_write("wrong", path_of("pkcs11-module = pkcs11-spy\npin-file = %s/wrong\nstate-dir = %s",
                               folder, folder));
    write_file(path_of("%s/node.json", folder),
               "{\"version\": 1, \"node\": {\"module\": \"softhsm\", \"key\": "
               "\"pkcs11:token=web;object=ec\", \"certificate\": \"ec.crt\", \"pin\": "
               "{\"file\": \"pin\"}}, \"token\": {\"sign_timeout_ms\": 20000}, "
               "\"federation\": {\"roots\": [\"ca.pem\"]}, \"admit\": \"all-certified\"}",
               0600);
    cnf_write("node", path_of("config = %s/node.json", folder));
    cnf_write("spied", path_of("pkcs11-module = pkcs11-spy\npin-file = %s/pin", folder));
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("web");
    struct authority ca = authority_make(NULL, "root", NULL);
    char *text = pem_of(ca.certificate, NULL);
    write_file(path_of("%s/ca.pem", scratch_folder()), text, 0644);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        save_key(&kinds[i], &ca);
    }
    write_sections(scratch_folder());
    authority_free(&ca);
    free(text);
    return 0;
}

int main(int argc, char **argv)
{

    if (argc == 3 && strcmp(argv[1], "guest") == 0) {
        return be_a_guest(argv[2]);
    }
    ROWS_OF(rows, check_row)
    ROWS_TEST(s_server_and_s_client_speak_tls_1_3);
    ROWS_TEST(s_server_and_s_client_speak_tls_1_2);
    ROWS_TEST(python_speaks_tls);
    ROWS_TEST(a_wrong_pin_is_sent_once_by_all_processes);
    ROWS_TEST(programs_that_start_together_all_find_the_token);
    ROWS_TEST(at_the_end_the_module_is_left_alone);
    ROWS_TEST(a_configuration_file_says_it_all);
    ROWS_TEST(before_default_we_say_so);
    ROWS_TEST(the_example_works);
    ROWS_TEST(the_pin_is_in_no_output);
    ROWS_TEST(the_rest_of_the_program_notices_nothing);
    return ROWS_RUN("provider_programs", start, NULL);
}
