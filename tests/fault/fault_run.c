/* SPDX-License-Identifier: Apache-2.0
 * The checker of the fault table: every row takes this way, whatever its fault and its moment. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fault/fault_load.h"
#include "fault/fault_table.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/wire/rpc.h"

#define ANSWERED_MIN 10 /* while the fault is there */
#define STORM_DIALS 12
#define BREAKER_OPENS "signatures fail at once"
#define BREAKER_CLOSES "answers again after"
#define NO_SIGNATURE "no signature: "

struct run {
    const struct fault_world *world;
    const struct fault_row *row;
    struct fault_result *result;
    struct party elder;  /* whose connection stands */
    struct party party;  /* at whom the fault is aimed */
    struct party *aimed; /* the latter, or the elder when there is but one */
    struct steady steady;
    unsigned long answered_before;
};

static void PRINTF_LIKE(2, 3) wrong(struct run *run, const char *fmt, ...)
{
    va_list args;
    if (run->result->wrong[0] != '\0') {
        return; /* the first is the cause */
    }
    va_start(args, fmt);
    vsnprintf(run->result->wrong, sizeof(run->result->wrong), fmt, args);
    va_end(args);
}

static const struct member *subject(const struct run *run)
{
    return run->row->rsa ? &run->world->rosa : &run->world->alice;
}

static const char *patch(const struct run *run)
{
    return run->row->patch != NULL ? run->row->patch : "{}";
}

/* --- fault and cure --- */

static void strike(struct run *run)
{
    run->answered_before = run->steady.answered;
    if (run->row->strike != NULL) {
        run->row->strike(run->world);
    }
    faulty_set(run->row->script != NULL ? run->row->script : "");
}

/* Not before the connection that stands has seen something of the fault. */
static void cure(struct run *run)
{
    if (!steady_goes_on(&run->steady, ANSWERED_MIN)) {
        wrong(run, "the connection that stood is stalled");
    }
    run->result->answered = run->steady.answered - run->answered_before;
    if (run->row->cure != NULL) {
        run->row->cure(run->world);
    }
    faulty_set(run->row->cured != NULL ? run->row->cured : "");
}

/* --- what the log says --- */

/* The first line that has `piece`, without its level. */
static bool quote(struct run *run, const char *piece)
{
    char *text = recorder_copy(run->aimed->node.log);
    char *at = strstr(text, piece);
    if (at != NULL) {
        char *line = at;
        while (line > text && line[-1] != '\n') {
            line--;
        }
        char *message = strstr(line, ": ");
        message = message != NULL && message < at ? message + 2 : line;
        snprintf(run->result->text, sizeof(run->result->text), "%.*s", (int)strcspn(message, "\n"),
                 message);
    }
    free(text);
    return at != NULL;
}

static void check_log(struct run *run)
{
    const struct fault_row *row = run->row;
    struct recorder *log = run->aimed->node.log;
    if (row->outcome == SERVES && row->says == NULL) {
        if (recorder_has(log, NO_SIGNATURE)) {
            quote(run, NO_SIGNATURE);
            wrong(run, "signatures failed");
        }
        return;
    }
    if (!recorder_waits_for(log, row->says, FAULT_PATIENCE_MS) || !quote(run, row->says)) {
        char *text = recorder_copy(log);
        wrong(run, "the log lacks \"%s\": %s", row->says, text);
        free(text);
    }
}

/* --- opening --- */

static nk_status open_party(struct run *run, struct party *party)
{
    const nk_plugin *plugin = plugin_load();
    nk_error err = { .struct_size = sizeof(err) };
    char *config = member_config(subject(run), patch(run));
    node_prepare(&party->node);
    nk_status status = plugin->open_text(&party->node.host, config, run->world->federation.folder,
                                         &party->node.instance, &err);
    free(config);
    if (status != NK_OK) {
        snprintf(run->result->text, sizeof(run->result->text), "%d %s", (int)status, err.text);
        return status;
    }
    if (plugin->server_credentials(party->node.instance, &party->node.server, &err) != NK_OK ||
        plugin->channel_credentials(party->node.instance, &party->node.channel, &err) != NK_OK) {
        wrong(run, "no credentials: %s", err.text);
    }
    return status;
}

/* True: it is open, though the fault is there. */
static bool open_under_fault(struct run *run)
{
    const struct fault_row *row = run->row;
    nk_status status = open_party(run, &run->party);
    nk_status wanted = row->outcome == FAILS ? row->status : NK_OK;
    run->result->dials = 1;
    if (status != wanted) {
        wrong(run, "open answered %d: %s", (int)status, run->result->text);
    } else if (status != NK_OK && strstr(run->result->text, row->says) == NULL) {
        wrong(run, "the error lacks \"%s\"", row->says);
    } else if (status == NK_OK && row->says != NULL) {
        check_log(run);
    }
    return status == NK_OK;
}

static bool open_after_cure(struct run *run)
{
    char text[sizeof(run->result->text)];
    memcpy(text, run->result->text, sizeof(text));
    nk_status status = open_party(run, &run->party);
    if (status != NK_OK) {
        wrong(run, "open after the cure: %s", run->result->text);
    }
    memcpy(run->result->text, text, sizeof(text));
    return status == NK_OK;
}

/* --- handshakes --- */

static struct dialling to(struct run *run, struct party *party)
{
    return (struct dialling){ .party = party,
                              .stranger = &run->world->stranger,
                              .only_outbound = run->row->only_outbound };
}

static void dial_under_fault(struct run *run)
{
    struct dialling dialling = to(run, run->aimed);
    bool wanted = run->row->outcome == SERVES;
    if (!run->row->only_outbound && dial_inbound(&dialling, NULL) != wanted) {
        wrong(run, wanted ? "an inbound handshake failed" : "an inbound handshake succeeded");
    }
    if (dial_outbound(&dialling, NULL) != wanted) {
        wrong(run, wanted ? "an outbound handshake failed" : "an outbound handshake succeeded");
    }
    run->result->dials += run->row->only_outbound ? 1 : 2;
}

/* A breaker that has opened tries by itself and says when the token is back. */
static void await_product(struct run *run)
{
    struct recorder *log = run->aimed->node.log;
    clock_sleep_ms(run->row->pause_ms);
    long long deadline = clock_now_ms() + FAULT_PATIENCE_MS;
    while (recorder_count(log, BREAKER_CLOSES) < recorder_count(log, BREAKER_OPENS)) {
        if (clock_now_ms() > deadline) {
            wrong(run, "not noticed that the token is back");
            return;
        }
        clock_sleep_ms(1);
    }
}

/* The first after the cure, in each direction, by one attempt. */
static void dial_after_cure(struct run *run, struct party *party)
{
    struct dialling dialling = to(run, party);
    char why[FAULT_WHY_BYTES];
    if (!run->row->only_outbound && !dial_inbound(&dialling, why)) {
        wrong(run, "the first inbound handshake after the cure failed: %s", why);
    }
    if (!dial_outbound(&dialling, why)) {
        wrong(run, "the first outbound handshake after the cure failed: %s", why);
    }
}

/* --- the moments --- */

static void at_open(struct run *run)
{
    strike(run);
    bool opened = open_under_fault(run);
    if (opened) {
        party_serve(&run->party);
        dial_under_fault(run);
    }
    cure(run);
    long long cured_ms = clock_now_ms();
    if (!opened) {
        if (!open_after_cure(run)) {
            return;
        }
        party_serve(&run->party);
    }
    await_product(run);
    dial_after_cure(run, run->aimed);
    run->result->next_ms = clock_now_ms() - cured_ms;
}

static void when_it_serves(struct run *run)
{
    strike(run);
    dial_under_fault(run);
    check_log(run);
    cure(run);
    long long cured_ms = clock_now_ms();
    await_product(run);
    dial_after_cure(run, run->aimed);
    run->result->next_ms = clock_now_ms() - cured_ms;
}

static void at_first_signature(struct run *run)
{
    if (open_party(run, &run->party) != NK_OK) {
        wrong(run, "open before the fault: %s", run->result->text);
        return;
    }
    party_serve(&run->party);
    when_it_serves(run);
}

/* Another token of the same module, which knows nothing of the first one's locks. */
static void storm_beside(struct run *run, struct storm *storm)
{
    struct dialling dialling = to(run, &run->party);
    node_open(&run->party.node, &run->world->rosa, patch(run));
    party_serve(&run->party);
    storm_start(storm, &dialling);
}

static void end_beside(struct run *run, struct storm *storm)
{
    if (!storm_goes_on(storm, STORM_DIALS)) {
        wrong(run, "who dials the other token's node is kept waiting");
    }
    storm_stop(storm);
    if (storm->failed > 0) {
        wrong(run, "%lu dials of %lu failed at the other token's node", storm->failed,
              storm->dials);
    }
}

static void under_load(struct run *run)
{
    struct dialling dialling = to(run, run->aimed);
    struct storm storm, beside;
    if (run->row->beside) {
        storm_beside(run, &beside);
    }
    storm_start(&storm, &dialling);
    if (!storm_goes_on(&storm, STORM_DIALS) || storm.failed != 0) {
        wrong(run, "dials failed before the fault");
    }
    unsigned long dials = storm.dials;
    strike(run);
    if (!storm_goes_on(&storm, STORM_DIALS)) {
        wrong(run, "who dials is kept waiting");
    }
    check_log(run);
    if (run->row->beside) {
        end_beside(run, &beside);
    }
    cure(run);
    run->result->dials = storm.dials - dials;
    long long cured_ms = clock_now_ms();
    await_product(run);
    storm.cured = true;
    dial_after_cure(run, run->aimed);
    run->result->next_ms = clock_now_ms() - cured_ms;
    if (!storm_goes_on(&storm, STORM_DIALS)) {
        wrong(run, "the others who dial are kept waiting after the cure");
    }
    storm_stop(&storm);
    if (run->row->outcome == SERVES && storm.failed > 0) {
        wrong(run, "%lu dials of %lu failed", storm.failed, storm.dials);
    }
    if (storm.failed_when_cured > 0) {
        wrong(run, "%lu dials failed after the cure", storm.failed_when_cured);
    }
}

/* --- the whole --- */

static void check_counters(struct run *run)
{
    const struct faulty_counters *count = faulty_count();
    const struct {
        const char *what;
        unsigned long number;
    } never[] = {
        { "sessions were shared", count->session_shared },
        { "sessions were opened at once", count->open_overlap },
        { "C_Finalize came under a signature", count->finalize_inside },
        { "PSS parameters changed before C_Sign", count->pss_changed },
        { "operations were cancelled", count->sign_cancelled },
        { "C_Initialize came without CKF_OS_LOCKING_OK", count->no_locking },
    };
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        if (never[i].number != 0) {
            wrong(run, "%lu times: %s", never[i].number, never[i].what);
        }
    }
}

static void open_elder(struct run *run)
{
    bool apart = run->row->moment == BEFORE_OPEN;
    faulty_set(run->row->first != NULL ? run->row->first : "");
    node_open(&run->elder.node, apart ? &run->world->bob : subject(run), apart ? "{}" : patch(run));
    party_serve(&run->elder);
}

void fault_run(const struct fault_world *world, const struct fault_row *row,
               struct fault_result *result)
{
    struct run run = { .world = world, .row = row, .result = result };
    bool alone = row->moment == UNDER_LOAD || row->moment == REINITIALISING;
    grpc_init();
    open_elder(&run);
    run.aimed = alone ? &run.elder : &run.party;
    if (!steady_start(&run.steady, &run.elder)) {
        wrong(&run, "no connection before the fault");
    } else {
        switch (row->moment) {
        case BEFORE_OPEN:
        case AT_OPEN:
            at_open(&run);
            break;
        case FIRST_SIGNATURE:
            at_first_signature(&run);
            break;
        case UNDER_LOAD:
            under_load(&run);
            break;
        case REINITIALISING:
        case MOMENTS:
            when_it_serves(&run);
            break;
        }
        if (!alone) {
            dial_after_cure(&run, &run.elder);
        }
        if (!steady_stop(&run.steady)) {
            wrong(&run, "the connection that stood: %lu calls failed, %d %s", run.steady.failed,
                  run.steady.last_failure.status, run.steady.last_failure.details);
        }
    }
    check_counters(&run);
    if (run.party.server != NULL) {
        party_stop(&run.party);
    }
    party_stop(&run.elder);
    rpc_shutdown();
    result->holds = result->wrong[0] == '\0';
}
