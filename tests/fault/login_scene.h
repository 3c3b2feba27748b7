/* SPDX-License-Identifier: Apache-2.0
 * A token behind the faulty one, which counts the C_Logins that reach it, and a state_dir that is
 * fresh for each test. */
#ifndef NODEKEY_TESTS_LOGIN_SCENE_H
#define NODEKEY_TESTS_LOGIN_SCENE_H

#include "fixtures/token_rig.h"

#define WRONG_PIN "1357-poplar"

extern struct identity identity;

/* The fixture of a whole group of tests. */
int login_set_up(void **state);
int login_tear_down(void **state);

/* The fixture of each test; the second has the right PIN in its file. */
int fresh_state(void **state);
int fresh_right(void **state);

/* Writes FILE.next beside the identity's PIN file as `nodekey pin --change` does, for the file as
 * it is. */
void identity_set_next(const struct identity *of, const char *pin);

/* The path of the one file in state_dir whose name ends so, or NULL. */
const char *file_like(const char *end);
/* The path of the file of refused PINs, or NULL. */
const char *marks_path(void);

#endif
