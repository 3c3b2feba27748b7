/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/readme_text.h"

#include <stdio.h>
#include <string.h>

#include "fixtures/check.h"

#define README_MAX_BYTES 1000000

static char readme[README_MAX_BYTES];

int readme_read(void **state)
{
    (void)state;
    FILE *file = fopen(README, "r");
    assert_non_null(file);
    size_t len = fread(readme, 1, sizeof(readme) - 1, file);
    readme[len] = '\0';
    assert_int_equal(fclose(file), 0);
    return 0;
}

const char *readme_section(const char *heading)
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

const char *readme_table(const char *heading, const char *head)
{
    const char *table = strstr(readme_section(heading), head);
    if (table == NULL) {
        fail_msg("README has no table \"%s\"", head);
        return "";
    }
    return table + strlen(head);
}
