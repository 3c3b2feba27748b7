/* SPDX-License-Identifier: Apache-2.0
 *
 * Behind nodekey.hpp, which shows nothing of this: an opened instance, who is inside of it, and the
 * host's functions as the plugin calls them. A header of its own, so that a reader of nodekey.hpp
 * sees what to call and no more. Nothing here is for programs; all of it may change. */
#ifndef NODEKEY_DETAIL_INSTANCE_HPP
#define NODEKEY_DETAIL_INSTANCE_HPP

#include <condition_variable>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#if __has_include(<grpc/private_key_signer.h>) /* since gRPC 1.80 */
#include "nodekey/boringssl.hpp"
#define NK_DETAIL_SET_IDENTITY nodekey::set_identity
#else
#define NK_DETAIL_SET_IDENTITY nullptr
#endif
#include "nodekey/hooks.hpp"
#include "nodekey/load.h"

namespace nodekey
{
namespace detail
{

/* Lets callers in unless it is shut; shutting waits for those inside. */
class Gate
{
  public:
    bool enter() noexcept
    {
        std::lock_guard<std::mutex> hold(mutex_);
        inside_ += shut_ ? 0 : 1;
        return !shut_;
    }
    void leave() noexcept
    {
        std::lock_guard<std::mutex> hold(mutex_);
        if (--inside_ == 0) {
            empty_.notify_all();
        }
    }
    void shut()
    {
        std::unique_lock<std::mutex> hold(mutex_);
        shut_ = true;
        empty_.wait(hold, [this] { return inside_ == 0; });
    }
    void open()
    {
        std::lock_guard<std::mutex> hold(mutex_);
        shut_ = false;
    }

  private:
    std::mutex mutex_;
    std::condition_variable empty_;
    size_t inside_ = 0;
    bool shut_ = false;
};

/* Gates that this thread is inside of, of any Node: closing here would wait for itself. The plugin
 * draws the line at the same place. */
inline thread_local int inside_here = 0;

/* A stay inside of a gate; false if it was shut. */
class Inside
{
  public:
    explicit Inside(Gate &gate) noexcept : gate_(gate.enter() ? &gate : nullptr)
    {
        inside_here += gate_ != nullptr ? 1 : 0;
    }
    ~Inside()
    {
        if (gate_ != nullptr) {
            inside_here--;
            gate_->leave();
        }
    }
    Inside(const Inside &) = delete;
    Inside &operator=(const Inside &) = delete;
    explicit operator bool() const noexcept
    {
        return gate_ != nullptr;
    }

  private:
    Gate *gate_;
};

/* An exception of a hook, as one line of a buffer: nothing here may throw again. */
struct Thrown {
    char text[NK_DETAIL_BYTES] = "";

    void take(const char *hook, const char *what) noexcept
    {
        (void)std::snprintf(text, sizeof(text), "the %s hook threw: %s", hook, what);
        for (char *at = text; *at != '\0'; at++) {
            *at = static_cast<unsigned char>(*at) < ' ' ? ' ' : *at;
        }
    }
    /* False if it threw. */
    template <typename Call> bool none_of(const char *hook, Call call) noexcept
    {
        try {
            call();
            return true;
        } catch (const std::exception &failure) {
            take(hook, failure.what());
        } catch (...) {
            take(hook, "something that is no std::exception");
        }
        return false;
    }
};

/* The hooks of one Node. The plugin may call as long as a server or a channel of it lives, and
 * nothing tells when the last one is gone. So host_data is a number, never given twice, and a call
 * that comes after close finds no hooks under it. */
class Host
{
  public:
    explicit Host(const Hooks &hooks) : hooks_(hooks)
    {
    }

    /* Owned: forget. */
    static void *keep(const Hooks &hooks)
    {
        std::shared_ptr<Host> host = std::make_shared<Host>(hooks);
        Register &all = all_hosts();
        std::lock_guard<std::mutex> hold(all.mutex);
        all.open.emplace(++all.last, std::move(host));
        return reinterpret_cast<void *>(all.last);
    }
    /* Waits for hooks that run; from here on none is called. */
    static void forget(void *data)
    {
        std::shared_ptr<Host> host = find(data);
        if (host != nullptr) {
            host->gate_.shut();
            host->hooks_ = Hooks(); /* what they hold goes now, on this thread */
            Register &all = all_hosts();
            std::lock_guard<std::mutex> hold(all.mutex);
            all.open.erase(reinterpret_cast<uintptr_t>(data));
        }
    }
    static nk_host table(void *data, const Hooks &hooks)
    {
        nk_host host = {};
        host.struct_size = sizeof(host);
        host.host_data = data;
        host.grpc_version = grpc_version_string;
        host.log = hooks.log ? log : nullptr;
        host.event = hooks.event ? event : nullptr;
        host.verify_peer = hooks.verify ? verify : nullptr;
        host.ask_pin = hooks.ask_pin ? ask_pin : nullptr;
        host.flags = hooks.flags;
        host.symbol = hooks.symbol;
        host.set_identity = NK_DETAIL_SET_IDENTITY;
        return host;
    }
    /* Without a log hook the plugin calls none: such a line is one of ours, and goes to standard
     * error. */
    static void log(void *data, int32_t level, const char *line) noexcept
    {
        (void)with(data, [level, line](const Hooks &hooks) {
            Thrown thrown;
            if (!hooks.log) {
                std::fprintf(stderr, "nodekey: %s\n", line);
            } else if (!thrown.none_of("log", [&] { hooks.log(level, line); })) {
                std::fprintf(stderr, "nodekey: %s; the line was: %s\n", thrown.text, line);
            }
        });
    }

  private:
    struct Register {
        std::mutex mutex;
        std::map<uintptr_t, std::shared_ptr<Host>> open;
        uintptr_t last = 0;
    };
    /* Never destroyed: gRPC's threads call until the process has ended. */
    static Register &all_hosts()
    {
        static Register *all = new Register;
        return *all;
    }
    static std::shared_ptr<Host> find(void *data)
    {
        Register &all = all_hosts();
        std::lock_guard<std::mutex> hold(all.mutex);
        auto found = all.open.find(reinterpret_cast<uintptr_t>(data));
        return found != all.open.end() ? found->second : nullptr;
    }
    /* False: closed. */
    template <typename Use> static bool with(void *data, Use use) noexcept
    {
        std::shared_ptr<Host> host = find(data);
        if (host == nullptr) {
            return false;
        }
        Inside inside(host->gate_);
        if (inside) {
            use(static_cast<const Hooks &>(host->hooks_));
        }
        return static_cast<bool>(inside);
    }
    static void event(void *data, const char *name, const char *json) noexcept
    {
        Thrown thrown;
        (void)with(data, [&](const Hooks &hooks) {
            if (!thrown.none_of("event", [&] { hooks.event(name, json); })) {
                log(data, NK_LOG_ERROR, thrown.text);
            }
        });
    }
    static nk_status verify(void *data, const nk_peer *peer, nk_verdict *verdict) noexcept
    {
        bool held = with(data, [peer, verdict](const Hooks &hooks) {
            Thrown thrown;
            bool admits = false;
            bool ended = thrown.none_of("verify", [&] {
                std::string detail;
                admits = hooks.verify(*peer, detail);
                (void)std::snprintf(verdict->detail, sizeof(verdict->detail), "%s", detail.c_str());
            });
            if (!ended) {
                (void)std::snprintf(verdict->detail, sizeof(verdict->detail), "%s", thrown.text);
            }
            verdict->decision = ended && admits ? NK_ALLOW : NK_DENY;
        });
        return held ? NK_OK : NK_E_CLOSED;
    }
    static nk_status ask_pin(void *data, const char *token_label, char *buf, size_t room,
                             size_t *ret_len) noexcept
    {
        size_t len = room + 1;
        (void)with(data, [&](const Hooks &hooks) {
            Thrown thrown;
            if (!thrown.none_of("ask_pin", [&] { len = hooks.ask_pin(token_label, buf, room); })) {
                len = room + 1;
                log(data, NK_LOG_ERROR, thrown.text);
            }
        });
        if (len > room) {
            return NK_E_PIN;
        }
        *ret_len = len;
        return NK_OK;
    }

    Gate gate_;
    Hooks hooks_;
};

/* An opened instance, shared by its Node and Guards. */
class Instance
{
  public:
    Instance(const std::string &module, const std::string &config, const Hooks &hooks)
    {
        nk_error err = {};
        err.struct_size = sizeof(err);
        plugin_ = nk_load(module.c_str(), &err);
        if (plugin_ == nullptr) {
            throw Error(err);
        }
        data_ = Host::keep(hooks);
        nk_host host = Host::table(data_, hooks);
        grpc_init();
        if (plugin_->open_file(&host, config.c_str(), &instance_, &err) != NK_OK) {
            Host::forget(data_);
            grpc_shutdown();
            throw Error(err);
        }
    }
    Instance(const Instance &) = delete;
    Instance &operator=(const Instance &) = delete;

    /* Throws what `call` fails with, and NK_E_CLOSED after close. */
    template <typename Call> void run(Call call)
    {
        Inside inside(gate_);
        if (!inside) {
            throw Error(NK_E_CLOSED, "the node is closed");
        }
        nk_error err = {};
        err.struct_size = sizeof(err);
        if (call(plugin_, instance_, &err) != NK_OK) {
            throw Error(err);
        }
    }
    /* Nothing after close, which took the call off the list. */
    void unguard(grpc_call *call) noexcept
    {
        Inside inside(gate_);
        if (inside) {
            (void)plugin_->unguard_call(instance_, call, nullptr);
        }
    }
    /* A failure leaves it open. */
    void close()
    {
        if (inside_here > 0) {
            throw Error(NK_E_USAGE, "a node cannot be closed from a hook, which it would wait "
                                    "for: close it from another thread");
        }
        std::lock_guard<std::mutex> hold(closing_);
        if (instance_ == nullptr) {
            return;
        }
        gate_.shut();
        nk_error err = {};
        err.struct_size = sizeof(err);
        if (plugin_->close(instance_, &err) != NK_OK) {
            gate_.open();
            throw Error(err);
        }
        instance_ = nullptr;
        Host::forget(data_);
        grpc_shutdown();
    }
    void complain(const char *line) noexcept
    {
        Host::log(data_, NK_LOG_ERROR, line);
    }
    const nk_plugin *plugin() const noexcept
    {
        return plugin_;
    }

  private:
    const nk_plugin *plugin_ = nullptr;
    void *data_ = nullptr;
    nk_instance *instance_ = nullptr;
    Gate gate_; /* those inside use instance_ */
    std::mutex closing_;
};

/* Takes a peer back with the function of the plugin that gave it. */
struct FreePeer {
    void (*free_peer)(nk_peer *peer) = nullptr;

    void operator()(nk_peer *peer) const noexcept
    {
        free_peer(peer);
    }
};

struct ReleaseContext {
    void operator()(grpc_auth_context *context) const noexcept
    {
        grpc_auth_context_release(context);
    }
};
using AuthContext = std::unique_ptr<grpc_auth_context, ReleaseContext>;

/* Never empty. A context of grpc++ has no call before it is used for one, and a call of ours has no
 * peer before it is connected. */
inline AuthContext auth_context_of(grpc_call *call)
{
    AuthContext context(call != nullptr ? grpc_call_auth_context(call) : nullptr);
    if (context == nullptr) {
        throw Error(NK_E_PEER, "the call has no peer yet: ask when its initial metadata is there");
    }
    return context;
}

} // namespace detail
} // namespace nodekey
#endif
