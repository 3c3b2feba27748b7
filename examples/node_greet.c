/* SPDX-License-Identifier: Apache-2.0 */
#include "node_greet.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

#include "node_calls.h"
#include "node_digest.h"
#include "node_message.h"
#include "node_peer.h"

#define OUTCOME_BYTES 1400
#define LOOK_UP_MS 100 /* how often a call in flight looks whether we are to stop */
#define PAUSE_MS 250   /* between two dials of a node that is not there yet */
#define WEIGHTS_CMD "weights"

struct talk {
    struct node *node;
    struct route route;
    const unsigned char *weights;
    size_t weights_len;
    const char *digest;          /* of the weights */
    bool unreachable;            /* the last failure may pass: dial again */
    char outcome[OUTCOME_BYTES]; /* what to print */
};

/* Takes `request`. True: OK, and *ret_answer is owned; else the outcome is written. */
static bool ask(struct talk *talk, const char *method, const ProtobufCMessage *request,
                const ProtobufCMessageDescriptor *answer_type, ProtobufCMessage **ret_answer)
{
    struct unary unary = { 0 };
    char text[REPLY_TEXT_BYTES];
    unary_start(&unary, &talk->route, method, message_pack(request), &unary);
    bool cancelled = false;
    for (;;) {
        gpr_timespec slice = gpr_time_from_millis(LOOK_UP_MS, GPR_TIMESPAN);
        grpc_event event = grpc_completion_queue_pluck(
            talk->route.queue, &unary, gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), slice), NULL);
        if (event.type == GRPC_OP_COMPLETE) {
            break;
        }
        if (!cancelled && stop_requested(talk->node, 0)) {
            unary_cancel(&unary);
            cancelled = true;
        }
    }
    talk->unreachable = unary.status == GRPC_STATUS_UNAVAILABLE;
    ProtobufCMessage *answer = NULL;
    if (unary.status == GRPC_STATUS_OK) {
        answer = message_unpack(answer_type, &unary.answer);
        if (answer == NULL) {
            snprintf(talk->outcome, sizeof(talk->outcome), "%s: malformed answer", method);
        }
    } else {
        snprintf(talk->outcome, sizeof(talk->outcome), "%s", unary_text(&unary, text));
    }
    unary_clear(&unary);
    *ret_answer = answer;
    return answer != NULL;
}

/* A request that is answered by a ResponseMessage. An `error` in it is a failure, too. */
static bool ask_node(struct talk *talk, const char *method, const ProtobufCMessage *request,
                     char *ret_response, size_t room)
{
    ProtobufCMessage *answer = NULL;
    if (!ask(talk, method, request, &node__response_message__descriptor, &answer)) {
        return false;
    }
    const Node__ResponseMessage *response = (const Node__ResponseMessage *)answer;
    bool refused = response->optional_error_case == NODE__RESPONSE_MESSAGE__OPTIONAL_ERROR_ERROR;
    if (refused) {
        char text[PRINTABLE_BYTES];
        snprintf(talk->outcome, sizeof(talk->outcome), "%s", peer_printable(response->error, text));
    } else if (response->optional_response_case ==
               NODE__RESPONSE_MESSAGE__OPTIONAL_RESPONSE_RESPONSE) {
        snprintf(ret_response, room, "%s", response->response);
    }
    protobuf_c_message_free_unpacked(answer, NULL);
    return !refused;
}

static bool send_weights(struct talk *talk)
{
    char *contributors[] = { talk->node->addr };
    Node__Weights weights = NODE__WEIGHTS__INIT;
    weights.weights.data = (uint8_t *)(uintptr_t)talk->weights; /* protobuf-c has no const */
    weights.weights.len = talk->weights_len;
    weights.contributors = contributors;
    weights.n_contributors = 1;
    weights.num_samples = 1;
    Node__RootMessage message = NODE__ROOT_MESSAGE__INIT;
    message.source = talk->node->addr;
    message.cmd = (char[]){ WEIGHTS_CMD };
    message.payload_type_case = NODE__ROOT_MESSAGE__PAYLOAD_TYPE_WEIGHTS;
    message.weights = &weights;

    char response[DIGEST_TEXT_BYTES] = "";
    if (!ask_node(talk, METHOD_SEND, &message.base, response, sizeof(response))) {
        return false;
    }
    if (strcmp(response, talk->digest) != 0) {
        char text[PRINTABLE_BYTES];
        snprintf(talk->outcome, sizeof(talk->outcome), "sent %s, the peer received %s",
                 talk->digest, peer_printable(response, text));
        return false;
    }
    return true;
}

static bool converse(struct talk *talk)
{
    Node__HandShakeRequest us = NODE__HAND_SHAKE_REQUEST__INIT;
    us.addr = talk->node->addr;
    char nothing[1];
    ProtobufCMessage *empty = NULL;
    if (!ask_node(talk, METHOD_HANDSHAKE, &us.base, nothing, sizeof(nothing)) ||
        !send_weights(talk) ||
        !ask(talk, METHOD_DISCONNECT, &us.base, &node__empty__descriptor, &empty)) {
        return false;
    }
    protobuf_c_message_free_unpacked(empty, NULL);
    return true;
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool greet(struct talk *talk, const char *addr, int patience_seconds)
{
    long give_up = now_ms() + patience_seconds * 1000L;
    talk->route.channel = calls_dial(talk->node->plugin.channel, addr);
    long started = now_ms();
    bool talked = converse(talk);
    while (!talked && talk->unreachable && now_ms() < give_up &&
           !stop_requested(talk->node, PAUSE_MS)) {
        started = now_ms();
        talked = converse(talk);
    }
    grpc_channel_destroy(talk->route.channel);
    if (talked) {
        say("talked %s ok %s %ld ms", addr, talk->digest, now_ms() - started);
    } else {
        say("talked %s failed: %s", addr, talk->outcome);
    }
    return talked;
}

bool greet_all(struct node *node, const struct greeting *greeting)
{
    unsigned char *weights = malloc(greeting->weights_len + 1);
    if (weights == NULL || greeting->weights_len > INT_MAX ||
        RAND_bytes(weights, (int)greeting->weights_len) != 1) {
        complain("no %zu random bytes to send", greeting->weights_len);
        free(weights);
        return false;
    }
    char digest[DIGEST_TEXT_BYTES];
    struct talk talk = {
        .node = node,
        .route = { .queue = grpc_completion_queue_create_for_pluck(NULL),
                   .deadline_seconds = node->deadline_seconds },
        .weights = weights,
        .weights_len = greeting->weights_len,
        .digest = digest_text(weights, greeting->weights_len, digest),
    };
    bool all = true;
    for (size_t i = 0; i < greeting->addrs_len && !stop_requested(node, 0); i++) {
        all = greet(&talk, greeting->addrs[i], greeting->patience_seconds) && all;
    }
    grpc_completion_queue_shutdown(talk.route.queue);
    grpc_completion_queue_destroy(talk.route.queue);
    free(weights);
    return all;
}
