/* SPDX-License-Identifier: Apache-2.0
 * protobuf-c messages as gRPC payloads, and back. */
#ifndef EXAMPLE_NODE_MESSAGE_H
#define EXAMPLE_NODE_MESSAGE_H

#include <grpc/byte_buffer.h>

#include "node.pb-c.h"

/* Owned: grpc_byte_buffer_destroy. The message is packed once and not copied again. */
grpc_byte_buffer *message_pack(const ProtobufCMessage *message);
/* Takes *buffer (may be NULL) and clears it early: of 1 GiB no more copies than needed live at
 * once. NULL: not such a message. Owned: protobuf_c_message_free_unpacked. */
ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer **buffer);

#endif
