/* SPDX-License-Identifier: Apache-2.0
 * A node that talks to itself, both roles with a key on a token that a script of this folder has
 * set up. Programs that the script left in the current folder break the token and mend it. Failures
 * of the fixture abort. */
#ifndef NODEKEY_TESTS_TOKEN_NODE_H
#define NODEKEY_TESTS_TOKEN_NODE_H

#include "fixtures/federation.h"
#include "fixtures/wire/rpc.h"

#define TOKEN_PATIENCE_MS 60000 /* for what must happen; never waited out */

struct token_node {
    struct node node;
    struct rpc_server *server;
    grpc_channel *standing; /* connected from the start */
};

/* Reads the configuration, serves, and connects: fails the test with the error's text. */
void token_node_start(struct token_node *it, const char *config_path);
void token_node_stop(struct token_node *it);
/* What `open` says of a configuration that it must refuse; closes nothing, keeps nothing. */
nk_status token_node_refused(const char *config_path, nk_error *err);

/* A new connection: one signature of each role. */
struct rpc_result token_node_dial(struct token_node *it);
void token_node_must_dial(struct token_node *it);
/* No new connection comes about, and the log says why. */
void token_node_must_not_dial(struct token_node *it, const char *why);
/* The connection from the start still serves. */
void token_node_must_stand(struct token_node *it);

/* Runs this program of the current folder to its end, which must be good. What it prints is owned:
 * free. */
char *token_tells(const char *program);
void token_do(const char *program);

/* grpc_shutdown, and `failed` again; ends the process when gRPC does not end: rpc_shuts_down. */
int token_node_end(int failed);

#endif
