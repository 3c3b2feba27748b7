/* SPDX-License-Identifier: Apache-2.0 */
#include "node/folders_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixtures/check.h"
#include "fixtures/child.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/grpc_credentials.h"

static struct federation federation;
static struct member alice;
static const char *tree;
static const char *run_folder; /* for private folders */

static const char *in_tree(const char *path)
{
    return path_of("%s/%s", tree, path);
}

static const char *in_federation(const char *name)
{
    return path_of("%s/%s", federation.folder, name);
}

static void run(const char *script)
{
    const char *const argv[] = { "sh", "-c", script, NULL };
    const struct process process = { .argv = argv };
    struct process_end end = process_run(&process);
    assert_int_equal(end.status, 0);
    free(end.out);
}

const char *folders_text(const char *text)
{
    const char *at = strchr(text, '@');
    return at == NULL ? text
                      : path_of("%.*s%s%s", (int)(at - text), text, tree, folders_text(at + 1));
}

void folders_start(void)
{
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_write_crls(&federation, 1, NULL);
    tree = path_of("%s/tree", scratch_folder());
    run_folder = path_of("%s/run", scratch_folder());
    /* The node of another user reads tokens and files, and has its private folder somewhere. */
    run(path_of("cd '%s' && chmod 0755 . example.org && chmod -R a+rwX tokens softhsm2.conf && "
                "mkdir -m 1777 run && cp example.org/alice.pin example.org/user.pin && "
                "chown %u example.org/user.pin",
                scratch_folder(), OURS));
}

void folders_stop(void)
{
    member_free(&alice);
    federation_free(&federation);
}

/* --- the tree --- */

static const char *source_of(const struct row *row, const char *path)
{
    static const char *const names[INPUTS] = { [ROOTS] = "ca.pem",
                                               [CONFIG] = "row.json",
                                               [CERTIFICATE] = "alice.pem",
                                               [PIN] = "alice.pin",
                                               [CREDENTIAL] = "alice.pin" };
    if (row->input == MODULE) {
        return SOFTHSM_MODULE;
    }
    return in_federation(names[row->input] != NULL ? names[row->input] : basename(path));
}

/* An ACL as setfacl -m u:UID:PERM writes it (acl(5), <linux/posix_acl_xattr.h>). */
static void set_acl(const char *path, uint16_t perm, uint32_t uid)
{
    const struct {
        uint32_t version;
        struct {
            uint16_t tag;
            uint16_t perm;
            uint32_t id;
        } at[5];
    } acl = { 2,
              { { 1, perm, UINT32_MAX },
                { 2, perm, uid },
                { 4, 0, UINT32_MAX },
                { 0x10, perm, UINT32_MAX },
                { 0x20, 0, UINT32_MAX } } };

    assert_int_equal(setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0), 0);
}

static void make_entry(const struct row *row, const struct entry *entry)
{
    const char *path = in_tree(entry->path);
    if (entry->kind == 'l') {
        assert_int_equal(symlink(folders_text(entry->target), path), 0);
        assert_int_equal(lchown(path, entry->uid, entry->gid), 0);
        return;
    }
    if (entry->kind == 'd' || entry->kind == 'D') {
        assert_int_equal(mkdir(path, 0700), 0);
    } else {
        run(path_of("cp -L '%s' '%s'", source_of(row, entry->path), path));
    }
    bool acl = entry->kind == 'D' || entry->kind == 'F';
    assert_int_equal(chown(path, acl ? 0 : entry->uid, entry->gid), 0);
    assert_int_equal(chmod(path, entry->mode), 0);
    if (acl) {
        set_acl(path, (uint16_t)(entry->mode >> 6), entry->uid);
    }
}

/* "links/1" leads to "links/2", and so on; the last to the row's path. */
static void make_links(const struct row *row)
{
    assert_int_equal(mkdir(in_tree("links"), 0755), 0);
    for (unsigned i = 1; i <= row->links; i++) {
        const char *next = i < row->links ? path_of("%u", i + 1) : in_tree(row->path);
        assert_int_equal(symlink(next, in_tree(path_of("links/%u", i))), 0);
    }
}

static void clear_tree(void)
{
    run(path_of("rm -rf '%s' && install -d -m 0755 '%s'", tree, tree));
}

static void build_row(const struct row *row)
{
    clear_tree();
    for (size_t i = 0; i < ENTRIES_MAX && row->entries[i].kind != 0; i++) {
        make_entry(row, &row->entries[i]);
    }
    if (row->links > 0) {
        make_links(row);
    }
}

static void build_good(const struct row *row)
{
    const char *path = row->links > 0 ? "links/1" : row->path;

    clear_tree();
    if (row->input == CRLS) {
        run(path_of("mkdir -p '%s' && cp '%s' '%s' '%s'", in_tree(path), in_federation("root.crl"),
                    in_federation("intermediate.crl"), in_tree(path)));
        return;
    }
    /* A path that goes through ".." needs what it goes through. */
    run(path_of("mkdir -p \"$(dirname '%s')\" && cp '%s' '%s'", in_tree(path), source_of(row, path),
                in_tree(path)));
}

/* --- the node --- */

static const char *write_config(const struct row *row)
{
    const char *path = in_tree(row->links > 0 ? "links/1" : row->path);
    const char *pin = row->who == ROOT ? "alice.pin" : "user.pin";
    const char *pin_member =
        row->input == CREDENTIAL
            ? "\"file\": null, \"credential\": \"pin\""
            : path_of("\"file\": \"%s\"", row->input == PIN ? path : in_federation(pin));
    const char *crls = row->input == CRLS ? path_of("\"crls\": [\"%s\"], ", path) : "";
    const char *more = row->input == STATE_DIR ? path_of(", \"state_dir\": \"%s\"", path)
                       : row->input == AUDIT   ? path_of(", \"audit\": {\"file\": \"%s\"}", path)
                                               : "";
    char *text = member_config(
        &alice, path_of("{\"node\": {\"module\": \"%s\", \"certificate\": \"%s\", \"pin\": {%s}}, "
                        "\"federation\": {%s\"roots\": [\"%s\"]}, "
                        "\"reload\": {\"interval_seconds\": 3600}%s}",
                        row->input == MODULE ? path : "softhsm",
                        row->input == CERTIFICATE ? path : in_federation("alice.pem"), pin_member,
                        crls, row->input == ROOTS ? path : in_federation("ca.pem"), more));
    write_file(in_federation("row.json"), text, 0644);
    free(text);
    return row->input == CONFIG ? path : in_federation("row.json");
}

static void set_environment(const struct row *row)
{
    const char *path = in_tree(row->path);

    assert_int_equal(setenv("TMPDIR", row->input == TMPDIR ? path : run_folder, 1), 0);
    assert_int_equal(row->input == RUNTIME_DIRECTORY ? setenv("RUNTIME_DIRECTORY", path, 1)
                                                     : unsetenv("RUNTIME_DIRECTORY"),
                     0);
    if (row->input == CREDENTIAL) {
        assert_int_equal(setenv("CREDENTIALS_DIRECTORY", path, 1), 0);
    }
}

static bool become(enum who who)
{
    const gid_t shared = SHARED;

    if (who == ROOT) {
        return setgroups(0, NULL) == 0;
    }
    gid_t own = who == GROUPED ? SHARED : OURS;
    /* Dumpable, or /proc/PID/uid_map would be root's, whom nobody could set. */
    return setgroups(who == MEMBER ? 1 : 0, &shared) == 0 && setresgid(own, own, own) == 0 &&
           setresuid(OURS, OURS, OURS) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

/* A child and its parent take turns: a byte says that the other may go on. */
struct turns {
    int to_child[2];
    int to_parent[2];
};

static void pass_turn(int fd)
{
    if (write(fd, "", 1) != 1) {
        abort();
    }
}

/* False: the other has ended. */
static bool await_turn(int fd)
{
    char byte = 0;
    return TEMP_FAILURE_RETRY(read(fd, &byte, 1)) == 1;
}

static void open_node(const char *config, const struct row *row, bool at_reload,
                      const struct turns *turns, struct outcome *outcome)
{
    const nk_plugin *plugin = plugin_load();
    struct recorder *log = recorder_new();
    nk_host host = recording_host(log);
    nk_instance *instance = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    host.flags = row->trusting ? NK_HOST_TRUST_FOLDERS : 0;
    if (LATER_CORE) {
        host.grpc_version = NULL; /* a core that is told would need no private folder */
    }
    outcome->status = plugin->open_file(&host, config, &instance, &err);
    if (outcome->status == NK_OK && at_reload) {
        recorder_clear(log);
        pass_turn(turns->to_parent[1]);
        (void)await_turn(turns->to_child[0]);
        (void)plugin->reload(instance, NULL);
        outcome->status = plugin->reload(instance, &err);
    }
    snprintf(outcome->text, sizeof(outcome->text), "%s", err.text);
    char *copy = recorder_copy(log);
    snprintf(outcome->log, sizeof(outcome->log), "%s", copy);
    free(copy);
    if (instance != NULL) {
        (void)plugin->close(instance, NULL);
    }
}

static void live_as_child(const char *config, const struct row *row, bool at_reload,
                          const struct turns *turns, struct outcome *outcome)
{
    set_environment(row);
    if (!become(row->who)) {
        _exit(1);
    }
    if (row->who == GUEST) {
        outcome->left_out = unshare(CLONE_NEWUSER) != 0;
        pass_turn(turns->to_parent[1]);
        (void)await_turn(turns->to_child[0]);
    }
    if (!outcome->left_out) {
        open_node(config, row, at_reload, turns, outcome);
    }
    _exit(0);
}

/* In its namespace the node is root, and no other user has a number. */
static void map_guest(pid_t child)
{
    run(path_of("echo deny >/proc/%d/setgroups; echo 0 %u 1 >/proc/%d/gid_map; "
                "echo 0 %u 1 >/proc/%d/uid_map",
                (int)child, OURS, (int)child, OURS, (int)child));
}

void folders_run(const struct row *row, bool at_reload, const char *plugin,
                 struct outcome *ret_outcome)
{
    struct turns turns;
    struct outcome *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *config = write_config(row);

    assert_true(shared != MAP_FAILED);
    assert_int_equal(pipe2(turns.to_child, O_CLOEXEC), 0);
    assert_int_equal(pipe2(turns.to_parent, O_CLOEXEC), 0);
    if (at_reload) {
        build_good(row);
    } else {
        build_row(row);
    }
    pid_t child = child_fork(true);
    if (child == 0) {
        if (plugin != NULL) {
            assert_int_equal(setenv("NODEKEY_MODULE", plugin, 1), 0);
        }
        live_as_child(config, row, at_reload, &turns, shared);
    }
    close(turns.to_parent[1]);
    close(turns.to_child[0]);
    if (row->who == GUEST && await_turn(turns.to_parent[0])) {
        if (!shared->left_out) {
            map_guest(child);
        }
        pass_turn(turns.to_child[1]);
    }
    if (at_reload && await_turn(turns.to_parent[0])) {
        build_row(row);
        pass_turn(turns.to_child[1]);
    }
    assert_true(child_is_fine(child));
    close(turns.to_parent[0]);
    close(turns.to_child[1]);
    *ret_outcome = *shared;
    munmap(shared, sizeof(*shared));
}
