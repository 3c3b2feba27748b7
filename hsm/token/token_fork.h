/* SPDX-License-Identifier: Apache-2.0
 * A token in a child: nothing of its parent's sessions is used, and it is attached to anew at the
 * first signature. Its users, and the keys that they found, stay what they are. */
#ifndef NODEKEY_TOKEN_FORK_H
#define NODEKEY_TOKEN_FORK_H

#include "token/token_private.h"

/* Around a fork, under the registry's lock. */
MUST_USE bool token_hold(struct token *token, long long deadline_ms);
void token_release(struct token *token);
/* In the child, held. */
void token_renew(struct token *token);
/* Before the PIN is sent. CKR_NODEKEY_FORKED_PIN: it is not here, and cannot be read again. Under
 * lock. */
MUST_USE CK_RV token_recall_pin(struct token *token, nk_error *err);
/* The login that this process has, if any, came with its parent's memory. Under lock. */
bool token_pin_is_unproven(const struct token *token);
/* An open in a child must prove its PIN, though the child got its parent's login with the memory:
 * that copy is logged out. Under lock, inside a stay. */
void token_drop_copied_login(struct token *token, CK_SESSION_INFO *session);

#endif
