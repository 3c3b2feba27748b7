// SPDX-License-Identifier: Apache-2.0
// Who is at the other end of a call, and guarded calls. Node a serves, by own.json; denies-b.json
// takes its place where the policy changes. Node b calls, by calls.json; denies-a.json is its other
// policy.
#include <atomic>
#include <cstring>
#include <future>
#include <map>
#include <string>
#include <thread>

#include <grpc/grpc_security.h>

#include "host/scenario.hpp"
#include "host/talk.hpp"

using nodekey::Guard;
using nodekey::Node;

static const char uri_a[] = "spiffe://federation.example/node/node-a";
static const char uri_b[] = "spiffe://federation.example/node/node-b";

static bool has_uri(const nodekey::Peer &peer, const char *uri)
{
    for (size_t i = 0; i < peer->names_len; i++) {
        if (peer->names[i].kind == NK_NAME_URI && std::strcmp(peer->names[i].text, uri) == 0) {
            return true;
        }
    }
    return false;
}

static void deny_b(const Setting &setting, Node &node)
{
    setting.copy("denies-b.json", "own.json");
    node.reload();
}

// Two nodes, and a server of the first.
struct Pair {
    explicit Pair(const Setting &setting, talk::Server::Handler handler)
        : a(setting.open("own.json")), b(setting.open("calls.json")),
          server(a.server_credentials(), std::move(handler)),
          channel(grpc::CreateChannel(server.target(), b.channel_credentials()))
    {
    }
    grpc::StatusCode call()
    {
        grpc::ClientContext context;
        return talk::call(channel, context).error_code();
    }

    Node a, b;
    talk::Server server;
    std::shared_ptr<grpc::Channel> channel;
};

static talk::Answer ended(bool held)
{
    return { held ? grpc::Status::OK : grpc::Status(grpc::StatusCode::DATA_LOSS, "the handler"),
             nullptr };
}

// --- who is there ---

static void peer(const Setting &setting)
{
    Node *server_node = nullptr;
    Pair pair(setting, [&server_node](grpc::CallbackServerContext &context) {
        nodekey::Peer client = server_node->peer(context);
        return ended(has_uri(client, uri_b) && client->role == NK_PEER_IS_CLIENT &&
                     std::strcmp(client->rule, "members") == 0);
    });
    server_node = &pair.a;
    grpc::ClientContext context;
    MUST(thrown_by([&] { pair.b.peer(context); }) == NK_E_PEER);
    MUST(thrown_by([&] { pair.b.guard(context); }) == NK_E_PEER);
    MUST(talk::call(pair.channel, context).ok());
    nodekey::Peer found = pair.b.peer(context);
    MUST(has_uri(found, uri_a) && found->role == NK_PEER_IS_SERVER);
    pair.b.close();
    MUST(thrown_by([&] { pair.b.peer(context); }) == NK_E_CLOSED);
    MUST(has_uri(found, uri_a)); // a peer lives on

    grpc::ClientContext nobody;
    auto dead = grpc::CreateChannel("127.0.0.1:1", pair.a.channel_credentials());
    MUST(talk::call(dead, nobody).error_code() == grpc::StatusCode::UNAVAILABLE);
    MUST(thrown_by([&] { pair.a.peer(nobody); }) == NK_E_PEER);
    MUST(thrown_by([&] { pair.a.guard(nobody); }) == NK_E_PEER);
}

// auth_context tells of the handshake, Node::peer of now.
static void refused_meanwhile(const Setting &setting)
{
    Node *server_node = nullptr;
    Pair pair(setting, [&](grpc::CallbackServerContext &context) {
        bool was = has_uri(server_node->peer(context), uri_b);
        deny_b(setting, *server_node);
        bool is = thrown_by([&] { server_node->peer(context); }) != NK_E_PEER;
        std::vector<grpc::string_ref> names = context.auth_context()->GetPeerIdentity();
        return ended(was && !is && context.auth_context()->IsPeerAuthenticated() &&
                     names.at(0) == uri_b);
    });
    server_node = &pair.a;
    MUST(pair.call() == grpc::StatusCode::OK);
    MUST(pair.call() == grpc::StatusCode::UNAUTHENTICATED);
}

// --- grpc++'s own auth_context() ---

using Properties = std::multimap<std::string, std::string>;

static Properties properties_of(const grpc::AuthContext &context)
{
    Properties all;
    for (auto at = context.begin(); at != context.end(); ++at) {
        const grpc::AuthProperty property = *at;
        all.emplace(std::string(property.first.data(), property.first.size()),
                    std::string(property.second.data(), property.second.size()));
    }
    all.emplace("authenticated", context.IsPeerAuthenticated() ? "yes" : "no");
    all.emplace("identity property", context.GetPeerIdentityPropertyName());
    return all;
}

// What a server on these credentials is told of node b, which dials with the session cache.
static Properties told_of_b(const std::shared_ptr<grpc::ServerCredentials> &credentials, Node &b,
                            grpc_ssl_session_cache *cache, int dials)
{
    Properties told;
    talk::Server server(credentials, [&told](grpc::CallbackServerContext &context) {
        told = properties_of(*context.auth_context());
        return ended(true);
    });
    while (dials-- > 0) {
        grpc_arg arg = grpc_ssl_session_cache_create_channel_arg(cache);
        grpc::ChannelArguments arguments;
        arguments.SetPointerWithVtable(arg.key, arg.value.pointer.p, arg.value.pointer.vtable);
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        arguments.SetSslTargetNameOverride("a.example"); // gRPC 1.83 keeps no session of an address
        grpc::ClientContext context;
        auto channel =
            grpc::CreateCustomChannel(server.target(), b.channel_credentials(), arguments);
        MUST(talk::call(channel, context).ok());
    }
    return told;
}

static std::string contents(const Setting &setting, const char *file)
{
    std::ifstream in(setting.path(file));
    return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

static void auth_context(const Setting &setting)
{
    Node a = setting.open("own.json"), b = setting.open("by-rule.json");
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = contents(setting, "federation-ca.pem");
    options.pem_key_cert_pairs.push_back(
        { contents(setting, "plain.key"), contents(setting, "plain.pem") });
    grpc_ssl_session_cache *cache = grpc_ssl_session_cache_create_lru(4);
    Properties plain = told_of_b(grpc::SslServerCredentials(options), b, cache, 1);
    Properties ours = told_of_b(a.server_credentials(), b, cache, 1);
    MUST(ours.find("x509_common_name")->second == "node-b");
    MUST(ours.find("authenticated")->second == "yes");
    MUST(ours.find("ssl_session_reused")->second == "false");
    MUST(ours.find("transport_security_type")->second == "tls");
    MUST(plain.find("transport_security_type")->second == "ssl");
    plain.find("transport_security_type")->second = "tls";
    MUST(ours == plain);

    grpc_ssl_session_cache_destroy(cache);
    cache = grpc_ssl_session_cache_create_lru(4);
    Properties resumed = told_of_b(a.server_credentials(), b, cache, 2);
    MUST(resumed.find("ssl_session_reused")->second == "true");
    MUST(resumed.erase("x509_pem_cert_chain") == 0 && ours.erase("x509_pem_cert_chain") == 1);
    resumed.find("ssl_session_reused")->second = "false";
    MUST(resumed == ours);
    grpc_ssl_session_cache_destroy(cache);
}

// --- guarded calls ---

// A guard that goes when its call does, by whichever thread gRPC ends it on. gRPC orders the two,
// by a mutex that ThreadSanitizer does not see: the flag says so.
struct Held {
    explicit Held(Guard &&made = Guard()) : guard(std::move(made))
    {
        ready = true;
    }
    ~Held()
    {
        (void)ready.load();
    }
    Guard guard;
    std::atomic<bool> ready{ false };
};

static void guard_cancels(const Setting &setting)
{
    Node *server_node = nullptr;
    std::promise<nk_status> began;
    Pair pair(setting, [&](grpc::CallbackServerContext &context) {
        auto held = std::make_shared<Held>(server_node->guard(context));
        began.set_value(thrown_by([&] { server_node->guard(context); }));
        return talk::Answer{ {}, held };
    });
    server_node = &pair.a;
    nk_status again = NK_OK;
    std::thread changes([&] {
        again = began.get_future().get();
        deny_b(setting, pair.a);
    });
    grpc::StatusCode end = pair.call();
    changes.join();
    MUST(end == grpc::StatusCode::UNAUTHENTICATED);
    MUST(again == NK_E_USAGE);
}

// A guard that ended in the handler guards no more: the stream lives until the handler ends it.
static void guard_ends(const Setting &setting)
{
    Node *server_node = nullptr;
    std::promise<void> began;
    Pair pair(setting, [&](grpc::CallbackServerContext &context) {
        {
            Guard guard = server_node->guard(context);
            Guard moved(std::move(guard));
            guard = std::move(moved);
        }
        began.set_value();
        return talk::Answer{ {}, std::make_shared<Held>() };
    });
    server_node = &pair.a;
    std::thread changes([&] {
        began.get_future().wait();
        deny_b(setting, pair.a);
        pair.server.end(grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "by the handler"));
    });
    grpc::StatusCode end = pair.call();
    changes.join();
    MUST(end == grpc::StatusCode::OUT_OF_RANGE);
}

static void guard_refuses(const Setting &setting)
{
    Node *server_node = nullptr;
    Pair pair(setting, [&](grpc::CallbackServerContext &context) {
        deny_b(setting, *server_node);
        return ended(thrown_by([&] { server_node->guard(context); }) == NK_E_PEER);
    });
    server_node = &pair.a;
    MUST(pair.call() == grpc::StatusCode::UNAUTHENTICATED);
}

static void guard_outlives(const Setting &setting)
{
    Node *server_node = nullptr;
    std::promise<void> began;
    Pair pair(setting, [&](grpc::CallbackServerContext &context) {
        auto held = std::make_shared<Held>(server_node->guard(context));
        began.set_value();
        return talk::Answer{ {}, held };
    });
    server_node = &pair.a;
    std::thread closes([&] {
        began.get_future().wait();
        pair.a.close();
    });
    grpc::StatusCode end = pair.call();
    closes.join();
    MUST(end == grpc::StatusCode::UNAUTHENTICATED);
}

// On the side that dials: the server is refused while it sends.
static void guard_of_client(const Setting &setting)
{
    Guard guard;
    Pair pair(setting, [](grpc::CallbackServerContext &) {
        return talk::Answer{ {}, std::make_shared<Held>() };
    });
    grpc::ClientContext context;
    grpc::Status status = talk::stream(pair.channel, context, [&] {
        guard = pair.b.guard(context);
        setting.copy("denies-a.json", "calls.json");
        pair.b.reload();
    });
    guard = Guard();
    MUST(status.error_code() == grpc::StatusCode::UNAUTHENTICATED);
}

// Calls, their guards, reloads and close at once.
static void close_races(const Setting &setting)
{
    Node *server_node = nullptr;
    std::atomic<int> met{ 0 };
    Pair pair(setting, [&](grpc::CallbackServerContext &context) {
        nk_status status = thrown_by([&] {
            Guard guard = server_node->guard(context);
            met += has_uri(server_node->peer(context), uri_b) ? 1 : 0;
        });
        return ended(status == NK_OK || status == NK_E_CLOSED || status == NK_E_PEER);
    });
    server_node = &pair.a;
    std::atomic<int> wrong{ 0 };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&] {
            for (int calls = 0; calls < 25; calls++) {
                wrong += pair.call() == grpc::StatusCode::DATA_LOSS ? 1 : 0;
            }
        });
    }
    threads.emplace_back([&] {
        for (nk_status status = NK_OK; status == NK_OK;) {
            status = thrown_by([&] { pair.a.reload(); });
        }
    });
    while (met < 20) {
        std::this_thread::yield();
    }
    pair.a.close();
    for (std::thread &thread : threads) {
        thread.join();
    }
    MUST(wrong == 0);
}

int main(int argc, char **argv)
{
    return run_scenario(
        {
            { "peer", peer },
            { "refused_meanwhile", refused_meanwhile },
            { "auth_context", auth_context },
            { "guard_cancels", guard_cancels },
            { "guard_ends", guard_ends },
            { "guard_refuses", guard_refuses },
            { "guard_outlives", guard_outlives },
            { "guard_of_client", guard_of_client },
            { "close_races", close_races },
        },
        argc, argv);
}
