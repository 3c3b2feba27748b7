/* SPDX-License-Identifier: Apache-2.0
 * Signatures started by several threads and cancelled by others, before, while and after they are
 * made; handles let go of in every order; instances closed and opened again in their midst. Every
 * start is answered once, and nothing is kept. Rounds change between SoftHSM and a slow token.
 *
 * By hand: test_fault_churn --starts 30000, also under valgrind. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/resident.h"
#include "fixtures/softhsm/softhsm.h"

#define STARTS_DEFAULT 4000
#define ROUNDS 10
#define WARM_ROUNDS 4 /* two of each token */
#define GROWTH_MAX_KIB 256
#define OPENS 200
#define GROWTH_OPENS_MAX_KIB 128 /* while malloc fills its caches */
#define SETTLE_READS 10
#define SETTLE_STEP_MS 10
#define STARTERS 4
#define CANCELLERS 2
#define AT_ONCE 16 /* of each starter */
#define QUEUED_MAX (STARTERS * AT_ONCE * CANCELLERS)
#define DELAY_MAX_US 3000
#define CANCELLED_EVERY 6
#define VERIFIED_EVERY 8
#define PATIENCE_MS 60000
#define ECDSA_SHA256 0x0403
#define PATCH                                                                                      \
    "{\"token\": {\"max_sessions\": 8, \"max_waiting_inbound\": 1000, "                            \
    "\"sign_timeout_ms\": 60000}}"

/* How a handle ends. */
enum end {
    FREED_AT_ONCE,
    FREED_WHEN_DONE,
    FREED_IN_DONE,
    CANCELLED_AT_ONCE,
    CANCELLED_LATER,
    CANCELLED_BY_TWO,
    CANCELLED_WHEN_DONE,
    CANCELLED_IN_DONE,
    ENDS
};

struct start {
    unsigned long number;
    enum end end;
    unsigned opening; /* of the instance whose signer was asked */
    _Atomic(nk_signing *) signing;
    atomic_uint holders; /* of the handle: the last one frees it */
    atomic_uint dones;
    atomic_bool freed;
    nk_status status;
    size_t len;
    uint8_t signature[NK_SIGNATURE_BYTES];
};

static const nk_plugin *plugin;
static nk_host host;
static struct recorder *log_lines;
static struct federation federation;
static struct party {
    struct member member;
    char *config; /* owned */
} quick, slow;
static unsigned long all_starts = STARTS_DEFAULT;

static struct {
    atomic_ulong begun, started, refused, dones, freed, wrong;
    atomic_ulong before, during, after; /* cancels: that won, that did not, that came later */
} count;

/* The instance that is open now. */
static struct {
    pthread_mutex_t lock;
    nk_instance *instance;
    nk_signer *signers[2];
    unsigned opening;
    atomic_uint closed; /* the last opening that is closed */
    EVP_PKEY *public_key;
} now = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void wrong(const char *what, const struct start *start)
{
    fprintf(stderr, "start %lu, end %d, status %d: %s\n", start->number, (int)start->end,
            (int)start->status, what);
    atomic_fetch_add(&count.wrong, 1);
}

/* --- handles --- */

static void let_go(struct start *start)
{
    if (atomic_fetch_sub(&start->holders, 1) == 1) {
        plugin->signing_free(start->signing);
        atomic_fetch_add(&count.freed, 1);
        atomic_store(&start->freed, true);
    }
}

static void cancel(struct start *start)
{
    plugin->sign_cancel(start->signing);
}

static bool is_done(const struct start *start)
{
    return atomic_load(&start->dones) > 0;
}

static void take_answer(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    struct start *start = arg;

    start->status = err->status;
    start->len = len;
    memcpy(start->signature, signature, err->status == NK_OK ? len : 0);
    if (err->status != NK_OK && err->status != NK_E_CLOSED) {
        wrong(err->text, start);
    }
    if (start->opening <= now.closed) {
        wrong("done after close", start);
    }
    if (start->end == FREED_IN_DONE || start->end == CANCELLED_IN_DONE) {
        while (start->signing == NULL) { /* the starter is about to say */
            sched_yield();
        }
        if (start->end == CANCELLED_IN_DONE) {
            cancel(start);
        }
        let_go(start);
    }
    atomic_fetch_add(&count.dones, 1);
    if (atomic_fetch_add(&start->dones, 1) != 0) {
        wrong("done twice", start);
    }
}

/* --- cancellers --- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct start *starts[QUEUED_MAX];
    size_t first, len;
    bool enough;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void enqueue(struct start *start)
{
    pthread_mutex_lock(&queue.lock);
    queue.starts[(queue.first + queue.len++) % QUEUED_MAX] = start;
    pthread_cond_signal(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
}

/* NULL: there are no more. */
static struct start *dequeue(void)
{
    struct start *start = NULL;

    pthread_mutex_lock(&queue.lock);
    while (queue.len == 0 && !queue.enough) {
        pthread_cond_wait(&queue.changed, &queue.lock);
    }
    if (queue.len > 0) {
        start = queue.starts[queue.first];
        queue.first = (queue.first + 1) % QUEUED_MAX;
        queue.len--;
    }
    pthread_mutex_unlock(&queue.lock);
    return start;
}

static void *cancel_all(void *arg)
{
    unsigned *seed = arg;
    struct start *start = NULL;

    while ((start = dequeue()) != NULL) {
        long us = rand_r(seed) % DELAY_MAX_US;
        nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
        while (start->end == CANCELLED_WHEN_DONE && !is_done(start)) {
            sched_yield();
        }
        cancel(start);
        let_go(start);
    }
    return NULL;
}

/* --- starters --- */

static void write_input(const struct start *start, char input[static 64])
{
    snprintf(input, 64, "what TLS wants signed, number %020lu", start->number);
}

static bool verifies(const struct start *start)
{
    char input[64] = "";
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    write_input(start, input);
    bool good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, now.public_key) == 1 &&
                EVP_DigestVerify(ctx, start->signature, start->len, (const unsigned char *)input,
                                 sizeof(input)) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

/* The signer of this moment: the caller's. */
static nk_signer *borrow_signer(struct start *start)
{
    pthread_mutex_lock(&now.lock);
    nk_signer *signer = now.signers[start->number % 2];
    start->opening = now.opening;
    plugin->signer_ref(signer);
    pthread_mutex_unlock(&now.lock);
    return signer;
}

static enum end end_of(unsigned long number)
{
    return number % CANCELLED_EVERY == 0
               ? (enum end)(CANCELLED_AT_ONCE +
                            number / CANCELLED_EVERY % (ENDS - CANCELLED_AT_ONCE))
               : (enum end)(number % CANCELLED_AT_ONCE);
}

static void end_handle(struct start *start, nk_signing *signing)
{
    const unsigned in_queue = start->end == CANCELLED_BY_TWO ? 2
                              : start->end == CANCELLED_LATER || start->end == CANCELLED_WHEN_DONE
                                  ? 1
                                  : 0;

    atomic_store(&start->holders, in_queue > 0 ? in_queue : 1);
    atomic_store(&start->signing, signing);
    for (unsigned i = 0; i < in_queue; i++) {
        enqueue(start);
    }
    if (start->end == CANCELLED_AT_ONCE) {
        cancel(start);
    }
    if (start->end == CANCELLED_AT_ONCE || start->end == FREED_AT_ONCE) {
        let_go(start);
    }
}

/* An instance that is being closed refuses; the next one is about to be opened. */
static void start_one(struct start *start)
{
    char input[64] = "";
    nk_error err = { .struct_size = sizeof(err) };
    nk_signing *signing = NULL;

    *start = (struct start){ .number = atomic_fetch_add(&count.begun, 1) };
    start->end = end_of(start->number);
    write_input(start, input);
    for (;;) {
        nk_signer *signer = borrow_signer(start);
        nk_status status = plugin->sign_start(signer, ECDSA_SHA256, (const uint8_t *)input,
                                              sizeof(input), take_answer, start, &signing, &err);
        plugin->signer_free(signer);
        if (status == NK_OK) {
            break;
        }
        if (status != NK_E_CLOSED) {
            start->status = status;
            wrong(err.text, start);
        }
        atomic_fetch_add(&count.refused, 1);
        clock_sleep_ms(1);
    }
    atomic_fetch_add(&count.started, 1);
    end_handle(start, signing);
}

static void await_end(struct start *start)
{
    for (int ms = 0; !is_done(start) || (!start->freed && start->end != FREED_WHEN_DONE); ms++) {
        clock_sleep_ms(1);
        if (ms == PATIENCE_MS) {
            wrong("no done, or a handle is left", start);
            abort();
        }
    }
    if (start->end == FREED_WHEN_DONE) {
        let_go(start);
    }
    if (start->status == NK_OK && start->number % VERIFIED_EVERY == 0 && !verifies(start)) {
        wrong("another signature", start);
    }
}

static void count_cancel(const struct start *start)
{
    if (start->end >= CANCELLED_WHEN_DONE) {
        atomic_fetch_add(&count.after, 1);
    } else if (start->end >= CANCELLED_AT_ONCE) {
        atomic_fetch_add(start->status == NK_OK ? &count.during : &count.before, 1);
    }
}

static void *start_all(void *arg)
{
    static struct start starts[STARTERS][AT_ONCE];
    struct start *own = starts[*(const unsigned *)arg];
    unsigned long share = all_starts / ROUNDS / STARTERS;

    for (unsigned long i = 0; i < share + AT_ONCE; i++) {
        struct start *start = &own[i % AT_ONCE];
        if (i >= AT_ONCE) {
            await_end(start);
            count_cancel(start);
        }
        if (i < share) {
            start_one(start);
        }
    }
    return NULL;
}

/* --- instances --- */

static void open_party(const struct party *party)
{
    nk_error err = { .struct_size = sizeof(err) };

    if (plugin->open_text(&host, party->config, federation.folder, &now.instance, &err) != NK_OK ||
        plugin->signer(now.instance, NK_PEER_IS_CLIENT, &now.signers[0], &err) != NK_OK ||
        plugin->signer(now.instance, NK_PEER_IS_SERVER, &now.signers[1], &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    now.opening++;
    recorder_clear(log_lines);
}

static void close_party(void)
{
    assert_int_equal(plugin->close(now.instance, NULL), NK_OK);
    atomic_store(&now.closed, now.opening);
    plugin->signer_free(now.signers[0]);
    plugin->signer_free(now.signers[1]);
}

static void reopen_when(unsigned long begun, const struct party *party)
{
    while (atomic_load(&count.begun) < begun) {
        clock_sleep_ms(1);
    }
    pthread_mutex_lock(&now.lock);
    nk_instance *instance = now.instance;
    pthread_mutex_unlock(&now.lock);
    assert_int_equal(plugin->close(instance, NULL), NK_OK); /* while all others go on */
    pthread_mutex_lock(&now.lock);
    atomic_store(&now.closed, now.opening);
    plugin->signer_free(now.signers[0]);
    plugin->signer_free(now.signers[1]);
    open_party(party);
    pthread_mutex_unlock(&now.lock);
}

static void run_round(unsigned round)
{
    const struct party *party = round % 2 == 0 ? &quick : &slow;
    pthread_t starters[STARTERS], cancellers[CANCELLERS];
    unsigned numbers[STARTERS], seeds[CANCELLERS];
    unsigned long share = all_starts / ROUNDS / STARTERS * STARTERS;

    now.public_key = X509_get_pubkey(party->member.leaf);
    open_party(party);
    queue.enough = false;
    for (unsigned i = 0; i < CANCELLERS; i++) {
        seeds[i] = round * CANCELLERS + i;
        assert_int_equal(pthread_create(&cancellers[i], NULL, cancel_all, &seeds[i]), 0);
    }
    for (unsigned i = 0; i < STARTERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&starters[i], NULL, start_all, &numbers[i]), 0);
    }
    reopen_when(round * share + share / 3, party);
    reopen_when(round * share + share * 2 / 3, party);
    for (unsigned i = 0; i < STARTERS; i++) {
        pthread_join(starters[i], NULL);
    }
    pthread_mutex_lock(&queue.lock);
    queue.enough = true;
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
    for (unsigned i = 0; i < CANCELLERS; i++) {
        pthread_join(cancellers[i], NULL);
    }
    close_party();
    EVP_PKEY_free(now.public_key);
}

/* --- tests --- */

static long resident[ROUNDS];

/* The least of some looks: a thread ends a little after close. */
static long settled_kib(void)
{
    long least = resident_kib();

    for (int i = 0; i < SETTLE_READS; i++) {
        clock_sleep_ms(SETTLE_STEP_MS);
        long kib = resident_kib();
        least = kib < least ? kib : least;
    }
    return least;
}

static void enrol(struct party *party, const char *label, const char *module)
{
    federation_enrol(&federation, &party->member, label, "P-256");
    party->member.module = module != NULL ? module : party->member.module;
    party->config = member_config(&party->member, PATCH);
}

static void party_free(struct party *party)
{
    member_free(&party->member);
    free(party->config);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    federation_make(&federation, "example.org");
    enrol(&quick, "quick", NULL);
    enrol(&slow, "slow", faulty_start());
    faulty_set("sign_ms=2\n");
    plugin = plugin_load();
    log_lines = recorder_new();
    host = recording_host(log_lines);
    host.grpc_version = NULL; /* no core is needed */
    for (unsigned round = 0; round < ROUNDS; round++) {
        run_round(round);
        resident[round] = settled_kib();
    }
    print_message("%lu started, %lu done, %lu handles freed, %lu refused; cancels: %lu before, "
                  "%lu during, %lu after\n",
                  count.started, count.dones, count.freed, count.refused, count.before,
                  count.during, count.after);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    party_free(&quick);
    party_free(&slow);
    federation_free(&federation);
    return 0;
}

static void each_start_is_answered_once(void **state)
{
    (void)state;
    assert_int_equal(count.wrong, 0);
    assert_int_equal(count.started, count.dones);
    assert_int_equal(count.started, count.begun);
}

static void no_handle_is_left(void **state)
{
    (void)state;
    assert_int_equal(count.freed, count.started);
    assert_int_equal(faulty_count()->session_shared, 0);
    assert_int_equal(faulty_count()->sessions_now, 0);
}

static void cancels_came_at_every_time(void **state)
{
    (void)state;
    assert_true(count.before > 0 && count.during > 0 && count.after > 0);
}

/* In one arena: each that malloc makes keeps gaps of its own. */
static void no_memory_is_kept(void **state)
{
    (void)state;
    long most = 0;

    for (unsigned round = WARM_ROUNDS; round < ROUNDS; round++) {
        most = resident[round] > most ? resident[round] : most;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        print_message("%s%ld", round == 0 ? "resident, KiB: " : ", ", resident[round]);
    }
    print_message("\n");
#ifndef NODEKEY_SANITIZED /* what was freed stays resident */
    assert_true(getenv("MALLOC_ARENA_MAX") == NULL ||
                most - resident[WARM_ROUNDS - 1] <= GROWTH_MAX_KIB);
#endif
}

static long in_use_kib(void)
{
    struct mallinfo2 all = mallinfo2();
    return (long)((all.uordblks + all.hblkhd) / 1024);
}

static void opened_again_and_again(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        open_party(&quick);
        close_party();
    }
}

/* Listings of tokens by `open` once kept a kilobyte each. */
static void no_memory_is_kept_of_instances(void **state)
{
    (void)state;

    opened_again_and_again(OPENS / 2);
    long before = in_use_kib();
    opened_again_and_again(OPENS);
    long after = in_use_kib();
    print_message("in use, KiB: %ld, after %d instances more %ld\n", before, OPENS, after);
#ifndef NODEKEY_SANITIZED /* whose malloc counts otherwise */
    assert_true(after - before <= GROWTH_OPENS_MAX_KIB);
#endif
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_start_is_answered_once),    cmocka_unit_test(no_handle_is_left),
        cmocka_unit_test(cancels_came_at_every_time),     cmocka_unit_test(no_memory_is_kept),
        cmocka_unit_test(no_memory_is_kept_of_instances),
    };
    if (argc == 3 && strcmp(argv[1], "--starts") == 0) {
        all_starts = strtoul(argv[2], NULL, 10);
    }
    if ((argc != 1 && argc != 3) || all_starts < ROUNDS * STARTERS) {
        fprintf(stderr, "usage: %s [--starts N]\n", argv[0]);
        return 2;
    }
    return cmocka_run_group_tests_name("fault_churn", tests, start, stop);
}
