/* SPDX-License-Identifier: Apache-2.0
 * The same question asked by a TLS handshake with a real node. The audit file has its answer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <grpc/grpc_security.h>
#include <jansson.h>

#include "base/auto.h"
#include "fixtures/wire/rpc.h"
#include "matrix/matrix.h"

#define SERVER_THREADS 2
#define AUDIT_WAIT_MS 30000
#define AUDIT_STEP_MS 2

DEFINE_AUTO(json_t *, json_decref);

struct matrix_wire {
    struct node node;
    struct rpc_server *server;
    FILE *audit;
    size_t answered; /* of those that dialled in */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "matrix wire: %s: %s\n", what, why);
    abort();
}

struct matrix_wire *matrix_wire_open(const struct member *member, const char *patch,
                                     const char *audit_file)
{
    struct matrix_wire *wire = calloc(1, sizeof(*wire));
    if (wire == NULL) {
        die("calloc", strerror(errno));
    }
    node_open(&wire->node, member, patch);
    wire->server = rpc_server_start(wire->node.server, SERVER_THREADS, NULL, NULL);
    wire->audit = fopen(audit_file, "re");
    if (wire->audit == NULL) {
        die(audit_file, strerror(errno));
    }
    return wire;
}

size_t matrix_wire_close(struct matrix_wire *wire)
{
    size_t stray = rpc_server_runs(wire->server) - wire->answered;
    rpc_server_stop(wire->server);
    node_close(&wire->node);
    fclose(wire->audit);
    free(wire);
    return stray;
}

/* --- the audit file --- */

static const char *text_of(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text != NULL ? text : "";
}

static void tell(const json_t *line, struct matrix_verdict *verdict)
{
    const char *rule = text_of(line, "rule");
    const char *candidate = json_string_value(json_object_get(line, "candidate"));

    if (strcmp(text_of(line, "verdict"), "allow") == 0) {
        snprintf(verdict->text, sizeof(verdict->text), "+%s", rule);
    } else {
        snprintf(verdict->text, sizeof(verdict->text), "-%s%s%s", text_of(line, "reason"),
                 rule[0] != '\0' ? " " : "", rule);
    }
    snprintf(verdict->detail, sizeof(verdict->detail), "%s", text_of(line, "detail"));
    snprintf(verdict->candidate, sizeof(verdict->candidate), "%s",
             candidate != NULL ? candidate : "(none)");
}

/* Where it was read, or where it could not be. */
static bool is_about(const json_t *line, const struct tls_peer *peer)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned len = 0;
    const char *fingerprint = text_of(line, "fingerprint");

    if (peer->certificate == NULL ||
        X509_digest(peer->certificate, EVP_sha256(), digest, &len) != 1) {
        return false;
    }
    for (unsigned i = 0; i < len; i++) {
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    }
    return fingerprint[0] == '\0' || strcmp(fingerprint, hex) == 0;
}

/* A client may have dialled more than once: then it must have been told the same each time. */
static void add_line(const char *text, const struct tls_peer *peer, bool inbound,
                     struct matrix_verdict *verdict)
{
    json_error_t error;
    AUTO(json_decref) json_t *line = json_loads(text, 0, &error);
    struct matrix_verdict one = { .text = "" };

    if (line == NULL) {
        die("audit line", error.text);
    }
    if (strcmp(text_of(line, "occasion"), "handshake") != 0) {
        snprintf(verdict->text, sizeof(verdict->text), "a line for another occasion");
        return;
    }
    tell(line, &one);
    if (!is_about(line, peer) ||
        strcmp(text_of(line, "direction"), inbound ? "inbound" : "outbound") != 0) {
        snprintf(verdict->text, sizeof(verdict->text), "a line about another peer");
    } else if (verdict->text[0] == '\0') {
        *verdict = one;
    } else if (strcmp(verdict->text, one.text) != 0) {
        snprintf(verdict->text, sizeof(verdict->text), "lines that disagree");
    }
}

static void read_lines(struct matrix_wire *wire, const struct tls_peer *peer, bool inbound,
                       struct matrix_verdict *verdict)
{
    char *text = NULL;
    size_t room = 0;

    clearerr(wire->audit); /* the file grows behind its old end */
    while (getline(&text, &room, wire->audit) > 0) {
        add_line(text, peer, inbound, verdict);
    }
    free(text);
}

static void await_line(struct matrix_wire *wire, const struct tls_peer *peer, bool inbound,
                       bool awaited, struct matrix_verdict *verdict)
{
    read_lines(wire, peer, inbound, verdict);
    for (int waited = 0; awaited && verdict->text[0] == '\0' && waited < AUDIT_WAIT_MS;
         waited += AUDIT_STEP_MS) {
        nanosleep(&(struct timespec){ .tv_nsec = AUDIT_STEP_MS * 1000000L }, NULL);
        read_lines(wire, peer, inbound, verdict);
    }
}

/* --- the handshake --- */

static bool dial_in(struct matrix_wire *wire, const struct tls_peer *peer)
{
    size_t before = rpc_server_runs(wire->server);
    bool answered = tls_peer_dial(peer, rpc_server_port(wire->server)).accepted;
    wire->answered += answered ? 1 : 0;
    return answered || rpc_server_runs(wire->server) != before;
}

static bool dial_out(struct matrix_wire *wire, const struct tls_peer *peer, const char *target)
{
    struct tls_listener *listener = tls_peer_listen(peer);
    const char *port = strrchr(tls_listener_address(listener), ':');
    rpc_dial(wire->node.channel, path_of("%s%s", target, port), RPC_DEADLINE_MS);
    bool accepted = tls_listener_wait(listener).accepted;
    accepted = tls_listener_accepted(listener) > 0 || accepted;
    tls_listener_stop(listener);
    return accepted;
}

bool matrix_wire_ask(struct matrix_wire *wire, const struct tls_peer *peer, bool inbound,
                     const char *target, bool awaited, struct matrix_verdict *ret_verdict)
{
    memset(ret_verdict, 0, sizeof(*ret_verdict));
    bool reached = inbound ? dial_in(wire, peer) : dial_out(wire, peer, target);
    await_line(wire, peer, inbound, awaited, ret_verdict);
    return reached;
}
