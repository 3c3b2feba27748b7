/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "fixtures/check.h"

#define TEXT_BYTES 4096
#define PATH_BYTES 256

/* Where the text of a row stands in the document below; the rest is good. */
enum part { PART_WHOLE, PART_NODE, PART_FEDERATION, PART_ADMIT, PART_MORE, PARTS };

/* In all texts ' stands for ", which C would make us escape. Each part is a line of its own. */
#define GOOD_NODE                                                                                  \
    "'module': 'softhsm', 'key': 'pkcs11:token=a', 'certificate': 'a.pem',\n'pin': {'file': 'p'}"
static const char *const good[PARTS] = {
    [PART_NODE] = GOOD_NODE,
    [PART_FEDERATION] = "'roots': ['ca.pem']",
    [PART_ADMIT] = "[{'name': 'm', 'uri': ['spiffe://f.example/node/*']}]",
    [PART_MORE] = "'deny': []",
};

#define SPKI "'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'"
#define NAME_63 "123456789012345678901234567890123456789012345678901234567890123"

static const struct row {
    const char *name;
    enum part part;
    nk_status want_status;
    const char *text;
    const char *want; /* a piece of the error text */
} rows[] = {
    { "all good", PART_WHOLE, NK_OK, NULL, "" },

    /* syntax */
    { "empty text", PART_WHOLE, NK_E_CONFIG, "",
      "line 1: not valid JSON: '[' or '{' expected near end of file" },
    { "the end is missing", PART_WHOLE, NK_E_CONFIG, "{'version': 1,\n",
      "line 2: not valid JSON: string or '}' expected near end of file" },
    { "an open string that is called the end", PART_WHOLE, NK_E_CONFIG,
      "{'version': 'SECRET near end of file", "line 1: not valid JSON: premature end of input" },
    { "an array", PART_WHOLE, NK_E_CONFIG, "[]", "line 1: must be an object, not an array" },
    { "an open string never shows its value", PART_NODE, NK_E_CONFIG, "'pin': 'SECRET\n",
      "line 3: not valid JSON: unexpected newline" },
    { "a stray value is never shown", PART_NODE, NK_E_CONFIG, "'key': 1 'SECRET'",
      "line 3: not valid JSON: '}' expected (column " },
    { "a duplicate is named", PART_NODE, NK_E_CONFIG, GOOD_NODE ",\n'pin': {'fd': 3}",
      "line 5: not valid JSON: duplicate object key near '\"pin\"'" },
    { "text after the end", PART_WHOLE, NK_E_CONFIG, "{}\n{}", "line 2: not valid JSON: end of" },
    { "no UTF-8", PART_MORE, NK_E_CONFIG, "'state_dir': '\xff'", "line 7: not valid JSON: unable" },
    { "a huge integer", PART_MORE, NK_E_CONFIG, "'token': {'max_sessions': 99999999999999999999}",
      "line 7: not valid JSON: too big integer" },

    /* unknown members */
    { "a slip gets a suggestion", PART_NODE, NK_E_CONFIG, "\n'pni': {}",
      "line 4: node.pni: unknown member; did you mean \"pin\"?" },
    { "an escaped name has its line", PART_NODE, NK_E_CONFIG, "\n'pn\\u0069': {}",
      "line 4: node.pni: unknown member" },
    { "a stranger gets the list", PART_MORE, NK_E_CONFIG, "'engines': {'a': [1, {'b': '}]'}]}",
      "line 7: engines: unknown member; remove it; known here are $schema, version, node" },
    { "a control byte in a name", PART_MORE, NK_E_CONFIG, "'a\\nb\\u00e9': 1",
      "line 7: a?b??: unknown member" },
    { "unknown in a rule", PART_ADMIT, NK_E_CONFIG, "[{'name': 'm',\n'urn': ['x']}]",
      "line 7: admit[0].urn: unknown member; did you mean \"uri\"?" },
    { "unknown in an inner object", PART_MORE, NK_E_CONFIG, "'reload': {'seconds': 1}",
      "line 7: reload.seconds: unknown member" },

    /* version and what must be there */
    { "no version", PART_WHOLE, NK_E_CONFIG, "{}", "line 1: version: missing; it is required" },
    { "version 2 before all else", PART_WHOLE, NK_E_CONFIG, "{'new': 1,\n'version': 2}",
      "line 2: version: must be 1, the only version that nodekey 0.1.0 reads" },
    { "version as text", PART_WHOLE, NK_E_CONFIG, "{'version': '1'}",
      "line 1: version: must be 1, the only version" },
    { "no federation", PART_WHOLE, NK_E_CONFIG, "{'version': 1}", "federation: missing" },
    { "no admit", PART_WHOLE, NK_E_CONFIG, "{'version': 1, 'federation': {'roots': ['a']}}",
      "line 1: admit: missing" },
    { "no roots", PART_FEDERATION, NK_E_CONFIG, "", "line 5: federation.roots: missing" },
    { "no key at all", PART_NODE, NK_E_CONFIG,
      "'module': 'm', 'certificate': 'c', 'pin': {'fd': 3}",
      "line 3: node.key: missing for both roles, server and client" },
    { "no certificate for the client", PART_NODE, NK_E_CONFIG,
      "'module': 'm', 'key': 'pkcs11:', 'pin': {'fd': 3}},\n'server': {'certificate': 'c'",
      "line 3: node.certificate: missing for the client role; give it here or in" },
    { "no pin for the server, and no node", PART_WHOLE, NK_E_CONFIG,
      "{'version': 1, 'federation': {'roots': ['a']}, 'admit': [],\n'server': {'module': 'm', "
      "'key': 'pkcs11:', 'certificate': 'c'},\n'client': {'module': 'm', 'key': 'pkcs11:', "
      "'certificate': 'c', 'pin': {'fd': 3}}}",
      "line 1: node.pin: missing for the server role; give it here or in \"server\"" },

    /* identity */
    { "node is a list", PART_WHOLE, NK_E_CONFIG, "{'version': 1,\n'node': []}",
      "line 2: node: must be an object, not an array" },
    { "a relative module", PART_NODE, NK_E_CONFIG, "'module': 'lib/a.so'",
      "line 3: node.module: must be an absolute path, or a bare name" },
    { "a module above", PART_NODE, NK_E_CONFIG, "'module': '..'", "node.module: must be an abs" },
    { "an empty module", PART_NODE, NK_E_CONFIG, "'module': ''", "node.module: must not be empty" },
    { "a NUL byte", PART_NODE, NK_E_CONFIG, "'module': '/a\\u0000b'",
      "node.module: must not hold a NUL byte" },
    { "a key file", PART_NODE, NK_E_CONFIG, "'key': 'SECRET.pem'",
      "line 3: node.key: must be a URI such as" },
    { "a key that is null", PART_NODE, NK_E_CONFIG, "'key': null",
      "node.key: must be a string, not null" },
    { "a PIN in the key is not shown", PART_NODE, NK_E_CONFIG,
      "'key': 'pkcs11:token=a?pin-value=SECRET', 'pin': 1", "node.pin: must be" },
    { "allow_imported as number", PART_NODE, NK_E_CONFIG, "'allow_imported': 1",
      "node.allow_imported: must be true or false, not a number" },
    { "require_hardware as text", PART_NODE, NK_E_CONFIG, "'require_hardware': 'yes'",
      "node.require_hardware: must be true or false, not a string" },
    { "an override is checked", PART_MORE, NK_E_CONFIG, "'client': {'allow_extractable': []}",
      "line 7: client.allow_extractable: must be true or false, not an array" },

    /* pin */
    { "a bare PIN is not shown", PART_NODE, NK_E_CONFIG, "'pin': 'SECRET'",
      "line 3: node.pin: must be an object such as {\"file\": \"node.pin\"}, not a string" },
    { "no kind of pin", PART_NODE, NK_E_CONFIG, "'pin': {}",
      "node.pin: must have exactly one of file, credential, fd, prompt, protected, not 0" },
    { "two kinds of pin", PART_NODE, NK_E_CONFIG, "'pin': {'file': 'a',\n'fd': 3}",
      "line 3: node.pin: must have exactly one of" },
    { "a credential with a path", PART_NODE, NK_E_CONFIG, "'pin': {'credential': '../pin'}",
      "node.pin.credential: must be the bare name" },
    { "a negative fd", PART_NODE, NK_E_CONFIG, "'pin': {'fd': -1}",
      "node.pin.fd: must be a whole number from 0 to 2147483647" },
    { "prompt false", PART_NODE, NK_E_CONFIG, "'pin': {'prompt': false}",
      "node.pin.prompt: must be true, not false" },
    { "protected is all or nothing", PART_NODE, NK_E_CONFIG, "'pin': {\n'protected': false}",
      "line 4: node.pin.protected: must be true" },

    /* federation */
    { "no root", PART_FEDERATION, NK_E_CONFIG, "'roots': []",
      "line 5: federation.roots: is empty: no peer could be verified" },
    { "a root without a list", PART_FEDERATION, NK_E_CONFIG, "'roots': 'ca.pem'",
      "federation.roots: must be an array (write [...], also around a single value), not a str" },
    { "a root that is a number", PART_FEDERATION, NK_E_CONFIG, "'roots': ['a',\n7]",
      "line 6: federation.roots[1]: must be a string, not a number" },
    { "strict as text", PART_FEDERATION, NK_E_CONFIG, "'strict': 'no'", "federation.strict: must" },
    { "a new server_name", PART_FEDERATION, NK_E_CONFIG, "'server_name': 'any'",
      "federation.server_name: must be one of \"target\", \"rule\"" },
    { "a server_name with a tail", PART_FEDERATION, NK_E_CONFIG, "'server_name': 'rule\\u0000'",
      "federation.server_name: must not hold a NUL byte" },
    { "server_name rule", PART_FEDERATION, NK_OK, "'roots': ['a'], 'server_name': 'rule'", "" },
    { "server_name rule needs a rule", PART_WHOLE, NK_E_CONFIG,
      "{'version': 1, 'node': {" GOOD_NODE "},\n'federation': {'roots': ['a'],\n'server_name': "
      "'rule'}, 'admit': [{'name': 'a', 'direction': 'inbound', 'uri': ['spiffe://f/a']}, "
      "{'name': 'b', 'dns': ['f.example']}]}",
      "line 4: federation.server_name: \"rule\" needs at least one outbound rule" },
    { "server_name rule with all-certified", PART_WHOLE, NK_E_CONFIG,
      "{'version': 1, 'node': {" GOOD_NODE "},\n'federation': {'roots': ['a'],\n'server_name': "
      "'rule'}, 'admit': 'all-certified'}",
      "line 4: federation.server_name: \"rule\" needs rules, but \"admit\" is" },
    { "crls as text", PART_FEDERATION, NK_E_CONFIG, "'crls': 'c'", "federation.crls: must" },
    { "no crls in the list", PART_FEDERATION, NK_E_CONFIG, "'roots': ['a'],\n'crls': []",
      "line 6: federation.crls: must not be empty; give a value, or remove it" },
    { "crl_mode as another word", PART_FEDERATION, NK_E_CONFIG, "'crl_mode': 'on'",
      "federation.crl_mode: must be one of \"hard\", \"soft\", \"off\"" },
    { "hard without crls", PART_FEDERATION, NK_E_CONFIG, "'roots': ['a'],\n'crl_mode': 'hard'",
      "line 6: federation.crl_mode: \"hard\" needs revocation lists; name them in "
      "federation.crls" },
    { "soft without crls", PART_FEDERATION, NK_E_CONFIG, "'roots': ['a'], 'crl_mode': 'soft'",
      "federation.crl_mode: \"soft\" needs" },
    { "off without crls", PART_FEDERATION, NK_OK, "'roots': ['a'], 'crl_mode': 'off'", "" },
    { "off with crls", PART_FEDERATION, NK_E_CONFIG,
      "'roots': ['a'], 'crls': ['c'],\n'crl_mode': 'off'",
      "line 6: federation.crl_mode: is \"off\", but crls are given; remove one of the two" },
    { "grace for no list", PART_FEDERATION, NK_E_CONFIG, "'roots': ['a'], 'crl_grace_hours': 1",
      "federation.crl_grace_hours: does nothing without federation.crls" },
    { "an age for no list", PART_FEDERATION, NK_E_CONFIG, "'roots': ['a'], 'crl_max_age_hours': 9",
      "federation.crl_max_age_hours: does nothing without federation.crls" },
    { "too much grace", PART_FEDERATION, NK_E_CONFIG, "'crl_grace_hours': 87601",
      "federation.crl_grace_hours: must be a whole number from 0 to 87600" },
    { "no age at all", PART_FEDERATION, NK_E_CONFIG, "'crl_max_age_hours': 0",
      "federation.crl_max_age_hours: must be a whole number from 1 to 87600" },

    /* rules */
    { "admit as another word", PART_ADMIT, NK_E_CONFIG, "'all'",
      "line 6: admit: must be an array of rules or \"all-certified\"" },
    { "admit as object", PART_ADMIT, NK_E_CONFIG, "{}", "\"all-certified\", not an object" },
    { "admit nobody", PART_ADMIT, NK_OK, "[]", "" },
    { "admit all", PART_ADMIT, NK_OK, "'all-certified'", "" },
    { "deny as word", PART_MORE, NK_E_CONFIG, "'deny': 'all-certified'", "line 7: deny: must be" },
    { "a rule that is text", PART_ADMIT, NK_E_CONFIG, "['x']", "admit[0]: must be an object" },
    { "a rule without name", PART_ADMIT, NK_E_CONFIG, "[\n{'cn': ['a']}]",
      "line 7: admit[0].name: missing" },
    { "a rule for anybody", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'direction': 'inbound'}]",
      "admit[0]: matches nothing in particular" },
    { "the same name twice", PART_ADMIT, NK_E_CONFIG,
      "[{'name': 'a', 'cn': ['a']},\n{'name': 'b', 'cn': ['b']},\n{'name': 'a', 'cn': ['c']}]",
      "line 8: admit[2].name: \"a\" is the name of an earlier rule" },
    { "the same name in two lists", PART_MORE, NK_OK, "'deny': [{'name': 'm', 'cn': ['a']}]", "" },
    { "a name of 63 bytes", PART_ADMIT, NK_OK, "[{'name': '" NAME_63 "', 'cn': ['a']}]", "" },
    { "a name of 64 bytes", PART_ADMIT, NK_E_CONFIG, "[{'name': '" NAME_63 "4', 'cn': ['a']}]",
      "admit[0].name: must be at most 63 bytes" },
    { "a name beyond ASCII", PART_ADMIT, NK_E_CONFIG, "[{'name': 'caf\\u00e9', 'cn': ['a']}]",
      "admit[0].name: must be printable ASCII" },
    { "a name of ours", PART_ADMIT, NK_E_CONFIG, "[{'name': 'all-certified', 'cn': ['a']}]",
      "admit[0].name: \"all-certified\" is what the log says" },
    { "a new direction", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'direction': 'both'}]",
      "admit[0].direction: must be one of \"inbound\", \"outbound\"" },
    { "a value without a list", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'uri': 'u'}]",
      "admit[0].uri: must be an array" },
    { "an empty list of values", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'dns': []}]",
      "admit[0].dns: must not be empty" },
    { "an empty value", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'ip': ['10.0.0.1', '']}]",
      "admit[0].ip[1]: must not be empty" },
    { "a value outside the grammar", PART_ADMIT, NK_E_CONFIG,
      "[{'name': 'a', 'cn': ['x']},\n{'name': 'b',\n'uri': ['spiffe://f/a',\n'spiffe://*']}]",
      "line 9: admit[1].uri[1]: " },
    { "a digest that is none", PART_MORE, NK_E_CONFIG,
      "'deny': [{'name': 'a', 'spki_sha256': ['00']}]", "line 7: deny[0].spki_sha256[0]: " },
    { "an address that is none", PART_MORE, NK_E_CONFIG,
      "'deny': [{'name': 'a', 'ip': ['1.2.3.4/33']}]", "line 7: deny[0].ip[0]: " },
    { "every member of a rule", PART_ADMIT, NK_OK,
      "[{'name': 'a', 'direction': 'outbound', 'uri': ['spiffe://f/a'], 'dns': ['*.f.example'],"
      "'ip': ['10.0.0.0/8', '::1'], 'cn': ['a'], 'spki_sha256': [" SPKI
      "], 'email': ['a@f.example'],"
      "'issuer_spki_sha256': [" SPKI
      "], 'serial': ['0A:1b'], 'policy_oid': ['1.3.6.1.4.1.99999.1'],"
      "'extended_key_usage': ['clientAuth', '1.2.3'], 'key_types': ['RSA-3072', 'Ed25519'],"
      "'max_lifetime_days': 397}]",
      "" },
    { "serial alone", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a',\n'serial': ['1']}]",
      "line 7: admit[0].serial: needs issuer_spki_sha256 in the same rule" },
    { "serial alone, of a deny rule", PART_MORE, NK_E_CONFIG,
      "'deny': [{'name': 'a', 'cn': ['a'], 'serial': ['1']}]",
      "deny[0].serial: needs issuer_spki_sha256" },
    { "a serial that is a number", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'serial': [1]}]",
      "admit[0].serial[0]: must be a string, not a number" },
    { "an email with a star", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'email': ['*@b.example']}]",
      "line 6: admit[0].email[0]: " },
    { "a short issuer pin", PART_ADMIT, NK_E_CONFIG,
      "[{'name': 'a', 'issuer_spki_sha256': ['00']}]", "admit[0].issuer_spki_sha256[0]: " },
    { "a policy by name", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'policy_oid': ['attested']}]",
      "admit[0].policy_oid[0]: " },
    { "an unknown usage", PART_ADMIT, NK_E_CONFIG,
      "[{'name': 'a', 'extended_key_usage': ['clientAuth',\n'client']}]",
      "line 7: admit[0].extended_key_usage[1]: \"client\" is no extended key usage" },
    { "an unknown key type", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'key_types': ['P-224']}]",
      "admit[0].key_types[0]: \"P-224\" is no type of key" },
    { "no key type", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'key_types': []}]",
      "admit[0].key_types: must not be empty" },
    { "days as a list", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'max_lifetime_days': [9]}]",
      "admit[0].max_lifetime_days: must be a whole number from 1 to 36500, not an array" },
    { "no day at all", PART_ADMIT, NK_E_CONFIG, "[{'name': 'a', 'max_lifetime_days': 0}]",
      "admit[0].max_lifetime_days: must be a whole number from 1 to 36500" },

    /* numbers and the rest */
    { "no session", PART_MORE, NK_E_CONFIG, "'token': {'max_sessions': 0}",
      "line 7: token.max_sessions: must be a whole number from 1 to 1024" },
    { "too many sessions", PART_MORE, NK_E_CONFIG, "'token': {'max_sessions': 1025}", "1024" },
    { "a fraction", PART_MORE, NK_E_CONFIG, "'token': {'max_sessions': 1.0}",
      "from 1 to 1024, not a fraction" },
    { "a short login", PART_MORE, NK_E_CONFIG, "'token': {'login_timeout_ms': 99}",
      "token.login_timeout_ms: must be a whole number from 100 to 600000" },
    { "a long verify", PART_MORE, NK_E_CONFIG, "'host': {'verify_timeout_ms': 60001}",
      "host.verify_timeout_ms: must be a whole number from 10 to 60000" },
    { "a short signature", PART_MORE, NK_E_CONFIG, "'token': {'sign_timeout_ms': 99}",
      "line 7: token.sign_timeout_ms: must be a whole number from 100 to 600000" },
    { "nobody may wait", PART_MORE, NK_E_CONFIG, "'token': {'max_waiting_inbound': 0}",
      "token.max_waiting_inbound: must be a whole number from 1 to 100000" },
    { "lent threads", PART_MORE, NK_OK, "'grpc': {'lent_threads': 256}", "" },
    { "too many lent threads", PART_MORE, NK_E_CONFIG, "'grpc': {'lent_threads': 257}",
      "line 7: grpc.lent_threads: must be a whole number from 0 to 256" },
    { "a candidate of rules", PART_MORE, NK_OK,
      "'admit_candidate': [{'name': 'm', 'cn': ['a']}, {'name': 'n', 'cn': ['a']}]", "" },
    { "a candidate that is a word", PART_MORE, NK_E_CONFIG, "'admit_candidate': 'all-certified'",
      "line 7: admit_candidate: must be an array" },
    { "a candidate's rules are checked", PART_MORE, NK_E_CONFIG,
      "'admit_candidate': [{'name': 'm',\n'dns': ['a..b']}]",
      "line 8: admit_candidate[0].dns[0]: " },
    { "the same name twice in a candidate", PART_MORE, NK_E_CONFIG,
      "'admit_candidate': [{'name': 'm', 'cn': ['a']},\n{'name': 'm', 'cn': ['b']}]",
      "line 8: admit_candidate[1].name: \"m\" is the name of an earlier rule" },
    { "an empty state_dir", PART_MORE, NK_E_CONFIG, "'state_dir': ''",
      "state_dir: must not be empty" },
    { "status_file is later", PART_MORE, NK_E_UNSUPPORTED, "'status_file': 'f'", "status_file: k" },
    { "audit without a file", PART_MORE, NK_E_CONFIG, "'audit': {}", "audit.file: missing" },
    { "an audit of nothing", PART_MORE, NK_E_CONFIG,
      "'audit': {'file': 'a', 'per_peer_per_minute': 0}",
      "audit.per_peer_per_minute: must be a whole number from 1 to 1000000" },
    { "reload without pause", PART_MORE, NK_E_CONFIG, "'reload': {'interval_seconds': 0}",
      "line 7: reload.interval_seconds: must be a whole number from 1 to 86400" },
    { "events are later", PART_MORE, NK_E_UNSUPPORTED, "'events': {'expiry_days': [30, 7, 1]}",
      "line 7: events: known" },
    { "events are checked now", PART_MORE, NK_E_CONFIG, "'events': {'expiry_days': [30,\n'x']}",
      "line 8: events.expiry_days[1]: must be a whole number from 1 to 3650, not a string" },
};

static void compose(enum part part, const char *text, char *buf)
{
    const char *parts[PARTS];
    memcpy(parts, good, sizeof(parts));
    parts[part] = text;
    int len = part == PART_WHOLE && text != NULL
                  ? snprintf(buf, TEXT_BYTES, "%s", text)
                  : snprintf(buf, TEXT_BYTES,
                             "{\n'version': 1,\n'node': {%s},\n'federation': {%s},\n'admit': %s,\n"
                             "%s\n}\n",
                             parts[PART_NODE], parts[PART_FEDERATION], parts[PART_ADMIT],
                             parts[PART_MORE]);
    assert_in_range(len, 0, TEXT_BYTES - 1);
    for (char *c = buf; *c != '\0'; c++) {
        *c = (char)(*c == '\'' ? '"' : *c);
    }
}

static nk_status parse_part(enum part part, const char *text, struct config **ret_config,
                            nk_error *err)
{
    char buf[TEXT_BYTES];
    compose(part, text, buf);
    return config_parse(buf, "/etc/nodekey", ret_config, err);
}

static struct config *parse_good(enum part part, const char *text)
{
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = parse_part(part, text, &config, &err);
    if (status != NK_OK) {
        fail_msg("%s", err.text);
    }
    return config;
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    nk_status status = parse_part(row->part, row->text, &config, &err);
    if (status != row->want_status || strstr(err.text, row->want) == NULL) {
        fail_msg("status %d, text \"%s\"", status, err.text);
    }
    assert_int_equal(err.status, row->want_status);
    assert_null(strstr(err.text, "SECRET"));
    assert_null(strstr(err.text, "column 0"));
    assert_int_equal(config != NULL, row->want_status == NK_OK);
    config_free(config);
}

static void defaults(void **state)
{
    (void)state;
    struct config *config = parse_good(PART_WHOLE, NULL);

    for (int role = 0; role < OUR_ROLES; role++) {
        const struct config_identity *mine = &config->identities[role];
        assert_string_equal(mine->module, "softhsm");
        assert_string_equal(mine->key, "pkcs11:token=a");
        assert_string_equal(mine->certificate, "/etc/nodekey/a.pem");
        assert_int_equal(mine->pin.kind, HSM_PIN_FILE);
        assert_string_equal(mine->pin.where, "/etc/nodekey/p");
        assert_int_equal(mine->pin.fd, -1);
        assert_false(mine->custody.allow_extractable || mine->custody.allow_imported ||
                     mine->custody.require_hardware);
    }
    assert_true(config->one_identity);
    assert_int_equal(config->roots.len, 1);
    assert_string_equal(config->roots.paths[0], "/etc/nodekey/ca.pem");
    assert_true(config->federation.strict);
    assert_int_equal(config->federation.server_name, SERVER_NAME_TARGET);
    assert_false(config->all_certified);
    assert_int_equal(config->admit.len, 1);
    assert_string_equal(rule_name(rule_list_at(&config->admit, 0)), "m");
    assert_int_equal(config->deny.len, 0);
    assert_int_equal(config->token.max_sessions, 16);
    assert_int_equal(config->token.login_timeout_ms, 10000);
    assert_int_equal(config->token.sign_timeout_ms, 0);
    assert_int_equal(config->token.max_waiting_inbound, 64);
    assert_int_equal(config->verify_timeout_ms, 1000);
    assert_int_equal(config->crls.len, 0);
    assert_int_equal(config->federation.crl.mode, CRL_OFF);
    assert_null(config->state_dir);
    assert_null(config->audit.file);
    assert_int_equal(config->audit.per_peer_per_minute, 60);
    assert_int_equal(config->reload_interval_seconds, 5);
    assert_false(config->has_candidate);
    config_free(config);
}

static void roles_override(void **state)
{
    (void)state;
    struct config *config = parse_good(
        PART_MORE, "'server': {'pin': {'fd': 7}, 'allow_imported': true, 'require_hardware': true},"
                   "'client': {'certificate': '/c.pem', 'pin': {'credential': 'c'}}");
    const struct config_identity *server = &config->identities[OUR_SERVER];
    const struct config_identity *client = &config->identities[OUR_CLIENT];

    assert_false(config->one_identity);
    assert_string_equal(server->certificate, "/etc/nodekey/a.pem");
    assert_int_equal(server->pin.kind, HSM_PIN_FD);
    assert_int_equal(server->pin.fd, 7);
    assert_null(server->pin.where);
    assert_true(server->custody.allow_imported && server->custody.require_hardware);
    assert_string_equal(client->key, "pkcs11:token=a");
    assert_string_equal(client->certificate, "/c.pem");
    assert_int_equal(client->pin.kind, HSM_PIN_CREDENTIAL);
    assert_string_equal(client->pin.where, "c");
    assert_false(client->custody.allow_imported || client->custody.require_hardware);
    config_free(config);
}

static void prompt_and_false_overrides_true(void **state)
{
    (void)state;
    struct config *config = parse_good(
        PART_NODE,
        "'module': '/m.so', 'key': 'pkcs11:', 'certificate': 'PKCS11:object=c',"
        "'pin': {'prompt': true},"
        "'allow_extractable': true}, 'server': {}, 'client': {'allow_extractable': false");

    assert_int_equal(config->identities[OUR_SERVER].pin.kind, HSM_PIN_PROMPT);
    assert_string_equal(config->identities[OUR_SERVER].certificate,
                        "PKCS11:object=c"); /* no path */
    assert_true(config->identities[OUR_SERVER].custody.allow_extractable);
    assert_false(config->identities[OUR_CLIENT].custody.allow_extractable);
    config_free(config);
}

static void empty_overrides_are_none(void **state)
{
    (void)state;
    struct config *config = parse_good(PART_MORE, "'server': {}, 'client': {}");
    assert_true(config->one_identity);
    config_free(config);
}

static void numbers_and_directions(void **state)
{
    (void)state;
    struct config *config =
        parse_good(PART_MORE, "'token': {'max_sessions': 1, 'login_timeout_ms': 600000,"
                              "'sign_timeout_ms': 3000, 'max_waiting_inbound': 7},"
                              "'host': {'verify_timeout_ms': 10}, 'grpc': {},"
                              "'deny': [{'name': 'in', 'direction': 'inbound', 'cn': ['a']},"
                              "{'name': 'out', 'direction': 'outbound', 'dns': ['a.example']}]");

    assert_int_equal(config->token.max_sessions, 1);
    assert_int_equal(config->token.login_timeout_ms, 600000);
    assert_int_equal(config->token.sign_timeout_ms, 3000);
    assert_int_equal(config->token.max_waiting_inbound, 7);
    assert_int_equal(config->verify_timeout_ms, 10);
    assert_int_equal(rule_directions(rule_list_at(&config->admit, 0)),
                     NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER);
    assert_int_equal(config->deny.len, 2);
    const struct rule *out = rule_list_at(&config->deny, 1);
    assert_int_equal(rule_directions(rule_list_at(&config->deny, 0)), NK_PEER_IS_CLIENT);
    assert_int_equal(rule_directions(out), NK_PEER_IS_SERVER);
    assert_true(rule_has(out, RULE_DNS));
    assert_false(rule_has(out, RULE_CN));
    config_free(config);
}

static void crls_are_hard_unless_said_otherwise(void **state)
{
    (void)state;
    struct config *config = parse_good(PART_FEDERATION, "'roots': ['a'], 'crls': ['b.crl', '/c']");
    assert_int_equal(config->crls.len, 2);
    assert_string_equal(config->crls.paths[0], "/etc/nodekey/b.crl");
    assert_string_equal(config->crls.paths[1], "/c");
    assert_int_equal(config->federation.crl.mode, CRL_HARD);
    assert_int_equal(config->federation.crl.grace_hours, 0);
    assert_int_equal(config->federation.crl.max_age_hours, 0);
    config_free(config);

    config = parse_good(PART_FEDERATION, "'roots': ['a'], 'crls': ['b'], 'crl_mode': 'soft',"
                                         "'crl_grace_hours': 3, 'crl_max_age_hours': 48");
    assert_int_equal(config->federation.crl.mode, CRL_SOFT);
    assert_int_equal(config->federation.crl.grace_hours, 3);
    assert_int_equal(config->federation.crl.max_age_hours, 48);
    config_free(config);
}

static void operation_is_read(void **state)
{
    (void)state;
    struct config *config = parse_good(
        PART_MORE, "'state_dir': 'state', 'audit': {'file': 'audit.log', 'per_peer_per_minute': 7},"
                   "'reload': {'interval_seconds': 9}");
    assert_string_equal(config->state_dir, "/etc/nodekey/state");
    assert_string_equal(config->audit.file, "/etc/nodekey/audit.log");
    assert_int_equal(config->audit.per_peer_per_minute, 7);
    assert_int_equal(config->reload_interval_seconds, 9);
    config_free(config);
}

static void a_candidate_is_a_list_of_its_own(void **state)
{
    (void)state;
    struct config *config = parse_good(PART_MORE, "'admit_candidate': []");
    assert_true(config->has_candidate); /* one that admits nobody */
    assert_int_equal(config->admit_candidate.len, 0);
    config_free(config);

    config = parse_good(PART_MORE, "'admit_candidate': [{'name': 'z', 'cn': ['a']},"
                                   "{'name': 'b', 'max_lifetime_days': 30}]");
    assert_int_equal(config->admit.len, 1);
    assert_int_equal(config->admit_candidate.len, 2);
    const struct rule *first = rule_list_at(&config->admit_candidate, 0);
    assert_string_equal(rule_name(first), "b"); /* by name, not as written */
    assert_true(rule_has(first, RULE_MAX_LIFETIME_DAYS));
    config_free(config);
}

static void every_list_is_sorted(void **state)
{
    (void)state;
    struct config *config = parse_good(
        PART_MORE, "'deny': [{'name': 'z', 'cn': ['a']}, {'name': 'b', 'cn': ['a']}],"
                   "'admit_candidate': [{'name': 'y', 'cn': ['a']}, {'name': 'c', 'cn': ['a']}]");
    assert_non_null(config->admit.index);
    assert_non_null(config->deny.index);
    assert_non_null(config->admit_candidate.index);
    assert_string_equal(rule_name(rule_list_at(&config->deny, 0)), "b");
    assert_string_equal(rule_name(rule_list_at(&config->admit_candidate, 0)), "c");
    config_free(config);
}

static void depth_and_length_are_bounded(void **state)
{
    (void)state;
    size_t len = (size_t)CONFIG_MAX_BYTES + 1;
    char *text = malloc(len + 1);
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    assert_non_null(text);
    memset(text, '[', len);
    text[len] = '\0';

    assert_int_equal(config_parse(text, "/", &config, &err), NK_E_CONFIG);
    assert_non_null(strstr(err.text, "longer than"));
    err.status = NK_OK;
    text[len - 1] = '\0';
    assert_int_equal(config_parse(text, "/", &config, &err), NK_E_CONFIG);
    assert_non_null(strstr(err.text, "maximum parsing depth"));
    assert_null(config);
    free(text);
}

static void base_dir_must_be_absolute(void **state)
{
    (void)state;
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    assert_int_equal(config_parse("{}", "etc", &config, &err), NK_E_USAGE);
    assert_null(config);
}

static void write_file(const char *path, const char *text, size_t len, mode_t mode)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void refuse_file(const char *path, const char *want)
{
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    assert_int_equal(config_read(path, &config, &err), NK_E_CONFIG);
    if (strstr(err.text, want) == NULL || strstr(err.text, path) != err.text) {
        fail_msg("%s", err.text);
    }
    assert_null(config);
}

static void files_are_judged_before_they_are_read(void **state)
{
    (void)state;
    char folder[] = "/tmp/nodekey-config-XXXXXX";
    char path[PATH_BYTES];
    char text[TEXT_BYTES];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/nodekey.json", folder);

    refuse_file(path, "nodekey.json: ");
    refuse_file(folder, ": is not a regular file");
    assert_int_equal(mkfifo(path, 0600), 0);
    refuse_file(path, ": is not a regular file");
    unlink(path);
    compose(PART_WHOLE, NULL, text);
    write_file(path, text, strlen(text), 0646);
    refuse_file(path, ": everybody may write to it");
    write_file(path, text, strlen(text) + 1, 0640);
    refuse_file(path, " line 9: not valid JSON: ");
    write_file(path, "{\n\"admit\": 1}", 13, 0640);
    refuse_file(path, "nodekey.json line 2: admit: must be");
    assert_int_equal(truncate(path, (off_t)CONFIG_MAX_BYTES + 1), 0);
    refuse_file(path, ": is longer than");
    unlink(path);
    rmdir(folder);
}

static void relative_paths_follow_the_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/nodekey-config-XXXXXX";
    char path[PATH_BYTES];
    char text[TEXT_BYTES];
    char *before = getcwd(NULL, 0);
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    compose(PART_WHOLE, NULL, text);
    write_file("nodekey.json", text, strlen(text), 0640);

    assert_int_equal(config_read("nodekey.json", &config, &err), NK_OK);
    snprintf(path, sizeof(path), "%s/ca.pem", folder);
    assert_string_equal(config->roots.paths[0], path);
    config_free(config);
    unlink("nodekey.json");
    assert_int_equal(chdir(before), 0);
    rmdir(folder);
    free(before);
}

static void check_example(void **state)
{
    char path[PATH_BYTES];
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    snprintf(path, sizeof(path), "%s/%s", NODEKEY_EXAMPLES, (const char *)*state);

    /* As text: a checkout may be of another user than who runs the tests. */
    static char text[CONFIG_MAX_BYTES];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    fclose(file);
    if (config_parse(text, NODEKEY_EXAMPLES, &config, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(config->identities[OUR_SERVER].pin.kind != HSM_PIN_ABSENT, true);
    assert_int_equal(config->roots.len, 1);
    assert_true(config->all_certified || config->admit.len > 0);
    config_free(config);
}

int main(void)
{
    static const char *const examples[] = { "softhsm/softhsm.json", "tpm/tpm.json", "p2pfl.json" };
    const struct CMUnitTest others[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(roles_override),
        cmocka_unit_test(prompt_and_false_overrides_true),
        cmocka_unit_test(empty_overrides_are_none),
        cmocka_unit_test(numbers_and_directions),
        cmocka_unit_test(crls_are_hard_unless_said_otherwise),
        cmocka_unit_test(operation_is_read),
        cmocka_unit_test(a_candidate_is_a_list_of_its_own),
        cmocka_unit_test(every_list_is_sorted),
        cmocka_unit_test(depth_and_length_are_bounded),
        cmocka_unit_test(base_dir_must_be_absolute),
        cmocka_unit_test(files_are_judged_before_they_are_read),
        cmocka_unit_test(relative_paths_follow_the_file),
    };
    struct CMUnitTest tests[ARRAY_LEN(rows) + ARRAY_LEN(examples) + ARRAY_LEN(others)] = { 0 };
    struct CMUnitTest *test = tests;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++, test++) {
        test->name = rows[i].name;
        test->test_func = check_row;
        test->initial_state = (void *)&rows[i];
    }
    for (size_t i = 0; i < ARRAY_LEN(examples); i++, test++) {
        test->name = examples[i];
        test->test_func = check_example;
        test->initial_state = (void *)examples[i];
    }
    memcpy(test, others, sizeof(others));
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
