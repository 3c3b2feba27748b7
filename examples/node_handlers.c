/* SPDX-License-Identifier: Apache-2.0 */
#include "node_handlers.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <grpc/grpc_security.h>

#include "node_calls.h"
#include "node_digest.h"
#include "node_message.h"
#include "node_peer.h"

#define TEXT_BYTES 600

struct request {
    struct node *node;
    const nk_peer *peer; /* who is at the other end, says its certificate */
    ProtobufCMessage *message;
    struct answer *answer;
};

static void fail(struct answer *answer, grpc_status_code status, const char *fmt, ...)
    __attribute__((__format__(__printf__, 3, 4)));
static void fail(struct answer *answer, grpc_status_code status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(answer->details, sizeof(answer->details), fmt, args);
    va_end(args);
    answer->status = status;
}

static void answer_with(const struct request *request, const ProtobufCMessage *message)
{
    request->answer->body = message_pack(message);
}

/* `response` may be NULL: P2PFL's "done, nothing to say". */
static void respond(const struct request *request, char *response)
{
    Node__ResponseMessage message = NODE__RESPONSE_MESSAGE__INIT;
    if (response != NULL) {
        message.optional_response_case = NODE__RESPONSE_MESSAGE__OPTIONAL_RESPONSE_RESPONSE;
        message.response = response;
    }
    answer_with(request, &message.base);
}

static void respond_error(const struct request *request, char *error)
{
    Node__ResponseMessage message = NODE__RESPONSE_MESSAGE__INIT;
    message.optional_error_case = NODE__RESPONSE_MESSAGE__OPTIONAL_ERROR_ERROR;
    message.error = error;
    answer_with(request, &message.base);
}

/* Any member could evict or impersonate any other if we took its word for who it is. */
static bool is_peers(const struct request *request, const char *claimed, char error[TEXT_BYTES])
{
    if (request->node->plugin.table->check_claim(request->peer, claimed, NULL) == NK_OK) {
        return true;
    }
    char text[PRINTABLE_BYTES];
    snprintf(error, TEXT_BYTES, "\"%s\" is not an address of the peer (%s)",
             peer_printable(claimed, text), peer_label(request->peer));
    say("refused: %s", error);
    return false;
}

static void handshake(const struct request *request)
{
    const Node__HandShakeRequest *message = (const Node__HandShakeRequest *)request->message;
    char error[TEXT_BYTES];
    if (!is_peers(request, message->addr, error)) {
        respond_error(request, error);
        return;
    }
    if (!neighbours_add(request->node->neighbours, message->addr)) {
        snprintf(error, sizeof(error), "no room for another neighbour");
        respond_error(request, error);
        return;
    }
    respond(request, NULL);
}

static void disconnect(const struct request *request)
{
    const Node__HandShakeRequest *message = (const Node__HandShakeRequest *)request->message;
    char error[TEXT_BYTES];
    if (!is_peers(request, message->addr, error)) {
        /* Its answer has no member for an error. */
        fail(request->answer, GRPC_STATUS_PERMISSION_DENIED, "%s", error);
        return;
    }
    neighbours_remove(request->node->neighbours, message->addr);
    Node__Empty empty = NODE__EMPTY__INIT;
    answer_with(request, &empty.base);
}

static void take_weights(const struct request *request, const Node__Weights *weights)
{
    char digest[DIGEST_TEXT_BYTES];
    digest_text(weights->weights.data, weights->weights.len, digest);
    say("weights %s from %s", digest, peer_label(request->peer));
    respond(request, digest);
}

/* False: it was here before. */
static bool take_gossip(struct node *node, Node__RootMessage *message)
{
    Node__GossipMessage *gossip = message->gossip_message;
    if (seen_before(&node->seen, gossip->hash)) {
        return false;
    }
    if (gossip->ttl > 0) {
        int32_t ttl = gossip->ttl;
        gossip->ttl = (ttl < GOSSIP_TTL ? ttl : GOSSIP_TTL) - 1;
        neighbours_send(node->neighbours, message, message->source);
    }
    return true;
}

static void send_command(const struct request *request)
{
    Node__RootMessage *message = (Node__RootMessage *)request->message;
    bool gossip = message->payload_type_case == NODE__ROOT_MESSAGE__PAYLOAD_TYPE_GOSSIP_MESSAGE;
    char error[TEXT_BYTES];
    if (!gossip && !is_peers(request, message->source, error)) { /* gossip: the originator */
        respond_error(request, error);
        return;
    }
    if (gossip && !take_gossip(request->node, message)) {
        respond(request, NULL);
        return;
    }
    if (message->payload_type_case == NODE__ROOT_MESSAGE__PAYLOAD_TYPE_WEIGHTS) {
        take_weights(request, message->weights); /* whatever the command would do with them */
        return;
    }
    if (strcmp(message->cmd, "beat") == 0) {
        respond(request, NULL);
        return;
    }
    char text[PRINTABLE_BYTES];
    snprintf(error, sizeof(error), "Unknown command: %s", peer_printable(message->cmd, text));
    respond_error(request, error);
}

static const struct method {
    const char *path;
    const ProtobufCMessageDescriptor *type;
    void (*answer)(const struct request *request);
} methods[] = {
    { METHOD_HANDSHAKE, &node__hand_shake_request__descriptor, handshake },
    { METHOD_DISCONNECT, &node__hand_shake_request__descriptor, disconnect },
    { METHOD_SEND, &node__root_message__descriptor, send_command },
};

static const struct method *find_method(const char *path)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i].path, path) == 0) {
            return &methods[i];
        }
    }
    return NULL;
}

/* NULL: the answer is written. Owned: the plugin's free_peer. */
static nk_peer *identify(const struct plugin *plugin, grpc_call *call, struct answer *answer)
{
    nk_peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    grpc_auth_context *context = grpc_call_auth_context(call);
    nk_status status =
        plugin->table->peer_identity(plugin->instance, NK_PEER_IS_CLIENT, context, &peer, &err);
    grpc_auth_context_release(context);
    if (status != NK_OK) {
        fail(answer, GRPC_STATUS_UNAUTHENTICATED, "%s", err.text);
        return NULL;
    }
    return peer;
}

void handlers_answer(struct node *node, const char *method, grpc_call *call,
                     grpc_byte_buffer **request, struct answer *ret_answer)
{
    static atomic_ulong calls;
    unsigned long number = atomic_fetch_add(&calls, 1) + 1;
    char text[PRINTABLE_BYTES];
    const struct method *found = find_method(method);
    if (found == NULL) {
        say("call %lu %s: unknown", number, peer_printable(method, text));
        fail(ret_answer, GRPC_STATUS_UNIMPLEMENTED, "no such method");
        return;
    }
    nk_peer *peer = identify(&node->plugin, call, ret_answer);
    if (peer == NULL) {
        say("call %lu %s: refused: %s", number, method, ret_answer->details);
        return;
    }
    say("call %lu %s from %s", number, strrchr(method, '/') + 1, peer_label(peer));
    struct request asked = { .node = node, .peer = peer, .answer = ret_answer };
    asked.message = message_unpack(found->type, request);
    if (asked.message == NULL) {
        fail(ret_answer, GRPC_STATUS_INVALID_ARGUMENT, "not a request of this method");
    } else {
        found->answer(&asked);
        protobuf_c_message_free_unpacked(asked.message, NULL);
    }
    node->plugin.table->free_peer(peer);
}
