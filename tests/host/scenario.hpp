// SPDX-License-Identifier: Apache-2.0
// What a program of this room is told, and how it fails. test_host.c runs each scenario in a
// process of its own: PROGRAM SCENARIO MODULE FOLDER.
#ifndef NODEKEY_TESTS_SCENARIO_HPP
#define NODEKEY_TESTS_SCENARIO_HPP

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <vector>

#include "nodekey/nodekey.hpp"

// Its folder holds node-a.json and node-b.json of one federation, and other files that test_host.c
// names.
struct Setting {
    std::string module;
    std::string folder;

    std::string path(const std::string &file) const
    {
        return folder + "/" + file;
    }
    // `from` becomes the text of `to`, at once for who reads it.
    void copy(const std::string &from, const std::string &to) const
    {
        {
            std::ifstream source(path(from));
            std::ofstream(path(to + ".new")) << source.rdbuf();
        }
        std::rename(path(to + ".new").c_str(), path(to).c_str());
    }
    nodekey::Node open(const std::string &config, const nodekey::Hooks &hooks = {}) const
    {
        return nodekey::Node(module, path(config), hooks);
    }
};

struct Scenario {
    const char *name;
    void (*run)(const Setting &);
};

struct Failed : std::exception {
};

inline void must(bool held, const char *what, int line)
{
    if (!held) {
        std::fprintf(stderr, "line %d does not hold: %s\n", line, what);
        throw Failed();
    }
}
#define MUST(condition) must((condition), #condition, __LINE__)

// The status of what a call throws; NK_OK if it does not.
template <typename Call> nk_status thrown_by(Call call)
{
    try {
        call();
        return NK_OK;
    } catch (const nodekey::Error &error) {
        std::fprintf(stderr, "thrown: %s\n", error.what());
        return error.status();
    }
}

// A log hook that keeps what it is told, and shows it.
class Log
{
  public:
    void operator()(const std::string &line)
    {
        std::lock_guard<std::mutex> hold(mutex_);
        std::fprintf(stderr, "log: %s\n", line.c_str());
        lines_.push_back(line);
    }
    bool has(const std::string &piece)
    {
        std::lock_guard<std::mutex> hold(mutex_);
        return std::any_of(lines_.begin(), lines_.end(), [&piece](const std::string &line) {
            return line.find(piece) != std::string::npos;
        });
    }
    size_t size()
    {
        std::lock_guard<std::mutex> hold(mutex_);
        return lines_.size();
    }

  private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
};

inline int run_scenario(const std::vector<Scenario> &scenarios, int argc, char **argv)
{
    try {
        for (const Scenario &scenario : scenarios) {
            if (argc == 4 && scenario.name == std::string(argv[1])) {
                scenario.run(Setting{ argv[2], argv[3] });
                std::puts("held");
                return 0;
            }
        }
        std::fprintf(stderr, "usage: %s SCENARIO MODULE FOLDER\n", argv[0]);
        return 2;
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "failed: %s\n", failure.what());
        return 1;
    }
}

#endif
