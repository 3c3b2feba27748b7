/* SPDX-License-Identifier: Apache-2.0
 * A wrong PIN reaches the token once: by whatever source, mode, role and occasion, from however
 * many threads, through restarts of the module and of the process. The faulty token writes down
 * every C_Login of every process. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fault/fault_load.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"
#include "fixtures/wire/rpc.h"

#define RESTARTS 20
#define AGAIN 2 /* and so often after that, where the first time is what counts */
#define WRONG_PIN "1357-poplar"
#define CHILD_MAX_S 100
#define DIALS 8

static struct federation federation;
static struct member alice;
static struct tls_peer stranger;
static const char *logins; /* the faulty token's record */
static const char *state_dir;

/* --- what the token was sent --- */

static unsigned long lines_with(const char *piece)
{
    char line[128];
    unsigned long count = 0;
    FILE *file = fopen(logins, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        count += strstr(line, piece) != NULL ? 1 : 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

static unsigned long refusals(void)
{
    return lines_with("rv=0xa0\n");
}

static int fresh(void **state)
{
    static unsigned number;
    (void)state;
    state_dir = path_of("%s/state-%u", scratch_folder(), number++);
    (void)unlink(logins);
    return mkdir(state_dir, 0700);
}

/* --- one process --- */

static void PRINTF_LIKE(2, 3) need(bool holds, const char *fmt, ...)
{
    va_list args;
    if (holds) {
        return;
    }
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* Where the PIN comes from, by which mode, for which keys. */
struct way {
    const char *name;
    const char *pin; /* the source */
    const char *token;
    const char *more; /* members of the configuration */
};

static nk_status say_pin(void *host_data, const char *label, char *buf, size_t room,
                         size_t *ret_len)
{
    (void)host_data;
    (void)label;
    *ret_len = strlen(WRONG_PIN);
    memcpy(buf, WRONG_PIN, *ret_len < room ? *ret_len : room);
    return NK_OK;
}

/* "%d" in the source becomes a descriptor that holds the PIN. */
static const char *with_descriptor(const char *source)
{
    int ends[2];
    if (strchr(source, '%') == NULL) {
        return source;
    }
    need(pipe(ends) == 0 && write(ends[1], WRONG_PIN, strlen(WRONG_PIN)) > 0, "pipe");
    close(ends[1]);
    return path_of("\"file\": null, \"fd\": %d", ends[0]);
}

static const char *patch_of(const struct way *way)
{
    return path_of("{\"state_dir\": \"%s\", \"token\": {%s}, \"node\": {\"pin\": {%s}}%s}",
                   state_dir, way->token, with_descriptor(way->pin), way->more);
}

static nk_status try_to_open(const struct way *way, struct party *party, nk_error *err)
{
    *err = (nk_error){ .struct_size = sizeof(*err) };
    char *config = member_config(&alice, patch_of(way));
    node_prepare(&party->node);
    party->node.host.ask_pin = say_pin;
    nk_status status = plugin_load()->open_text(&party->node.host, config, federation.folder,
                                                &party->node.instance, err);
    free(config);
    return status;
}

/* Twice by this process; between the two the module starts anew. */
static void open_in_vain(const struct way *way)
{
    struct party party = { .server = NULL };
    nk_error err;
    for (int i = 0; i < 2; i++) {
        nk_status status = try_to_open(way, &party, &err);
        need(status == NK_E_PIN, "open answered %d: %s", (int)status, err.text);
        need(strstr(err.text, WRONG_PIN) == NULL, "the PIN is in the error");
        need(strstr(err.text, "refuses the PIN") != NULL ||
                 strstr(err.text, "refused this PIN before") != NULL,
             "%s", err.text);
        CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
        CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
        softhsm->C_Finalize(NULL);
        softhsm->C_Initialize(&args);
    }
}

/* In a child, which loads plugin and module for itself. */
static void in_a_process(void (*run)(const struct way *way), const struct way *way)
{
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(CHILD_MAX_S);
        faulty_start();
        grpc_init();
        run(way);
        rpc_shutdown();
        exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0) {
        fail_msg("%s: ended with status 0x%x", way->name, (unsigned)status);
    }
}

/* --- open --- */

#define DIRECT ""
#define DEADLINE "\"sign_timeout_ms\": 2000"
#define FROM_FILE "\"file\": \"wrong.pin\""
#define FROM_CREDENTIAL "\"file\": null, \"credential\": \"wrong\""
#define FROM_FD "%d"
#define FROM_PROMPT "\"file\": null, \"prompt\": true"
#define OTHER_KEY                                                                                  \
    "\"key\": \"pkcs11:token=alice;object=other\", \"certificate\": \"alice-other.pem\""

static const struct way ways[] = {
    { "file", FROM_FILE, DIRECT, "" },
    { "file, by deadline", FROM_FILE, DEADLINE, "" },
    { "credential", FROM_CREDENTIAL, DIRECT, "" },
    { "credential, by deadline", FROM_CREDENTIAL, DEADLINE, "" },
    { "fd", FROM_FD, DIRECT, "" },
    { "fd, by deadline", FROM_FD, DEADLINE, "" },
    { "prompt", FROM_PROMPT, DIRECT, "" },
    { "prompt, by deadline", FROM_PROMPT, DEADLINE, "" },
    { "a key for each role", FROM_FILE, DIRECT, ", \"client\": {" OTHER_KEY "}" },
    { "a key and a PIN for each role", FROM_FILE, DEADLINE,
      ", \"client\": {" OTHER_KEY ", \"pin\": {\"file\": \"wrong-too.pin\"}}" },
};

/* Whichever is the first to send it: once, and then by nobody. */
static void by_one_way(void **state)
{
    const struct way *way = *state;
    in_a_process(open_in_vain, way);
    assert_int_equal(refusals(), 1);
    for (int i = 0; i < AGAIN; i++) {
        in_a_process(open_in_vain, way);
    }
    assert_int_equal(refusals(), 1);
    assert_int_equal(lines_with("C_Login"), 1);
}

static void by_every_way_in_turn_through_twenty_processes(void **state)
{
    (void)state;
    for (size_t i = 0; i < RESTARTS; i++) {
        in_a_process(open_in_vain, &ways[i % ARRAY_LEN(ways)]);
    }
    assert_int_equal(refusals(), 1);
    assert_int_equal(lines_with("C_Login"), 1);
}

/* The login is the process's: another PIN for one role would not be noticed, so it is not sent. */
static void open_with_another_pin_for_a_role(const struct way *way)
{
    struct party party = { .server = NULL };
    nk_error err;
    nk_status status = try_to_open(way, &party, &err);
    need(status == NK_E_PIN, "open answered %d: %s", (int)status, err.text);
    need(strstr(err.text, "not the PIN that this process has logged in") != NULL, "%s", err.text);
}

static void another_pin_for_one_role_is_not_sent(void **state)
{
    (void)state;
    const struct way way = { "one role's", "\"file\": \"alice.pin\"", DIRECT,
                             ", \"client\": {" OTHER_KEY ", \"pin\": {\"file\": \"wrong.pin\"}}" };
    in_a_process(open_with_another_pin_for_a_role, &way);
    assert_int_equal(refusals(), 0);
    assert_int_equal(lines_with("C_Login"), 1);
}

/* --- a node that serves, and then its PIN file changes --- */

static void write_pin(const char *pin)
{
    const char *path = path_of("%s/served.pin", federation.folder);
    write_file(path_of("%s.next", path), pin, 0600);
    need(rename(path_of("%s.next", path), path) == 0, "rename");
}

static void log_out(void)
{
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, alice.label, 0);
    softhsm->C_Logout(session);
    softhsm->C_CloseSession(session);
}

/* What makes a login necessary again. */
static const struct occasion {
    const char *name;
    const char *script;
    void (*act)(void);
} occasions[] = {
    { "a logout by others", "", log_out },
    { "a card that was pulled and put back", "pulled=2\n", NULL },
    { "a restart of the module", "sign_error=0x30\nsign_error_at=1\n", NULL },
};

struct lost {       /* a node, an occasion, a mode */
    struct way way; /* first */
    const struct occasion *occasion;
};

static void arise(const struct occasion *occasion)
{
    faulty_set("");
    if (occasion->act != NULL) {
        occasion->act();
    }
    faulty_set(occasion->script);
}

/* Eight threads want a login. */
static void dial_in_vain(const struct dialling *dialling, const struct occasion *occasion)
{
    struct storm storms[2];
    storm_start(&storms[0], dialling);
    storm_start(&storms[1], dialling);
    need(storm_goes_on(&storms[0], DIALS), "nobody dials");
    arise(occasion);
    for (size_t i = 0; i < ARRAY_LEN(storms); i++) {
        need(storm_goes_on(&storms[i], DIALS), "who dials is kept waiting");
        storm_stop(&storms[i]);
        need(storms[i].failed > 0, "nobody noticed");
    }
}

static void serve(const struct way *way, struct party *party)
{
    const nk_plugin *plugin = plugin_load();
    nk_error err;
    write_pin(SOFTHSM_PIN);
    need(try_to_open(way, party, &err) == NK_OK &&
             plugin->server_credentials(party->node.instance, &party->node.server, &err) == NK_OK &&
             plugin->channel_credentials(party->node.instance, &party->node.channel, &err) == NK_OK,
         "%s", err.text);
    party_serve(party);
}

static void lose_the_login(const struct way *way)
{
    const struct occasion *occasion = ((const struct lost *)way)->occasion;
    struct party party = { .server = NULL };
    struct dialling dialling = { .party = &party, .stranger = &stranger };
    serve(way, &party);
    need(dial_outbound(&dialling, NULL), "no handshake before");
    write_pin(WRONG_PIN);
    for (size_t i = 0; i <= ARRAY_LEN(occasions); i++) { /* that one, then all */
        dial_in_vain(&dialling, i == 0 ? occasion : &occasions[i - 1]);
        need(refusals() == 1, "after round %zu: sent %lu times", i, refusals());
    }
    need(recorder_waits_for(party.node.log, "sent again", FAULT_PATIENCE_MS),
         "the log does not say so");
    need(!recorder_has(party.node.log, WRONG_PIN), "the PIN is in the log");
    /* Corrected, it is read and sent, and the node needs no restart. */
    write_pin(SOFTHSM_PIN);
    faulty_set("");
    long long deadline = clock_now_ms() + FAULT_PATIENCE_MS; /* a breaker may be open */
    while (!dial_outbound(&dialling, NULL)) {
        need(clock_now_ms() < deadline, "no handshake after");
    }
    party_stop(&party);
}

static void under_load(void **state)
{
    const struct lost *lost = *state;
    in_a_process(lose_the_login, &lost->way);
    assert_int_equal(refusals(), 1);
    for (int i = 0; i < AGAIN; i++) {
        in_a_process(open_in_vain, &ways[i]);
    }
    assert_int_equal(refusals(), 1);
}

/* --- reload --- */

static void reload_with_it(const struct way *way)
{
    struct party party = { .server = NULL };
    struct dialling dialling = { .party = &party, .stranger = &stranger };
    serve(way, &party);
    write_pin(WRONG_PIN);
    for (int i = 0; i < AGAIN; i++) {
        nk_error err = { .struct_size = sizeof(err) };
        nk_status status = plugin_load()->reload(party.node.instance, &err);
        need(status == NK_OK, "reload: %d %s", (int)status, err.text);
        need(refusals() == 0, "a reload sent it");
    }
    need(dial_outbound(&dialling, NULL), "a reload ended the login");
    for (size_t i = 0; i < ARRAY_LEN(occasions); i++) {
        arise(&occasions[i]);
        need(!dial_outbound(&dialling, NULL), "a handshake without a login");
        nk_error err = { .struct_size = sizeof(err) };
        (void)!plugin_load()->reload(party.node.instance, &err);
        need(refusals() == 1, "sent %lu times", refusals());
    }
    party_stop(&party);
}

static void by_reload(void **state)
{
    in_a_process(reload_with_it, *state);
    in_a_process(open_in_vain, &ways[0]);
    assert_int_equal(refusals(), 1);
}

/* --- --- */

static int start(void **state)
{
    (void)state;
    setenv("GRPC_VERBOSITY", "NONE", 1);
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    member_add_key(&alice, "other", "02", "P-256");
    alice.module = faulty_start();
    stranger = stranger_make(&federation);
    stranger.patience_s = 30; /* on a machine that is busy with other tests */
    logins = path_of("%s/logins", scratch_folder());
    const char *credentials = path_of("%s/credentials", scratch_folder());
    setenv("FAULTY_LOG", logins, 1);
    setenv("CREDENTIALS_DIRECTORY", credentials, 1);
    write_file(path_of("%s/wrong.pin", federation.folder), WRONG_PIN, 0600);
    write_file(path_of("%s/wrong-too.pin", federation.folder), WRONG_PIN "\n", 0600);
    if (mkdir(credentials, 0700) != 0) {
        return -1;
    }
    write_file(path_of("%s/wrong", credentials), WRONG_PIN, 0600);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(&stranger);
    member_free(&alice);
    federation_free(&federation);
    return 0;
}

#define SERVED "\"file\": \"served.pin\""

int main(void)
{
    static const char *const modes[] = { DIRECT, DEADLINE };
    static struct lost losses[ARRAY_LEN(occasions) * ARRAY_LEN(modes)];

    rows_each(fresh, NULL);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        rows_add(path_of("by %s", ways[i].name), by_one_way, &ways[i]);
    }
    rows_add("by every way in turn, through twenty processes",
             by_every_way_in_turn_through_twenty_processes, NULL);
    rows_add("another PIN for one role is not sent", another_pin_for_one_role_is_not_sent, NULL);
    for (size_t i = 0; i < ARRAY_LEN(losses); i++) {
        losses[i] =
            (struct lost){ { occasions[i / 2].name, SERVED, modes[i % 2], "" }, &occasions[i / 2] };
        rows_add(path_of("under load, after %s%s", occasions[i / 2].name,
                         i % 2 == 0 ? "" : ", by deadline"),
                 under_load, &losses[i]);
    }
    static const struct way reloads[] = { { "reload", SERVED, DIRECT, "" },
                                          { "reload, by deadline", SERVED, DEADLINE, "" } };
    rows_add("by reload", by_reload, &reloads[0]);
    rows_add("by reload, by deadline", by_reload, &reloads[1]);
    return ROWS_RUN("fault_pin", start, stop);
}
