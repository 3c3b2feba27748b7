/* SPDX-License-Identifier: Apache-2.0
 *
 * nodekey as a C++ class: mutual TLS for gRPC whose private key stays in a token. Header-only,
 * C++17, on public headers of grpc++, 1.51 to 1.83; needs grpc++, its gRPC core, and libdl where
 * that is not part of the C library. Nothing of nodekey is linked: the plugin is loaded by its path.
 *
 *     nodekey::Hooks hooks;
 *     hooks.log = [](int32_t, const std::string &line) { std::cerr << line << "\n"; };
 *     nodekey::Node node("/usr/local/lib/nodekey/nodekey.so", "node.json", hooks);
 *     builder.AddListeningPort("10.0.0.1:7000", node.server_credentials());
 *     auto channel = grpc::CreateChannel("10.0.0.2:7000", node.channel_credentials());
 *
 * What fails throws nodekey::Error. The words [any], [one], [plugin] and every NK_ name are of
 * plugin.h. Servers and channels may outlive the Node; after its close they admit nobody.
 *
 * The differences of these credentials from grpc++'s own are in grpcpp.h. */
#ifndef NODEKEY_NODEKEY_HPP
#define NODEKEY_NODEKEY_HPP

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include "nodekey/detail/instance.hpp"
#include "nodekey/grpcpp.h"
#include "nodekey/hooks.hpp"

namespace nodekey
{

/* A peer, owned; lives on after the Node. Never empty where Node::peer answers it. */
using Peer = std::unique_ptr<nk_peer, detail::FreePeer>;

/* nk_plugin.guard_call while it lives: the peer of one call is judged again after each change of
 * the policy and when a certificate or CRL runs out, and the call is cancelled with UNAUTHENTICATED
 * when it is refused. Ends before the grpc++ context of its call does: make it a local of the
 * handler, or a member of the reactor. May outlive the Node, whose close has cancelled the call. An
 * empty one guards nothing. Moves; [any], but one thread at a time for one object. */
class Guard
{
  public:
    Guard() = default;
    Guard(Guard &&from) noexcept
        : instance_(std::move(from.instance_)), call_(std::exchange(from.call_, nullptr))
    {
    }
    Guard &operator=(Guard &&from) noexcept
    {
        Guard old(std::move(*this));
        instance_ = std::move(from.instance_);
        call_ = std::exchange(from.call_, nullptr);
        return *this;
    }
    ~Guard()
    {
        if (call_ != nullptr) {
            instance_->unguard(call_);
        }
    }

  private:
    friend class Node;
    Guard(std::shared_ptr<detail::Instance> instance, grpc_call *call) noexcept
        : instance_(std::move(instance)), call_(call)
    {
    }

    std::shared_ptr<detail::Instance> instance_;
    grpc_call *call_ = nullptr;
};

/* An opened node. Moves, does not copy; the calls of one that was moved from throw NK_E_CLOSED.
 * Members are [any] unless they say otherwise. */
class Node
{
  public:
    /* nk_load, grpc_init and nk_plugin.open_file. `module` is the absolute path of nodekey.so.
     * `hooks` is copied. Throws what nk_load and open_file report; the text names the path, the
     * member, the file or the object. */
    Node(const std::string &module, const std::string &config, const Hooks &hooks = Hooks())
        : instance_(std::make_shared<detail::Instance>(module, config, hooks))
    {
    }
    Node(Node &&) noexcept = default;
    /* [one] Closes what it held, as the destructor does. */
    Node &operator=(Node &&from) noexcept
    {
        Node old(std::move(*this));
        instance_ = std::move(from.instance_);
        return *this;
    }
    /* [one] close, whose failure is a line in the log: the instance then stays open until the
     * process ends. */
    ~Node()
    {
        try {
            close();
        } catch (const std::exception &failure) {
            instance_->complain(failure.what());
        }
    }

    /* [one] nk_plugin.close and grpc_shutdown. Cancels guarded calls; waits for the other calls on
     * this Node and for hooks that run, late ones of verify, too: hold no lock that those want.
     * Closing again is nothing. NK_E_USAGE, and nothing happens: called from a hook, or where gRPC
     * runs host code on a thread of the plugin's; close from another thread. */
    void close()
    {
        if (instance_ != nullptr) {
            instance_->close();
        }
    }

    /* For grpc::ServerBuilder::AddListeningPort, any number of ports. Never empty. Errors: those of
     * nk_plugin.server_credentials. */
    std::shared_ptr<grpc::ServerCredentials> server_credentials()
    {
        grpc_server_credentials *made = nullptr;
        opened()->run([&made](const nk_plugin *plugin, nk_instance *instance, nk_error *err) {
            return plugin->server_credentials(instance, &made, err);
        });
        return nodekey::server_credentials(made);
    }
    /* For grpc::CreateChannel, any number of channels; make one and keep it. Never empty. Errors:
     * those of nk_plugin.channel_credentials. */
    std::shared_ptr<grpc::ChannelCredentials> channel_credentials()
    {
        grpc_channel_credentials *made = nullptr;
        opened()->run([&made](const nk_plugin *plugin, nk_instance *instance, nk_error *err) {
            return plugin->channel_credentials(instance, &made, err);
        });
        return nodekey::channel_credentials(made);
    }

    /* The client that made the call of a handler, judged now: nk_plugin.peer_identity. NK_E_PEER:
     * the policy in force no longer admits it; answer UNAUTHENTICATED. */
    Peer peer(grpc::ServerContextBase &context)
    {
        return peer_of(NK_PEER_IS_CLIENT, context.c_call());
    }
    /* The server that a call of ours talks to. NK_E_PEER: the policy in force no longer admits it
     * (cancel the call), or the call has no peer yet: ask when initial metadata or the status has
     * come. */
    Peer peer(grpc::ClientContext &context)
    {
        return peer_of(NK_PEER_IS_SERVER, context.c_call());
    }

    /* For streams; short calls are judged when they begin. NK_E_PEER: the policy in force does not
     * admit the client, and the call is cancelled. NK_E_USAGE: guarded already. */
    Guard guard(grpc::ServerContextBase &context)
    {
        return guard_of(NK_PEER_IS_CLIENT, context.c_call());
    }
    /* The same for the server of a call of ours; NK_E_PEER also where peer throws it. */
    Guard guard(grpc::ClientContext &context)
    {
        return guard_of(NK_PEER_IS_SERVER, context.c_call());
    }

    /* nk_plugin.reload, and its errors. NK_E_USAGE in a hook. */
    void reload()
    {
        opened()->run([](const nk_plugin *plugin, nk_instance *instance, nk_error *err) {
            return plugin->reload(instance, err);
        });
    }

  private:
    /* Shared, so that a call outlives a Node that one of its hooks destroys. */
    std::shared_ptr<detail::Instance> opened() const
    {
        if (instance_ == nullptr) {
            throw Error(NK_E_CLOSED, "the node was moved from");
        }
        return instance_;
    }
    Peer peer_of(uint32_t role, grpc_call *call)
    {
        nk_peer *found = nullptr;
        detail::AuthContext context = detail::auth_context_of(call);
        std::shared_ptr<detail::Instance> shared = opened();
        shared->run([&](const nk_plugin *plugin, nk_instance *instance, nk_error *err) {
            return plugin->peer_identity(instance, role, context.get(), &found, err);
        });
        return Peer(found, detail::FreePeer{ shared->plugin()->free_peer });
    }
    Guard guard_of(uint32_t role, grpc_call *call)
    {
        (void)detail::auth_context_of(call);
        std::shared_ptr<detail::Instance> shared = opened();
        shared->run([role, call](const nk_plugin *plugin, nk_instance *instance, nk_error *err) {
            return plugin->guard_call(instance, role, call, err);
        });
        return Guard(std::move(shared), call);
    }

    std::shared_ptr<detail::Instance> instance_;
};

} // namespace nodekey
#endif
