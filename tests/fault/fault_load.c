/* SPDX-License-Identifier: Apache-2.0 */
#include "fault/fault_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fixtures/wire/rpc.h"

#define POLLERS 2
#define PAUSE_MS 5

static void must_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    if (pthread_create(thread, NULL, run, arg) != 0) {
        perror("pthread_create");
        abort();
    }
}

static bool grows(atomic_ulong *counter, unsigned long more)
{
    unsigned long goal = *counter + more;
    long long deadline = clock_now_ms() + FAULT_PATIENCE_MS;
    while (*counter < goal && clock_now_ms() < deadline) {
        clock_sleep_ms(1);
    }
    return *counter >= goal;
}

void party_serve(struct party *party)
{
    party->server = rpc_server_start(party->node.server, POLLERS, NULL, NULL);
}

void party_stop(struct party *party)
{
    rpc_server_stop(party->server);
    node_close(&party->node);
}

/* --- the connection that stands --- */

static void *call_on_and_on(void *arg)
{
    struct steady *steady = arg;
    while (!steady->enough) {
        struct rpc_result result = rpc_call(steady->channel, RPC_DEADLINE_MS);
        steady->answered += result.ok ? 1 : 0;
        if (!result.ok) {
            steady->failed++;
            steady->last_failure = result;
        }
        clock_sleep_ms(1);
    }
    return NULL;
}

bool steady_start(struct steady *steady, const struct party *party)
{
    *steady = (struct steady){
        .channel = rpc_channel(party->node.channel, rpc_server_address(party->server)),
    };
    struct rpc_result result = rpc_call(steady->channel, RPC_DEADLINE_MS);
    if (result.ok) {
        steady->held = rpc_stream_open(steady->channel, &result);
    }
    if (steady->held == NULL) {
        grpc_channel_destroy(steady->channel);
        return false;
    }
    must_start(&steady->thread, call_on_and_on, steady);
    return true;
}

bool steady_goes_on(struct steady *steady, unsigned long more)
{
    return grows(&steady->answered, more);
}

bool steady_stop(struct steady *steady)
{
    struct rpc_result ended;
    steady->enough = true;
    pthread_join(steady->thread, NULL);
    bool same = !rpc_stream_wait(steady->held, 0, &ended);
    if (!same) {
        steady->last_failure = ended;
    }
    rpc_stream_close(steady->held);
    grpc_channel_destroy(steady->channel);
    return same && steady->failed == 0;
}

/* --- those who dial --- */

bool dial_inbound(const struct dialling *dialling, char why[FAULT_WHY_BYTES])
{
    struct tls_result result =
        tls_peer_dial(dialling->stranger, rpc_server_port(dialling->party->server));
    if (why != NULL) {
        snprintf(why, FAULT_WHY_BYTES, "%s", result.why);
    }
    return result.accepted;
}

bool dial_outbound(const struct dialling *dialling, char why[FAULT_WHY_BYTES])
{
    struct rpc_result result =
        rpc_dial(dialling->party->node.channel, rpc_server_address(dialling->party->server),
                 RPC_DEADLINE_MS);
    if (why != NULL) {
        snprintf(why, FAULT_WHY_BYTES, "%d %.*s", result.status, FAULT_WHY_BYTES - 20,
                 result.details);
    }
    return result.ok;
}

static void storm_on(struct storm *storm, bool (*dial)(const struct dialling *, char *))
{
    while (!storm->enough) {
        bool cured = storm->cured;
        bool ok = dial(&storm->dialling, NULL);
        storm->dials++;
        storm->failed += ok ? 0 : 1;
        storm->failed_when_cured += cured && !ok ? 1 : 0;
        clock_sleep_ms(PAUSE_MS);
    }
}

static void *storm_inbound(void *arg)
{
    storm_on(arg, dial_inbound);
    return NULL;
}

static void *storm_outbound(void *arg)
{
    storm_on(arg, dial_outbound);
    return NULL;
}

void storm_start(struct storm *storm, const struct dialling *dialling)
{
    *storm = (struct storm){ .dialling = *dialling };
    for (size_t i = 0; i < ARRAY_LEN(storm->threads); i++) {
        bool inbound = i % 2 == 0 && !dialling->only_outbound;
        must_start(&storm->threads[i], inbound ? storm_inbound : storm_outbound, storm);
    }
}

bool storm_goes_on(struct storm *storm, unsigned long more)
{
    return grows(&storm->dials, more);
}

void storm_stop(struct storm *storm)
{
    storm->enough = true;
    for (size_t i = 0; i < ARRAY_LEN(storm->threads); i++) {
        pthread_join(storm->threads[i], NULL);
    }
}
