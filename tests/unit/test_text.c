/* SPDX-License-Identifier: Apache-2.0
 * Bytes, digests and moments as text. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "fixtures/check.h"

static const struct row {
    const char *name;
    enum text_kind kind;
    const char *text;
    size_t span;
    const char *flat;
} rows[] = {
    { "visible: a space ends it", TEXT_VISIBLE, "a b", 1, "a?b" },
    { "visible: from ! to ~", TEXT_VISIBLE, "!~", 2, "!~" },
    { "printable: a space is", TEXT_PRINTABLE, " a~", 3, " a~" },
    { "printable: a line end is not", TEXT_PRINTABLE, "a\nb\x7f", 1, "a?b?" },
    { "printable: UTF-8 is not", TEXT_PRINTABLE, "\xc3\xa9+", 0, "??+" },
    { "one line: UTF-8 is", TEXT_ONE_LINE, "\xc3\xa9+", 3, "\xc3\xa9+" },
    { "one line: control characters are not", TEXT_ONE_LINE, "\x1b[2J\xff\x7f", 0, "?[2J??" },
    { "one line: UTF-8 of each length", TEXT_ONE_LINE, "\xe2\x82\xac\xf0\x9f\x94\x91.", 8,
      "\xe2\x82\xac\xf0\x9f\x94\x91." },
    { "one line: half a character is not", TEXT_ONE_LINE, "a\xe2\x82", 1, "a??" },
    { "one line: half before a whole one", TEXT_ONE_LINE, "\xe2\x82\xc3\xa9", 0, "??\xc3\xa9" },
    { "one line: a byte that only continues", TEXT_ONE_LINE,
      "a\x80"
      "b",
      1, "a?b" },
    { "one line: a longer form than needed", TEXT_ONE_LINE, "\xc0\xaf", 0, "??" },
    { "one line: a surrogate", TEXT_ONE_LINE, "\xed\xa0\x80", 0, "???" },
    { "one line: the last code point", TEXT_ONE_LINE, "\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf" },
    { "one line: beyond the last code point", TEXT_ONE_LINE, "\xf4\x90\x80\x80", 0, "????" },
    { "one line: a form of five bytes", TEXT_ONE_LINE, "\xf8\x88\x80\x80\x80", 0, "?????" },
    { "one line: C1, which terminals heed", TEXT_ONE_LINE,
      "\xc2\x9b"
      "2J",
      0, "??2J" },
    { "one line: a no-break space is", TEXT_ONE_LINE, "\xc2\xa0", 2, "\xc2\xa0" },
    { "one line: Unicode's line end", TEXT_ONE_LINE, "a\xe2\x80\xa8", 1, "a???" },
    { "one line: right to left from here", TEXT_ONE_LINE,
      "\xe2\x80\xae"
      "b",
      0, "???b" },
    { "one line: an isolate", TEXT_ONE_LINE, "\xe2\x81\xa6", 0, "???" },
    { "one line: a soft hyphen", TEXT_ONE_LINE,
      "a\xc2\xad"
      "b",
      1, "a??b" },
    { "one line: a joiner of graphemes", TEXT_ONE_LINE, "a\xcd\x8f", 1, "a??" },
    { "one line: a filler", TEXT_ONE_LINE, "a\xe3\x85\xa4", 1, "a???" },
    { "one line: a variation selector", TEXT_ONE_LINE, "a\xef\xb8\x8f", 1, "a???" },
    { "one line: an annotation", TEXT_ONE_LINE, "a\xef\xbf\xb9", 1, "a???" },
    { "one line: a tag", TEXT_ONE_LINE, "a\xf3\xa0\x81\xa1", 1, "a????" },
    { "one line: the replacement character is", TEXT_ONE_LINE, "\xef\xbf\xbd", 3, "\xef\xbf\xbd" },
    { "one line: no width", TEXT_ONE_LINE, "\xe2\x80\x8b\xef\xbb\xbf", 0, "??????" },
    { "nothing is of every kind", TEXT_VISIBLE, "", 0, "" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    char text[16];

    snprintf(text, sizeof(text), "%s", row->text);
    assert_int_equal(text_span(text, strlen(text), row->kind), row->span);
    assert_int_equal(text_is(text, row->kind), row->span == strlen(text));
    text_flatten(text, strlen(text), row->kind);
    assert_string_equal(text, row->flat);
}

static void hex_is_lower_case(void **state)
{
    char text[TEXT_HEX_BYTES(3)];

    (void)state;
    assert_string_equal(text_hex(text, "\x00\xaf\x09", 3), "00af09");
    assert_string_equal(text_hex(text, "", 0), "");
}

static void a_moment_is_rfc_3339(void **state)
{
    char text[TEXT_TIME_BYTES];

    (void)state;
    assert_string_equal(text_time(text, 0), "1970-01-01T00:00:00Z");
    assert_string_equal(text_time(text, 253402300799), "9999-12-31T23:59:59Z");
    assert_string_equal(text_time(text, -1), "?");
    assert_string_equal(text_time(text, INT64_MAX), "?");
}

static void a_date_is_read_or_minus_one(void **state)
{
    ASN1_TIME *date = ASN1_TIME_new();

    (void)state;
    assert_int_equal(text_read_time(NULL), -1); /* OpenSSL would take it for now */
    assert_int_equal(ASN1_STRING_set(date, "no date", -1), 1);
    assert_int_equal(text_read_time(date), -1);
    assert_int_equal(ASN1_TIME_set_string(date, "20300102030405Z"), 1);
    assert_int_equal(text_read_time(date), 1893553445);
    ASN1_TIME_free(date);
}

static void escaped_text_is_cut_before_what_does_not_fit(void **state)
{
    char out[10];

    (void)state;
    assert_string_equal(text_escape(out, sizeof(out), "a b"), "a b");
    assert_string_equal(text_escape(out, sizeof(out), "\xc3\xa9"), "\\xc3\\xa9");
    assert_string_equal(text_escape(out, sizeof(out), "\\n"), "\\x5cn");
    assert_string_equal(text_escape(out, sizeof(out), "abcdef\xc3"), "abcdef");
    assert_string_equal(text_escape(out, sizeof(out), "abcdefghij"), "abcdefghi");
}

static const struct end_row {
    time_t left;
    const char *text;
} ends[] = {
    { 2678400, "until 2027-01-15T08:00:00Z (31 days left)" },
    { 172800, "until 2027-01-15T08:00:00Z (2 days left)" },
    { 172799, "until 2027-01-15T08:00:00Z (47 hours left)" },
    { 7199, "until 2027-01-15T08:00:00Z (119 minutes left)" },
    { 119, "until 2027-01-15T08:00:00Z (119 seconds left)" },
    { 1, "until 2027-01-15T08:00:00Z (1 second left)" },
    { 0, "until 2027-01-15T08:00:00Z (0 seconds left)" },
    { -1, "until 2027-01-15T08:00:00Z (RAN OUT 1 second ago)" },
    { -7200, "until 2027-01-15T08:00:00Z (RAN OUT 2 hours ago)" },
    { -864000, "until 2027-01-15T08:00:00Z (RAN OUT 10 days ago)" },
};

static void an_end_is_told_in_words(void **state)
{
    char text[TEXT_UNTIL_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const time_t end = 1800000000;
        assert_string_equal(text_until(text, end, end - ends[i].left), ends[i].text);
    }
    assert_string_equal(text_until(text, -1, 0), "until ?");
    assert_string_equal(text_until(text, 253402300799, 0), "until 9999-12-31T23:59:59Z (no end)");
}

int main(void)
{
    struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0]) + 5] = {
        cmocka_unit_test(hex_is_lower_case),
        cmocka_unit_test(a_moment_is_rfc_3339),
        cmocka_unit_test(a_date_is_read_or_minus_one),
        cmocka_unit_test(an_end_is_told_in_words),
        cmocka_unit_test(escaped_text_is_cut_before_what_does_not_fit),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        tests[5 + i].name = rows[i].name;
        tests[5 + i].test_func = check_row;
        tests[5 + i].initial_state = (void *)&rows[i];
    }
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
