// SPDX-License-Identifier: Apache-2.0
// A stranger's host in C++, on what is installed alone: talk_host.c is the same in C.
//     talk_host /abs/nodekey.so node.json serve          prints its port; ends with its stdin
//     talk_host /abs/nodekey.so node.json throw          the same; its verify hook throws at who
//     comes first talk_host /abs/nodekey.so node.json dial TARGET    prints who answered, and whom
//     that saw
#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <nodekey/nodekey.hpp>

static std::string uri_of(const nodekey::Peer &peer)
{
    return peer->names_len > 0 ? peer->names[0].text : "";
}

// Answers every call by trailing metadata that names the caller.
struct Who final : grpc::CallbackGenericService {
    struct Answer final : grpc::ServerGenericBidiReactor {
        Answer()
        {
            Finish(grpc::Status::OK);
        }
        void OnDone() override
        {
            delete this;
        }
    };
    explicit Who(nodekey::Node &own) : node(own)
    {
    }
    grpc::ServerGenericBidiReactor *CreateReactor(grpc::GenericCallbackServerContext *call) override
    {
        call->AddTrailingMetadata("who", uri_of(node.peer(*call)));
        return new Answer;
    }
    nodekey::Node &node;
};

static int serve(nodekey::Node &node)
{
    int port = 0;
    Who service(node);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", node.server_credentials(), &port);
    builder.RegisterCallbackGenericService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    std::cout << port << std::endl;
    std::cin.get();
    server->Shutdown();
    return port == 0;
}

static int dial(nodekey::Node &node, const std::string &target)
{
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    grpc::ByteBuffer reply;
    grpc::Status status;
    void *tag = nullptr;
    bool ok = false;
    grpc::GenericStub stub(grpc::CreateChannel(target, node.channel_credentials()));
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    auto call = stub.PrepareCall(&context, "/talk.Host/Who", &queue);
    call->StartCall(nullptr);
    queue.Next(&tag, &ok);
    call->WritesDone(nullptr);
    queue.Next(&tag, &ok);
    call->Finish(&status, nullptr);
    queue.Next(&tag, &ok);
    if (!status.ok()) {
        std::cerr << "status " << status.error_code() << ": " << status.error_message() << "\n";
        return 1;
    }
    auto who = context.GetServerTrailingMetadata().find("who");
    const bool told = who != context.GetServerTrailingMetadata().end();
    std::cout << "talked to " << uri_of(node.peer(context)) << ", which saw "
              << (told ? std::string(who->second.data(), who->second.size()) : "nobody") << "\n";
    return 0;
}

int main(int argc, char **argv)
try {
    const std::string verb = argc >= 4 ? argv[3] : "";
    std::atomic<int> asked{ 0 };
    nodekey::Hooks hooks;
    hooks.log = [](int32_t, const std::string &line) { std::cerr << "nodekey: " << line << "\n"; };
    hooks.verify = [&](const nk_peer &, std::string &) {
        if (verb == "throw" && ++asked == 1) {
            throw std::runtime_error("no database");
        }
        return true;
    };
    nodekey::Node node(argv[1], argv[2], hooks);
    return verb == "dial" ? dial(node, argv[4]) : serve(node);
} catch (const nodekey::Error &failure) {
    std::cerr << failure.what() << "\n";
    return 1;
}
