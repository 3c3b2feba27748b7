/* SPDX-License-Identifier: Apache-2.0
 * Peers that connect again: the policy is asked twice, the host's hook, the audit and the log each
 * time; and nothing that a verdict rests on may change without its being asked again. */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "chain/reasons.h"
#include "fixtures/authority.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "judge/known_peers.h"
#include "judge/verdicts.h"

#define NODE                                                                                       \
    "{\"module\": \"softhsm\", \"key\": \"pkcs11:object=key\", \"certificate\": \"x.pem\", "       \
    "\"pin\": {\"file\": \"pin\"}}"
#define ROOTS "\"roots\": [\"root.pem\"]"
#define FEDERATION "\"federation\": {" ROOTS "}"
#define MEMBERS "\"admit\": [{\"name\": \"members\", \"uri\": [\"spiffe://f.example/node/*\"]}]"
#define AUDIT ", \"audit\": {\"file\": \"audit.jsonl\", \"per_peer_per_minute\": 60000}"
#define IN NK_PEER_IS_CLIENT
#define OUT NK_PEER_IS_SERVER
#define TIMES 1000
#ifdef NODEKEY_SANITIZED /* which takes ten times as long */
#define CROWD 1200
#else
#define CROWD 2000
#endif
#define ALIKE 5
#define SHORT_SECONDS 30 /* less than a member is kept for */

static struct authority root;
static struct authority intermediate;
static EVP_PKEY *key;
static char *leaf_pem;
static char *whole_pem; /* with the intermediate's */
static X509 *leaf;

/* --- what is asked --- */

static atomic_uint judged; /* by the policy */
static bool fails;
void __real_policy_judge(struct policy *policy, const struct peer *peer, struct opinion *opinion);
void __wrap_policy_judge(struct policy *policy, const struct peer *peer, struct opinion *opinion);
void __wrap_policy_judge(struct policy *policy, const struct peer *peer, struct opinion *opinion)
{
    judged++;
    __real_policy_judge(policy, peer, opinion);
    if (fails) {
        opinion->verdict.decision = NK_DENY;
        verdict_deny(&opinion->verdict, REASON_INTERNAL, NULL, "said by the test");
    }
}

static time_t moved; /* seconds by which the judge's clock differs */
time_t __real_time(time_t *ret_now);
time_t __wrap_time(time_t *ret_now);
time_t __wrap_time(time_t *ret_now)
{
    time_t now = __real_time(NULL) + moved;

    if (ret_now != NULL) {
        *ret_now = now;
    }
    return now;
}

static char facts[4096]; /* as the hook was first told them */
static void tell_facts(const nk_peer *peer, char text[sizeof(facts)])
{
    int used = snprintf(text, sizeof(facts), "%u %s %s", peer->role,
                        peer->target != NULL ? peer->target : "-", peer->common_name);

    for (size_t i = 0; i < peer->names_len; i++) {
        used += snprintf(text + used, sizeof(facts) - (size_t)used, " %u:%s", peer->names[i].kind,
                         peer->names[i].text);
    }
    for (size_t i = 0; i < peer->chain_len; i++) {
        const unsigned char *der = peer->chain[i].data;
        X509 *certificate = d2i_X509(NULL, &der, (long)peer->chain[i].len);
        used += snprintf(text + used, sizeof(facts) - (size_t)used, " %lx",
                         X509_issuer_and_serial_hash(certificate));
        X509_free(certificate);
    }
    for (size_t i = 0; i < NK_SHA256_BYTES; i++) {
        used += snprintf(text + used, sizeof(facts) - (size_t)used, " %02x%02x",
                         peer->leaf_sha256[i], peer->spki_sha256[i]);
    }
    assert_in_range(used, 1, sizeof(facts) - 1);
}

static unsigned asked; /* the hook */
static unsigned refused_call;
static nk_status ask_host(void *host_data, const nk_peer *peer, nk_verdict *verdict)
{
    char told[sizeof(facts)];

    (void)host_data;
    assert_string_equal(peer->rule, "members");
    tell_facts(peer, facts[0] == '\0' ? facts : told);
    tell_facts(peer, told);
    assert_string_equal(told, facts);
    verdict->decision = ++asked == refused_call ? NK_DENY : NK_ALLOW;
    return NK_OK;
}

static const nk_host host = { .struct_size = sizeof(host) };
static const nk_host asking_host = { .struct_size = sizeof(host), .verify_peer = ask_host };

/* --- the scene --- */

static void write_pem(const char *name, X509 *certificate)
{
    AUTO(free) char *pem = pem_of(certificate, NULL);
    write_file(path_of("%s/%s", scratch_folder(), name), pem, 0644);
}

static void write_list(const char *name, const struct crl_spec *spec)
{
    crl_write(path_of("%s/%s", scratch_folder(), name), spec);
}

static int start(void **state)
{
    (void)state;
    root = authority_make(NULL, "root", NULL);
    intermediate = authority_make(&root, "intermediate", NULL);
    write_pem("root.pem", root.certificate);
    struct authority other = authority_make(NULL, "another root", NULL);
    write_pem("other.pem", other.certificate);
    authority_free(&other);
    key = software_key("P-256");
    leaf = authority_issue(&intermediate, key,
                           &(struct certificate_spec){ .san = "URI:spiffe://f.example/node/a,"
                                                              "DNS:a.example,DNS:b.example" });
    write_list("root.crl", &(struct crl_spec){ .issuer = &root, .number = 1 });
    write_list("revokes.crl",
               &(struct crl_spec){ .issuer = &intermediate, .number = 1, .revoked = { leaf } });
    write_list("stale.crl", &(struct crl_spec){ .issuer = &intermediate,
                                                .number = 1,
                                                .this_update_seconds = -7200,
                                                .next_update_seconds = -3600 });
    leaf_pem = pem_of(leaf, NULL);
    whole_pem = pem_of(leaf, intermediate.certificate, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    free(leaf_pem);
    free(whole_pem);
    X509_free(leaf);
    EVP_PKEY_free(key);
    authority_free(&intermediate);
    authority_free(&root);
    return 0;
}

static struct judge {
    struct policy_memory memory;
    struct config *config;
    struct verdicts *verdicts;
} judge;

static struct config *parse(const char *members)
{
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    if (config_parse(path_of("{\"version\": 1, \"node\": " NODE ", %s}", members), scratch_folder(),
                     &config, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    return config;
}

static void open_judge(const char *members, const nk_host *of)
{
    nk_error err = { .struct_size = sizeof(err) };

    judged = asked = refused_call = 0;
    facts[0] = '\0';
    fails = false;
    moved = 0;
    judge.config = parse(members);
    assert_int_equal(policy_memory_open(NULL, &judge.memory, &err), NK_OK);
    if (verdicts_open(judge.config, &judge.memory, of, &judge.verdicts, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static void close_judge(void)
{
    verdicts_close(judge.verdicts);
    verdicts_unref(judge.verdicts);
    config_free(judge.config);
    policy_memory_clear(&judge.memory);
}

static void enforce(const char *members)
{
    AUTO(policy_unref) struct policy *old = verdicts_policy(judge.verdicts);
    struct policy *next = NULL;
    struct config *fresh = parse(members);
    nk_error err = { .struct_size = sizeof(err) };

    if (policy_renew(old, fresh, true, &judge.memory, &host, &next, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    assert_non_null(next);
    verdicts_enforce(judge.verdicts, next);
    config_free(judge.config);
    judge.config = fresh;
}

static const char *show(uint32_t role, const char *target, const char *chain)
{
    static nk_verdict verdict;
    const struct showing showing = {
        .role = role, .target = target, .leaf_pem = leaf_pem, .chain_pem = chain
    };

    verdicts_judge(judge.verdicts, &showing, &verdict);
    assert_true((verdict.decision == NK_ALLOW) == (verdict.reason[0] == '\0'));
    return verdict.reason;
}

/* The first time also brings the intermediate into the pool. */
static void get_known(void)
{
    for (int i = 0; i < 2; i++) {
        assert_string_equal(show(IN, NULL, whole_pem), "");
    }
    judged = 0;
    assert_string_equal(show(IN, NULL, whole_pem), "");
    assert_int_equal(judged, 0);
}

/* --- tests --- */

static void hook_and_audit_have_each_connection(void **state)
{
    (void)state;
    open_judge(FEDERATION ", " MEMBERS AUDIT, &asking_host);
    refused_call = TIMES / 2 + 1;
    for (unsigned i = 1; i <= TIMES; i++) {
        assert_string_equal(show(IN, NULL, whole_pem), i == refused_call ? "hook-refused" : "");
    }
    assert_int_equal(asked, TIMES);
    assert_int_equal(judged, 2);
    close_judge();
    assert_int_equal(count_lines_with(path_of("%s/audit.jsonl", scratch_folder()), ""), TIMES);
}

/* The line of the audit, without when it was written. */
static char *next_entry(FILE *file)
{
    char *line = NULL;
    size_t room = 0;

    assert_true(getline(&line, &room, file) > 0);
    char *entry = strstr(line, "\"direction\"");
    assert_non_null(entry);
    char *copy = strdup(entry);
    free(line);
    return copy;
}

/* Connections after the one that was judged look as that one did. */
static void all_is_said_as_at_first(void **state)
{
    (void)state;
    open_judge(FEDERATION ", " MEMBERS ", \"admit_candidate\": []"
                          ", \"audit\": {\"file\": \"alike.jsonl\"}",
               &asking_host);
    for (unsigned i = 0; i < ALIKE; i++) {
        assert_string_equal(show(OUT, "a.example", whole_pem), "");
    }
    assert_int_equal(judged, 2);
    close_judge();
    FILE *file = fopen(path_of("%s/alike.jsonl", scratch_folder()), "re");
    assert_non_null(file);
    AUTO(free) char *first = next_entry(file);
    assert_non_null(strstr(first, "\"target\":\"a.example\""));
    for (unsigned i = 1; i < ALIKE; i++) {
        AUTO(free) char *entry = next_entry(file);
        assert_string_equal(entry, first);
    }
    fclose(file);
}

static const struct change {
    const char *name;
    const char *after; /* NULL: the same */
    const char *reason;
    uint32_t role; /* 0: as before */
    const char *target;
    const char *chain; /* NULL: as before */
    time_t moved;
} changes[] = {
    { .name = "a deny rule",
      .after = FEDERATION
      ", " MEMBERS ", \"deny\": [{\"name\": \"out\", \"uri\": [\"spiffe://f.example/node/a\"]}]",
      .reason = "denied" },
    { .name = "no admit rule", .after = FEDERATION ", \"admit\": []", .reason = "no-rule" },
    { .name = "another root",
      .after = "\"federation\": {\"roots\": [\"other.pem\"]}, " MEMBERS,
      .reason = "untrusted" },
    { .name = "a CRL that revokes",
      .after = "\"federation\": {" ROOTS ", \"crls\": [\"root.crl\", \"revokes.crl\"]}, " MEMBERS,
      .reason = "revoked" },
    { .name = "no name was dialled", .role = OUT, .reason = "name-mismatch" },
    { .name = "its own name", .role = OUT, .target = "a.example", .reason = "" },
    { .name = "another name", .role = OUT, .target = "c.example", .reason = "name-mismatch" },
    { .name = "no intermediates", .chain = "", .reason = "" },
    { .name = "a clock set back", .moved = -10, .reason = "" },
    { .name = "a minute later", .moved = KNOWN_MEMBER_SECONDS, .reason = "" },
};

static void a_change_is_judged(void **state)
{
    const struct change *change = *state;

    open_judge(FEDERATION ", " MEMBERS, &host);
    get_known();
    if (change->after != NULL) {
        enforce(change->after);
    }
    moved = change->moved;
    assert_string_equal(show(change->role != 0 ? change->role : IN, change->target,
                             change->chain != NULL ? change->chain : whole_pem),
                        change->reason);
    assert_int_equal(judged, 1);
    close_judge();
}

static void what_is_kept_ends(void **state)
{
    (void)state;
    open_judge(FEDERATION ", \"admit\": []", &host);
    assert_string_equal(show(IN, NULL, whole_pem), "no-rule");
    assert_string_equal(show(IN, NULL, whole_pem), "no-rule");
    moved = KNOWN_REFUSAL_SECONDS - 2; /* the clock goes on by itself, too */
    assert_string_equal(show(IN, NULL, whole_pem), "no-rule");
    assert_int_equal(judged, 2);
    moved = KNOWN_REFUSAL_SECONDS;
    assert_string_equal(show(IN, NULL, whole_pem), "no-rule");
    assert_int_equal(judged, 3);
    close_judge();
}

static void failures_are_not_kept(void **state)
{
    (void)state;
    open_judge(FEDERATION ", " MEMBERS, &host);
    fails = true;
    for (int i = 0; i < 3; i++) { /* the intermediate comes into the pool, then it comes again */
        assert_string_equal(show(IN, NULL, whole_pem), "internal");
    }
    fails = false;
    assert_string_equal(show(IN, NULL, whole_pem), "");
    close_judge();
}

/* Refused for want of an intermediate that another peer brings a moment later. */
static void the_pool_has_learnt(void **state)
{
    (void)state;
    open_judge(FEDERATION ", " MEMBERS, &host);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(show(IN, NULL, ""), "untrusted");
    }
    assert_int_equal(judged, 2);
    assert_string_equal(show(IN, NULL, whole_pem), "");
    assert_string_equal(show(IN, NULL, ""), "");
    close_judge();
}

static void stale_lists_are_told_each_time(void **state)
{
    (void)state;
    open_judge("\"federation\": {" ROOTS
               ", \"crls\": [\"stale.crl\"], \"crl_mode\": \"soft\"}, " MEMBERS,
               &host);
    for (unsigned i = 1; i <= 3; i++) {
        assert_string_equal(show(IN, NULL, whole_pem), "");
        assert_int_equal(judged, i);
    }
    close_judge();
}

#define SHOWERS 3
#define SWITCHES 60
static atomic_uint switches;
static atomic_uint compared;
static atomic_uint wrong;
static atomic_bool ended;

static void *show_on(void *arg)
{
    const char *chain = arg;
    nk_verdict verdict;

    while (!atomic_load(&ended)) {
        unsigned before = atomic_load(&switches);
        verdicts_judge(judge.verdicts,
                       &(struct showing){ .role = IN, .leaf_pem = leaf_pem, .chain_pem = chain },
                       &verdict);
        if (before == atomic_load(&switches) && before % 2 == 0) {
            atomic_fetch_add(&wrong, (verdict.decision == NK_ALLOW) != (before % 4 == 0));
            atomic_fetch_add(&compared, 1);
        }
    }
    return NULL;
}

/* Each verdict is of the policy in force, however fast they change. `switches` is even while one
 * is, and odd during a change. */
static void a_reload_races_with_handshakes(void **state)
{
    (void)state;
    pthread_t threads[SHOWERS];

    open_judge(FEDERATION ", " MEMBERS, &host);
    get_known();
    for (int i = 0; i < SHOWERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, show_on, i == 0 ? "" : whole_pem), 0);
    }
    for (int i = 1; i <= SWITCHES; i++) {
        unsigned seen = atomic_load(&compared);
        while (atomic_load(&compared) < seen + 2 * SHOWERS) {
            sched_yield();
        }
        atomic_fetch_add(&switches, 1);
        enforce(i % 2 == 1 ? FEDERATION ", \"admit\": []" : FEDERATION ", " MEMBERS);
        atomic_fetch_add(&switches, 1);
    }
    atomic_store(&ended, true);
    for (int i = 0; i < SHOWERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(wrong, 0);
    close_judge();
}

static void close_is_at_once(void **state)
{
    (void)state;
    open_judge(FEDERATION ", " MEMBERS, &host);
    get_known();
    verdicts_close(judge.verdicts);
    assert_string_equal(show(IN, NULL, whole_pem), "closed");
    close_judge();
}

/* --- a crowd; the pool stays as it is, since no intermediate lies on these paths --- */

/* Each its own certificate. `issuer` NULL: strangers, who signed for themselves. Owned: free. */
static char **make_crowd(const struct authority *issuer, unsigned len)
{
    char **crowd = calloc(len, sizeof(*crowd));

    assert_non_null(crowd);
    for (unsigned i = 0; i < len; i++) {
        const struct certificate_spec spec = {
            .san = path_of("URI:spiffe://f.example/node/%u", i),
        };
        X509 *certificate = authority_issue(issuer, key, &spec);
        crowd[i] = pem_of(certificate, NULL);
        X509_free(certificate);
    }
    return crowd;
}

static void free_crowd(char **crowd, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        free(crowd[i]);
    }
    free(crowd);
}

/* How many of them the policy was asked about. */
static unsigned show_crowd(char **crowd, unsigned len, const char *reason)
{
    unsigned before = judged;

    for (unsigned i = 0; i < len; i++) {
        nk_verdict verdict;
        verdicts_judge(judge.verdicts, &(struct showing){ .role = IN, .leaf_pem = crowd[i] },
                       &verdict);
        assert_string_equal(verdict.reason, reason);
    }
    return judged - before;
}

#define FEW 500 /* of which more than a set holds meet in hardly any */
static void strangers_take_no_members_place(void **state)
{
    (void)state;
    char **members = make_crowd(&root, FEW);
    char **strangers = make_crowd(NULL, CROWD);

    open_judge(FEDERATION ", " MEMBERS, &host);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(show_crowd(members, FEW, ""), FEW);
        assert_in_range(show_crowd(strangers, CROWD, "untrusted"), 1, CROWD);
    }
    unsigned again = show_crowd(members, FEW, "");
    print_message("    %u of %d judged again\n", again, FEW);
    assert_in_range(again, 0, FEW / 4); /* some share a tag's place */
    close_judge();
    free_crowd(strangers, CROWD);
    free_crowd(members, FEW);
}

#define WAYS 16u /* a certificate's places */
static unsigned show_beside(const char *member, char **others)
{
    unsigned before = judged;

    for (unsigned i = 0; i < WAYS; i++) {
        nk_verdict verdict;
        verdicts_judge(judge.verdicts,
                       &(struct showing){ .role = IN, .leaf_pem = member, .chain_pem = others[i] },
                       &verdict);
        assert_string_equal(verdict.reason, "");
    }
    return judged - before;
}

static void strangers_find_no_place_where_all_are_members(void **state)
{
    (void)state;
    char **member = make_crowd(&root, 1);
    char **strangers = make_crowd(NULL, CROWD);

    open_judge(FEDERATION ", " MEMBERS, &host);
    assert_int_equal(show_beside(member[0], strangers), WAYS);
    assert_int_equal(show_beside(member[0], strangers), WAYS);
    unsigned unknown = show_beside(member[0], strangers); /* some may share a tag's place */
    for (int i = 0; i < 2; i++) {
        assert_in_range(show_crowd(strangers, CROWD, "untrusted"), 1, CROWD);
    }
    assert_in_range(unknown, 0, WAYS / 4);
    assert_int_equal(show_beside(member[0], strangers), unknown);
    close_judge();
    free_crowd(strangers, CROWD);
    free_crowd(member, 1);
}

/* A certificate is shown in as many ways as there are others to show beside it. */
static void one_member_takes_few_places(void **state)
{
    (void)state;
    char **members = make_crowd(&root, FEW);
    char **others = make_crowd(NULL, CROWD);
    nk_verdict verdict;

    open_judge(FEDERATION ", " MEMBERS, &host);
    assert_int_equal(show_crowd(members, FEW, ""), FEW);
    assert_int_equal(show_crowd(members, FEW, ""), FEW);
    for (unsigned i = 0; i < 2 * CROWD; i++) {
        verdicts_judge(
            judge.verdicts,
            &(struct showing){ .role = IN, .leaf_pem = members[0], .chain_pem = others[i / 2] },
            &verdict);
        assert_string_equal(verdict.reason, "");
    }
    unsigned again = show_crowd(members, FEW, "");
    print_message("    %u of %d judged again\n", again, FEW);
    assert_in_range(again, 0, FEW / 4); /* some share a tag's place */
    close_judge();
    free_crowd(others, CROWD);
    free_crowd(members, FEW);
}

static void members_beyond_the_places_are_judged(void **state)
{
    (void)state;
    char **members = make_crowd(&root, CROWD);

    open_judge(FEDERATION ", " MEMBERS, &host);
    assert_int_equal(show_crowd(members, CROWD, ""), CROWD);
    assert_int_equal(show_crowd(members, CROWD, ""), CROWD);
    assert_in_range(show_crowd(members, CROWD, ""), CROWD - KNOWN_PEERS_MAX, CROWD);
    enforce(FEDERATION ", \"admit\": []");
    assert_int_equal(show_crowd(members, CROWD, "no-rule"), CROWD);
    close_judge();
    free_crowd(members, CROWD);
}

static void more_than_is_kept_is_judged(void **state)
{
    (void)state;
    char *text = malloc(KNOWN_PEER_BYTES + 1);

    assert_non_null(text);
    memset(text, '\n', KNOWN_PEER_BYTES);
    memcpy(text, whole_pem, strlen(whole_pem));
    text[KNOWN_PEER_BYTES] = '\0';
    open_judge(FEDERATION ", " MEMBERS, &host);
    for (unsigned i = 1; i <= 3; i++) {
        assert_string_equal(show(IN, NULL, text), "");
        assert_int_equal(judged, i);
    }
    close_judge();
    free(text);
}

static const struct end {
    const char *name;
    const char *members;
    long leaf_ends_in_seconds; /* 0: in a day */
} ends[] = {
    { "the end of the certificate", FEDERATION ", " MEMBERS, SHORT_SECONDS },
    { "the end of a CRL", "\"federation\": {" ROOTS ", \"crls\": [\"short.crl\"]}, " MEMBERS, 0 },
    { "the age of a CRL",
      "\"federation\": {" ROOTS ", \"crls\": [\"aged.crl\"], \"crl_max_age_hours\": 1}, " MEMBERS,
      0 },
};

static void a_member_ends(void **state)
{
    const struct end *end = *state;
    X509 *short_lived =
        authority_issue(&root, key,
                        &(struct certificate_spec){ .san = "URI:spiffe://f.example/node/a",
                                                    .ends_in_seconds = end->leaf_ends_in_seconds });
    char *pem = pem_of(short_lived, NULL);

    write_list(
        "short.crl",
        &(struct crl_spec){ .issuer = &root, .number = 2, .next_update_seconds = SHORT_SECONDS });
    write_list("aged.crl", &(struct crl_spec){ .issuer = &root,
                                               .number = 3,
                                               .this_update_seconds = SHORT_SECONDS - 3600 });
    open_judge(end->members, &host);
    assert_int_equal(show_crowd(&pem, 1, ""), 1);
    assert_int_equal(show_crowd(&pem, 1, ""), 1);
    assert_int_equal(show_crowd(&pem, 1, ""), 0);
    moved = SHORT_SECONDS - 5; /* the clock goes on by itself, too */
    assert_int_equal(show_crowd(&pem, 1, ""), 0);
    moved = SHORT_SECONDS;
    nk_verdict verdict;
    judged = 0;
    verdicts_judge(judge.verdicts, &(struct showing){ .role = IN, .leaf_pem = pem }, &verdict);
    assert_int_equal(judged, 1);
    close_judge();
    free(pem);
    X509_free(short_lived);
}

/* --- the pool --- */

static struct branch {
    struct authority intermediate;
    X509 *leaf;
} branches[POOL_MAX + 1];

static void make_branches(void)
{
    for (size_t i = 0; i < ARRAY_LEN(branches); i++) {
        struct branch *branch = &branches[i];
        branch->intermediate = authority_make(&root, path_of("intermediate %zu", i), NULL);
        branch->leaf = authority_issue(
            &branch->intermediate, key,
            &(struct certificate_spec){ .san = path_of("URI:spiffe://f.example/node/%zu", i) });
    }
}

static void free_branches(void)
{
    for (size_t i = 0; i < ARRAY_LEN(branches); i++) {
        X509_free(branches[i].leaf);
        authority_free(&branches[i].intermediate);
    }
}

static const char *show_branch(size_t i, bool whole)
{
    static nk_verdict verdict;
    AUTO(free) char *alone = pem_of(branches[i].leaf, NULL);
    AUTO(free) char *chain = whole ? pem_of(branches[i].intermediate.certificate, NULL) : NULL;

    verdicts_judge(judge.verdicts,
                   &(struct showing){ .role = IN, .leaf_pem = alone, .chain_pem = chain },
                   &verdict);
    return verdict.reason;
}

/* As in a connection that is resumed, which shows the leaf alone. */
static void busy_peers_intermediate_stays(void **state)
{
    (void)state;
    make_branches();
    open_judge(FEDERATION ", " MEMBERS, &host);
    for (size_t i = 0; i < POOL_MAX; i++) {
        assert_string_equal(show_branch(i, true), "");
    }
    for (size_t i = 0; i < 2 * POOL_MAX; i++) {
        assert_string_equal(show_branch(i % POOL_MAX, false), "");
    }
    judged = 0;
    assert_string_equal(show_branch(0, false), "");
    assert_int_equal(judged, 0); /* known */
    moved = KNOWN_MEMBER_SECONDS;
    assert_string_equal(show_branch(0, false), ""); /* it alone still connects */
    assert_string_equal(show_branch(POOL_MAX, true), "");
    assert_string_equal(show_branch(0, false), "");
    assert_string_equal(show_branch(1, false), "untrusted");
    close_judge();
    free_branches();
}

static void what_the_pool_gave_ends_with_it(void **state)
{
    (void)state;
    make_branches();
    open_judge(FEDERATION ", " MEMBERS, &host);
    assert_string_equal(show_branch(0, true), "");
    for (int i = 0; i < 3; i++) {
        judged = 0;
        assert_string_equal(show_branch(0, false), "");
    }
    assert_int_equal(judged, 0); /* known */
    for (size_t i = 1; i < ARRAY_LEN(branches); i++) {
        assert_string_equal(show_branch(i, true), "");
    }
    assert_string_equal(show_branch(0, false), "untrusted");
    close_judge();
    free_branches();
}

/* A member with a CA of its own makes as many intermediates as it likes. */
static void others_intermediates_leave_members_known(void **state)
{
    (void)state;
    make_branches();
    open_judge(FEDERATION ", " MEMBERS, &host);
    get_known();
    for (size_t i = 0; i < ARRAY_LEN(branches); i++) {
        assert_string_equal(show_branch(i, true), "");
        judged = 0;
        assert_string_equal(show(IN, NULL, whole_pem), "");
        assert_int_equal(judged, 0);
    }
    close_judge();
    free_branches();
}

/* --- memory --- */

#define STRANGERS 64
#define ATTRIBUTES 1250 /* the most that fit into what is kept */
#define PEER_HEAP_BYTES (2 * KNOWN_PEER_BYTES)
#define ONCE_HEAP_BYTES 128

/* Seven bytes of DER for each attribute, which OpenSSL decodes to twenty times as many. */
static char *make_bloated(int serial)
{
    X509 *certificate = authority_issue(NULL, key, NULL);
    X509_NAME *name = X509_NAME_new();
    ASN1_OBJECT *kind = OBJ_txt2obj("1.1", 1);

    for (int i = 0; i < ATTRIBUTES; i++) {
        assert_int_equal(X509_NAME_add_entry_by_OBJ(name, kind, V_ASN1_UTF8STRING,
                                                    (const unsigned char *)"", 0, -1,
                                                    i == 0 ? 0 : -1),
                         1);
    }
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial), 1);
    assert_int_equal(X509_set_subject_name(certificate, name), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    char *pem = pem_of(certificate, NULL);
    assert_true(strlen(pem) <= KNOWN_PEER_BYTES);
    ASN1_OBJECT_free(kind);
    X509_NAME_free(name);
    X509_free(certificate);
    return pem;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 all = mallinfo2();

    return all.uordblks + all.hblkhd;
}

static size_t bytes_for_each(char **strangers, unsigned len)
{
    size_t before = heap_bytes();

    assert_int_equal(show_crowd(strangers, len, "chain-invalid"), len);
    size_t after = heap_bytes();
    return after > before ? (after - before) / len : 0;
}

static void strangers_cost_little_memory(void **state)
{
    (void)state;
    char *strangers[STRANGERS];

    for (int i = 0; i < STRANGERS; i++) {
        strangers[i] = make_bloated(i + 1);
    }
    open_judge(FEDERATION ", " MEMBERS, &host);
    assert_int_equal(show_crowd(strangers, 1, "chain-invalid"), 1);
    size_t once = bytes_for_each(strangers + 1, STRANGERS - 1);
    size_t twice = bytes_for_each(strangers + 1, STRANGERS - 1);
    print_message("    %zu bytes for each, and %zu when it comes again\n", once, twice);
    assert_in_range(once, 0, ONCE_HEAP_BYTES);
    assert_in_range(twice, 0, PEER_HEAP_BYTES);
    unsigned again = show_crowd(strangers + 1, STRANGERS - 1, "chain-invalid");
    assert_in_range(again, 0, STRANGERS / 8); /* the others are kept */
    close_judge();
    for (int i = 0; i < STRANGERS; i++) {
        free(strangers[i]);
    }
}

int main(void)
{
    ROWS_TEST(hook_and_audit_have_each_connection);
    ROWS_TEST(all_is_said_as_at_first);
    ROWS_OF(changes, a_change_is_judged);
    ROWS_TEST(what_is_kept_ends);
    ROWS_TEST(failures_are_not_kept);
    ROWS_TEST(the_pool_has_learnt);
    ROWS_TEST(stale_lists_are_told_each_time);
    ROWS_TEST(a_reload_races_with_handshakes);
    ROWS_TEST(close_is_at_once);
    ROWS_OF(ends, a_member_ends);
    ROWS_TEST(busy_peers_intermediate_stays);
    ROWS_TEST(what_the_pool_gave_ends_with_it);
    ROWS_TEST(others_intermediates_leave_members_known);
    ROWS_TEST(strangers_take_no_members_place);
    ROWS_TEST(strangers_find_no_place_where_all_are_members);
    ROWS_TEST(one_member_takes_few_places);
    ROWS_TEST(members_beyond_the_places_are_judged);
    ROWS_TEST(more_than_is_kept_is_judged);
    ROWS_TEST(strangers_cost_little_memory);
    return ROWS_RUN("known_peers", start, stop);
}
