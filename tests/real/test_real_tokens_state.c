/* SPDX-License-Identifier: Apache-2.0
 * What is remembered over restarts, and what is said where nothing is. Each row is a shell line,
 * where $N is the command, $T this program, which opens a node or loads a key, $D the folder of the
 * nodes and $M the scripted module; its source is printed, and its C_Logins are counted. Three
 * starts with a wrong PIN against a TPM's own count are in tests/tokens/tpm.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/openssl_rig.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define SAYS_MAX 3

#define SYSTEMD "systemd.exec(5): StateDirectory= sets $STATE_DIRECTORY, paths with colons between"
#define REPORT_RESTARTS "report: three starts with a wrong PIN took a TPM's lockout counter to 3"
#define REPORT_ROLES "report: two identities on one token, and `init' asks for a role"
#define REPORT_WHERE "report: no such token, and nothing says where was looked"

/* The folder is emptied for each row. */
#define STATE "STATE_DIRECTORY=$D/sd:/nonexistent "
#define OPENS(config) "$T open " config
#define TWICE(command) command "; " command
#define BY_PROVIDER(cnf) "$T load $S/" cnf ".cnf"
#define BARE "env -u SOFTHSM2_CONF -u TPM2_PKCS11_STORE -u TPM2_PKCS11_TCTI HOME=$S/home "
#define PROXY "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so"
#define NO_MODULES "unshare -m sh -ec 'mount -t tmpfs none /usr/share/p11-kit/modules; "
#define MAY_LOCK "may count wrong PINs and lock"
#define FORGETS "each start forgets"
#define REAL_MODULE "libsofthsm2.so"

static const struct row {
    const char *name, *source, *run;
    const char *script; /* of the scripted module; or NULL */
    int code, logins;
    const char *says[SAYS_MAX];
    const char *never; /* said; or NULL */
    bool held;         /* so did the code before */
} rows[] = {
    { "a: two starts of a node", SYSTEMD, "export " STATE "; " TWICE(OPENS("wrong.json")),
      .code = 1, .logins = 1,
      .says = { "correct it, it will not be sent again: CKR", "has refused this PIN before" } },
    { "a: two commands", SYSTEMD, "export " STATE "; " TWICE("$N tokens --login wrong.json"),
      .code = 1, .logins = 1, .says = { "has refused this PIN before", "nodekey pin CONFIG" } },
    { "a: two programs of OpenSSL's", SYSTEMD, "export " STATE "; " TWICE(BY_PROVIDER("wrong")),
      .code = 1, .logins = 1 },
    { "a: `nodekey pin' tells what is remembered", SYSTEMD,
      "export " STATE "; " OPENS("wrong.json") "; $N pin wrong.json", .logins = 1,
      .says = { "1 refused PINs are remembered" } },
    { "a: node, then command", SYSTEMD,
      "export " STATE "; " OPENS("wrong.json") "; $N tokens --login wrong.json", .code = 1,
      .logins = 1, .says = { "has refused this PIN before" } },
    { "a: not absolute", SYSTEMD, "STATE_DIRECTORY=sd " OPENS("alice.json"), .code = 1,
      .says = { "STATE_DIRECTORY, the default of state_dir, is not an absolute path" } },
    { "a: not absolute, for OpenSSL", SYSTEMD, "STATE_DIRECTORY=:/sd " BY_PROVIDER("right"),
      .code = 1, .says = { "STATE_DIRECTORY, the default of state-dir, is not" } },
    { "a: others may write to it", SYSTEMD, "chmod 777 sd; " STATE OPENS("alice.json"), .code = 1,
      .says = { "by default $STATE_DIRECTORY, must be a folder of ours", "/sd" } },
    { "a: empty is not set", SYSTEMD, "STATE_DIRECTORY= " OPENS("alice.json"), .logins = 1,
      .held = true },
    { "a: state_dir goes before it", SYSTEMD, STATE OPENS("keeps-wrong.json") "; ls sd kept",
      .logins = 1, .says = { "kept:\nrefused-pins-" }, .held = true },
    { "a: $STATE_DIRECTORY as a literal", SYSTEMD, STATE OPENS("literal.json"), .code = 1,
      .says = { "state_dir", "variables are not expanded here; leave it away" } },

    { "b: refused without state_dir", REPORT_RESTARTS, OPENS("wrong.json"), .code = 1, .logins = 1,
      .says = { "it will not be sent again by this process; the next would send it, unless you set "
                "state_dir" } },
    { "b: by the command", REPORT_RESTARTS, "$N tokens --login wrong.json", .code = 1, .logins = 1,
      .says = { "unless you set state_dir" } },
    { "b: by OpenSSL", REPORT_RESTARTS, BY_PROVIDER("wrong"), .code = 1, .logins = 1,
      .says = { "unless you set state-dir" } },
    { "b: refused with state_dir", REPORT_RESTARTS, OPENS("keeps-wrong.json"), .code = 1,
      .logins = 1, .says = { "it will not be sent again: CKR" }, .never = "this process",
      .held = true },
    { "b: a token that may count", REPORT_RESTARTS, OPENS("alice.json"),
      .script = "other_maker=1\n", .logins = 1,
      .says = { MAY_LOCK, "set state_dir (systemd: StateDirectory=)" } },
    { "b: one that does not ask for a login", REPORT_RESTARTS, OPENS("alice.json"),
      .script = "other_maker=1\nno_login=1\n", .logins = 1, .says = { MAY_LOCK } },
    { "b: two roles on it, one line", REPORT_RESTARTS, OPENS("roles.json") " | grep -c 'may count'",
      .script = "other_maker=1\n", .logins = 1, .says = { "1\n" } },
    { "b: with state_dir", REPORT_RESTARTS, OPENS("keeps.json"), .script = "other_maker=1\n",
      .logins = 1, .never = MAY_LOCK, .held = true },
    { "b: with $STATE_DIRECTORY", SYSTEMD, STATE OPENS("alice.json"), .script = "other_maker=1\n",
      .logins = 1, .never = MAY_LOCK, .held = true },
    { "b: SoftHSM does not count", REPORT_RESTARTS, OPENS("alice.json"), .logins = 1,
      .never = MAY_LOCK, .held = true },

    { "b: CRLs, and SoftHSM", REPORT_RESTARTS, OPENS("lists.json"), .logins = 1,
      .says = { "no state_dir: each start forgets the numbers of the CRLs" }, .never = MAY_LOCK },
    { "b: no CRLs", REPORT_RESTARTS, OPENS("alice.json"), .logins = 1, .never = FORGETS,
      .held = true },
    { "b: CRLs, with $STATE_DIRECTORY", REPORT_RESTARTS, STATE OPENS("lists.json"), .logins = 1,
      .never = FORGETS, .held = true },

    { "d: tokens --login, two keys of one token", REPORT_ROLES, "$N tokens --login roles.json",
      .logins = 1, .says = { "logged in" } },
    { "d: pin, two keys of one token", REPORT_ROLES, STATE "$N pin roles.json",
      .says = { "0 refused PINs" } },
    { "d: init, two keys of one token", REPORT_ROLES, "$N init fresh.json --so-pin-file so.pin",
      .logins = 1, .says = { "token \"fresh\" is initialised" } },
    { "d: one token in two spellings", "RFC 7512 section 2.3: percent-encoding",
      "$N tokens --login spelt.json", .logins = 1, .says = { "logged in" } },
    { "d: two tokens", REPORT_ROLES, "$N tokens --login others.json", .code = 2,
      .says = { "two identities", "--role" }, .held = true },
    { "d: two PINs for one token", REPORT_ROLES, "$N tokens --login pins.json", .code = 2,
      .says = { "two identities", "--role" }, .held = true },
    { "d: csr wants to know the key", REPORT_ROLES, "$N csr roles.json --san DNS:a.example",
      .code = 2, .says = { "two identities", "--role" }, .held = true },

    { "e: a node, and nothing is set", REPORT_WHERE, BARE OPENS("real.json"), .code = 1,
      .says = { "no such token", REAL_MODULE, "uid 0, gid 0, SOFTHSM2_CONF not set" } },
    { "e: csr, and nothing is set", REPORT_WHERE, BARE "$N csr real.json --san DNS:a.example",
      .code = 1, .says = { "no such token", REAL_MODULE, "SOFTHSM2_CONF not set" } },
    { "e: tokens --login, and nothing is set", REPORT_WHERE, BARE "$N tokens --login real.json",
      .code = 1, .says = { "no such token", REAL_MODULE, "SOFTHSM2_CONF not set" } },
    { "e: OpenSSL, and nothing is set", REPORT_WHERE, BARE BY_PROVIDER("real"), .code = 1,
      .says = { "no such token", REAL_MODULE, "SOFTHSM2_CONF not set" } },
    { "e: only a blank token to list", REPORT_WHERE, BARE "$N tokens",
      .says = { "no initialised token: /", REAL_MODULE " (uid 0, gid 0, SOFTHSM2_CONF not set" } },
    { "e: nothing to list", REPORT_WHERE, NO_MODULES BARE "$N tokens --module " PROXY "'",
      .says = { "no tokens: /", "libp11-kit",
                "SOFTHSM2_CONF not set, TPM2_PKCS11_STORE not set" } },
    { "e: the value, where one is set", REPORT_WHERE, OPENS("real-none.json"), .code = 1,
      .says = { "no such token", "SOFTHSM2_CONF=/" }, .held = true },
};

/* --- rows --- */

static void check_row(void **state)
{
    const struct row *row = *state;
    const char *log = path_of("%s/logins", scratch_folder());
    const char *const argv[] = {
        "sh", "-c", path_of("exec 2>&1; cd $D; rm -rf sd kept; mkdir -m 700 sd kept; %s", row->run),
        NULL
    };

    (void)!unlink(log);
    faulty_set(row->script != NULL ? row->script : "");
    struct process_end end = process_run(&(struct process){ .argv = argv });
    int code = WIFEXITED(end.status) ? WEXITSTATUS(end.status) : -1;
    int logins = faulty_logins(log);
    printf("%-46s%s; C_Login %d%s\n", row->name, row->source, logins, row->held ? "; held" : "");
    for (size_t i = 0; i < SAYS_MAX && row->says[i] != NULL; i++) {
        if (strstr(end.out, row->says[i]) == NULL) {
            fail_msg("%s: does not say \"%s\" but: %s", row->name, row->says[i], end.out);
        }
    }
    if (code != row->code || logins != row->logins || strstr(end.out, SOFTHSM_PIN) != NULL ||
        (row->never != NULL && strstr(end.out, row->never) != NULL)) {
        fail_msg("%s: code %d, %d logins: %s", row->name, code, logins, end.out);
    }
    free(end.out);
}

/* --- a start of a node, in a process of its own --- */

static int open_node(const char *path)
{
    const nk_plugin *plugin = plugin_load();
    struct recorder *recorder = recorder_new();
    nk_host host = recording_host(recorder);
    nk_instance *instance = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = plugin->open_file(&host, path, &instance, &err);

    AUTO(free) char *log = recorder_copy(recorder);
    printf("%s%s\n", log, err.text);
    if (status == NK_OK) {
        status = plugin->close(instance, &err);
    }
    return status == NK_OK ? 0 : 1;
}

/* A program that knows OpenSSL alone loads a key. */
static int load_key(const char *cnf)
{
    OSSL_LIB_CTX *ctx = cnf_context(cnf);
    EVP_PKEY *key = load_uri(ctx, "pkcs11:token=alice;object=identity");

    printf("%s\n", queue_text());
    EVP_PKEY_free(key);
    OSSL_LIB_CTX_free(ctx);
    return key != NULL ? 0 : 1;
}

/* --- the world --- */

static void write_nodes(const struct member *alice)
{
#define OTHER(token, more)                                                                         \
    "{\"client\": {\"key\": \"pkcs11:" token ";object=other\", \"certificate\": "                  \
    "\"alice-other.pem\"" more "}}"
#define WRONG_PIN "\"node\": {\"pin\": {\"file\": \"wrong.pin\"}}"
#define REAL(token)                                                                                \
    "{\"node\": {\"module\": \"softhsm\", \"key\": \"pkcs11:token=" token ";object=identity\"}}"
    static const struct {
        const char *name, *patch;
    } nodes[] = {
        { "alice", "{}" },
        { "wrong", "{" WRONG_PIN "}" },
        { "keeps", "{\"state_dir\": \"kept\"}" },
        { "keeps-wrong", "{\"state_dir\": \"kept\", " WRONG_PIN "}" },
        { "lists", "{" FEDERATION_CRLS "}" },
        { "literal", "{\"state_dir\": \"$STATE_DIRECTORY\"}" },
        { "roles", OTHER("token=alice", "") },
        { "spelt", OTHER("token=%61lice", "") },
        { "others", OTHER("token=bob", "") },
        { "pins", OTHER("token=alice", ", \"pin\": {\"file\": \"wrong.pin\"}") },
        { "fresh", "{\"node\": {\"key\": \"pkcs11:token=fresh;object=identity\"}, \"client\": "
                   "{\"key\": \"pkcs11:token=fresh;object=other\"}}" },
        { "real", REAL("alice") },
        { "real-none", REAL("none") },
    };

    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        AUTO(free) char *text = member_config(alice, nodes[i].patch);
        write_file(path_of("%s/%s.json", alice->federation->folder, nodes[i].name), text, 0644);
    }
    write_file(path_of("%s/wrong.pin", alice->federation->folder), "0000-wrong", 0600);
    write_file(path_of("%s/so.pin", alice->federation->folder), SOFTHSM_SO_PIN, 0600);
}

static void write_home(void)
{
    static const char *const folders[] = { "home", "home/.config", "home/.config/softhsm2",
                                           "home/tokens" };

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        if (mkdir(path_of("%s/%s", scratch_folder(), folders[i]), 0700) != 0) {
            abort();
        }
    }
    write_file(path_of("%s/home/.config/softhsm2/softhsm2.conf", scratch_folder()),
               path_of("objectstore.backend = file\nlog.level = ERROR\n"
                       "directories.tokendir = %s/home/tokens\n",
                       scratch_folder()),
               0644);
}

static void write_sections(const char *folder)
{
    static const struct {
        const char *name, *pin, *module;
    } sections[] = { { "right", "alice", NULL },
                     { "wrong", "wrong", NULL },
                     { "real", "alice", "softhsm" } };

    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        cnf_write(sections[i].name,
                  path_of("pkcs11-module = %s\npin-file = %s/%s.pin",
                          sections[i].module != NULL ? sections[i].module : getenv("M"), folder,
                          sections[i].pin));
    }
}

int main(int argc, char **argv)
{
    struct federation federation;
    struct member alice;
    const char *command = getenv("NODEKEY_COMMAND"); /* another build's */

    if (argc == 3 && strcmp(argv[1], "open") == 0) {
        return open_node(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "load") == 0) {
        return load_key(argv[2]);
    }
    AUTO(free) char *self = realpath(argv[0], NULL); /* rows have a folder of their own */
    assert_non_null(self);
    softhsm_start();
    setenv("M", faulty_start(), 1);
    setenv("N", command != NULL ? command : NODEKEY, 1);
    setenv("T", self, 1);
    setenv("S", scratch_folder(), 1);
    setenv("FAULTY_LOG", path_of("%s/logins", scratch_folder()), 1);
    unsetenv("STATE_DIRECTORY");
    federation_make(&federation, "federation.example");
    setenv("D", federation.folder, 1);
    federation_enrol(&federation, &alice, "alice", "P-256");
    member_add_key(&alice, "other", "02", "P-256");
    softhsm_token("bob");
    federation_write_crls(&federation, 1, NULL);
    alice.module = getenv("M");
    write_nodes(&alice);
    write_home();
    write_sections(federation.folder);
    ROWS_OF(rows, check_row)
    int failed = ROWS_RUN("real_tokens_state", NULL, NULL);
    member_free(&alice);
    federation_free(&federation);
    return failed;
}
