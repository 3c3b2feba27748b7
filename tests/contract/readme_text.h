/* SPDX-License-Identifier: Apache-2.0
 * README as text, for tests that compare its tables with ours. */
#ifndef NODEKEY_TESTS_README_TEXT_H
#define NODEKEY_TESTS_README_TEXT_H

/* Set-up of a group of tests. */
int readme_read(void **state);
/* From the end of the heading to the next one. Valid until the next call; fails the test when there
 * is none. */
const char *readme_section(const char *heading);
/* In that section, what follows the head of a table. */
const char *readme_table(const char *heading, const char *head);

#endif
