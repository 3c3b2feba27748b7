/* SPDX-License-Identifier: Apache-2.0
 * README's table of labels is the closed set of reasons.h: operators look there for what their log
 * says, dashboards are made from it. */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "chain/reasons.h"
#include "contract/readme_text.h"
#include "fixtures/check.h"

#define ROW_BYTES 512

#define REASON_ROW(constant, label, meaning) { (label), (meaning) },
static const struct {
    const char *label, *meaning;
} reasons[] = { REASONS(REASON_ROW) };
#undef REASON_ROW

static void every_reason_has_its_row(void **state)
{
    (void)state;
    const char *row =
        readme_table("\n## Who may join, and why\n", "\n| label | means | cure |\n|---|---|---|\n");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_its_row),
    };
    return cmocka_run_group_tests_name("readme_reasons", tests, readme_read, NULL);
}
