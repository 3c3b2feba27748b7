/* SPDX-License-Identifier: Apache-2.0
 * `nodekey check` over set-ups that are broken: all that is wrong, nothing else, and each command
 * that it offers mends what it is offered for. What it calls sound, nodes start with and talk, and
 * nothing else. Each row is a folder of its own that a shell line breaks, where $N is the command
 * and $D the folder of certificates; each C_Login is counted. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "base/auto.h"
#include "cli/check_node.h"
#include "fixtures/authority.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/process.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/grpc_credentials.h"

#define BAD_MAX 6
#define SET(member, value) "sed -i 's|\"" member "\": .*|\"" member "\": " value ",|' node.json"
#define NODE(member, value) "sed -i 's|\"key\":|\"" member "\": " value ", &|' node.json"
#define TOP(member, value) "sed -i 's|\"version\"|\"" member "\": " value ", &|' node.json"
#define FEDERATION(member, value) "sed -i 's|\"roots\"|\"" member "\": " value ", &|' node.json"
#define KEY(uri) "sed -i 's|pkcs11:[^\"]*|" uri "|' node.json"
#define ON_TOKEN                                                                                   \
    "sed -i 's|\"node.pem\"|\"pkcs11:token=node;object=identity;type=cert\"|' node.json"
#define SECOND(role, more)                                                                         \
    TOP(role,                                                                                      \
        "{\"key\": \"pkcs11:token=node;object=second\", \"certificate\": \"second.pem\"" more "}") \
    " && " TAKE("second.pem", "second.pem")
#define SECOND_SERVER(more) SECOND("server", more)
#define SECOND_CLIENT(more) SECOND("client", more)
#define TAKE(file, as) "cp $D/" file " " as

static const struct row {
    const char *name;
    const char *breaks;       /* a shell line */
    const char *bad[BAD_MAX]; /* "topic|piece" of every bad finding, in any order */
    bool mends;               /* the offered commands make it sound; else none is offered */
    bool offers;              /* but for one that mends a part, or runs as another user */
    int logins;               /* at most 1; -1: none */
    const char *warns;        /* a piece of a warning; or NULL */
    const char *never;        /* no warning's topic or piece; or NULL */
    const char *script;       /* of the scripted module; or NULL */
    const char *options;
    const char *redirects; /* of the shell, for both the check and the node */
    int nodes; /* a check_node_end where the check is of another opinion; 0: a bad finding keeps
                  such a node from opening, and else it talks to itself */
} rows[] = {
    { "a sound one", ":", .bad = { NULL } },
    { "with a folder of CRLs", "mkdir crls && mv ca.crl site.crl crls && " SET("crls", "[\"crls\"]"),
      .bad = { NULL } },

    /* --- the configuration --- */
    { "no configuration", "rm node.json", .bad = { "configuration|No such file" }, .logins = -1 },
    { "no JSON", "echo node >node.json", .bad = { "configuration|not valid JSON" }, .logins = -1 },
    { "an empty configuration", ": >node.json", .bad = { "configuration|not valid JSON" }, .logins = -1 },
    { "an unknown member", TOP("admits", "[]"), .bad = { "configuration|did you mean \"admit\"" } },
    { "two unknown members", TOP("admits", "[]") " && " NODE("pinn", "1"),
      .bad = { "configuration|line 1: admits", "configuration|node.pinn" } },
    { "an unknown member and a certificate that expired",
      TOP("admits", "[]") " && " TAKE("expired.pem", "node.pem"),
      .bad = { "configuration|admits", "node.certificate|expired on" } },
    { "a wrong type and a wrong range",
      TOP("token", "{\"max_sessions\": \"many\", \"login_timeout_ms\": 0}"),
      .bad = { "configuration|token.max_sessions: must be a whole number",
        "configuration|token.login_timeout_ms: must be a whole number" } },
    { "a pin of two sources", SET("pin", "{\"file\": \"node.pin\", \"prompt\": true}"),
      .bad = { "configuration|exactly one of" }, .logins = -1 },
    { "a pin of a wrong type", SET("pin", "{\"file\": 5}"),
      .bad = { "configuration|node.pin.file: must be a string" }, .logins = -1 },
    { "no pin at all", "sed -i '/\"pin\"/d' node.json",
      .bad = { "configuration|node.pin: missing for both roles" }, .logins = -1 },
    { "no pin and no key", "sed -i '/\"pin\"/d; /\"key\"/d' node.json",
      .bad = { "configuration|node.pin: missing", "configuration|node.key: missing" }, .logins = -1 },
    { "no version and no admit", "sed -i 's/\"version\": 1,//; /\"admit\"/d' node.json",
      .bad = { "configuration|version: missing", "configuration|admit: missing" }, .logins = -1 },
    { "another version", "sed -i 's/\"version\": 1/\"version\": 2/' node.json",
      .bad = { "configuration|must be 1" }, .logins = -1 },
    { "a member of a later version", TOP("status_file", "\"s.json\""),
      .bad = { "configuration|not enforced by this version" } },
    { "two values that no name can match",
      SET("admit", "[{\"name\": \"a\", \"uri\": [\"SPIFFE://F/x\", \"spiffe://f/n/a*\"]}]"),
      .bad = { "configuration|admit[0].uri[0]", "configuration|admit[0].uri[1]" } },
    { "two rules of one name, and one that says nothing",
      SET("admit", "[{\"name\": \"a\", \"cn\": [\"x\"]}, {\"name\": \"a\", \"cn\": [\"y\"]}, "
                   "{\"name\": \"b\"}]"),
      .bad = { "configuration|is the name of an earlier rule",
        "configuration|matches nothing in particular" } },
    { "a mode without lists", "sed -i '/\"crls\"/d' node.json && " FEDERATION("crl_mode", "\"hard\""),
      .bad = { "configuration|needs revocation lists" }, .logins = -1 },
    { "a configuration that others may write", "chmod 666 node.json", .bad = { "configuration|" },
      .mends = true, .logins = -1 },
    { "a configuration of another user's", "chown 65534 node.json", .bad = { "configuration|uid 65534" },
      .offers = true, .logins = -1 },
    { "a folder that others may write", "chmod 777 .", .bad = { "configuration|" }, .mends = true,
      .logins = -1 },

    /* --- files and folders --- */
    { "a PIN that others may read", "chmod 644 node.pin", .bad = { "node.pin|chmod 600" },
      .mends = true, .logins = -1 },
    { "no PIN file", "rm node.pin", .bad = { "node.pin|No such file" }, .logins = -1 },
    { "an empty PIN file", ": >node.pin", .bad = { "node.pin|empty" }, .logins = -1 },
    { "a credential outside of a unit", SET("pin", "{\"credential\": \"node.pin\"}"),
      .bad = { "node.pin|CREDENTIALS_DIRECTORY" }, .logins = -1 },
    { "a PIN on a folder of others'", "mkdir p && mv node.pin p && chmod 777 p && " SET(
          "pin", "{\"file\": \"p/node.pin\"}"),
      .bad = { "node.pin|" }, .mends = true, .logins = -1 },
    { "a PIN by way of a link in a folder of others'",
      "mkdir p && chmod 777 p && ln -s ../node.pin p/node.pin && " SET(
          "pin", "{\"file\": \"p/node.pin\"}"),
      .bad = { "node.pin|" }, .mends = true, .logins = -1 },
    { "a PIN in a folder of another user's",
      "mkdir p && mv node.pin p && chmod 777 p && chown 65534 p && " SET(
          "pin", "{\"file\": \"p/node.pin\"}"),
      .bad = { "node.pin|belongs to uid 65534" }, .logins = -1 },
    { "a PIN of another user's, for all", "chmod 666 node.pin && chown 65534 node.pin",
      .bad = { "node.pin|belongs to uid 65534" }, .logins = -1 },
    { "a PIN for the group of the node's user", "chgrp 65534 node.pin && chmod 640 node.pin",
      .bad = { "node.pin|group 65534" }, .logins = -1 },
    { "an empty PIN file that root's group may read", ": >node.pin && chmod 640 node.pin",
      .bad = { "node.pin|empty" }, .logins = -1 },
    { "a PIN file that is a pipe", "rm node.pin && mkfifo -m 600 node.pin",
      .bad = { "node.pin|not a regular file" }, .logins = -1 },
    { "no state_dir there", "rmdir state", .bad = { "state_dir|No such file" }, .mends = true,
      .logins = 0 },
    { "a state_dir that a group may write", "chmod 770 state", .bad = { "state_dir|" }, .mends = true },
    { "a state_dir that is everybody's", "chmod 1777 state", .bad = { "state_dir|" }, .logins = -1 },
    { "a state_dir of another user's, for all", "chmod 777 state && chown 65534 state",
      .bad = { "state_dir|belongs to uid 65534" }, .logins = -1 },
    { "a state_dir by a link that leads nowhere", "rmdir state && ln -s none state",
      .bad = { "state_dir|No such file" }, .logins = -1 },
    { "a state_dir that is a file", "rmdir state && touch state", .bad = { "state_dir|" } },
    { "none named", "sed -i '/state_dir/d' node.json", .bad = { NULL },
      .warns = "each start forgets the numbers of the CRLs" },
    { "none named, and no CRLs", "sed -i '/state_dir/d; /\"crls\"/d' node.json", .bad = { NULL },
      .never = "state_dir" },
    { "none named, on a token that may lock", "sed -i '/state_dir/d; /\"crls\"/d' node.json",
      .bad = { NULL }, .script = "other_maker=1\n", .warns = "each start sends a wrong one anew" },
    { "a damaged memory of CRLs", "echo no >state/crl-numbers.json",
      .bad = { "state_dir|crl-numbers.json is damaged" } },
    { "an audit without a folder", TOP("audit", "{\"file\": \"log/a.jsonl\"}"),
      .bad = { "audit.file|No such file" } },
    { "an audit in a folder of others'",
      "mkdir log && chmod 777 log && " TOP("audit", "{\"file\": \"log/a.jsonl\"}"),
      .bad = { "audit.file|" }, .mends = true },
    { "no folder to make ours in", "export RUNTIME_DIRECTORY=$PWD/none",
      .bad = { "private folder|RUNTIME_DIRECTORY" } },
    { "a TMPDIR of everybody's", "mkdir tmp && chmod 777 tmp && export TMPDIR=$PWD/tmp",
      .bad = { "private folder|TMPDIR" }, .mends = true },

    /* --- roots --- */
    { "no root", "rm root.pem", .bad = { "federation.roots|No such file" } },
    { "a root in DER", "openssl x509 -in root.pem -outform DER -out r && mv r root.pem",
      .bad = { "federation.roots|-inform DER" }, .mends = true },
    { "a root in DER that root's group may write",
      "openssl x509 -in root.pem -outform DER -out r && mv r root.pem && chmod 664 root.pem",
      .bad = { "federation.roots|-inform DER" }, .mends = true },
    { "two roots in DER in one file",
      "for i in root other-root; do openssl x509 -in $D/good/../$i.pem -outform DER; done >r || :; "
      "openssl x509 -in root.pem -outform DER >>r; mv r root.pem",
      .bad = { "federation.roots|holds no certificate" } },
    { "a CRL in DER as root", "openssl crl -in ca.crl -outform DER -out root.pem || cp ca.crl root.pem",
      .bad = { "federation.roots|holds no certificate" } },
    { "a root that is a pipe", "rm root.pem && mkfifo root.pem",
      .bad = { "federation.roots|not a regular file" } },
    { "a root that is a device", SET("roots", "[\"/dev/zero\"]"),
      .bad = { "federation.roots|not a regular file" } },
    { "a root that others may write", "chmod 666 root.pem", .bad = { "federation.roots|" },
      .mends = true },
    { "no certificate in it", "echo >root.pem", .bad = { "federation.roots|holds no certificate" } },
    { "an intermediate as root", TAKE("site.pem", "root.pem"),
      .bad = { "federation.roots|is an intermediate" } },
    { "a node's certificate as root", TAKE("leaf.pem", "root.pem"),
      .bad = { "federation.roots|is a node's certificate" } },
    { "two roots, both at fault",
      SET("roots", "[\"root.pem\", \"r1.pem\", \"r2.pem\"]") " && echo >r1.pem",
      .bad = { "federation.roots|r1.pem", "federation.roots|r2.pem" } },
    { "a root that expired", TAKE("old-root.pem", "root.pem"),
      .bad = { "node.certificate|expired" }, .warns = "has expired" },
    { "another federation's root", TAKE("other-root.pem", "root.pem"),
      .bad = { "node.certificate|no chain to federation.roots" } },

    /* --- revocation --- */
    { "no CRL", "rm ca.crl", .bad = { "federation.crls|No such file" } },
    { "no CRL of two, and no root", "rm ca.crl site.crl root.pem",
      .bad = { "federation.crls|ca.crl", "federation.crls|site.crl", "federation.roots|" } },
    { "no list in it", "echo >ca.crl", .bad = { "federation.crls|" } },
    { "an empty folder of CRLs", "mkdir crls && " SET("crls", "[\"crls\"]"),
      .bad = { "federation.crls|empty folder" } },
    { "a folder of CRLs that others may write",
      "mkdir crls && mv ca.crl site.crl crls && chmod 777 crls && " SET("crls", "[\"crls\"]"),
      .bad = { "federation.crls|everybody may replace" }, .mends = true },
    { "a CRL older than one seen before",
      SET("crls", "[\"ca.crl\"]") " && " FEDERATION(
          "crl_mode", "\"soft\"") " && { " CHECK_NODE
                                " node.json || :; } && sed -i "
                                "'s/\"0*5\"/\"0000000000000000000000000000000000000009\"/' "
                                "state/crl-numbers.json",
      .bad = { "federation.crls|older than one seen before" } },
    { "a CRL that others may write", "chmod 666 ca.crl", .bad = { "federation.crls|" }, .mends = true },
    { "a CRL that another signed", TAKE("forged.crl", "ca.crl"),
      .bad = { "federation.crls|not signed by that CA" } },
    { "a CRL past its time", TAKE("stale.crl", "site.crl"),
      .bad = { "federation.crls|RAN OUT", "node.certificate|crl-stale" } },
    { "one within its grace", TAKE("stale.crl", "site.crl") " && " FEDERATION("crl_grace_hours", "48"),
      .bad = { NULL } },
    { "one past its time, softly",
      TAKE("stale.crl", "site.crl") " && " FEDERATION("crl_mode", "\"soft\""), .bad = { NULL },
      .warns = "RAN OUT" },
    { "no CRL of our CA's", SET("crls", "[\"ca.crl\"]"), .bad = { "node.certificate|crl-missing" } },
    { "we are revoked", TAKE("revoked.crl", "site.crl"), .bad = { "node.certificate|revoked" } },
    { "revocation is off", "sed -i '/\"crls\"/d' node.json", .bad = { NULL }, .warns = "revocation is off" },

    /* --- our certificate --- */
    { "no certificate", "rm node.pem", .bad = { "node.certificate|No such file" } },
    { "a certificate in DER", "openssl x509 -in $D/leaf.pem -outform DER -out node.pem",
      .bad = { "node.certificate|-inform DER", }, .offers = true },
    { "a certificate that is a pipe", "rm node.pem && mkfifo node.pem",
      .bad = { "node.certificate|not a regular file" } },
    { "a certificate that others may write", "chmod 666 node.pem", .bad = { "node.certificate|" },
      .mends = true },
    { "a private key in it", "openssl genpkey -algorithm ed25519 >>node.pem 2>&-",
      .bad = { "node.certificate|holds a private key" } },
    { "damaged", "sed -i 5d node.pem", .bad = { "node.certificate|" } },
    { "expired", TAKE("expired.pem", "node.pem"), .bad = { "node.certificate|expired on" } },
    { "not yet valid", TAKE("early.pem", "node.pem"), .bad = { "node.certificate|not yet valid" } },
    { "for clients alone", TAKE("client.pem", "node.pem"),
      .bad = { "node.certificate|server certificate \"CN=node\" is not for that role" } },
    { "for neither role", TAKE("no-role.pem", "node.pem"),
      .bad = { "node.certificate|our server certificate", "node.certificate|our client certificate" } },
    { "without its intermediate", TAKE("leaf.pem", "node.pem"),
      .bad = { "node.certificate|no chain to federation.roots" } },
    { "of another CA", TAKE("stranger.pem", "node.pem"),
      .bad = { "node.certificate|no chain to federation.roots" } },
    { "with a name that peers refuse", TAKE("odd-name.pem", "node.pem"),
      .bad = { "node.certificate|as malformed" } },
    { "expired, for clients alone, and with a name that peers refuse",
      TAKE("all-wrong.pem", "node.pem"),
      .bad = { "node.certificate|expired on", "node.certificate|is not for that role",
        "node.certificate|as malformed" } },
    { "expired and revoked", TAKE("expired.pem", "node.pem") " && " TAKE("revoked.crl", "site.crl"),
      .bad = { "node.certificate|expired on", "node.certificate|as revoked" } },
    { "ends soon", TAKE("soon.pem", "node.pem"), .bad = { NULL }, .warns = "CN=node, until" },
    { "not admitted by our own rules", "sed -i 's|/node/|/guest/|' node.json", .bad = { NULL },
      .warns = "our own rules do not admit", .nodes = CHECK_NODE_REFUSED },
    { "rules that admit nobody", SET("admit", "[]"), .bad = { "admit|nobody can come in" }, .nodes = CHECK_NODE_REFUSED },
    { "everybody is admitted", SET("admit", "\"all-certified\""), .bad = { NULL },
      .warns = "every holder of a certificate" },

    /* --- module, token, PIN, key --- */
    { "no module", SET("module", "\"/nonexistent/p11.so\""), .bad = { "node.module|/nonexistent/p11.so" },
      .logins = -1 },
    { "a module by a name that nobody knows", SET("module", "\"nosuch\""), .bad = { "node.module|nosuch" },
      .logins = -1 },
    { "a module that is none", SET("module", "\"/usr/lib/x86_64-linux-gnu/libjansson.so.4\""),
      .bad = { "node.module|libjansson" }, .logins = -1 },
    { "a module that others may write",
      "cp $M m.so && chmod 777 m.so && " SET("module", "\"'$PWD'/m.so\""), .bad = { "node.module|m.so" },
      .mends = true, .logins = -1 },
    { "no module, for the certificate, too", ON_TOKEN " && " SET("module", "\"/nonexistent/p11.so\""),
      .bad = { "node.module|/nonexistent/p11.so" }, .logins = -1 },
    { "a module that hangs, for the certificate, too",
      ON_TOKEN " && " TOP("token", "{\"login_timeout_ms\": 300}"),
      .bad = { "node.module|has not come back from C_Initialize" },
      .script = "initialize_hang=1\n", .logins = -1 },
    { "a module that does not start", ":", .bad = { "node.module|CKR_DEVICE_ERROR" },
      .script = "initialize_error=0x30\n", .logins = -1 },
    { "a module that hangs", TOP("token", "{\"login_timeout_ms\": 300}"),
      .bad = { "node.module|has not come back from C_Initialize" }, .script = "initialize_hang=1\n", .logins = -1 },
    { "a login that hangs", TOP("token", "{\"login_timeout_ms\": 300}"),
      .bad = { "node.module|has not come back from C_Login" }, .script = "login_hang=1\n" },
    { "no such token", KEY("pkcs11:token=none;object=identity"), .bad = { "node.key|no such token" },
      .logins = -1 },
    { "no token at all", ":", .bad = { "node.key|no such token" }, .script = "no_slots=1\n",
      .logins = -1 },
    { "no URI", KEY("pkcs11:token=;object"), .bad = { "node.key|" }, .logins = -1 },
    { "a wrong PIN", "echo 00000000 >node.pin", .bad = { "node.pin|refuses the PIN" } },
    { "a PIN that was refused before", "echo 00000000 >node.pin; ! $N check node.json >/dev/null 2>&1",
      .bad = { "node.pin|has refused this PIN before" } },
    { "a PIN with a blank", "printf '%s \\n' \"$(cat node.pin)\" >node.pin",
      .bad = { "node.pin|refuses the PIN" }, .warns = "blank" },
    { "the last try", ":", .bad = { "node.pin|" }, .script = "flags=final_try\n", .logins = -1 },
    { "a change of the PIN that was interrupted",
      "mv node.pin node.pin.next; umask 77; echo 00000000 >node.pin; touch -r node.pin node.pin.next",
      .bad = { "node.pin|refuses the PIN" }, .mends = true, .warns = "ends the change", .nodes = CHECK_NODE_TALKED },
    { "a change of the PIN that did not reach the token",
      "umask 77; echo 00000000 >node.pin.next; touch -r node.pin node.pin.next", .bad = { NULL },
      .mends = true, .warns = "remove it" },
    { "a locked PIN", ":", .bad = { "node.pin|" }, .script = "flags=locked\n", .logins = -1 },
    { "no such key", KEY("pkcs11:token=node;object=none"), .bad = { "node.key|no private key" } },
    { "no such key, and an expired certificate",
      KEY("pkcs11:token=node;object=none") " && " TAKE("expired.pem", "node.pem"),
      .bad = { "node.key|no private key", "node.certificate|expired on" } },
    { "no certificate, and an imported key", KEY("pkcs11:token=node;object=imported") " && rm node.pem",
      .bad = { "node.certificate|No such file", "node.key|allow_imported" } },
    { "another key's certificate", KEY("pkcs11:token=node;object=second"),
      .bad = { "node.key|does not match node.key" } },
    { "an imported key", KEY("pkcs11:token=node;object=imported") " && " TAKE("imported.pem", "node.pem"),
      .bad = { "node.key|allow_imported" } },
    { "an imported key that can be copied out, in no hardware",
      KEY("pkcs11:token=node;object=loose") " && " NODE("require_hardware", "true") " && " TAKE(
          "loose.pem", "node.pem"),
      .bad = { "node.key|allow_imported", "node.key|allow_extractable", "node.key|require_hardware" } },
    { "a token that cannot sign", ":", .bad = { "node.key|CKR_DEVICE_ERROR" },
      .script = "sign_error=0x30\n" },
    { "a token without the mechanism", ":", .bad = { "node.key|" }, .script = "hide=0x1041\n" },

    /* --- several, the machine, the options --- */
    { "a PIN, a root and a folder at once",
      "chmod 644 node.pin; openssl x509 -in root.pem -outform DER -out r; mv r root.pem; rmdir state",
      .bad = { "node.pin|", "federation.roots|", "state_dir|" }, .mends = true,
      .logins = -1 },
    { "a clock that is behind", "touch -d '+1 day' node.json", .bad = { "clock|set the clock" }, .nodes = CHECK_NODE_TALKED },
    { "a wrong PIN, and no token asked", "echo 00000000 >node.pin", .bad = { NULL }, .logins = -1,
      .options = "--no-token", .warns = "--no-token", .nodes = CHECK_NODE_SHUT },
    { "for clients alone, asked about the client", TAKE("client.pem", "node.pem"), .bad = { NULL },
      .options = "--role client", .nodes = CHECK_NODE_SHUT },
    { "two identities on one token",
      TOP("server", "{\"key\": \"pkcs11:token=node;object=second\", \"certificate\": "
                    "\"second.pem\"}") " && " TAKE("second.pem", "second.pem"),
      .bad = { NULL } },
    { "two identities, and a PIN that can be read once",
      SECOND_SERVER("") " && " SET("pin", "{\"fd\": 7}"), .bad = { NULL },
      .redirects = "7<node.pin" },
    { "two identities, and one wrong PIN", SECOND_SERVER("") " && echo 00000000 >node.pin",
      .bad = { "server.pin|refuses the PIN" }, .warns = "before server.pin is mended" },
    { "two identities, no state_dir, and one wrong PIN",
      SECOND_SERVER("") " && echo 00000000 >node.pin && sed -i '/state_dir/d' node.json",
      .bad = { "server.pin|refuses the PIN" } },
    { "two PINs for one token, of which the first is wrong",
      SECOND_SERVER(", \"pin\": {\"file\": \"other.pin\"}") " && umask 77 && echo 00000000 >other.pin",
      .bad = { "server.pin|refuses the PIN" }, .warns = "before server.pin is mended" },
    { "two PINs for one token, of which the second is wrong",
      SECOND_CLIENT(", \"pin\": {\"file\": \"other.pin\"}") " && umask 77 && echo 00000000 >other.pin",
      .bad = { "client.pin|not the PIN that this process has logged in" } },
    { "two identities, and no PIN file", SECOND_SERVER("") " && rm node.pin",
      .bad = { "server.pin|No such file" }, .logins = -1 },
    { "two identities, and no module", SECOND_SERVER("") " && " SET("module", "\"/nonexistent/p11.so\""),
      .bad = { "server.module|/nonexistent/p11.so" }, .logins = -1 },
    { "two identities, and no certificate", "rm node.pem; " TOP("server",
      "{\"key\": \"pkcs11:token=node;object=identity\"}"),
      .bad = { "server.certificate|No such file" } },
    { "two identities, the server's certificate expired",
      TOP("server", "{\"certificate\": \"server.pem\"}") " && " TAKE("expired.pem", "server.pem"),
      .bad = { "server.certificate|expired" } },
};

/* --- one row --- */

static json_t *run_check(const char *folder, const struct row *row, int *code)
{
    const char *const argv[] = { "sh", "-c",
                                 path_of("cd %s; . ./env; $N check --json %s node.json %s", folder,
                                         row->options != NULL ? row->options : "",
                                         row->redirects != NULL ? row->redirects : ""),
                                 NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv });
    json_t *document = json_loads(end.out, 0, NULL);

    if (document == NULL || !WIFEXITED(end.status) || strstr(end.out, SOFTHSM_PIN) != NULL) {
        fail_msg("%s: no JSON, a signal or a PIN: %d: %s", row->name, end.status, end.out);
    }
    *code = WEXITSTATUS(end.status);
    free(end.out);
    return document;
}

static const char *member(const json_t *finding, const char *name)
{
    const char *text = json_string_value(json_object_get(finding, name));
    return text != NULL ? text : "";
}

static bool fits(const json_t *finding, const char *wanted)
{
    size_t topic = strcspn(wanted, "|");

    return strncmp(member(finding, "topic"), wanted, topic) == 0 &&
           member(finding, "topic")[topic] == '\0' &&
           strstr(member(finding, "text"), wanted + topic + 1) != NULL;
}

/* Each wanted one takes one finding, and none is left. */
static void expect_findings(const json_t *document, const struct row *row)
{
    const json_t *findings = json_object_get(document, "findings");
    bool taken[BAD_MAX] = { false };
    bool warned = row->warns == NULL;

    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *one = json_array_get(findings, i);
        warned = warned || (strcmp(member(one, "mark"), "warning") == 0 &&
                            strstr(member(one, "text"), row->warns) != NULL);
        if (row->never != NULL && strcmp(member(one, "mark"), "good") != 0 &&
            (fits(one, path_of("%s|", row->never)) ||
             strstr(member(one, "text"), row->never) != NULL)) {
            fail_msg("%s: %s: %s", row->name, member(one, "topic"), member(one, "text"));
        }
        if (strcmp(member(one, "mark"), "bad") != 0) {
            continue;
        }
        size_t at = 0;
        while (at < BAD_MAX && (row->bad[at] == NULL || taken[at] || !fits(one, row->bad[at]))) {
            at++;
        }
        if (at == BAD_MAX) {
            fail_msg("%s: unexpected: %s: %s", row->name, member(one, "topic"),
                     member(one, "text"));
        }
        taken[at] = true;
    }
    for (size_t at = 0; at < BAD_MAX; at++) {
        if (row->bad[at] != NULL && !taken[at]) {
            fail_msg("%s: not told: %s: %s", row->name, row->bad[at], json_dumps(findings, 0));
        }
    }
    if (!warned) {
        fail_msg("%s: no warning of %s: %s", row->name, row->warns, json_dumps(findings, 0));
    }
}

static void run_line(const char *folder, const char *line)
{
    const char *const argv[] = { "sh", "-ec", path_of("cd %s; %s", folder, line), NULL };
    struct process_end end = process_run(&(struct process){ .argv = argv, .with_stderr = true });

    if (end.status != 0) {
        fail_msg("%s: %s", line, end.out);
    }
    free(end.out);
}

/* Literally, as a person would paste it. */
static void apply_cures(const json_t *document, const char *folder)
{
    const json_t *findings = json_object_get(document, "findings");

    for (size_t i = 0; i < json_array_size(findings); i++) {
        const char *cure = member(json_array_get(findings, i), "cure");
        if (cure[0] != '\0') {
            run_line(folder, cure);
        }
    }
}

/* --- nodes of the same set-up --- */

/* The check is of one opinion with those who start. */
static void expect_nodes(const char *folder, const struct row *row)
{
    const char *const argv[] = { "sh", "-c",
                                 path_of("cd %s; . ./env; exec %s node.json %s", folder, CHECK_NODE,
                                         row->redirects != NULL ? row->redirects : ""),
                                 NULL };
    const char *bad = row->bad[0];
    if (LATER_CORE && bad != NULL && strncmp(bad, "private folder|", 15) == 0) {
        bad = NULL; /* such a core is told, and needs none; the check knows no host's core */
    }
    int wanted = row->nodes != 0 ? row->nodes : bad != NULL ? CHECK_NODE_SHUT : CHECK_NODE_TALKED;
    struct process_end end = process_run(&(struct process){ .argv = argv, .with_stderr = true });

    if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != wanted) {
        fail_msg("%s: nodes: 0x%x, not %d: %s", row->name, end.status, wanted, end.out);
    }
    free(end.out);
}

static void expect_no_cure(const json_t *document, const struct row *row)
{
    const json_t *findings = json_object_get(document, "findings");

    for (size_t i = 0; i < json_array_size(findings); i++) {
        const char *cure = member(json_array_get(findings, i), "cure");
        if (cure[0] != '\0') {
            fail_msg("%s: mends nothing: %s", row->name, cure);
        }
    }
}

static void check_row(void **state)
{
    static int number;
    const struct row *row = *state;
    const char *log = path_of("%s/logins", scratch_folder());
    const char *folder = path_of("%s/row-%d", scratch_folder(), ++number);
    bool bad = row->bad[0] != NULL;
    int code = 0;

    faulty_set("");
    run_line(scratch_folder(), path_of("cp -a good %s; cd %s; { %s; }; { export -p | grep -E "
                                       "'(TMPDIR|RUNTIME_DIRECTORY)=' || :; } >env",
                                       folder, folder, row->breaks));
    faulty_set(row->script != NULL ? row->script : "");
    run_line(scratch_folder(), path_of("cp -a %s %s-nodes", folder, folder));
    expect_nodes(path_of("%s-nodes", folder), row);
    (void)!unlink(log);
    json_t *document = run_check(folder, row, &code);
    int logins = faulty_logins(log);
    expect_findings(document, row);
    assert_int_equal(code, bad ? 1 : 0);
    assert_true(json_is_true(json_object_get(document, "sound")) == !bad);
    if (logins > (row->logins < 0 ? 0 : 1)) {
        fail_msg("%s: %d C_Logins", row->name, logins);
    }
    if (!row->mends && !row->offers) {
        expect_no_cure(document, row);
    } else if (row->mends) {
        apply_cures(document, folder);
        json_t *again = run_check(folder, row, &code);
        expect_findings(again, &(struct row){ .name = path_of("%s, mended", row->name) });
        assert_int_equal(code, 0);
        json_decref(again);
    }
    json_decref(document);
}

/* --- odd names of folders --- */

#define ODD_FOLDER "\"$FOLDER\""

static const struct odd {
    const char *name; /* of the row */
    const char *folder;
    bool shown; /* as it is, by a terminal */
} odd_names[] = {
    { "a folder with a blank", "a b", true },
    { "with a quote", "it's", true },
    { "that a shell would run", "$HOME;`id`", true },
    { "that a shell would expand", "*", true },
    { "beyond ASCII", "\xc3\xa4", true },
    { "with a newline", "a\nb", false },
    { "that clears the screen", "a\033[2Jb", false },
    { "with a byte that is no UTF-8", "\xff", false },
    { "with a control character beyond ASCII", "\xc2\x9b", false },
    { "that turns the line", "\xe2\x80\xae", false },
};

static void expect_not_shown(const json_t *document, const char *name)
{
    const json_t *findings = json_object_get(document, "findings");

    for (size_t i = 0; i < json_array_size(findings); i++) {
        assert_null(strstr(member(json_array_get(findings, i), "text"), name));
    }
}

/* Commands have the name as it is, or there is none. */
static void check_odd_name(void **state)
{
    const struct odd *odd = *state;
    const struct row row = { .name = odd->name, .bad = { "federation.roots|everybody may write" } };
    int code = 0;

    faulty_set("");
    setenv("FOLDER", path_of("%s/odd-%s", scratch_folder(), odd->folder), 1);
    run_line(scratch_folder(),
             "cp -a good " ODD_FOLDER "; cd " ODD_FOLDER "; : >env; chmod 666 root.pem");
    json_t *document = run_check(ODD_FOLDER, &row, &code);
    expect_findings(document, &row);
    if (!odd->shown) {
        expect_not_shown(document, odd->folder);
        expect_no_cure(document, &row);
    } else {
        apply_cures(document, ODD_FOLDER);
        json_t *again = run_check(ODD_FOLDER, &row, &code);
        expect_findings(again, &(struct row){ .name = path_of("%s, mended", odd->name) });
        json_decref(again);
    }
    json_decref(document);
}

/* --- people --- */

static void print_a_line_for_each(void **state)
{
    const char *const argv[] = { "sh", "-c",
                                 path_of("cd %s/good; $N check node.json; chmod 666 root.pem; $N "
                                         "check --no-token node.json; chmod 644 root.pem",
                                         scratch_folder()),
                                 NULL };
    (void)state;
    faulty_set("");
    struct process_end end = process_run(&(struct process){ .argv = argv });
    assert_non_null(strstr(end.out, "\xe2\x9c\x93 node.pin: the token takes it\n"));
    assert_non_null(strstr(end.out, "\nsound: 0 bad, "));
    assert_non_null(strstr(end.out, "\n\xe2\x9c\x97 federation.roots: "));
    assert_non_null(strstr(end.out, "\n    mend: chmod go-w "));
    assert_non_null(strstr(end.out, "\nnot sound: 1 bad, "));
    free(end.out);
}

static void wrong_usage_is_2(void **state)
{
    static const char *const lines[] = { "", "a b", "--role both node.json", "--tokens node.json" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *const argv[] = { "sh", "-c", path_of("$N check %s 2>/dev/null", lines[i]),
                                     NULL };
        struct process_end end = process_run(&(struct process){ .argv = argv });
        assert_int_equal(WEXITSTATUS(end.status), 2);
        free(end.out);
    }
}

/* Files are as they were, but for the marks of PINs. */
static void nothing_is_written(void **state)
{
    (void)state;
    faulty_set("");
    run_line(
        scratch_folder(),
        "cp -a good still; cd still; find . -printf '%p %s %m %t %c\\n' | grep -v state | sort "
        ">../before; $N check node.json >/dev/null; find . -printf '%p %s %m %t %c\\n' | grep "
        "-v state | sort >../after; cmp ../before ../after; ! ls state | grep -v refused-pins");
}

/* --- the world --- */

static struct authority root, site, other;

static void write_chain(const char *name, X509 *leaf, X509 *next)
{
    char *pem = pem_of(leaf, next, NULL);

    write_file(path_of("%s/%s", scratch_folder(), name), pem, 0644);
    free(pem);
    X509_free(leaf);
}

static void write_certificates(void)
{
    static const struct {
        const char *name;
        struct certificate_spec spec;
    } files[] = {
        { "expired.pem", { .starts_in_seconds = -7200, .ends_in_seconds = -3600 } },
        { "early.pem", { .starts_in_seconds = 3600, .ends_in_seconds = 7200 } },
        { "client.pem", { .eku = "clientAuth" } },
        { "no-role.pem", { .eku = "codeSigning" } },
        { "odd-name.pem", { .san = "IP:::ffff:10.0.0.7" } },
        { "soon.pem", { .starts_in_seconds = -86400 * 20, .ends_in_seconds = 7200 } },
        { "all-wrong.pem",
          { .san = "IP:::ffff:10.0.0.7",
            .eku = "clientAuth",
            .starts_in_seconds = -7200,
            .ends_in_seconds = -3600 } },
    };
    static const struct {
        const char *name, *object, *id;
    } keys[] = { { "second.pem", "second", "02" },
                 { "imported.pem", "imported", "03" },
                 { "loose.pem", "loose", "04" } };
    static const char *const san = "URI:spiffe://f.example/node/a,IP:127.0.0.1";
    EVP_PKEY *key = softhsm_public_key("node", "identity", "01");

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct certificate_spec spec = files[i].spec;
        spec.san = spec.san != NULL ? spec.san : san;
        write_chain(files[i].name, authority_issue(&site, key, &spec), site.certificate);
    }
    const struct certificate_spec good = { .san = san, .ends_in_seconds = 86400 * 90 };
    X509 *leaf = authority_issue(&site, key, &good);
    write_chain("good/node.pem", X509_dup(leaf), site.certificate);
    write_chain("leaf.pem", leaf, NULL);
    write_chain("stranger.pem", authority_issue(&other, key, &good), NULL);
    EVP_PKEY_free(key);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        key = softhsm_public_key("node", keys[i].object, keys[i].id);
        write_chain(keys[i].name, authority_issue(&site, key, &good), site.certificate);
        EVP_PKEY_free(key);
    }
}

/* Revoked are the leaf of the good set-up and the one that expired. */
static void write_lists(void)
{
    FILE *file = fopen(path_of("%s/expired.pem", scratch_folder()), "r");
    X509 *expired = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    file = fopen(path_of("%s/leaf.pem", scratch_folder()), "r");
    X509 *leaf = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    const struct {
        const char *name;
        struct crl_spec spec;
    } lists[] = {
        { "good/ca.crl", { .issuer = &root, .number = 5 } },
        { "good/site.crl", { .issuer = &site, .number = 5 } },
        { "revoked.crl", { .issuer = &site, .number = 9, .revoked = { leaf, expired } } },
        { "stale.crl",
          { .issuer = &site,
            .number = 6,
            .this_update_seconds = -7200,
            .next_update_seconds = -3600 } },
        { "forged.crl", { .issuer = &root, .number = 7, .signer = other.key } },
    };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        crl_write(path_of("%s/%s", scratch_folder(), lists[i].name), &lists[i].spec);
    }
    X509_free(expired);
    X509_free(leaf);
}

static void write_setup(void)
{
    root = authority_make(NULL, "root", NULL);
    site = authority_make(&root, "site", NULL);
    other = authority_make(NULL, "other", NULL);
    if (mkdir(path_of("%s/good", scratch_folder()), 0755) != 0 ||
        mkdir(path_of("%s/good/state", scratch_folder()), 0700) != 0) {
        abort();
    }
    const struct certificate_spec ca = { .cn = "root",
                                         .basic_constraints = "critical,CA:TRUE",
                                         .key_usage = "critical,keyCertSign,cRLSign",
                                         .eku = "",
                                         .starts_in_seconds = -7200,
                                         .ends_in_seconds = -3600 };
    write_chain("old-root.pem", authority_issue(NULL, root.key, &ca), NULL);
    write_chain("good/root.pem", X509_dup(root.certificate), NULL);
    write_chain("site.pem", X509_dup(site.certificate), NULL);
    write_chain("other-root.pem", X509_dup(other.certificate), NULL);
    write_certificates();
    write_lists();
    write_file(path_of("%s/good/node.pin", scratch_folder()), SOFTHSM_PIN "\n", 0600);
    write_file(path_of("%s/good/node.json", scratch_folder()),
               path_of("{ \"version\": 1,\n\"node\": {\n\"module\": \"%s\",\n"
                       "\"key\": \"pkcs11:token=node;object=identity\",\n"
                       "\"pin\": {\"file\": \"node.pin\"},\n\"certificate\": \"node.pem\"\n},\n"
                       "\"federation\": {\n\"roots\": [\"root.pem\"],\n"
                       "\"crls\": [\"ca.crl\", \"site.crl\"],\n\"strict\": true },\n"
                       "\"state_dir\": \"state\",\n"
                       "\"admit\": [{\"name\": \"members\", \"uri\": "
                       "[\"spiffe://f.example/node/*\"]}],\n\"deny\": [] }\n",
                       faulty_path()),
               0644);
}

int main(void)
{
    const char *command = getenv("NODEKEY_COMMAND"); /* another build's */
    EVP_PKEY *imported = NULL;
    EVP_PKEY *loose = NULL;

    softhsm_start();
    softhsm_token("node");
    softhsm_generate("node", "P-256", "identity", "01");
    softhsm_generate("node", "P-256", "second", "02");
    imported = software_key("P-256");
    softhsm_import("node", imported, "imported", "03", false);
    loose = software_key("P-256");
    softhsm_import("node", loose, "loose", "04", true);
    EVP_PKEY_free(imported);
    EVP_PKEY_free(loose);
    setenv("M", faulty_start(), 1);
    setenv("N", command != NULL ? command : NODEKEY, 1);
    setenv("D", scratch_folder(), 1);
    assert_int_equal(mkdir(path_of("%s/bin", scratch_folder()), 0755), 0);
    assert_int_equal(symlink(getenv("N"), path_of("%s/bin/nodekey", scratch_folder())), 0);
    setenv("PATH", path_of("%s/bin:%s", scratch_folder(), getenv("PATH")), 1);
    setenv("FAULTY_LOG", path_of("%s/logins", scratch_folder()), 1);
    write_setup();
    ROWS_OF(rows, check_row)
    ROWS_OF(odd_names, check_odd_name)
    ROWS_TEST(print_a_line_for_each);
    ROWS_TEST(wrong_usage_is_2);
    ROWS_TEST(nothing_is_written);
    return ROWS_RUN("cli_check", NULL, NULL);
}
