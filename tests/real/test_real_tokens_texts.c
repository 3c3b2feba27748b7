/* SPDX-License-Identifier: Apache-2.0
 * What the operator's command says of tokens in the field and of modules that do not start. Each
 * row is a shell line, where $N is the command, $M the scripted module and $D the folder with the
 * tokens; its source is printed, and each C_Login is counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/auto.h"
#include "fixtures/authority.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define POINT_MAX_BYTES 160
#define SAYS_MAX 4

#define NOBODY                                                                                     \
    "setpriv --reuid=65534 --regid=65534 --clear-groups env -u SOFTHSM2_CONF HOME=/nonexistent "
/* A store, a configuration and PINs of nobody's in $D/mine; then a command of his. */
#define MINE                                                                                       \
    "rm -rf mine && install -d -o 65534 mine mine/tokens && "                                      \
    "echo \"directories.tokendir = $D/mine/tokens\" >mine/conf && "                                \
    "sed 's|KEY|pkcs11:token=mine;object=identity|; s|MODULE|softhsm|; s|node.pin|mine/&|' "       \
    "node.in >mine.json && "                                                                       \
    "printf so-pin-of-mine >mine/so.pin && printf pin-of-mine >mine/node.pin && "                  \
    "chmod 600 mine/*.pin && chown 65534 mine/*.pin && "                                           \
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=ca "           \
    "-keyout ca.key -out ca.pem 2>/dev/null; "
#define AS_MINE NOBODY "SOFTHSM2_CONF=$D/mine/conf $N "
#define MINE_INIT AS_MINE "init $D/mine.json --so-pin-file $D/mine/so.pin"
#define MINE_ENROLL AS_MINE "enroll $D/mine.json --san DNS:node.example"
#define TPM "env -u TPM2_PKCS11_TCTI -u TPM2_PKCS11_STORE -u TSS2_LOG HOME=$D/home "
#define TOKENS "$N tokens --module $M "
#define LOGIN "$N tokens --module $M --pin-file $D/node.pin --token plain "
#define CSR(key)                                                                                   \
    "sed \"s|KEY|" key "|; s|MODULE|$M|\" $D/node.in >$D/node.json && "                            \
    "$N csr $D/node.json --san DNS:node.example"

#define BOUND_SPEC "PKCS#11 3.0 section 4.9: CKA_ALLOWED_MECHANISMS (kmsp11: one algorithm a key)"
#define BOUND(name, mechanisms)                                                                    \
    "pkcs11-tool --module " SOFTHSM_MODULE " --token-label plain --login --pin " SOFTHSM_PIN       \
    " --keypairgen --key-type rsa:2048 --usage-sign --label " name                                 \
    " --allowed-mechanisms " mechanisms " >/dev/null 2>&1; " CSR(                                  \
        "pkcs11:token=plain;object=" name) " >bound.csr && cat bound.csr && "                      \
                                           "openssl req -in bound.csr -noout -text -verify"

#define LONG_LABEL                                                                                 \
    "a label of more bytes than sixty-three, which a fixed buffer cuts before its END"
#define ID_10 "0102030405060708090a"
#define ID_40 ID_10 ID_10 ID_10 ID_10
#define LONG_ID ID_40 ID_40 ID_40

#define SPEC_POINT "PKCS#11 3.0 section 2.3.3: CKA_EC_POINT is a DER OCTET STRING"
#define REPORT_POINT "report: a module gives the point without its OCTET STRING"
#define REPORT_FIRST "report: the first command of a newcomer fails, and does not say why"
#define REPORT_TPM "report: no TPM, or one of another group"
#define SPEC_ERROR "PKCS#11 3.0 section 5.1: return values of functions"
#define SPEC_LABEL "PKCS#11 3.0 section 4.4: CKA_LABEL is RFC 2279 text of any length"
#define SPEC_ID "PKCS#11 3.0 section 4.8: CKA_ID is a byte array of any length (kmsp11: over 100)"
#define SPEC_SESSION "PKCS#11 3.0 section 5.6: C_OpenSession answers for one token"
#define REPORT_NSS "NSS: C_Initialize wants its folder in pReserved (PKCS#11 3.0 section 5.4)"
#define NSS_LIBRARY "/usr/lib/x86_64-linux-gnu/libsoftokn3.so"
#define NSS_FOLDER                                                                                 \
    "mkdir -p nss && { test -e nss/key4.db || certutil -N -d sql:$D/nss -f node.pin; } && "
/* A namespace of its own, since p11-kit has no other folder to name. */
#define WITH_NSS(command)                                                                          \
    NSS_FOLDER "unshare -m sh -ec 'mount -t tmpfs none /usr/share/p11-kit/modules; "               \
               "echo \"module: " NSS_LIBRARY "\" >/usr/share/p11-kit/modules/nss.module; "         \
               "echo \"x-init-reserved: configdir=sql:$D/nss\" "                                   \
               ">>/usr/share/p11-kit/modules/nss.module; " command "'"
#define PROXY "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so"
#define SPEC_URI "RFC 7512 section 2.3: attributes of slots and libraries"

static const struct row {
    const char *name, *source, *run;
    const char *script; /* of the scripted module; or NULL */
    const char *curve;  /* whose point, bare, is what each object tells; or NULL */
    int code;
    const char *says[SAYS_MAX];
    const char *never; /* said; or NULL */
    int commands;      /* that log in; 0: one */
    bool held;         /* so did the code before */
    const char *moot;  /* a command: the row has no say where it succeeds; or NULL */
} rows[] = {
    { "10: SoftHSM as an ordinary user", REPORT_FIRST, NOBODY "$N tokens", .code = 1,
      .says = { "cannot read /etc/softhsm/softhsm2.conf (Permission denied)",
                "uid 65534, gid 65534", "SOFTHSM2_CONF not set", "join the group softhsm" } },
    { "10: SOFTHSM2_CONF names no file", REPORT_FIRST, "SOFTHSM2_CONF=$D/none.conf $N tokens",
      .code = 1,
      .says = { "/none.conf (No such file or directory)", "uid 0, gid 0, SOFTHSM2_CONF=/" } },
    { "10: its folder of tokens is not there", REPORT_FIRST, "SOFTHSM2_CONF=$D/away.conf $N tokens",
      .code = 1,
      .says = { "/away, the folder of tokens of", "(No such file or directory); make it" } },
    { "10: its folder of tokens is another's", REPORT_FIRST,
      NOBODY "SOFTHSM2_CONF=$D/shut.conf $N tokens", .code = 1,
      .says = { "/shut, the folder of tokens of", "(Permission denied)", "uid 65534" } },
    { "10: its folder of tokens begins with a tilde", REPORT_FIRST,
      MINE "echo 'directories.tokendir = ~/tokens' >mine/conf; " AS_MINE "tokens", .code = 1,
      .says = { "cannot read ~/tokens", "write an absolute path, without ~" } },
    { "10: SOFTHSM2_CONF names a folder", REPORT_FIRST,
      MINE NOBODY "SOFTHSM2_CONF=$D/mine $N tokens", .code = 1,
      .says = { "cannot read /", "/mine (Is a directory)" } },
    { "10: no token can be made in its folder", REPORT_FIRST,
      MINE "chmod 500 mine/tokens; " MINE_INIT, .code = 1,
      .says = { "initialise token \"mine\" (uid 65534",
                "/mine/tokens cannot be written (Permission denied)" } },
    { "10: no key can be made in its folder", REPORT_FIRST,
      MINE MINE_INIT "; chmod -R a-w mine/tokens; " MINE_ENROLL, .code = 1,
      .says = { "open a session with token \"mine\" (uid 65534",
                "/mine/tokens cannot be written (Permission denied)" } },
    { "10: its token was made by root", REPORT_FIRST,
      MINE MINE_INIT "; chown -R 0 mine/tokens/*; " MINE_ENROLL, .code = 1,
      .says = { "no such token", "the token in /",
                "is closed to this user: if another made it, chown -R it" } },
    { "10: the same token in the list", REPORT_FIRST,
      MINE MINE_INIT "; chown -R 0 mine/tokens/*; " AS_MINE "tokens",
      .says = { "no initialised token", "is closed to this user" } },
    { "10: no such token, and nothing is set", REPORT_FIRST,
      "env -u SOFTHSM2_CONF HOME=$D/home $N tokens --pin-file $D/node.pin --token none", .code = 1,
      .says = { "no such token", "SOFTHSM2_CONF not set" } },
    { "10: the TPM's device is not there", REPORT_TPM,
      TPM "TPM2_PKCS11_TCTI=device:$D/tpm9 $N tokens --module tpm2", .code = 1,
      .says = { "/tpm9 (No such file or directory)", "TPM2_PKCS11_STORE not set",
                "name another by TPM2_PKCS11_TCTI" } },
    { "10: the TPM's device is another group's", REPORT_TPM,
      NOBODY "TPM2_PKCS11_TCTI=device:$D/tpm0 $N tokens --module tpm2", .code = 1,
      .says = { "/tpm0 (Permission denied)", "join the group tss", "uid 65534" } },
    { "10: the TPM's store is another's", REPORT_TPM,
      NOBODY "TPM2_PKCS11_STORE=$D/shut $N tokens --module tpm2", .code = 1,
      .says = { "cannot write its store /", "(Permission denied)" } },
    { "10: the TPM's store was made by root", REPORT_TPM,
      "install -d -o 65534 rooted && touch rooted/tpm2_pkcs11.sqlite3 && "
      "chmod 600 rooted/*; " NOBODY "TPM2_PKCS11_STORE=$D/rooted $N tokens --module tpm2",
      .code = 1,
      .says = { "cannot write /",
                "tpm2_pkcs11.sqlite3 (Permission denied); if another user made it" } },
    { "10: no TPM answers", REPORT_TPM,
      TPM "TPM2_PKCS11_TCTI=swtpm:path=$D/none $N tokens --module tpm2", .code = 1,
      .says = { "does a TPM answer this user where TPM2_PKCS11_TCTI says", "libtss2-tcti-swtpm" } },
    { "10: tpm2-tss keeps quiet before our line", REPORT_TPM,
      TPM "TPM2_PKCS11_TCTI=device:$D/tpm9 $N tokens --module tpm2", .code = 1,
      .says = { "does not initialise" }, .never = "ERROR:tcti" },
    { "10: a module that nobody knows", REPORT_FIRST, TOKENS, .script = "initialize_error=0x5\n",
      .code = 1, .says = { "is its own configuration, service or device there?", "uid 0, gid 0" },
      .held = true },

    { "7: a label of 80 bytes", SPEC_LABEL, TOKENS "--json",
      .says = { "\"label\": \"" LONG_LABEL "\"" } },
    { "7: an id of 120 bytes", SPEC_ID, TOKENS "--json", .says = { "\"id\": \"" LONG_ID "\"" } },
    { "7: a label in UTF-8", SPEC_LABEL, TOKENS "--json",
      .says = { "\"label\": \"Schl\xc3\xbcssel\"", "object=Schl%C3%BCssel" } },
    { "7: ids that differ after 32 bytes are two", SPEC_ID, LOGIN "--json",
      .says = { "\"label\": \"other end\",\n        \"id\": \"" ID_40
                "ff\",\n        \"type\": \"P-384\"" } },
    { "7: the URI of a long label and id can be pasted", SPEC_ID,
      "U=$(" LOGIN "--json | grep -o 'pkcs11:[^\"]*END;type=private') && " CSR("$U"), .commands = 2,
      .says = { "BEGIN CERTIFICATE REQUEST" }, .held = true },
    { "7: that of UTF-8, too", SPEC_LABEL,
      "U=$(" LOGIN "--json | grep -o 'pkcs11:[^\"]*Schl[^\"]*type=private') && " CSR("$U"),
      .commands = 2, .says = { "BEGIN CERTIFICATE REQUEST" }, .held = true },
    { "7: tokens that are there can be pasted", SPEC_LABEL,
      CSR("pkcs11:token=none;object=identity"), .code = 1, .says = { ";token=with%20blanks" } },

    { "6: the first token fails", SPEC_SESSION, TOKENS,
      .script = "open_error=0x30\nopen_error_at=1\n", .code = 1,
      .says = { "CKR_DEVICE_ERROR", "NOT WHOLE", "token        plain\n",
                "token        with blanks\n" } },
    { "6: the second token fails", SPEC_SESSION, TOKENS,
      .script = "open_error=0x30\nopen_error_at=2\n", .code = 1,
      .says = { "CKR_DEVICE_ERROR", "token        plain\n", "token        with blanks\n" } },
    { "6: for programs", SPEC_SESSION, TOKENS "--json",
      .script = "open_error=0x30\nopen_error_at=1\n", .code = 1,
      .says = { "\"error\": \"list the objects of token", "CKR_DEVICE_ERROR\"",
                "\"error\": null" } },
    { "6: one session only", SPEC_SESSION, LOGIN, .script = "sessions_max=1\n", .code = 1,
      .says = { "CKR_SESSION_COUNT", "token        plain\n", "token        with blanks\n" } },
    { "6: a search fails", SPEC_SESSION, TOKENS, .script = "find_error=0x30\nfind_error_at=1\n",
      .code = 1,
      .says = { "CKR_DEVICE_ERROR", "token        plain\n", "token        with blanks\n" } },

    { "5: P-256, X begins with 3f", REPORT_POINT, TOKENS "--json", .curve = "P-256",
      .script = "attribute=0x180=06082a8648ce3d030107\n", .says = { "\"type\": \"P-256\"" } },
    { "5: P-384, X begins with 5f", REPORT_POINT, TOKENS "--json", .curve = "P-384",
      .script = "attribute=0x180=06052b81040022\n", .says = { "\"type\": \"P-384\"" } },
    { "5: Ed25519 that begins with 041e", REPORT_POINT, TOKENS "--json",
      .script = "attribute=0x180=06032b6570\nattribute=0x100=4000000000000000\nattribute=0x181="
                "041e5a3c0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c\n",
      .says = { "\"type\": \"Ed25519\"" } },
    { "5: Ed25519 of a module that knows CKK_EC only", REPORT_POINT, TOKENS "--json",
      .script = "attribute=0x180=06032b6570\nattribute=0x100=0300000000000000\nattribute=0x181="
                "0420041e5a3c0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c\n",
      .says = { "\"type\": \"Ed25519\"" } },
    { "5: Ed25519 in its OCTET STRING", SPEC_POINT, TOKENS "--json",
      .script = "attribute=0x180=06032b6570\nattribute=0x100=4000000000000000\nattribute=0x181="
                "0420041e5a3c0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c\n",
      .says = { "\"type\": \"Ed25519\"" }, .held = true },

    { "9: CKA_LOCAL is not told", "PKCS#11 3.0 section 4.9: attributes that old tokens lack", LOGIN,
      .script = "attribute=0x163=\n",
      .says = { "generated here or imported: the module does not tell" } },
    { "9: CKA_LOCAL is not told to programs",
      "PKCS#11 3.0 section 4.9: attributes that old tokens lack", LOGIN "--json",
      .script = "attribute=0x163=\n", .says = { "\"generated_on_token\": null" } },
    { "9: CKA_LOCAL is not told of a node's key",
      "PKCS#11 3.0 section 4.9: attributes that old tokens lack",
      CSR("pkcs11:token=plain;object=identity"), .script = "attribute=0x163=\n", .code = 1,
      .says = { "the module does not tell" } },
    { "9: imported, as CKA_LOCAL says", "PKCS#11 3.0 section 4.9: CKA_LOCAL", LOGIN,
      .script = "attribute=0x163=00\n", .says = { "imported: copies may exist" }, .held = true },
    { "9: C_GetMechanismInfo is not supported", SPEC_ERROR,
      CSR("pkcs11:token=plain;object=identity"), .script = "mechanism_info_error=0x54\n",
      .says = { "BEGIN CERTIFICATE REQUEST" } },
    { "9: CKR_CANT_LOCK by its name", SPEC_ERROR, TOKENS, .script = "initialize_error=0xa\n",
      .code = 1, .says = { "CKR_CANT_LOCK" } },
    { "9: CKR_NEED_TO_CREATE_THREADS by its name", SPEC_ERROR, TOKENS,
      .script = "initialize_error=0x9\n", .code = 1, .says = { "CKR_NEED_TO_CREATE_THREADS" } },
    { "9: a vendor's own code", SPEC_ERROR, TOKENS, .script = "initialize_error=0x80000383\n",
      .code = 1, .says = { "CKR_VENDOR_DEFINED 0x80000383" } },

    { "4: a request by a key for RSA-PKCS-PSS", BOUND_SPEC, BOUND("pss", "RSA-PKCS-PSS"),
      .says = { "BEGIN CERTIFICATE REQUEST", "rsassaPss", "verify OK" } },
    { "4: a request by a key for SHA256-RSA-PKCS-PSS", BOUND_SPEC,
      BOUND("pss256", "SHA256-RSA-PKCS-PSS"),
      .says = { "BEGIN CERTIFICATE REQUEST", "rsassaPss", "verify OK" } },
    { "4: a request by a key for SHA512-RSA-PKCS-PSS", BOUND_SPEC,
      BOUND("pss512", "SHA512-RSA-PKCS-PSS"),
      .says = { "BEGIN CERTIFICATE REQUEST", "sha512", "verify OK" } },

    { "8: NSS by its own name", REPORT_NSS, "$N tokens --module " NSS_LIBRARY, .code = 1,
      .says = { "does not initialise; it takes its folder from an init argument", "x-init-reserved",
                "p11-kit-proxy.so" },
      .moot = "pkcs11-tool --module " NSS_LIBRARY " --show-info" /* NSS since 3.110 or before */ },
    { "8: NSS through p11-kit, which hands it its folder", REPORT_NSS,
      WITH_NSS("$N tokens --module " PROXY " --pin-file $D/node.pin "
               "--token \"NSS Certificate DB\""),
      .says = { "pkcs11:token=NSS%20Certificate%20DB", "user PIN set; logged in" }, .held = true },
    { "8: NSS through p11-kit, a node's request", REPORT_NSS,
      WITH_NSS("sed \"s|KEY|pkcs11:token=NSS%20Certificate%20DB;object=made|; s|MODULE|" PROXY
               "|; s|\\\"pin\\\":|\\\"allow_imported\\\": true, &|\" node.in >nss.json; $N enroll "
               "nss.json --san DNS:node.example"),
      .says = { "BEGIN CERTIFICATE REQUEST" }, .held = true },

    { "8: slot-description", SPEC_URI, CSR("pkcs11:token=plain;slot-description=X;object=identity"),
      .code = 1, .says = { "names a module or slot" } },
    { "8: slot-manufacturer", SPEC_URI,
      CSR("pkcs11:token=plain;slot-manufacturer=X;object=identity"), .code = 1,
      .says = { "names a module or slot" } },
    { "8: library-description", SPEC_URI,
      CSR("pkcs11:token=plain;library-description=X;object=identity"), .code = 1,
      .says = { "names a module or slot" } },
    { "8: library-manufacturer", SPEC_URI,
      CSR("pkcs11:token=plain;library-manufacturer=X;object=identity"), .code = 1,
      .says = { "names a module or slot" } },
    { "8: library-version", SPEC_URI, CSR("pkcs11:token=plain;library-version=9.9;object=identity"),
      .code = 1, .says = { "names a module or slot" } },
};

/* --- points --- */

/* The bare point begins as an OCTET STRING of the rest of it does. */
static const char *point_line(const char *curve)
{
    char hex[2 * POINT_MAX_BYTES + 1];
    unsigned char point[POINT_MAX_BYTES] = { 0 };
    size_t len = 0;

    do {
        EVP_PKEY *key = software_key(curve);
        assert_int_equal(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                         sizeof(point), &len),
                         1);
        EVP_PKEY_free(key);
    } while (point[1] != len - 2);
    assert_int_equal(OPENSSL_buf2hexstr_ex(hex, sizeof(hex), NULL, point, (long)len, '\0'), 1);
    return path_of("attribute=0x181=%s\n", hex);
}

/* --- rows --- */

static void check_row(void **state)
{
    const struct row *row = *state;
    const char *log = path_of("%s/logins", scratch_folder());
    const char *const argv[] = { "sh", "-c", path_of("exec 2>&1; cd $D; %s", row->run), NULL };

    if (row->moot != NULL) {
        const char *const asks[] = { "sh", "-c", row->moot, NULL };
        struct process_end end = process_run(&(struct process){ .argv = asks });
        free(end.out);
        if (end.status == 0) {
            skip();
        }
    }
    (void)!unlink(log);
    faulty_set(path_of("%s%s", row->script != NULL ? row->script : "",
                       row->curve != NULL ? point_line(row->curve) : ""));
    struct process_end end = process_run(&(struct process){ .argv = argv });
    int code = WIFEXITED(end.status) ? WEXITSTATUS(end.status) : -1;
    int logins = faulty_logins(log);
    printf("%-52s%s; C_Login %d%s\n", row->name, row->source, logins, row->held ? "; held" : "");
    for (size_t i = 0; i < SAYS_MAX && row->says[i] != NULL; i++) {
        if (strstr(end.out, row->says[i]) == NULL) {
            fail_msg("%s: does not say \"%s\" but: %s", row->name, row->says[i], end.out);
        }
    }
    if (code != row->code || logins > (row->commands > 0 ? row->commands : 1) ||
        strstr(end.out, SOFTHSM_PIN) != NULL ||
        (row->never != NULL && strstr(end.out, row->never) != NULL)) {
        fail_msg("%s: code %d, %d logins: %s", row->name, code, logins, end.out);
    }
    free(end.out);
}

/* --- the world --- */

/* A copy that each user may run: a checkout need not be open to all. */
static void copy_command(void)
{
    const char *other = getenv("NODEKEY_COMMAND"); /* another build's */
    const char *path = path_of("%s/nodekey", scratch_folder());
    const char *const argv[] = { "cp", other != NULL ? other : NODEKEY, path, NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv });

    if (end.status != 0 || chmod(path, 0755) != 0 || chmod(scratch_folder(), 0755) != 0) {
        abort();
    }
    free(end.out);
    setenv("N", path, 1);
    setenv("M", faulty_start(), 1);
    setenv("D", scratch_folder(), 1);
    setenv("FAULTY_LOG", path_of("%s/logins", scratch_folder()), 1);
}

static void write_files(void)
{
    static const char conf[] = "objectstore.backend = file\nlog.level = ERROR\n"
                               "directories.tokendir = %s/%s\n";
    const struct {
        const char *name, *text;
        unsigned mode;
    } files[] = {
        { "node.pin", SOFTHSM_PIN "\n", 0600 },
        { "away.conf", path_of(conf, scratch_folder(), "away"), 0644 },
        { "shut.conf", path_of(conf, scratch_folder(), "shut"), 0644 },
        { "home/.config/softhsm2/softhsm2.conf", path_of(conf, scratch_folder(), "tokens"), 0644 },
        { "tpm0", "", 0600 },
        { "node.in",
          "{\"version\": 1, \"node\": {\"module\": \"MODULE\", \"key\": \"KEY\", "
          "\"certificate\": \"node.pem\", \"pin\": {\"file\": \"node.pin\"}},\n"
          "\"federation\": {\"roots\": [\"ca.pem\"]}, \"admit\": []}",
          0644 },
    };
    static const char *const folders[] = { "shut", "home", "home/.config", "home/.config/softhsm2",
                                           "home/.tpm2_pkcs11" };

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        if (mkdir(path_of("%s/%s", scratch_folder(), folders[i]), 0700) != 0) {
            abort();
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        write_file(path_of("%s/%s", scratch_folder(), files[i].name), files[i].text, files[i].mode);
    }
}

int main(void)
{
    softhsm_start();
    softhsm_token("plain");
    softhsm_token("with blanks");
    softhsm_generate("plain", "P-256", "identity", "01");
    softhsm_generate("plain", "P-256", LONG_LABEL, LONG_ID);
    softhsm_generate("plain", "P-256", "Schl\xc3\xbcssel", "02");
    softhsm_generate("plain", "P-256", "one end", ID_40 "fe");
    softhsm_generate("plain", "P-384", "other end", ID_40 "ff");
    copy_command();
    write_files();
    ROWS_OF(rows, check_row)
    return ROWS_RUN("real_tokens_texts", NULL, NULL);
}
