/* SPDX-License-Identifier: Apache-2.0
 * Kinds of peers times policies, each row with the verdict, reason and rule that it must get: from
 * the validator alone, from a node that dials the peer, and from one that the peer dials. All three
 * agree, also when the peer comes again, and nobody who was refused reaches a handler. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/grpc_credentials.h"
#include "fixtures/wire/rpc.h"
#include "matrix/matrix.h"

#define ROWS_MIN 120
#define PATCH_BYTES 2048
#ifdef NODEKEY_SANITIZED /* for which a row takes long enough */
#define TIMES_AGAIN 0
#else
#define TIMES_AGAIN 2 /* the last of which is not judged: the peer is known */
#endif

static struct federation federation;
static struct member alice;
static size_t rows_done;
static size_t deviations;
static size_t breaches; /* refused, and reached a handler */
static bool silent;     /* while a deviation is what a test wants */

static int start(void **state)
{
    (void)state;
    softhsm_start();
    setenv("GRPC_DNS_RESOLVER", "native", 1); /* c-ares leaks the name it looks up */
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    matrix_peers_make(&federation);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    matrix_peers_free();
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

/* --- one policy --- */

struct table { /* a policy, opened both ways */
    const char *name;
    struct matrix_judge *judge;
    struct matrix_wire *wire;
};

/* Owned: free. */
static char *fill_in(const char *text)
{
    static const struct {
        const char *mark;
        enum { PIN, ISSUER, SERIAL_NUMBER } what;
    } marks[] = { { "@pin@", PIN }, { "@issuer@", ISSUER }, { "@serial@", SERIAL_NUMBER } };
    char *filled = calloc(1, PATCH_BYTES);
    assert_non_null(filled);

    for (size_t used = 0; *text != '\0';) {
        size_t i = 0;
        while (i < ARRAY_LEN(marks) && strncmp(text, marks[i].mark, strlen(marks[i].mark)) != 0) {
            i++;
        }
        if (i == ARRAY_LEN(marks)) {
            assert_true(used < PATCH_BYTES - 1);
            filled[used++] = *text++;
            continue;
        }
        const char *value = marks[i].what == PIN      ? matrix_pin()
                            : marks[i].what == ISSUER ? matrix_issuer_pin(&federation)
                                                      : matrix_serial();
        used += (size_t)snprintf(filled + used, PATCH_BYTES - used, "%s", value);
        text += strlen(marks[i].mark);
    }
    return filled;
}

static struct table open_table(enum matrix_policy policy)
{
    static int audits;
    const char *audit = path_of("%s/audit-%d", federation.folder, audits++);
    char *members = fill_in(matrix_policies[policy].members);
    const char *patch = path_of("{\"audit\": {\"file\": \"%s\", \"per_peer_per_minute\": 1000000}, "
                                "%s}",
                                audit, members);
    struct table table = {
        .name = matrix_policies[policy].name,
        .judge = matrix_judge_open(&alice, patch),
        .wire = matrix_wire_open(&alice, patch, audit),
    };
    free(members);
    return table;
}

static void close_table(const struct table *table)
{
    size_t stray = matrix_wire_close(table->wire);
    matrix_judge_close(table->judge);
    if (stray != 0) { /* late, so no row could say so */
        print_error("policy \"%s\": %zu calls more than peers let in\n", table->name, stray);
        breaches += stray;
        deviations += stray;
    }
}

/* --- one row --- */

struct answers {
    struct matrix_verdict judge;
    struct matrix_verdict wire;
    bool reached;
    bool same_again;
};

static void ask(const struct table *table, const struct matrix_row *row, bool inbound,
                const char *want, struct answers *answers)
{
    const struct tls_peer *peer = matrix_peer(row->kind);
    const char *target = row->target != NULL ? row->target : MATRIX_TARGET;

    memset(answers, 0, sizeof(*answers));
    if (strcmp(want, "~") != 0) {
        matrix_judge_ask(table->judge, peer, inbound, target, &answers->judge);
    }
    bool awaited = want[0] != '~';
    answers->reached = matrix_wire_ask(table->wire, peer, inbound, target, awaited, &answers->wire);
    answers->same_again = true;
    for (int i = 0; i < TIMES_AGAIN; i++) {
        struct matrix_verdict again;
        bool reached = matrix_wire_ask(table->wire, peer, inbound, target, awaited, &again);
        answers->same_again = answers->same_again && reached == answers->reached &&
                              memcmp(&again, &answers->wire, sizeof(again)) == 0;
    }
}

static const char *what_differs(const struct matrix_row *row, const char *want,
                                const struct answers *answers)
{
    bool below = want[0] == '~';
    const char *verdict = want + below;
    const char *candidate = row->candidate != NULL ? row->candidate : "(none)";

    if (answers->reached != (want[0] == '+')) {
        return answers->reached ? "it reached a handler" : "it reached no handler";
    }
    if (strcmp(answers->judge.text, verdict) != 0) {
        return "the validator";
    }
    if (strcmp(answers->wire.text, below ? "" : verdict) != 0) {
        return "the handshake";
    }
    if (!answers->same_again) {
        return "the same peer, again";
    }
    if (below) {
        return NULL;
    }
    if (strcmp(answers->judge.detail, answers->wire.detail) != 0) {
        return "the two details";
    }
    if (verdict[0] == '+' || strcmp(verdict, "-no-rule") == 0) { /* it was asked only then */
        return strcmp(answers->judge.candidate, candidate) != 0 ||
                       strcmp(answers->wire.candidate, candidate) != 0
                   ? "the candidate"
                   : NULL;
    }
    return NULL;
}

/* BoringSSL looks at keyUsage itself, and verifies no signatures of those keys. */
static bool core_refuses(enum matrix_kind kind)
{
    return BORINGSSL_CORE && (kind == MAY_NOT_SIGN || kind == MAY_ENCIPHER || kind == P_521 ||
                              kind == ED25519 || kind == ED448);
}

static void check_direction(const struct table *table, const struct matrix_row *row, bool inbound,
                            const char *verdict)
{
    char want[MATRIX_TEXT_BYTES];
    struct answers answers;

    snprintf(want, sizeof(want), "%s%s", core_refuses(row->kind) && verdict[0] != '~' ? "~" : "",
             verdict);
    ask(table, row, inbound, want, &answers);
    breaches += answers.reached && want[0] != '+' ? 1 : 0;
    const char *difference = what_differs(row, want, &answers);
    if (difference == NULL) {
        return;
    }
    deviations++;
    if (!silent) {
        print_error("deviation: policy \"%s\", peer \"%s\", %s: %s\n  expected  %s\n"
                    "  validator %s (%s)\n  handshake %s (%s)\n",
                    table->name, matrix_kind_name(row->kind), inbound ? "inbound" : "outbound",
                    difference, want, answers.judge.text, answers.judge.detail, answers.wire.text,
                    answers.wire.detail);
    }
}

static void check_row(const struct table *table, const struct matrix_row *row)
{
    char in[MATRIX_TEXT_BYTES];
    const char *bar = strstr(row->want, " | ");
    int len = bar != NULL ? (int)(bar - row->want) : (int)strlen(row->want);

    snprintf(in, sizeof(in), "%.*s", len, row->want);
    check_direction(table, row, true, in);
    check_direction(table, row, false, bar != NULL ? bar + strlen(" | ") : in);
    rows_done++;
}

/* --- tests --- */

static void check_policy(void **state)
{
    enum matrix_policy policy = (enum matrix_policy)(uintptr_t)*state;
    struct table table = open_table(policy);
    size_t before = deviations;

    for (size_t i = 0; policy < PRODUCT_POLICIES && i < matrix_products_len; i++) {
        const struct matrix_row row = { .policy = policy,
                                        .kind = matrix_products[i].kind,
                                        .want = matrix_products[i].want[policy] };
        check_row(&table, &row);
    }
    for (size_t i = 0; i < matrix_rows_len; i++) {
        if (matrix_rows[i].policy == policy) {
            check_row(&table, &matrix_rows[i]);
        }
    }
    close_table(&table);
    assert_int_equal(deviations - before, 0);
}

/* Else a matrix of wrong expectations would pass, too. */
static void a_wrong_expectation_deviates(void **state)
{
    static const struct matrix_row wrong[] = {
        { .policy = MEMBERS, .kind = MEMBER, .want = "-no-rule" },       /* it is let in */
        { .policy = MEMBERS, .kind = MEMBER, .want = "+all-certified" }, /* by another rule */
        { .policy = MEMBERS, .kind = GUEST, .want = "+members" },        /* it is refused */
        { .policy = MEMBERS, .kind = GUEST, .want = "-untrusted" },      /* for another reason */
        { .policy = MEMBERS, .kind = MALLORY, .want = "-denied" },       /* by a rule */
        { .policy = MEMBERS, .kind = GUEST, .want = "~-no-rule" },       /* a verifier is asked */
        { .policy = MEMBERS,
          .kind = MEMBER,
          .want = "+members",
          .candidate = "" }, /* no candidate was */
    };
    (void)state;
    size_t deviations_before = deviations;
    size_t breaches_before = breaches;
    size_t rows_before = rows_done;
    struct table table = open_table(MEMBERS);

    silent = true;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        check_row(&table, &wrong[i]);
    }
    silent = false;
    close_table(&table);
    size_t found = deviations - deviations_before;
    size_t reached = breaches - breaches_before;
    deviations = deviations_before;
    breaches = breaches_before;
    rows_done = rows_before;
    assert_int_equal(found, 2 * ARRAY_LEN(wrong));
    assert_int_equal(reached, 2); /* the first row, both ways */
}

static void the_matrix_is_whole(void **state)
{
    (void)state;
    print_message("policy matrix: %zu rows, %zu deviations\n", rows_done, deviations);
    print_message("policy matrix: %zu refused peers reached a handler\n", breaches);
    assert_int_equal(rows_done, PRODUCT_POLICIES * matrix_products_len + matrix_rows_len);
    assert_true(rows_done >= ROWS_MIN);
    assert_int_equal(deviations, 0);
    assert_int_equal(breaches, 0);
}

int main(void)
{
    for (enum matrix_policy policy = 0; policy < MATRIX_POLICIES; policy++) {
        rows_add(matrix_policies[policy].name, check_policy, (void *)(uintptr_t)policy);
    }
    ROWS_TEST(a_wrong_expectation_deviates);
    ROWS_TEST(the_matrix_is_whole);
    return ROWS_RUN("policy_matrix", start, stop);
}
