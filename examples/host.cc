// SPDX-License-Identifier: Apache-2.0
// The same credentials from C++: a server and a client in one process, no generated code.
//     host /abs/nodekey.so node.json 127.0.0.1:0      (an address of the node's certificate)
#include <chrono>
#include <future>
#include <iostream>
#include <memory>
#include <string>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "nodekey/nodekey.hpp"
#ifdef GRPC_IS_STATIC // set it where you link libgrpc.a
#include "nodekey/core.h"
#endif

// The first URI of a peer; "" if it has none.
static std::string uri_of(const nodekey::Peer &peer)
{
    for (size_t i = 0; i < peer->names_len; i++) {
        if (peer->names[i].kind == NK_NAME_URI) {
            return peer->names[i].text;
        }
    }
    return "";
}

// Answers every call, whatever its method, with the name of who calls.
struct WhoAmI final : grpc::CallbackGenericService {
    explicit WhoAmI(nodekey::Node &own) : node(own)
    {
    }
    struct Answer final : grpc::ServerGenericBidiReactor {
        explicit Answer(const grpc::Slice &text) : reply(&text, 1)
        {
            StartWriteAndFinish(&reply, grpc::WriteOptions(), grpc::Status::OK);
        }
        void OnDone() override
        {
            delete this;
        }
        grpc::ByteBuffer reply;
    };
    grpc::ServerGenericBidiReactor *CreateReactor(grpc::GenericCallbackServerContext *call) override
    {
        try {
            return new Answer(grpc::Slice(uri_of(node.peer(*call))));
        } catch (const nodekey::Error &refusal) { // the policy has changed since the handshake
            return new Answer(grpc::Slice(refusal.what()));
        }
    }
    nodekey::Node &node;
};

static int talk(nodekey::Node &node, const std::string &addr)
{
    int port = 0;
    WhoAmI service(node);
    grpc::ServerBuilder builder;
    builder.AddListeningPort(addr, node.server_credentials(), &port);
    builder.RegisterCallbackGenericService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    std::string target = addr.substr(0, addr.rfind(':') + 1) + std::to_string(port);
    auto channel = grpc::CreateChannel(target, node.channel_credentials());
    grpc::GenericStub stub(channel);

    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    grpc::ByteBuffer request(nullptr, 0), reply;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&call, "/example.Host/WhoAmI", {}, &request, &reply,
                   [&done](grpc::Status end) { done.set_value(std::move(end)); });
    grpc::Status status = done.get_future().get();
    grpc::Slice text;
    if (server == nullptr || !status.ok() || !reply.TrySingleSlice(&text).ok()) {
        std::cerr << "host: " << target << ": " << status.error_message() << "\n";
        return 1;
    }
    std::cout << "host: talked to " << uri_of(node.peer(call)) << "\n"
              << "host: who calls us " << std::string(text.begin(), text.end()) << "\n";
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: host /abs/nodekey.so node.json 127.0.0.1:0\n";
        return 2;
    }
    nodekey::Hooks hooks;
    hooks.log = [](int32_t, const std::string &line) { std::cerr << "nodekey: " << line << "\n"; };
#ifdef GRPC_IS_STATIC
    hooks.symbol = nk_core_symbol;
#endif
    try {
        nodekey::Node node(argv[1], argv[2], hooks);
        return talk(node, argv[3]);
    } catch (const nodekey::Error &failure) {
        std::cerr << "host: " << failure.what() << "\n";
        return 1;
    }
}
