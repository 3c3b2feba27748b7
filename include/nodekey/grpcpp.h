/* SPDX-License-Identifier: Apache-2.0
 *
 * nodekey's credentials in a C++ program: what the plugin made, as the shared pointers that grpc++
 * takes. Header-only, C++17, on public headers of grpc++, 1.51 to 1.83; needs grpc++ and its core.
 *
 *     grpc_server_credentials *made = nullptr;
 *     if (plugin->server_credentials(instance, &made, &err) == NK_OK) {
 *         builder.AddListeningPort("127.0.0.1:7001", nodekey::server_credentials(made));
 *     }
 *
 * Both functions take over what they are given, and release it with the last shared pointer; they
 * answer an empty pointer to nullptr. One object serves any number of ports or channels, from any
 * thread. grpc_init comes before the plugin makes credentials: any object of grpc++ that the
 * program holds does it, or call it yourself.
 *
 * What differs from grpc++'s own credentials:
 *   - SetAuthMetadataProcessor would put itself in the place of nodekey's check of every call. It
 *     is refused: standard error says so, and such credentials open no port.
 *   - CompositeChannelCredentials answers an empty pointer where grpc++'s credentials are abstract,
 *     as in 1.51. Set call credentials per call instead: grpc::ClientContext::set_credentials.
 *   - transport_security_type in auth_context() is "tls", not "ssl". All else is as with grpc++'s:
 *     IsPeerAuthenticated, the subjectAltNames as the identity, x509_* and peer_*. A resumed
 *     connection has no x509_pem_cert_chain. All of it is of the handshake: nk_plugin.peer_identity
 *     and nodekey::Node::peer judge the peer by the policy that is in force now.
 *   - CreateChannel with a session cache in its arguments would show an old identity after a
 *     rotation: give it none. */
#ifndef NODEKEY_GRPCPP_H
#define NODEKEY_GRPCPP_H

#include <cstdio>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_interceptor.h>

namespace grpc
{
class SecureChannelCredentials; /* later versions have none */
} // namespace grpc

namespace nodekey
{
namespace detail
{

struct Release {
    void operator()(grpc_server_credentials *made) const
    {
        grpc_server_credentials_release(made);
    }
    void operator()(grpc_channel_credentials *made) const
    {
        grpc_channel_credentials_release(made);
    }
};

/* Base is a class of grpc++. An abstract one, of 1.51, leaves what the plugin made to us. */
template <class Base, class Made, bool is_abstract = std::is_abstract<Base>::value>
class Holder : public Base
{
  protected:
    explicit Holder(Made *made) : made_(made)
    {
    }
    Made *c_creds() const
    {
        return made_.get();
    }

  private:
    std::unique_ptr<Made, Release> made_;
};

/* A later one keeps it itself, and has c_creds. */
template <class Base, class Made> class Holder<Base, Made, false> : public Base
{
  protected:
    explicit Holder(Made *made) : Base(made)
    {
    }
};

/* An abstract one also asks for an object of a class inside grpc++, in order to compose. */
template <class Base, bool is_abstract = std::is_abstract<Base>::value>
class ChannelHolder : public Holder<Base, grpc_channel_credentials>
{
  protected:
    using Holder<Base, grpc_channel_credentials>::Holder;

  private:
    grpc::SecureChannelCredentials *AsSecureCredentials() override
    {
        return nullptr;
    }
};
template <class Base>
class ChannelHolder<Base, false> : public Holder<Base, grpc_channel_credentials>
{
  protected:
    using Holder<Base, grpc_channel_credentials>::Holder;
};

class ServerCredentials final : public Holder<grpc::ServerCredentials, grpc_server_credentials>
{
  public:
    explicit ServerCredentials(grpc_server_credentials *made) : Holder(made)
    {
    }

    void SetAuthMetadataProcessor(
        const std::shared_ptr<grpc::AuthMetadataProcessor> & /*processor*/) override
    {
        std::fputs("nodekey: an auth metadata processor would replace nodekey's own check of every "
                   "call; these credentials open no port\n",
                   stderr);
        replaced_ = true;
    }

  private:
    int AddPortToServer(const std::string &addr, grpc_server *server) override
    {
        return replaced_ ? 0 : grpc_server_add_http2_port(server, addr.c_str(), c_creds());
    }

    bool replaced_ = false;
};

class ChannelCredentials final : public ChannelHolder<grpc::ChannelCredentials>
{
  public:
    explicit ChannelCredentials(grpc_channel_credentials *made) : ChannelHolder(made)
    {
    }

  private:
    using Interceptors =
        std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>;

    std::shared_ptr<grpc::Channel> CreateChannelImpl(const std::string &target,
                                                     const grpc::ChannelArguments &args) override
    {
        return CreateChannelWithInterceptors(target, args, Interceptors());
    }
    std::shared_ptr<grpc::Channel> CreateChannelWithInterceptors(const std::string &target,
                                                                 const grpc::ChannelArguments &args,
                                                                 Interceptors creators) override
    {
        grpc_channel_args core_args;
        args.SetChannelArgs(&core_args);
        grpc_channel *channel = grpc_channel_create(target.c_str(), c_creds(), &core_args);
        return grpc::CreateChannelInternal("", channel, std::move(creators));
    }
};

} // namespace detail

/* Takes over `made`. [any] */
inline std::shared_ptr<grpc::ServerCredentials> server_credentials(grpc_server_credentials *made)
{
    if (made == nullptr) {
        return nullptr;
    }
    return std::make_shared<detail::ServerCredentials>(made);
}

/* Takes over `made`. [any] */
inline std::shared_ptr<grpc::ChannelCredentials> channel_credentials(grpc_channel_credentials *made)
{
    if (made == nullptr) {
        return nullptr;
    }
    return std::make_shared<detail::ChannelCredentials>(made);
}

} // namespace nodekey
#endif
