/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_line.h"
#include "base/auto.h"
#include "fixtures/rows.h"
#include "peer/peer.h"
#include "unit/audit_scene.h"

#define LONG_BYTES 9000 /* longer than any text that is written whole */
#define A "spiffe://fed.example/node/a"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000"
#define TIME "{\"time\":\"2023-11-14T22:30:00.007Z\","

static void a_line_tells_everything_in_order(void **state)
{
    (void)state;
    const nk_name names[] = { { NK_NAME_URI, 0, A },
                              { NK_NAME_DNS, 0, "a.example" },
                              { NK_NAME_IP, 0, "10.0.0.1" },
                              { NK_NAME_EMAIL, 0, "a@example" } };
    const nk_peer peer = { .struct_size = sizeof(peer),
                           .role = NK_PEER_IS_SERVER,
                           .target = "a.example",
                           .names = names,
                           .names_len = ARRAY_LEN(names),
                           .common_name = "node a",
                           .leaf_sha256 = { 0xab, 0x01, 0xff },
                           .spki_sha256 = { 0xcd, 0x02, 0xfe } };
    const nk_verdict verdict = {
        .decision = NK_DENY, .rule = "stolen", .reason = "denied", .detail = "rule stolen matches"
    };
    const struct audit_entry entry = { .peer = &peer,
                                       .role = NK_PEER_IS_SERVER,
                                       .occasion = "handshake",
                                       .verdict = &verdict,
                                       .candidate = "",
                                       .note = "no CRL of intermediate",
                                       .generation = 7,
                                       .policy_digest = "feed" };
    audit_write(audit, &entry);
    char *text = text_of(path);
    assert_string_equal(
        text,
        TIME "\"occasion\":\"handshake\",\"direction\":\"outbound\",\"role\":\"server\","
             "\"verdict\":\"deny\",\"rule\":\"stolen\",\"reason\":\"denied\","
             "\"detail\":\"rule stolen matches\",\"fingerprint\":\"ab01ff" ZEROS "\","
             "\"spki\":\"cd02fe" ZEROS "\",\"cn\":\"node a\",\"names\":["
             "{\"kind\":\"uri\",\"name\":\"" A "\"},{\"kind\":\"dns\",\"name\":\"a.example\"},"
             "{\"kind\":\"ip\",\"name\":\"10.0.0.1\"},"
             "{\"kind\":\"email\",\"name\":\"a@example\"}],\"names_omitted\":0,"
             "\"target\":\"a.example\",\"candidate\":\"\",\"note\":\"no CRL of intermediate\","
             "\"generation\":7,\"policy\":\"feed\",\"held_back\":0,\"held_back_others\":0,"
             "\"lost\":0}\n");
    free(text);
}

static void what_is_absent_is_null(void **state)
{
    (void)state;
    const nk_verdict verdict = { .decision = NK_ALLOW };
    const struct audit_entry entry = { .role = NK_PEER_IS_CLIENT,
                                       .occasion = "rpc",
                                       .verdict = &verdict };
    audit_write(audit, &entry);
    char *text = text_of(path);
    assert_string_equal(text, TIME
                        "\"occasion\":\"rpc\",\"direction\":\"inbound\",\"role\":\"client\","
                        "\"verdict\":\"allow\",\"rule\":null,\"reason\":null,\"detail\":null,"
                        "\"fingerprint\":null,\"spki\":null,\"cn\":null,\"names\":null,"
                        "\"names_omitted\":0,\"target\":null,\"candidate\":null,\"note\":null,"
                        "\"generation\":0,\"policy\":null,\"held_back\":0,\"held_back_others\":0,"
                        "\"lost\":0}\n");
    free(text);
}

static void an_unwritten_verdict_is_a_refusal(void **state)
{
    (void)state;
    write_line(1, 77);
    json_t *line = last_line();
    assert_string_equal(json_string_value(json_object_get(line, "verdict")), "deny");
    json_decref(line);
}

/* --- hostile texts --- */

/* The hostile text stands in every text of the entry at once. */
static const struct hostile {
    const char *name;
    const char *text;
    const char *want; /* NULL: the same */
} hostiles[] = {
    { "text: quotes and backslashes", "\",\"verdict\":\"allow\\\"", NULL },
    { "text: a newline begins no line", "a\n{\"verdict\":\"allow\"}", NULL },
    { "text: terminal escapes", "\033[2J\x7f\b", NULL },
    { "text: UTF-8", "caf\xc3\xa9 \xe2\x80\xae", NULL },
    { "text: a cut UTF-8 character", "caf\xc3", "caf?" },
    { "text: Latin-1", "caf\xe9", "caf?" },
    { "text: an overlong NUL", "a\xc0\x80", "a??" },
    { "text: a surrogate", "\xed\xa0\x80", "???" },
};

static void check_hostile(void **state)
{
    const struct hostile *row = *state;
    const char *want = row->want != NULL ? row->want : row->text;
    const nk_name name = { NK_NAME_URI, 0, row->text };
    const nk_peer peer = {
        .names = &name, .names_len = 1, .common_name = row->text, .target = row->text
    };
    nk_verdict verdict = { .decision = NK_DENY };
    snprintf(verdict.rule, sizeof(verdict.rule), "%s", row->text);
    snprintf(verdict.reason, sizeof(verdict.reason), "%s", row->text);
    snprintf(verdict.detail, sizeof(verdict.detail), "%s", row->text);
    audit_write(audit, &(struct audit_entry){ &peer, NK_PEER_IS_CLIENT, row->text, &verdict,
                                              row->text, row->text, 1, row->text });
    assert_int_equal(count_lines(path), 1);
    json_t *line = last_line();
    static const char *const members[] = { "occasion", "rule",      "reason", "detail", "cn",
                                           "target",   "candidate", "note",   "policy" };
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        assert_string_equal(json_string_value(json_object_get(line, members[i])), want);
    }
    const json_t *names = json_object_get(line, "names");
    assert_string_equal(json_string_value(json_object_get(json_array_get(names, 0), "name")), want);
    json_decref(line);

    char *text = text_of(path);
    for (const char *byte = text; *byte != '\0'; byte++) {
        assert_true((unsigned char)*byte < 0x80);
    }
    free(text);
}

/* Names that take the most room when escaped, and as many as a peer can have. */
static void a_line_is_bounded_and_says_what_it_omits(void **state)
{
    (void)state;
    char *longest = malloc(LONG_BYTES + 1);
    memset(longest, '\\', LONG_BYTES);
    longest[LONG_BYTES] = '\0';
    nk_name names[TRAITS_NAMES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        names[i] = (nk_name){ NK_NAME_URI, 0, longest };
    }
    const nk_peer peer = {
        .names = names, .names_len = ARRAY_LEN(names), .common_name = longest, .target = longest
    };
    nk_verdict verdict;
    memset(&verdict, '\001', sizeof(verdict)); /* by a hook that ends no text */
    audit_write(audit, &(struct audit_entry){ &peer, NK_PEER_IS_SERVER, longest, &verdict, longest,
                                              longest, UINT64_MAX, longest });
    json_t *line = last_line();
    const json_t *kept = json_object_get(line, "names");
    assert_in_range(json_array_size(kept), 1, TRAITS_NAMES_MAX - 1);
    assert_int_equal((size_t)json_integer_value(json_object_get(line, "names_omitted")),
                     TRAITS_NAMES_MAX - json_array_size(kept));
    const json_t *first = json_array_get(kept, 0);
    assert_int_equal(json_string_length(json_object_get(first, "name")), 1024);
    assert_int_equal(json_integer_value(json_object_get(first, "cut_from")), LONG_BYTES);
    const char *target = json_string_value(json_object_get(line, "target"));
    assert_int_equal(strlen(target), 512);
    assert_string_equal(target + 509, "...");
    json_decref(line);
    free(longest);
}

static void sixty_four_ordinary_names_are_all_told(void **state)
{
    (void)state;
    nk_name names[TRAITS_NAMES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        names[i] = (nk_name){ NK_NAME_URI, 0, "spiffe://fed.example/site/north/node/a" };
    }
    const nk_peer peer = { .names = names, .names_len = ARRAY_LEN(names), .common_name = "" };
    const nk_verdict verdict = { .decision = NK_ALLOW };
    audit_write(audit, &(struct audit_entry){ .peer = &peer,
                                              .role = NK_PEER_IS_CLIENT,
                                              .occasion = "handshake",
                                              .verdict = &verdict });
    json_t *line = last_line();
    assert_int_equal(json_array_size(json_object_get(line, "names")), TRAITS_NAMES_MAX);
    json_decref(line);
    last_line_says("names_omitted", 0);
}

/* --- shares --- */

static void lines_over_the_share_are_counted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PER_PEER + 3; i++) {
        write_line(1, NK_ALLOW);
    }
    assert_int_equal(count_lines(path), PER_PEER);
    assert_int_equal(disk.calls, PER_PEER); /* and each was one write */
    write_line(1, NK_DENY);
    last_line_says("held_back", 3);
    now_seconds += MINUTE;
    write_line(1, NK_DENY);
    last_line_says("held_back", 0);
}

static void unreadable_peers_share(void **state)
{
    (void)state;
    const nk_verdict verdict = { .decision = NK_DENY };
    for (unsigned i = 0; i < PER_PEER + 3; i++) {
        audit_write(audit, &(struct audit_entry){ .role = NK_PEER_IS_CLIENT,
                                                  .occasion = "handshake",
                                                  .verdict = &verdict });
    }
    assert_int_equal(count_lines(path), PER_PEER);
}

static void close_tells_the_rest(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PER_PEER + 3; i++) {
        write_line(1, NK_ALLOW);
    }
    disk.failures = 1;
    disk.error = EIO;
    write_line(2, NK_ALLOW);
    audit_close(audit);
    audit = NULL;
    json_t *line = last_line();
    assert_string_equal(json_string_value(json_object_get(line, "occasion")), "close");
    assert_true(json_is_null(json_object_get(line, "verdict")));
    assert_int_equal(json_integer_value(json_object_get(line, "held_back_others")), 3);
    assert_int_equal(json_integer_value(json_object_get(line, "lost")), 1);
    json_decref(line);
}

static void close_adds_nothing_when_all_is_told(void **state)
{
    (void)state;
    write_line(1, NK_ALLOW);
    audit_close(audit);
    audit = NULL;
    assert_int_equal(count_lines(path), 1);
}

int main(void)
{
    rows_each(audit_set_up, audit_tear_down);
    ROWS_OF(hostiles, check_hostile)
    ROWS_TEST(a_line_tells_everything_in_order);
    ROWS_TEST(what_is_absent_is_null);
    ROWS_TEST(an_unwritten_verdict_is_a_refusal);
    ROWS_TEST(a_line_is_bounded_and_says_what_it_omits);
    ROWS_TEST(sixty_four_ordinary_names_are_all_told);
    ROWS_TEST(lines_over_the_share_are_counted);
    ROWS_TEST(unreadable_peers_share);
    ROWS_TEST(close_tells_the_rest);
    ROWS_TEST(close_adds_nothing_when_all_is_told);
    return ROWS_RUN("audit", NULL, NULL);
}
