#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# boringssl_headers.sh SOURCE GRPC CXX...: boringssl.hpp compiles with the headers of gRPC in that folder, which
# tests/run.sh fetches: by each compiler, as strict as it gets, alone, without exceptions and RTTI, and beside nodekey.hpp
# in either order, in two objects of one library.
set -euo pipefail
source=$1
grpc=$2
shift 2
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
strictly=(-std=c++17 -Wall -Wextra -Wpedantic -Wshadow -Werror -I "$source/include" -isystem "$grpc/grpc_root/include"
  -isystem "$grpc/third_party/abseil-cpp")

try() { # what is tried, command
  "${@:2}" || {
    echo "$cxx: $1: failed"
    exit 1
  }
  echo "$cxx: $1"
}

# A source that uses both; nodekey.hpp has the other one with it.
write_unit() { # name, header, header
  printf '#include "nodekey/%s"\n' "$2"
  printf '#ifndef NODEKEY_BORINGSSL_HPP\n#error "nodekey.hpp takes no signers"\n#endif\n'
  printf '#include "nodekey/%s"\n' "$3"
  printf 'nodekey::Node *open_%s(const char *path) { return new nodekey::Node(path, path); }\n' "$1"
  printf 'decltype(nk_host::set_identity) identity_of_%s() { return nodekey::set_identity; }\n' "$1"
}

[ -e "$grpc/grpc_root/include/grpc/private_key_signer.h" ] || {
  echo "$grpc is missing: tests/run.sh makes it, of PyPI's grpcio-tools"
  exit 1
}
write_unit one nodekey.hpp boringssl.hpp >"$scratch/one.cc"
write_unit two boringssl.hpp nodekey.hpp >"$scratch/two.cc"
alone=(-fsyntax-only -x c++ -include nodekey/boringssl.hpp /dev/null)
for cxx in "$@"; do
  try alone "$cxx" "${strictly[@]}" "${alone[@]}"
  try "without exceptions and RTTI" "$cxx" "${strictly[@]}" -fno-exceptions -fno-rtti "${alone[@]}"
  try "before and behind nodekey.hpp, in one library" \
    "$cxx" "${strictly[@]}" -fPIC -shared "$scratch/one.cc" "$scratch/two.cc" -o "$scratch/both.so"
done
