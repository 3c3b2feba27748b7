// SPDX-License-Identifier: Apache-2.0
// The life of a nodekey::Node and its hooks: what they throw, and what is left when it is closed.
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <thread>

#include "host/scenario.hpp"
#include "host/talk.hpp"

using nodekey::Hooks;
using nodekey::Node;

static talk::Answer answer(grpc::CallbackServerContext &)
{
    return {};
}

// Node b calls a server of `node`.
static bool is_reached(const Setting &setting, Node &node)
{
    Node caller = setting.open("node-b.json");
    talk::Server server(node.server_credentials(), answer);
    grpc::Status status = talk::call(caller.channel_credentials(), server.target());
    std::fprintf(stderr, "call: %d %s\n", status.error_code(), status.error_message().c_str());
    return status.ok();
}

// --- hooks that throw ---

static void log_throws(const Setting &setting)
{
    std::atomic<int> calls{ 0 };
    Hooks hooks;
    hooks.log = [&calls](int32_t, const std::string &) {
        calls++;
        throw std::runtime_error("no disk");
    };
    Node node = setting.open("node-a.json", hooks);
    MUST(calls > 0);
    MUST(is_reached(setting, node));
}

static void event_throws(const Setting &setting)
{
    Log log;
    std::atomic<int> calls{ 0 };
    Hooks hooks;
    hooks.log = [&log](int32_t, const std::string &line) { log(line); };
    hooks.event = [&calls](const std::string &, const std::string &) {
        calls++;
        throw 7;
    };
    Node node = setting.open("own.json", hooks);
    setting.copy("broken.json", "own.json");
    MUST(thrown_by([&node] { node.reload(); }) == NK_E_CONFIG);
    MUST(calls > 0);
    MUST(log.has("the event hook threw: something that is no std::exception"));
    MUST(is_reached(setting, node));
}

static void verify_throws(const Setting &setting)
{
    Log log;
    std::atomic<bool> throws{ true };
    Hooks hooks;
    hooks.log = [&log](int32_t, const std::string &line) { log(line); };
    hooks.verify = [&throws](const nk_peer &, std::string &detail) {
        detail = "admitted all the same?";
        if (throws) {
            throw std::runtime_error("no\ndatabase");
        }
        return true;
    };
    Node node = setting.open("node-a.json", hooks);
    MUST(!is_reached(setting, node));
    MUST(log.has("hook-refused: the verify hook threw: no database"));
    throws = false;
    MUST(is_reached(setting, node));
}

static void ask_pin_throws(const Setting &setting)
{
    Log log;
    Hooks hooks;
    hooks.log = [&log](int32_t, const std::string &line) { log(line); };
    hooks.ask_pin = [](const std::string &, char *, size_t) -> size_t {
        throw std::runtime_error("no terminal");
    };
    MUST(thrown_by([&] { setting.open("prompt.json", hooks); }) == NK_E_PIN);
    MUST(log.has("the ask_pin hook threw: no terminal"));
}

// --- hooks that do not ---

static void verify_decides(const Setting &setting)
{
    Log log;
    std::atomic<int> asked{ 0 };
    Hooks hooks;
    hooks.log = [&log](int32_t, const std::string &line) { log(line); };
    hooks.verify = [&asked](const nk_peer &peer, std::string &detail) {
        detail = std::string("not ") + peer.common_name;
        return ++asked != 1;
    };
    Node node = setting.open("node-a.json", hooks);
    MUST(!is_reached(setting, node));
    MUST(log.has("hook-refused: not node-b"));
    MUST(is_reached(setting, node));
    MUST(asked == 2);
}

static void ask_pin_answers(const Setting &setting)
{
    std::string asked_for;
    Hooks hooks;
    hooks.ask_pin = [&](const std::string &token_label, char *buf, size_t room) {
        asked_for = token_label;
        std::ifstream file(setting.path("node-a.pin"));
        std::string pin((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        MUST(pin.size() <= room);
        std::memcpy(buf, pin.data(), pin.size());
        return pin.size();
    };
    Node node = setting.open("prompt.json", hooks);
    MUST(asked_for == "node-a");
    MUST(is_reached(setting, node));
    node.close();
    hooks.ask_pin = [](const std::string &, char *, size_t room) { return room + 1; };
    MUST(thrown_by([&] { setting.open("prompt.json", hooks); }) == NK_E_PIN);
}

// --- open, close, move ---

static void open_fails(const Setting &setting)
{
    Hooks hooks;
    try {
        Node node("/nonexistent/nodekey.so", setting.path("node-a.json"));
        MUST(false);
    } catch (const nodekey::Error &error) {
        MUST(error.status() == NK_E_CONFIG);
        MUST(std::strstr(error.what(), "/nonexistent/nodekey.so: cannot open shared object"));
    }
    try {
        setting.open("absent.json");
        MUST(false);
    } catch (const nodekey::Error &error) {
        MUST(error.status() == NK_E_CONFIG);
        MUST(error.native_kind() == NK_NATIVE_ERRNO && error.native() == ENOENT);
        MUST(std::strstr(error.what(), "absent.json"));
    }
    hooks.flags = 1u << 31;
    MUST(thrown_by([&] { setting.open("node-a.json", hooks); }) == NK_E_USAGE);
}

static void other_plugins(const Setting &setting)
{
    const auto has = [](unsigned major, unsigned minor) {
        return "has ABI " + std::to_string(major) + "." + std::to_string(minor) +
               ", this program needs ";
    };
    const std::map<std::string, std::string> rows = {
        { "null", "is not nodekey of ABI " },
        { "major", has(NK_ABI_MAJOR + 1, NK_ABI_MINOR) },
        { "minor", has(NK_ABI_MAJOR, NK_ABI_MINOR - 1) },
        { "short", has(NK_ABI_MAJOR, NK_ABI_MINOR) },
    };
    for (const auto &row : rows) {
        setenv("OTHER_PLUGIN", row.first.c_str(), 1);
        try {
            Node node(OTHER_PLUGIN, setting.path("node-a.json"));
            MUST(false);
        } catch (const nodekey::Error &error) {
            MUST(error.status() == NK_E_UNSUPPORTED);
            MUST(std::strstr(error.what(), row.second.c_str()) != nullptr);
        }
    }
    setenv("OTHER_PLUGIN", "later", 1);
    Node node(OTHER_PLUGIN, setting.path("node-a.json"));
    MUST(thrown_by([&] { node.close(); }) == NK_E_USAGE); // its own way: the second time ends it
    node.close();
}

// Where gRPC runs host code on a thread of the plugin's, only the plugin knows that it cannot be
// closed.
static void close_is_refused(const Setting &setting)
{
    Log log;
    Hooks hooks;
    hooks.log = [&log](int32_t, const std::string &line) { log(line); };
    setenv("OTHER_PLUGIN", "busy", 1);
    {
        Node node(OTHER_PLUGIN, setting.path("node-a.json"), hooks);
        MUST(thrown_by([&] { node.close(); }) == NK_E_USAGE);
        node.reload();
        node.close();
        MUST(thrown_by([&] { node.reload(); }) == NK_E_CLOSED);
    }
    MUST(log.size() == 0);
}

static void close_is_refused_at_last(const Setting &setting)
{
    Log log;
    Hooks hooks;
    hooks.log = [&log](int32_t, const std::string &line) { log(line); };
    setenv("OTHER_PLUGIN", "busy", 1);
    {
        Node node(OTHER_PLUGIN, setting.path("node-a.json"), hooks);
    }
    MUST(log.has("close was called from one of our callbacks"));
}

static void moved_and_closed(const Setting &setting)
{
    Node first = setting.open("node-a.json");
    Node second(std::move(first));
    MUST(thrown_by([&] { first.reload(); }) == NK_E_CLOSED);
    MUST(thrown_by([&] { first.server_credentials(); }) == NK_E_CLOSED);
    first.close();
    MUST(is_reached(setting, second));
    first = std::move(second);
    MUST(is_reached(setting, first));
    auto held = std::make_shared<int>();
    std::weak_ptr<int> still_held = held;
    Hooks hooks;
    hooks.log = [held](int32_t, const std::string &) {};
    second = setting.open("node-a.json", hooks);
    hooks = Hooks();
    held = nullptr;
    MUST(!still_held.expired());
    second = setting.open("node-b.json"); // closes node a's
    MUST(still_held.expired());
    first = std::move(second);
    first.reload();
    first.close();
    first.close();
    MUST(thrown_by([&] { first.channel_credentials(); }) == NK_E_CLOSED);
}

static void no_hook_after_close(const Setting &setting)
{
    auto log = std::make_shared<Log>();
    std::weak_ptr<Log> held = log;
    Hooks hooks;
    hooks.log = [log](int32_t, const std::string &line) { (*log)(line); };
    hooks.verify = [log](const nk_peer &, std::string &) { return true; };
    auto node = std::make_unique<Node>(setting.module, setting.path("node-a.json"), hooks);
    hooks = Hooks();
    Node caller = setting.open("node-b.json");
    talk::Server server(node->server_credentials(), answer);
    auto open_before = grpc::CreateChannel(server.target(), caller.channel_credentials());
    grpc::ClientContext before, after;
    MUST(talk::call(open_before, before).ok());
    node = nullptr;
    size_t lines = log->size();
    MUST(talk::call(open_before, after).error_code() == grpc::StatusCode::UNAUTHENTICATED);
    MUST(talk::call(caller.channel_credentials(), server.target()).error_code() ==
         grpc::StatusCode::UNAVAILABLE);
    MUST(log->size() == lines);
    log = nullptr;
    MUST(held.expired());
}

static void closed_in_a_hook(const Setting &setting)
{
    Node *closed = nullptr;
    std::atomic<nk_status> status{ NK_OK };
    Hooks hooks;
    hooks.event = [&](const std::string &, const std::string &) {
        if (closed != nullptr) {
            status = thrown_by([closed] { closed->close(); });
        }
    };
    Node node = setting.open("own.json", hooks);
    closed = &node;
    setting.copy("broken.json", "own.json");
    MUST(thrown_by([&] { node.reload(); }) == NK_E_CONFIG);
    MUST(status == NK_E_USAGE);
    MUST(is_reached(setting, node));
}

static void destroyed_in_a_hook(const Setting &setting)
{
    Log log;
    std::unique_ptr<Node> other;
    Hooks hooks;
    hooks.log = [&log](int32_t, const std::string &line) { log(line); };
    other = std::make_unique<Node>(setting.module, setting.path("node-b.json"), hooks);
    hooks = Hooks();
    hooks.event = [&](const std::string &, const std::string &) { other = nullptr; };
    Node node = setting.open("own.json", hooks);
    setting.copy("broken.json", "own.json");
    MUST(thrown_by([&] { node.reload(); }) == NK_E_CONFIG);
    MUST(log.has("a node cannot be closed from a hook"));
    MUST(is_reached(setting, node));
}

static void many_nodes(const Setting &setting)
{
    for (int i = 0; i < 12; i++) {
        Log log;
        Hooks hooks;
        hooks.log = [&log](int32_t, const std::string &line) { log(line); };
        Node node = setting.open("node-a.json", hooks);
        MUST(log.size() > 0);
        MUST(thrown_by([&] { setting.open("absent.json"); }) == NK_E_CONFIG);
        auto inbound = node.server_credentials();
        auto outbound = node.channel_credentials();
    }
    for (int waits = 0; grpc_is_initialized() != 0;
         waits++) { // gRPC shuts down on a thread of its own
        MUST(waits < 6000);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

// Open when main returns: one is closed by its destructor, the other never.
static void open_at_exit(const Setting &setting)
{
    static Node node = setting.open("node-a.json");
    static Node *other = new Node(setting.open("node-b.json"));
    static talk::Server server(node.server_credentials(), answer);
    MUST(talk::call(other->channel_credentials(), server.target()).ok());
}

int main(int argc, char **argv)
{
    return run_scenario(
        {
            { "log_throws", log_throws },
            { "event_throws", event_throws },
            { "verify_throws", verify_throws },
            { "ask_pin_throws", ask_pin_throws },
            { "verify_decides", verify_decides },
            { "ask_pin_answers", ask_pin_answers },
            { "open_fails", open_fails },
            { "other_plugins", other_plugins },
            { "close_is_refused", close_is_refused },
            { "close_is_refused_at_last", close_is_refused_at_last },
            { "moved_and_closed", moved_and_closed },
            { "no_hook_after_close", no_hook_after_close },
            { "closed_in_a_hook", closed_in_a_hook },
            { "destroyed_in_a_hook", destroyed_in_a_hook },
            { "many_nodes", many_nodes },
            { "open_at_exit", open_at_exit },
        },
        argc, argv);
}
