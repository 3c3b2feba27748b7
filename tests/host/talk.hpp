// SPDX-License-Identifier: Apache-2.0
// A server and calls of grpc++ without generated code, on whatever credentials.
#ifndef NODEKEY_TESTS_TALK_HPP
#define NODEKEY_TESTS_TALK_HPP

#include <functional>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

namespace talk
{

// To a call: it ends at once with `status`; or stays open, until it is cancelled or the server ends
// it, and keeps `held` so long.
struct Answer {
    grpc::Status status;
    std::shared_ptr<void> held;
};

// On loopback, with a port of the system's choice. The handler answers every call.
class Server
{
  public:
    using Handler = std::function<Answer(grpc::CallbackServerContext &)>;

    Server(const std::shared_ptr<grpc::ServerCredentials> &credentials, Handler handler);
    ~Server();
    std::string target() const;
    // Ends a call that stays open, or will.
    void end(const grpc::Status &status);

  private:
    struct Service;
    std::unique_ptr<Service> service_;
};

// One call, on this thread; `context` is as the call left it.
grpc::Status call(const std::shared_ptr<grpc::Channel> &channel, grpc::ClientContext &context);
// The same on a channel of its own.
grpc::Status call(const std::shared_ptr<grpc::ChannelCredentials> &credentials,
                  const std::string &target);
// The same; `opened` runs when its initial metadata is there.
grpc::Status stream(const std::shared_ptr<grpc::Channel> &channel, grpc::ClientContext &context,
                    const std::function<void()> &opened);

} // namespace talk
#endif
