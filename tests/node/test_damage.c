/* SPDX-License-Identifier: Apache-2.0
 * Every input file, damaged in every way, before open and before a reload. Prints the table of what
 * comes of it: open fails and names the file, a reload fails and what was in force stays; in no row
 * is somebody let in who was out before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/federation.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define NOBODY 65534
#define CONFIG                                                                                     \
    "{\"federation\": {\"crls\": [\"root.crl\", \"intermediate.crl\"]}, \"state_dir\": "           \
    "\"state\", "                                                                                  \
    "\"audit\": {\"file\": \"audit.log\"}, \"reload\": {\"interval_seconds\": 3600}}"

static const nk_plugin *plugin;
static struct federation federation;
static struct member alice;
static EVP_PKEY *stranger_key;
static X509 *good_one, *revoked_one;
static long crl_number;

/* From INDIRECT on: a newer list of the CA's own, that revokes nobody and that nodekey cannot
 * honour. */
enum damage {
    DELETED,
    TRUNCATED,
    A_FOLDER,
    UNREADABLE,
    JUNK,
    INDIRECT,
    DELTA,
    WEAK,
    CRITICAL,
    DAMAGES
};
static const char *const damage_names[DAMAGES] = { "deleted",   "truncated", "a folder",
                                                   "chmod 000", "junk",      "indirect",
                                                   "delta",     "SHA-1",     "critical" };

static const struct input {
    const char *file;
    bool reloads;      /* a reload reads it */
    bool may_go;       /* open makes a new one when it is not there */
    const char *named; /* in the error; NULL: the file itself */
} inputs[] = {
    { "alice.json", true, false, NULL },
    { "ca.pem", true, false, NULL },
    { "root.crl", true, false, NULL },
    { "intermediate.crl", true, false, NULL },
    { "alice.pem", true, false, NULL },
    { "alice.pin", false, false, "node.pin" },
    { "state/crl-numbers.json", false, true, NULL },
    { "audit.log", false, true, NULL },
};

static const char *path_to(const char *file)
{
    return path_of("%s/%s", federation.folder, file);
}

/* Where the good one waits. */
static const char *kept(void)
{
    return path_of("%s/kept", federation.folder);
}

static bool is_list(const struct input *input)
{
    return strstr(input->file, ".crl") != NULL;
}

static void write_bad_list(const char *file, enum damage how)
{
    static const char *const extra[DAMAGES] = {
        [INDIRECT] = "issuingDistributionPoint=critical,indirectCRL:TRUE",
        [DELTA] = "2.5.29.27=critical,DER:02:01:01",
        [CRITICAL] = "1.2.3.4=critical,DER:05:00",
    };
    const struct crl_spec spec = {
        .issuer = strcmp(file, "root.crl") == 0 ? &federation.root : &federation.intermediate,
        .number = crl_number + 1,
        .digest = how == WEAK ? EVP_sha1() : NULL,
        .extra = extra[how],
    };
    crl_write(path_to(file), &spec);
}

static void damage(const char *file, enum damage how)
{
    const char *path = path_to(file);

    assert_int_equal(rename(path, kept()), 0);
    switch (how) {
    case DELETED:
        return;
    case A_FOLDER:
        assert_int_equal(mkdir(path, 0755), 0);
        return;
    case UNREADABLE:
        write_file(path, "whatever", 0000);
        return;
    case TRUNCATED:
        write_file(path, "{", 0600);
        return;
    case INDIRECT:
    case DELTA:
    case WEAK:
    case CRITICAL:
        write_bad_list(file, how);
        return;
    default:
        write_file(path, "\x01\x02 junk -----BEGIN junk", 0600);
        return;
    }
}

static void repair(const char *file)
{
    (void)remove(path_to(file));
    assert_int_equal(rename(kept(), path_to(file)), 0);
}

/* What the node writes must be its own. */
static void lend(const char *file, uid_t to)
{
    if (chown(path_to(file), to, (gid_t)-1) != 0) {
        assert_int_equal(errno, ENOENT);
    }
}

static void lend_all(uid_t to)
{
    lend("state", to);
    lend("state/crl-numbers.json", to);
    lend("audit.log", to);
}

/* Root reads whatever it likes: for one call be somebody who does not. */
static nk_status as_nobody(bool drop, nk_status (*call)(void *), void *arg)
{
    if (!drop || geteuid() != 0) {
        return call(arg);
    }
    lend_all(NOBODY);
    assert_int_equal(seteuid(NOBODY), 0);
    nk_status status = call(arg);
    assert_int_equal(seteuid(0), 0);
    lend_all(0);
    return status;
}

struct attempt {
    struct node node;
    nk_error err;
};

static nk_status try_open(void *arg)
{
    struct attempt *attempt = arg;
    return plugin->open_file(&attempt->node.host, path_to("alice.json"), &attempt->node.instance,
                             &attempt->err);
}

static nk_status try_reload(void *arg)
{
    struct attempt *attempt = arg;
    return plugin->reload(attempt->node.instance, &attempt->err);
}

static bool admits(nk_instance *instance, X509 *leaf)
{
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    char *pem = pem_of(leaf, federation.intermediate.certificate, NULL);
    assert_int_equal(plugin->check_peer(instance, NK_PEER_IS_CLIENT, NULL, pem, strlen(pem),
                                        &verdict, NULL, NULL),
                     NK_OK);
    free(pem);
    return verdict.decision == NK_ALLOW;
}

static X509 *issue(const char *san)
{
    struct certificate_spec spec = { .san = san };
    return authority_issue(&federation.intermediate, stranger_key, &spec);
}

static int start(void **state)
{
    (void)state;
    X509 *revoked[] = { NULL, NULL };
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    stranger_key = software_key("P-256");
    good_one = issue("URI:spiffe://example.org/node/good");
    revoked_one = issue("URI:spiffe://example.org/node/bad");
    revoked[0] = revoked_one;
    federation_write_crls(&federation, ++crl_number, revoked);
    assert_int_equal(mkdir(path_to("state"), 0700), 0);
    char *text = member_config(&alice, CONFIG);
    write_file(path_to("alice.json"), text, 0644);
    free(text);
    /* as_nobody must come as far as the file */
    assert_int_equal(chmod(scratch_folder(), 0711), 0);
    assert_int_equal(chmod(federation.folder, 0711), 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    X509_free(good_one);
    X509_free(revoked_one);
    EVP_PKEY_free(stranger_key);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static void begin(struct attempt *attempt)
{
    *attempt = (struct attempt){ .err = { .struct_size = sizeof(nk_error) } };
    node_prepare(&attempt->node);
}

static void say(const struct input *input, enum damage how, const char *moment, nk_status status,
                const char *text)
{
    print_message("%-22s %-10s %-7s %-2d %s\n", input->file, damage_names[how], moment, (int)status,
                  status == NK_OK ? "in force as before" : text);
}

/* Open fails, or, where a file may be made anew, judges as it must. */
static void check_open(const struct input *input, enum damage how)
{
    struct attempt attempt;

    begin(&attempt);
    damage(input->file, how);
    nk_status status = as_nobody(how == UNREADABLE, try_open, &attempt);
    say(input, how, "open", status, attempt.err.text);
    if (input->may_go && how == DELETED) {
        assert_int_equal(status, NK_OK);
    }
    if (status == NK_OK) {
        assert_true(admits(attempt.node.instance, good_one));
        assert_false(admits(attempt.node.instance, revoked_one));
        assert_int_equal(plugin->close(attempt.node.instance, NULL), NK_OK);
    } else if (how != UNREADABLE || input->named == NULL) { /* the token comes before the PIN */
        assert_non_null(
            strstr(attempt.err.text, input->named != NULL ? input->named : input->file));
    }
    if (!input->may_go) {
        assert_int_not_equal(status, NK_OK);
    }
    repair(input->file);
}

static void check_reload(const struct input *input, enum damage how)
{
    struct attempt attempt;

    begin(&attempt);
    assert_int_equal(try_open(&attempt), NK_OK);
    damage(input->file, how);
    nk_status status = as_nobody(how == UNREADABLE, try_reload, &attempt);
    say(input, how, "reload", status, attempt.err.text);
    if (how != UNREADABLE) { /* nobody cannot read root's other files either */
        assert_int_equal(status != NK_OK, input->reloads);
    }
    assert_true(admits(attempt.node.instance, good_one));
    assert_false(admits(attempt.node.instance, revoked_one));
    repair(input->file);
    attempt.err = (nk_error){ .struct_size = sizeof(nk_error) };
    assert_int_equal(try_reload(&attempt), NK_OK);
    assert_int_equal(plugin->close(attempt.node.instance, NULL), NK_OK);
}

static struct row {
    const struct input *input;
    enum damage how;
} rows[ARRAY_LEN(inputs) * DAMAGES];

static void check_row(void **state)
{
    const struct row *row = *state;
    struct attempt attempt;

    begin(&attempt); /* makes audit.log and the numbers */
    if (try_open(&attempt) != NK_OK) {
        fail_msg("%s", attempt.err.text);
    }
    assert_int_equal(plugin->close(attempt.node.instance, NULL), NK_OK);
    check_open(row->input, row->how);
    check_reload(row->input, row->how);
}

int main(void)
{
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row row = { &inputs[i / DAMAGES], (enum damage)(i % DAMAGES) };
        if (row.how >= INDIRECT && !is_list(row.input)) {
            continue;
        }
        rows[len] = row;
        rows_add(path_of("%s %s", row.input->file, damage_names[row.how]), check_row, &rows[len]);
        len++;
    }
    return ROWS_RUN("damage", start, stop);
}
