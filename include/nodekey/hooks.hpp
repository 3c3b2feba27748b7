/* SPDX-License-Identifier: Apache-2.0
 *
 * Of nodekey.hpp: how a call fails, and the host's functions. Include that one. */
#ifndef NODEKEY_HOOKS_HPP
#define NODEKEY_HOOKS_HPP

#if !defined(__cpp_exceptions)
#error "nodekey.hpp throws: compile with -fexceptions, or use load.h, plugin.h and grpcpp.h"
#endif

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include "nodekey/plugin.h"

namespace nodekey
{

/* A call that failed. what() is nk_error.text: one line that says what to do. */
class Error : public std::runtime_error
{
  public:
    explicit Error(const nk_error &err)
        : std::runtime_error(err.text), status_(err.status), native_kind_(err.native_kind),
          native_(err.native)
    {
    }
    Error(nk_status status, const std::string &text) : std::runtime_error(text), status_(status)
    {
    }
    /* NK_E_*: what the caller should do next. */
    nk_status status() const noexcept
    {
        return status_;
    }
    /* NK_NATIVE_*: whose number native() is. */
    uint32_t native_kind() const noexcept
    {
        return native_kind_;
    }
    uint64_t native() const noexcept
    {
        return native_;
    }

  private:
    nk_status status_;
    uint32_t native_kind_ = NK_NATIVE_NONE;
    uint64_t native_ = 0;
};

/* The functions of the host, each optional, under the rules of nk_host: no hook may block on gRPC
 * or close a Node. No exception leaves a hook. The Node copies them; what they refer to must live
 * until its close has returned: from then on none runs, and none is called again. */
struct Hooks {
    /* [any] `level` is NK_LOG_*; `line` has no newline. An exception is told in gRPC's own log, the
     * line is lost. Set it: a refused peer sees only "Socket closed", the reason is here. */
    std::function<void(int32_t level, const std::string &line)> log;
    /* [plugin], or on the caller's thread in the constructor and in reload. README lists the names;
     * `json` is an object. An exception is an error in the log, the event counts as told. */
    std::function<void(const std::string &name, const std::string &json)> event;
    /* [plugin] nk_host.verify_peer: true admits, and can only narrow what the policy admits.
     * `detail` is for the operator: why not. An exception refuses the peer, as "hook-refused", with
     * what() in the line. */
    std::function<bool(const nk_peer &peer, std::string &detail)> verify;
    /* [any] nk_host.ask_pin, for "pin": {"prompt": true}: writes at most `room` bytes to `buf`,
     * which the plugin wipes, and answers their number. An exception, or more than `room`, fails
     * the constructor with NK_E_PIN. */
    std::function<size_t(const std::string &token_label, char *buf, size_t room)> ask_pin;
    uint32_t flags = 0; /* NK_HOST_* */
    /* [any] nk_host.symbol, asked in the constructor: nk_core_symbol of nodekey/core.h where gRPC
     * is linked in statically, else NULL. A plain function: it may not throw. */
    nk_function (*symbol)(const char *name) = nullptr;
};

} // namespace nodekey
#endif
