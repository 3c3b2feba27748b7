/* SPDX-License-Identifier: Apache-2.0
 * README's table of labels is the closed set of reasons.h: operators look there for what their log
 * says, dashboards are made from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "chain/reasons.h"
#include "fixtures/check.h"

#define README_MAX_BYTES 1000000
#define ROW_BYTES 512

#define REASON_ROW(constant, label, meaning) { (label), (meaning) },
static const struct {
    const char *label, *meaning;
} reasons[] = { REASONS(REASON_ROW) };
#undef REASON_ROW

static char readme[README_MAX_BYTES];

/* Cuts it out of the text: where the heading ends, to the next heading. */
static const char *section(const char *heading)
{
    static char text[README_MAX_BYTES];
    const char *start = strstr(readme, heading);
    if (start == NULL) {
        fail_msg("README has no section \"%s\"", heading);
        return "";
    }
    snprintf(text, sizeof(text), "%s", start + strlen(heading));
    char *next = strstr(text, "\n## ");
    if (next != NULL) {
        *next = '\0';
    }
    return text;
}

/* Below the heading of the table; the last line of the table begins no further row. */
static const char *table_of_labels(void)
{
    static const char heading[] = "\n| label | means | cure |\n|---|---|---|\n";
    const char *table = strstr(section("\n## Who may join, and why\n"), heading);
    assert_non_null(table);
    return table + strlen(heading);
}

static void every_reason_has_its_row(void **state)
{
    (void)state;
    const char *row = table_of_labels();
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        char want[ROW_BYTES];
        snprintf(want, sizeof(want), "| `%s` | %s | ", reasons[i].label, reasons[i].meaning);
        if (strncmp(row, want, strlen(want)) != 0) {
            fail_msg("want a row \"%s...\", have \"%.80s\"", want, row);
        }
        row = strchr(row, '\n');
        assert_non_null(row);
        row++;
    }
    if (row[0] == '|') {
        fail_msg("reasons.h knows no \"%.80s\"", row);
    }
}

static int read_readme(void **state)
{
    (void)state;
    FILE *file = fopen(README, "r");
    assert_non_null(file);
    size_t len = fread(readme, 1, sizeof(readme) - 1, file);
    readme[len] = '\0';
    assert_int_equal(fclose(file), 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_its_row),
    };
    return cmocka_run_group_tests_name("readme_reasons", tests, read_readme, NULL);
}
