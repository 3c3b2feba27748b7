#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a stranger does with an installed nodekey: builds hosts by pkg-config alone, outside of the tree, and runs them.
# usage: installed.sh build BUILD FOLDER
#          installs BUILD to FOLDER/prefix; FOLDER/plugin is the path of its plugin; builds FOLDER/gcc/PROGRAM, and
#          FOLDER/clang/PROGRAM where there is clang
#        installed.sh talk TIMES SERVER VERB DIALER PLUGIN CONFIGS
#          SERVER serves as node-a, DIALER dials it TIMES times as node-b: one line each
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

compile_all() { # C compiler, C++ compiler, folder
  local c=("$1" -Wall -Wextra -Wpedantic -Wshadow -Werror) cpp=("$2" -std=c++17 -Wall -Wextra -Wpedantic -Wshadow -Werror)
  mkdir "$3"
  "${c[@]}" -std=c11 readme/host.c -o "$3/readme_c" "${flags[@]}"
  "${c[@]}" -std=gnu11 talk_host.c -o "$3/talk_c" "${flags[@]}"
  "${cpp[@]}" readme/host.cc -o "$3/readme_cpp" "${flags[@]}"
  "${cpp[@]}" talk_host.cc -o "$3/talk_cpp" "${flags[@]}"
  "${cpp[@]}" host.cc -o "$3/example_cpp" "${flags[@]}"
}

build() { # build tree, folder
  local flags pid
  cmake --install "$1" --prefix "$2/prefix" >"$2/install.log"
  PKG_CONFIG_PATH=$(dirname "$(find "$2/prefix" -name nodekey.pc)")
  export PKG_CONFIG_PATH
  pkg-config --variable=plugin nodekey >"$2/plugin"
  read -ra flags <<<"$(pkg-config --cflags --libs nodekey grpc++ grpc)"
  cp "$here"/installed/talk_host.* "$here/../../examples/host.cc" "$2"
  cmake -DREADME="$here/../../README.md" -DOUT="$2/readme" -P "$here/../contract/readme.cmake"
  cd "$2"
  compile_all gcc g++ gcc &
  pid=$!
  if command -v clang++ >/dev/null; then
    compile_all clang clang++ clang
  fi
  wait "$pid"
}

talk() { # times, server, verb, dialer, plugin, folder of configurations
  local port i failed=0
  local -a serving=()
  coproc serving { exec "$2" "$5" "$6/node-a.json" "$3"; }
  local pid=$! stdin=${serving[1]}
  read -r port <&"${serving[0]}"
  for ((i = 0; i < $1; i++)); do
    "$4" "$5" "$6/node-b.json" dial "127.0.0.1:$port" || echo "the dialer's exit status: $?"
  done
  exec {stdin}>&- # it ends with it
  wait "$pid" || failed=$?
  echo "the server's exit status: $failed"
}

"$@"
