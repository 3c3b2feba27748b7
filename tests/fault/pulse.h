/* SPDX-License-Identifier: Apache-2.0
 * How late the machine itself is, whatever is tested on it: a word handed to another thread and
 * back, every few milliseconds. What a busy machine adds is told from what we add. */
#ifndef NODEKEY_TESTS_PULSE_H
#define NODEKEY_TESTS_PULSE_H

void pulse_start(void);
void pulse_clear(void);
/* Since the last pulse_clear. */
double pulse_longest_ms(void);
double pulse_p99_ms(void);
void pulse_stop(void);

#endif
