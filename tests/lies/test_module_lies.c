/* SPDX-License-Identifier: Apache-2.0
 * A module that lies: for each output parameter of each function that nodekey calls, each lie, told
 * to each of those who ask. A listener is a process of its own, so that a crash is a row of the
 * table. What must come of a lie: an error that names the function, within the deadline; or
 * nothing, where it harms nobody. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "lies/lies_table.h"

#define WORKERS 3
#define SHOWN_BYTES 150
/* Ed25519 on SoftHSM leaks, which the whole stack tells from ours (lsan.supp), slowly. */
#define WHOLE_STACK "ASAN_OPTIONS=fast_unwind_on_malloc=0:malloc_context_size=10"

enum verdict { NAMED, HARMLESS, TOLD, CRASHED, HUNG, MISNAMED, VERDICTS };
static const char *const verdicts[VERDICTS] = {
    [NAMED] = "named",   [HARMLESS] = "harmless", [TOLD] = "told",
    [CRASHED] = "CRASH", [HUNG] = "HANG",         [MISNAMED] = "MISNAMED",
};

static struct row {
    const char *name;
    const struct lie *lie;
    enum liar_to listener;
    enum verdict verdict;
    char *said;
} rows[ROWS_MAX];
static size_t len;
static atomic_size_t next;
static struct federation federation;
static const char *self;

/* --- one row --- */

/* As a whole word: C_FindObjects is not named by C_FindObjectsInit. */
static bool names(const char *text, const char *function)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t function_len = strlen(function);

    for (const char *at = strstr(text, function); at != NULL; at = strstr(at + 1, function)) {
        if (at[function_len] == '\0' || strchr(letters, at[function_len]) == NULL) {
            return true;
        }
    }
    return false;
}

static enum verdict judge(const struct row *row, int status)
{
    unsigned listener = TO(row->listener);
    bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        return HUNG;
    }
    if (WIFSIGNALED(status) || strstr(row->said, "Sanitizer") != NULL ||
        strstr(row->said, "runtime error") != NULL) {
        return CRASHED;
    }
    if ((row->lie->harmless & listener) != 0) {
        return done ? HARMLESS : MISNAMED;
    }
    if ((row->lie->told & listener) != 0) {
        return !done && strstr(row->said, row->lie->says) != NULL ? TOLD : MISNAMED;
    }
    return !done && names(row->said, row->lie->function) ? NAMED : MISNAMED;
}

static void run_row(struct row *row)
{
    bool leaks = row->lie->key != NULL && strcmp(row->lie->key, "ed") == 0;
    const char *const argv[] = { "env",
                                 leaks ? WHOLE_STACK : "LIES=1",
                                 self,
                                 "--listen",
                                 path_of("%d", (int)row->listener),
                                 federation.folder,
                                 path_of("%zu", (size_t)(row->lie - lies)),
                                 NULL };
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);

    row->said = end.out;
    row->verdict = judge(row, end.status);
}

static void *run_rows(void *arg)
{
    for (size_t i = atomic_fetch_add(&next, 1); i < len; i = atomic_fetch_add(&next, 1)) {
        run_row(&rows[i]);
    }
    return arg;
}

static void check_row(void **state)
{
    const struct row *row = *state;

    if (row->verdict > TOLD) {
        fail_msg("%s: %s", verdicts[row->verdict], row->said);
    }
}

/* --- the table --- */

static void add_rows(const char *only)
{
    for (size_t i = 0; i < lies_len; i++) {
        for (unsigned to = 0; to < LISTENERS; to++) {
            const struct lie *lie = &lies[i];
            const char *name = path_of("%s %s: %s, to %s", lie->function, lie->parameter, lie->name,
                                       lies_listeners[to]);
            if ((lie->to & TO(to)) != 0 && (only == NULL || strstr(name, only) != NULL)) {
                rows[len] = (struct row){ .name = name, .lie = lie, .listener = to };
                rows_add(name, check_row, &rows[len]);
                len++;
            }
        }
    }
}

/* The line of what was said that names the function, or the first. */
static const char *quote(const struct row *row)
{
    const char *line = row->said;

    for (const char *at = row->said; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n' ? 1 : 0;
        if (names(path_of("%.*s", (int)strcspn(at, "\n"), at), row->lie->function)) {
            line = at;
            break;
        }
    }
    return path_of("%.*s",
                   (int)strcspn(line, "\n") < SHOWN_BYTES ? (int)strcspn(line, "\n") : SHOWN_BYTES,
                   line);
}

static void print_table(void)
{
    size_t counts[VERDICTS] = { 0 };
    size_t held = 0;

    printf("\nheld: came to the same before counts and lengths were bounded.\n\n");
    for (size_t i = 0; i < len; i++) {
        const struct row *row = &rows[i];
        bool before = (row->lie->held & TO(row->listener)) != 0;
        counts[row->verdict]++;
        held += before ? 1 : 0;
        printf("%3zu  %-8s  %-4s  %-19s  %-16s  %-26s  %-11s  %s\n", i + 1, verdicts[row->verdict],
               before ? "held" : "", row->lie->function, row->lie->parameter, row->lie->name,
               lies_listeners[row->listener], quote(row));
    }
    printf("\n%zu rows: %zu crashes, %zu hangs beyond the deadline, %zu that name something else; "
           "%zu name the call, %zu are harmless, %zu are told otherwise; %zu held before\n",
           len, counts[CRASHED], counts[HUNG], counts[MISNAMED], counts[NAMED], counts[HARMLESS],
           counts[TOLD], held);
}

static void write_to_token(X509 *certificate, const char *label, const char *id)
{
    const char *path = path_of("%s/%s.der", federation.folder, label);
    const char *const argv[] = { "pkcs11-tool", "--module", SOFTHSM_MODULE,   "--token-label",
                                 "alice",       "--login",  "--pin",          SOFTHSM_PIN,
                                 "--label",     label,      "--id",           id,
                                 "--type",      "cert",     "--write-object", path,
                                 NULL };
    const struct process process = { .argv = argv, .with_stderr = true };
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(i2d_X509_fp(file, certificate), 1);
    fclose(file);
    struct process_end end = process_run(&process);
    assert_int_equal(end.status, 0);
    free(end.out);
}

static int start(void **state)
{
    struct member alice;
    pthread_t threads[WORKERS];

    (void)state;
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each refused handshake */
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    write_to_token(alice.leaf, "identity", "01");
    write_to_token(federation.intermediate.certificate, "issuer", "02");
    member_add_key(&alice, "rsa", "03", "RSA-2048");
    member_add_key(&alice, "ed", "04", "Ed25519");
    write_file(path_of("%s/so.pin", federation.folder), SOFTHSM_SO_PIN, 0600);
    member_free(&alice);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_rows, NULL), 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    print_table();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < len; i++) {
        free(rows[i].said);
    }
    federation_free(&federation);
    return 0;
}

/* test_module_lies [WORDS]: all rows, or those whose name has these words in it. */
int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1 && strcmp(argv[1], "--listen") == 0) {
        return lies_listen(argc, argv);
    }
    add_rows(argc > 1 ? argv[1] : NULL);
    return ROWS_RUN("module_lies", start, stop);
}
