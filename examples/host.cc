// SPDX-License-Identifier: Apache-2.0
// The same credentials from C++: a server and a client in one process, no generated code.
//     host /abs/nodekey.so node.json 127.0.0.1:0      (an address of the node's certificate)
#include <chrono>
#include <future>
#include <iostream>
#include <memory>
#include <string>

#include <dlfcn.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "nodekey/grpcpp.h"
#include "nodekey/plugin.h"

static const nk_plugin *plugin;
static nk_instance *instance;

// The first URI of who is at the other end of a call; "" if nodekey does not admit it.
static std::string peer_of(uint32_t role, grpc_call *call)
{
    nk_peer *peer = nullptr;
    nk_error err = {};
    err.struct_size = sizeof(err);
    std::unique_ptr<grpc_auth_context, void (*)(grpc_auth_context *)> context(
        grpc_call_auth_context(call), grpc_auth_context_release);
    if (plugin->peer_identity(instance, role, context.get(), &peer, &err) != NK_OK) {
        return "";
    }
    std::string uri;
    for (size_t i = 0; i < peer->names_len && uri.empty(); i++) {
        uri = peer->names[i].kind == NK_NAME_URI ? peer->names[i].text : "";
    }
    plugin->free_peer(peer);
    return uri;
}

// Answers every call, whatever its method, with the name of who calls.
struct WhoAmI final : grpc::CallbackGenericService {
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
        return new Answer(grpc::Slice(peer_of(NK_PEER_IS_CLIENT, call->c_call())));
    }
};

static int talk(grpc_server_credentials *server_made, grpc_channel_credentials *channel_made,
                const std::string &addr)
{
    int port = 0;
    WhoAmI service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(addr, nodekey::server_credentials(server_made), &port);
    builder.RegisterCallbackGenericService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    std::string target = addr.substr(0, addr.rfind(':') + 1) + std::to_string(port);
    auto channel = grpc::CreateChannel(target, nodekey::channel_credentials(channel_made));
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
    std::cout << "host: talked to " << peer_of(NK_PEER_IS_SERVER, call.c_call()) << "\n"
              << "host: who calls us " << std::string(text.begin(), text.end()) << "\n";
    return 0;
}

int main(int argc, char **argv)
{
    void *library = argc == 4 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
    auto entry = library ? reinterpret_cast<nk_entry_fn>(dlsym(library, NK_ENTRY_SYMBOL)) : nullptr;
    plugin = entry ? entry() : nullptr;
    if (plugin == nullptr || plugin->abi_major != NK_ABI_MAJOR ||
        plugin->abi_minor != NK_ABI_MINOR || !NK_HAS(nk_plugin, plugin, free_peer)) {
        std::cerr << "usage: host /abs/nodekey.so node.json 127.0.0.1:0\n";
        return 2;
    }
    grpc_init(); // before the plugin makes credentials
    nk_host host = {};
    host.struct_size = sizeof(host);
    host.grpc_version = grpc_version_string;
    host.log = [](void *, int32_t, const char *line) { std::cerr << "nodekey: " << line << "\n"; };
    nk_error err = {};
    err.struct_size = sizeof(err);
    grpc_server_credentials *server_made = nullptr;
    grpc_channel_credentials *channel_made = nullptr;
    if (plugin->open_file(&host, argv[2], &instance, &err) != NK_OK ||
        plugin->server_credentials(instance, &server_made, &err) != NK_OK ||
        plugin->channel_credentials(instance, &channel_made, &err) != NK_OK) {
        std::cerr << "host: " << err.text << "\n";
        return 1;
    }
    int exit_status = talk(server_made, channel_made, argv[3]);
    plugin->close(instance, &err);
    grpc_shutdown();
    return exit_status;
}
