#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What gRPC on BoringSSL makes of keys in tokens, beside the gRPC of this machine: a command of its own, of some
# minutes once both are built.
set -euo pipefail

usage() {
  cat <<'END'
usage: tests/boringssl/bench.sh [--cache FOLDER] [--rounds N]

Builds gRPC's core (tests/boringssl/core.sh) and this checkout with optimisation
twice, on that core and on the machine's gRPC. Prints, of each,

  CPU time of a full mutual handshake, both ends, keys in SoftHSM, signed at once
    and by a worker, beside gRPC's own TLS in the same run (bench_cores)
  40 peers at once, a token of 100 ms, a node with one polling thread, calls on a
    connection that stands (slow_token); on BoringSSL also as if gRPC waited
  a token that hangs, with the bounds of fault_hang (BoringSSL alone)

  --cache FOLDER   where core and builds are kept; default: that of core.sh
  --rounds N       of bench_cores, instead of its own number
  --help           this text

Where it may, all of it runs before other processes of the machine (chrt), so that
it is not their time.

Exit status: 0 all ran, and the bounds hold; 1 one does not, or it did not build;
2 could not be tried.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"
# shellcheck source=tests/packages.sh
. "$top/tests/packages.sh"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/nodekey-boringssl
rounds=()
status=0

die() {
  echo "bench.sh: $*" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
  --cache | --rounds)
    [ $# -ge 2 ] || die "$1 needs a value"
    case $1 in
    --cache) cache=$2 ;;
    --rounds) rounds=(--rounds "$2") ;;
    esac
    shift
    ;;
  --help)
    usage
    exit 0
    ;;
  *)
    usage >&2
    exit 2
    ;;
  esac
  shift
done
install_missing "${few_packages[@]}" || exit 2
mkdir -p "$cache" || exit 2
cache=$(realpath "$cache")
log=$cache/build.log
before=() # other processes
chrt -r 1 true 2>/dev/null && before=(chrt -r 1)

# build_one FOLDER TARGET... -- OPTION...
build_one() {
  local folder=$1 targets=()
  shift
  while [ "$1" != -- ]; do
    targets+=("$1")
    shift
  done
  shift
  cmake -S "$top" --preset release -B "$folder" -DNODEKEY_GRPCPP=OFF "$@" &&
    cmake --build "$folder" --target nodekey_plugin bench_cores slow_token "${targets[@]}"
}

build_both() {
  PKG_CONFIG_PATH=$prefix/lib/shared/pkgconfig build_one "$cache/release" test_fault_hang -- \
    -DNODEKEY_CORE_IS_BORINGSSL=ON &&
    build_one "$cache/openssl-release" --
}

# run_in BUILD COMMAND...
run_in() {
  local build=$1
  shift
  NODEKEY_MODULE=$build/nodekey.so "$@" || status=1
  echo
}

said=$("$here/core.sh" --cache "$cache") || exit
prefix=${said##*$'\n'}
build_both 2>&1 | show_progress "$log" || {
  grep -E 'error|warning' -A 5 "$log" | head -n 40
  echo "does not build; all of it: $log"
  exit 1
}
for build in "$cache/release" "$cache/openssl-release"; do
  run_in "$build" "${before[@]}" "$build/tests/bench/bench_cores" "${rounds[@]}"
done
token=tests/bench/slow_token
run_in "$cache/release" "${before[@]}" "$cache/release/$token" --sessions
run_in "$cache/release" "${before[@]}" "$cache/release/$token" --sessions --wait
run_in "$cache/release" "${before[@]}" "$cache/release/$token"
run_in "$cache/openssl-release" "${before[@]}" "$cache/openssl-release/$token"
run_in "$cache/openssl-release" "${before[@]}" "$cache/openssl-release/$token" --lend
run_in "$cache/release" "${before[@]}" "$cache/release/tests/fault/test_fault_hang" --bounds
exit $status
