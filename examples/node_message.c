/* SPDX-License-Identifier: Apache-2.0 */
#include "node_message.h"

#include <stddef.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>

grpc_byte_buffer *message_pack(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer **buffer)
{
    if (*buffer == NULL) {
        return NULL;
    }
    ProtobufCMessage *message = NULL;
    grpc_byte_buffer_reader reader;
    if (grpc_byte_buffer_reader_init(&reader, *buffer) != 0) {
        grpc_slice whole = grpc_byte_buffer_reader_readall(&reader);
        grpc_byte_buffer_reader_destroy(&reader);
        grpc_byte_buffer_destroy(*buffer);
        *buffer = NULL;
        message = protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(whole),
                                            GRPC_SLICE_START_PTR(whole));
        grpc_slice_unref(whole);
    }
    return message;
}
