/* SPDX-License-Identifier: Apache-2.0
 * `nodekey explain` as an operator runs it: files in a folder, arguments, exit codes, what is on
 * stdout and what on stderr. No token is there to be asked. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/auto.h"
#include "fixtures/authority.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"

#define STDERR_MAX_BYTES 16384
#define WARNING "nodekey: warning: "
#define LONG_PEM_BYTES 200000

/* In configurations ' stands for ", which C would make us escape. The module, the certificate and
 * the PIN file are not there: whoever touches them fails. */
#define NODE                                                                                       \
    "'version': 1, 'node': {'module': '/nonexistent/module.so', 'key': 'pkcs11:token=a',\n"        \
    "'certificate': 'nonexistent.pem', 'pin': {'file': 'nonexistent.pin'}},\n"
#define ROOTS "'federation': {'roots': ['root.pem']},\n"
#define MEMBERS "{'name': 'members', 'uri': ['spiffe://f.example/node/*']}"
#define KEY_OF_NOBODY "'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'"
#define LEFT(name) "{'name': '" name "', 'spki_sha256': [" KEY_OF_NOBODY "]}"

static const struct file {
    const char *name, *text;
} configs[] = {
    { "node.json", "{" NODE ROOTS "'deny': [{'name': 'leavers', 'uri': "
                   "['spiffe://f.example/node/leaver']}],\n'admit': [{'name': 'seeds', "
                   "'direction': 'outbound', 'uri': ['spiffe://f.example/seed']},\n" MEMBERS "]}" },
    { "inbound.json", "{" NODE ROOTS "'admit': [{'name': 'members', 'direction': 'inbound', "
                      "'uri': ['spiffe://f.example/node/*']}]}" },
    { "many.json",
      "{" NODE ROOTS "'deny': [" LEFT("left-1") ", " LEFT("left-2") ", " LEFT("left-3") ", " LEFT(
          "left-4") ", " LEFT("left-5") ", " LEFT("left-6") "], 'admit': [" MEMBERS "]}" },
    { "all.json", "{" NODE ROOTS "'admit': 'all-certified'}" },
    { "nobody.json", "{" NODE ROOTS "'admit': []}" },
    { "lax.json",
      "{" NODE "'federation': {'roots': ['root.pem'], 'strict': false}, 'admit': [" MEMBERS "]}" },
    { "rule.json", "{" NODE "'federation': {'roots': ['root.pem'], 'server_name': 'rule'},\n"
                   "'admit': [" MEMBERS "]}" },
    { "slip.json", "{" NODE ROOTS "'admit': [{'name': 'm',\n'urn': ['x']}]}" },
    { "rootless.json", "{" NODE "'federation': {'roots': ['absent.pem']}, 'admit': []}" },
};

static const char *folder_file(const char *name)
{
    return path_of("%s/%s", scratch_folder(), name);
}

/* --- running it --- */

struct end {
    int code; /* -1: killed */
    char *out;
    char err[STDERR_MAX_BYTES];
};

static void end_clear(struct end *end)
{
    free(end->out);
}

static void read_stderr(const char *path, char *text)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, STDERR_MAX_BYTES - 1, file);
    text[len] = '\0';
    assert_int_equal(fclose(file), 0);
}

/* `arguments` are words for a shell that stands in the folder. */
static struct end run(const char *arguments, const char *in)
{
    const char *err_path = folder_file("stderr");
    const char *script =
        path_of("cd '%s' && exec '%s' %s 2>'%s'", scratch_folder(), NODEKEY, arguments, err_path);
    const char *const argv[] = { "sh", "-c", script, NULL };
    const struct process process = { .argv = argv,
                                     .in = in,
                                     .in_len = in != NULL ? strlen(in) : 0 };
    struct process_end ended = process_run(&process);
    struct end end = { .code = WIFEXITED(ended.status) ? WEXITSTATUS(ended.status) : -1,
                       .out = ended.out };
    read_stderr(err_path, end.err);
    return end;
}

static void require_piece(const char *text, const char *piece)
{
    if (strstr(text, piece) == NULL) {
        fail_msg("no \"%s\" in:\n%s", piece, text);
    }
}

static void require_no_piece(const char *text, const char *piece)
{
    if (strstr(text, piece) != NULL) {
        fail_msg("\"%s\" in:\n%s", piece, text);
    }
}

static void require_only_warnings(const char *text)
{
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        if (strncmp(line, WARNING, strlen(WARNING)) != 0) {
            fail_msg("more than warnings:\n%s", text);
        }
    }
}

/* --- rows --- */

static const struct row {
    const char *name;
    const char *arguments;
    int code;
    const char *out; /* a piece; NULL: stdout is empty */
    const char *err; /* a piece; NULL: nothing but warnings */
} rows[] = {
    /* verdicts */
    { "a member is let in as both", "explain node.json member.pem", 0,
      "as server    we dial it\nverdict      ALLOWED by rule \"members\"\n", NULL },
    { "as client", "explain node.json member.pem --role client", 0,
      "as client    it dials us\nverdict      ALLOWED by rule \"members\"\n", NULL },
    { "an intermediate is read", "explain node.json --role=client site.pem", 0,
      "shown        2 certificates\n", NULL },
    { "a missing intermediate is missed", "explain node.json --role=client siteless.pem", 1,
      "reason       untrusted: no chain to the federation's roots, self-signed included\n", NULL },
    { "a denied one", "explain node.json leaver.pem", 1,
      "verdict      REFUSED by rule \"leavers\"\nreason       denied: a deny rule matches\n",
      NULL },
    { "a guest", "explain node.json guest.pem", 1, "reason       no-rule: no admit rule matches\n",
      NULL },
    { "a stranger", "explain node.json stranger.pem", 1, "reason       untrusted: ", NULL },
    { "refused in one role is refused", "explain inbound.json member.pem", 1,
      "verdict      ALLOWED by rule \"members\"\n", NULL },
    { "both roles by name", "explain inbound.json member.pem --role client --role server", 1,
      "verdict      REFUSED\n", NULL },
    { "an inbound rule for a client", "explain inbound.json member.pem --role client", 0,
      "decides\n", NULL },
    { "all-certified", "explain all.json guest.pem", 0, "admit  all-certified  decides\n", NULL },
    { "nobody", "explain nobody.json member.pem", 1,
      "rules        none: an empty \"admit\" lets nobody in\n", NULL },

    /* the dialled name */
    { "the dialled address fits", "explain node.json member.pem --role server --target 127.0.0.1",
      0, "as server    we dial it as 127.0.0.1\nverdict      ALLOWED", NULL },
    { "the dialled name does not", "explain node.json member.pem --target other.example", 1,
      "reason       name-mismatch: ", NULL },
    { "a name that nobody gave is a note", "explain node.json member.pem --role server", 0,
      "note         the name was not checked; --target NAME", NULL },
    { "with server_name rule, too", "explain rule.json member.pem --target other.example", 0,
      "note         federation.server_name is \"rule\": the dialled name is not checked", NULL },

    /* rules */
    { "why another rule says no", "explain node.json member.pem --role server", 0,
      "deny   leavers  no match  uri: the peer's is spiffe://f.example/node/a\n", NULL },
    { "a rule of the other direction", "explain node.json member.pem --role client", 0,
      "admit  seeds    not asked  direction: the rule is outbound, this peer dialled us\n", NULL },
    { "the rule that would have", "explain node.json leaver.pem --role client", 1,
      "admit  members  matches, but does not decide\n", NULL },
    { "many alike are counted", "explain many.json member.pem --role client", 0,
      "...    and 3 more that say the same", NULL },

    /* warnings */
    { "revocation is off", "explain node.json member.pem", 0, "verdict", WARNING "revocation" },
    { "strict is false", "explain lax.json member.pem", 0, "verdict",
      WARNING "federation.strict is false" },

    /* what cannot be judged */
    { "no such configuration", "explain absent.json member.pem", 1, NULL,
      "nodekey: absent.json: No such file" },
    { "a slip in it", "explain slip.json member.pem", 1, NULL,
      "nodekey: slip.json line 5: admit[0].urn: unknown member; did you mean \"uri\"?" },
    { "a configuration that all may write", "explain open.json member.pem", 1, NULL,
      "open.json: everybody may write to it" },
    { "one through a folder of everybody", "explain everybodys/../node.json member.pem", 1, NULL,
      "/everybodys: everybody may replace what is in it" },
    { "one that is taken on trust", "--trust-folders explain everybodys/../node.json member.pem", 0,
      "verdict", NULL },
    { "trust is not the command's", "explain --trust-folders node.json member.pem", 2, NULL,
      "unrecognized option" },
    { "no such root", "explain rootless.json member.pem", 1, NULL, "absent.pem" },
    { "no such peer", "explain node.json absent.pem", 1, NULL,
      "nodekey: absent.pem: No such file" },
    { "a folder", "explain node.json .", 1, NULL, "nodekey: .: Is a directory; wanted are PEM" },
    { "garbage", "explain node.json garbage.pem", 1, NULL,
      "nodekey: garbage.pem: what the peer showed holds no PEM certificate; whoever" },
    { "a damaged certificate", "explain node.json damaged.pem", 1, NULL, "nodekey: damaged.pem: " },
    { "a private key", "explain node.json key.pem", 1, NULL, "holds something else than cert" },
    { "an empty file", "explain node.json /dev/null", 1, NULL, "showed no certificate" },
    { "an endless file", "explain node.json /dev/zero", 1, NULL, "/dev/zero: is longer than" },
    { "a NUL byte", "explain node.json nul.pem", 1, NULL, "nul.pem: holds a NUL byte" },
    { "a long file", "explain node.json long.pem", 1, NULL, "long.pem: is longer than 131072" },
    { "a full disk", "explain node.json member.pem >/dev/full", 1, NULL,
      "nodekey: cannot write the result: No space left" },
    { "a full disk under JSON", "explain node.json member.pem --json >/dev/full", 1, NULL,
      "nodekey: cannot write the result: No space left" },
    { "a closed stdout", "explain node.json member.pem >&-", 1, NULL, "cannot write the result" },
    { "a full disk under help", "--help >/dev/full", 1, NULL, "cannot write the result: No space" },

    /* usage */
    { "no command", "", 2, NULL, "nodekey: which command?" },
    { "an unknown command", "expalin node.json member.pem", 2, NULL,
      "nodekey: there is no command `expalin'" },
    { "an unknown option", "--frob", 2, NULL, "nodekey: unrecognized option '--frob'" },
    { "an option of a command before it", "--json explain node.json member.pem", 2, NULL,
      "nodekey: unrecognized option '--json'" },
    { "an unknown option of the command", "explain --frob node.json member.pem", 2, NULL,
      "nodekey explain: unrecognized option '--frob'" },
    { "no configuration", "explain", 2, NULL, "nodekey explain: CONFIG is missing" },
    { "no peer", "explain node.json", 2, NULL, "nodekey explain: PEER.pem is missing" },
    { "one too many", "explain node.json member.pem more", 2, NULL, "`more' is one argument too" },
    { "an unknown role", "explain node.json member.pem --role both", 2, NULL,
      "--role is client or server, not `both'" },
    { "a target for a client", "explain node.json member.pem --role client --target a", 2, NULL,
      "--target is for servers" },
    { "a target with a port", "explain node.json member.pem --target a.example:7000", 2, NULL,
      "`a.example:7000' has a port" },
    { "an address with a port", "explain node.json member.pem --target [::1]:7000", 2, NULL,
      "has a port" },
    { "an IPv6 address has none", "explain node.json member.pem --target ::1", 1, "name-mismatch",
      NULL },
    { "an empty target", "explain node.json member.pem --target ''", 2, NULL, "`' is empty" },
    { "a target with a scheme", "explain node.json member.pem --target dns:///a", 2, NULL,
      "is not a host name or address" },
    { "a target that is no text", "explain node.json member.pem --target \"$(printf '\\033[2J')\"",
      2, NULL, "is not a host name" },

    /* help */
    { "help", "--help", 0, "explain    would this peer be let in, and why\n", NULL },
    { "help of the command", "explain --help", 0, "Usage: nodekey explain [OPTION...] CONFIG",
      NULL },
    { "version", "--version", 0, "nodekey " NODEKEY_VERSION "\n", NULL },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct end end = run(row->arguments, NULL);

    if (end.code != row->code) {
        fail_msg("exit code %d\n%s\n%s", end.code, end.out, end.err);
    }
    if (row->out != NULL) {
        require_piece(end.out, row->out);
    } else {
        assert_string_equal(end.out, "");
    }
    if (row->err != NULL) {
        require_piece(end.err, row->err);
    } else {
        require_only_warnings(end.err);
    }
    end_clear(&end);
}

/* --- what a row cannot say --- */

static void stdin_is_read(void **state)
{
    (void)state;
    struct end end = run("explain node.json - --role client <member.pem", NULL);
    assert_int_equal(end.code, 0);
    require_piece(end.out, "verdict      ALLOWED");
    end_clear(&end);
    end = run("explain node.json -", "not a certificate\n");
    assert_int_equal(end.code, 1);
    require_piece(end.err, "nodekey: standard input: what the peer showed holds no PEM");
    end_clear(&end);
}

/* As `<(openssl s_client ...)` gives it: not to be refused for being no regular file. */
static void a_pipe_is_read_like_a_file(void **state)
{
    (void)state;
    struct end end = run("explain node.json /dev/stdin", "not a certificate\n");
    require_piece(end.err, "nodekey: /dev/stdin: what the peer showed holds no PEM");
    end_clear(&end);
}

static void the_text_has_every_fact(void **state)
{
    (void)state;
    struct end end = run("explain node.json member.pem", NULL);
    require_piece(end.out, "peer         cn     a\n");
    require_piece(end.out, "             uri    spiffe://f.example/node/a\n");
    require_piece(end.out, "             ip     127.0.0.1\n");
    require_piece(end.out, "certificate  sha256 ");
    require_piece(end.out, "as client    it dials us\n");
    require_piece(end.out, "as server    we dial it\n");
    end_clear(&end);
}

/* Each asked role, and no other. */
static void one_role_is_one_answer(void **state)
{
    (void)state;
    struct end end = run("explain node.json member.pem --role server", NULL);
    require_no_piece(end.out, "as client");
    end_clear(&end);
    end = run("explain node.json member.pem --role client", NULL);
    require_no_piece(end.out, "as server");
    require_no_piece(end.out, "note ");
    end_clear(&end);
}

/* --- JSON --- */

static json_t *parsed(const char *arguments, int code)
{
    struct end end = run(arguments, NULL);
    json_error_t why;
    assert_int_equal(end.code, code);
    json_t *answers = json_loads(end.out, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_array(answers)) {
        fail_msg("%s:\n%s", why.text, end.out);
    }
    end_clear(&end);
    return answers;
}

static const char *text_at(const json_t *answer, const char *member)
{
    const char *text = json_string_value(json_object_get(answer, member));
    assert_non_null(text);
    return text;
}

static void json_has_an_answer_per_role(void **state)
{
    (void)state;
    json_t *answers = parsed("explain inbound.json member.pem --json", 1);
    assert_int_equal(json_array_size(answers), 2);

    const json_t *client = json_array_get(answers, 0);
    assert_string_equal(text_at(json_object_get(client, "peer"), "role"), "client");
    assert_string_equal(text_at(client, "decision"), "allow");
    assert_string_equal(text_at(client, "rule"), "members");
    assert_string_equal(text_at(client, "meaning"), "");
    assert_string_equal(text_at(client, "note"), "");

    const json_t *server = json_array_get(answers, 1);
    assert_string_equal(text_at(json_object_get(server, "peer"), "role"), "server");
    assert_string_equal(text_at(server, "decision"), "deny");
    assert_string_equal(text_at(server, "reason"), "no-rule");
    assert_string_equal(text_at(server, "meaning"), "no admit rule matches");
    assert_true(json_is_false(json_object_get(server, "checks_name")));
    assert_true(strlen(text_at(server, "note")) > 0);
    json_decref(answers);
}

static void json_is_an_array_for_one_role_too(void **state)
{
    (void)state;
    json_t *answers =
        parsed("explain node.json member.pem --json --role server --target 127.0.0.1", 0);
    assert_int_equal(json_array_size(answers), 1);
    const json_t *server = json_array_get(answers, 0);
    assert_true(json_is_true(json_object_get(server, "checks_name")));
    assert_string_equal(text_at(server, "note"), "");
    assert_string_equal(text_at(json_object_get(server, "peer"), "target"), "127.0.0.1");
    json_decref(answers);
}

static void json_has_every_rule(void **state)
{
    (void)state;
    json_t *answers = parsed("explain many.json member.pem --json --role client", 0);
    const json_t *rules = json_object_get(json_array_get(answers, 0), "rules");
    assert_int_equal(json_array_size(rules), 7);
    for (size_t i = 0; i < 6; i++) {
        require_piece(text_at(json_array_get(rules, i), "why"), "spki_sha256: the peer's is ");
    }
    json_decref(answers);
}

/* --- the folder --- */

static void write_config(const struct file *config, unsigned mode)
{
    char *text = strdup(config->text);
    assert_non_null(text);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    write_file(folder_file(config->name), text, mode);
    free(text);
}

static void write_chain(const char *name, X509 *leaf, X509 *issuer)
{
    char *text = pem_of(leaf, issuer, NULL);
    write_file(folder_file(name), text, 0644);
    free(text);
}

static void enrol(const char *file, const struct authority *issuer, X509 *shown_issuer,
                  const char *san)
{
    EVP_PKEY *key = software_key("P-256");
    const struct certificate_spec spec = { .cn = "a", .san = san };
    X509 *leaf = authority_issue(issuer, key, &spec);
    write_chain(file, leaf, shown_issuer);
    X509_free(leaf);
    EVP_PKEY_free(key);
}

static void write_peers(void)
{
    struct authority root = authority_make(NULL, "root", NULL);
    struct authority site = authority_make(&root, "site", NULL);
    struct authority other = authority_make(NULL, "other", NULL);

    write_chain("root.pem", root.certificate, NULL);
    enrol("member.pem", &root, NULL, "URI:spiffe://f.example/node/a,IP:127.0.0.1");
    enrol("site.pem", &site, site.certificate, "URI:spiffe://f.example/node/b");
    enrol("siteless.pem", &site, NULL, "URI:spiffe://f.example/node/b");
    enrol("leaver.pem", &root, NULL, "URI:spiffe://f.example/node/leaver");
    enrol("guest.pem", &root, NULL, "URI:spiffe://f.example/guest/a");
    enrol("stranger.pem", &other, NULL, "URI:spiffe://f.example/node/a");
    char *key = pem_of_key(root.key);
    write_file(folder_file("key.pem"), key, 0600);
    free(key);
    authority_free(&other);
    authority_free(&site);
    authority_free(&root);
}

static void write_odd_files(void)
{
    static char text[LONG_PEM_BYTES + 1];
    memset(text, '\n', LONG_PEM_BYTES);
    write_file(folder_file("long.pem"), text, 0644);
    write_file(folder_file("garbage.pem"), "not a certificate\n", 0644);
    write_file(folder_file("damaged.pem"),
               "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", 0644);
    int fd = open(folder_file("nul.pem"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a\0b", 3), 3);
    assert_int_equal(close(fd), 0);
}

static int make_folder(void **state)
{
    (void)state;
    assert_int_equal(mkdir(folder_file("everybodys"), 0700), 0);
    assert_int_equal(chmod(folder_file("everybodys"), 0777), 0);
    for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
        write_config(&configs[i], 0644);
    }
    const struct file open_to_all = { "open.json", configs[0].text };
    write_config(&open_to_all, 0666);
    write_peers();
    write_odd_files();
    return 0;
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_TEST(stdin_is_read);
    ROWS_TEST(a_pipe_is_read_like_a_file);
    ROWS_TEST(the_text_has_every_fact);
    ROWS_TEST(one_role_is_one_answer);
    ROWS_TEST(json_has_an_answer_per_role);
    ROWS_TEST(json_is_an_array_for_one_role_too);
    ROWS_TEST(json_has_every_rule);
    return ROWS_RUN("cli_explain", make_folder, NULL);
}
