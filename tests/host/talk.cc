// SPDX-License-Identifier: Apache-2.0
#include "host/talk.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>

namespace talk
{

static const char address[] = "127.0.0.1";

static std::chrono::system_clock::time_point deadline()
{
    return std::chrono::system_clock::now() + std::chrono::seconds(60);
}

struct Server::Service final : grpc::CallbackGenericService {
    struct Reactor final : grpc::ServerGenericBidiReactor {
        explicit Reactor(Service &owner) : service(owner)
        {
        }
        void OnCancel() override
        {
            service.finish(*this, grpc::Status::CANCELLED);
        }
        void OnDone() override
        {
            delete this;
        }
        Service &service;
        std::shared_ptr<void> held;
        bool finished = false;
    };

    grpc::ServerGenericBidiReactor *
    CreateReactor(grpc::GenericCallbackServerContext *context) override
    {
        Answer answer = handler(*context);
        auto *reactor = new Reactor(*this);
        if (answer.held == nullptr) {
            finish(*reactor, answer.status);
            return reactor;
        }
        reactor->held = std::move(answer.held);
        reactor->StartSendInitialMetadata();
        std::lock_guard<std::mutex> hold(mutex);
        open = reactor;
        changed.notify_all();
        return reactor;
    }
    void finish(Reactor &reactor, const grpc::Status &status)
    {
        std::lock_guard<std::mutex> hold(mutex);
        if (!std::exchange(reactor.finished, true)) {
            open = open == &reactor ? nullptr : open;
            reactor.Finish(status);
        }
    }

    Server::Handler handler;
    int port = 0;
    std::mutex mutex; // guards the rest
    std::condition_variable changed;
    Reactor *open = nullptr;
    std::unique_ptr<grpc::Server> server;
};

Server::Server(const std::shared_ptr<grpc::ServerCredentials> &credentials, Handler handler)
    : service_(std::make_unique<Service>())
{
    service_->handler = std::move(handler);
    grpc::ServerBuilder builder;
    builder.AddListeningPort(std::string(address) + ":0", credentials, &service_->port);
    builder.RegisterCallbackGenericService(service_.get());
    service_->server = builder.BuildAndStart();
    if (service_->server == nullptr || service_->port == 0) {
        throw std::runtime_error("the server does not start");
    }
}

Server::~Server()
{
    service_->server->Shutdown(deadline());
}

std::string Server::target() const
{
    return std::string(address) + ":" + std::to_string(service_->port);
}

void Server::end(const grpc::Status &status)
{
    Service::Reactor *reactor = nullptr;
    {
        std::unique_lock<std::mutex> hold(service_->mutex);
        service_->changed.wait(hold, [this] { return service_->open != nullptr; });
        reactor = service_->open;
    }
    service_->finish(*reactor, status);
}

static void wait_for(grpc::CompletionQueue &queue)
{
    void *tag = nullptr;
    bool ok = false;
    (void)queue.Next(&tag, &ok);
}

grpc::Status stream(const std::shared_ptr<grpc::Channel> &channel, grpc::ClientContext &context,
                    const std::function<void()> &opened)
{
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel);
    grpc::Status status;
    context.set_deadline(deadline());
    auto call = stub.PrepareCall(&context, "/nodekey.Test/Call", &queue);
    call->StartCall(nullptr);
    wait_for(queue);
    call->ReadInitialMetadata(nullptr);
    wait_for(queue);
    opened();
    call->Finish(&status, nullptr);
    wait_for(queue);
    return status;
}

grpc::Status call(const std::shared_ptr<grpc::Channel> &channel, grpc::ClientContext &context)
{
    return stream(channel, context, [] {});
}

grpc::Status call(const std::shared_ptr<grpc::ChannelCredentials> &credentials,
                  const std::string &target)
{
    grpc::ClientContext context;
    return call(grpc::CreateChannel(target, credentials), context);
}

} // namespace talk
