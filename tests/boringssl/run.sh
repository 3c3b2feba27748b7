#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our tests of nodes, and the quickstart, on a gRPC that carries BoringSSL. A command of its own, since that has to be
# built: tests/boringssl/core.sh.
set -euo pipefail

usage() {
  cat <<'END'
usage: tests/boringssl/run.sh [--cache FOLDER] [--tests REGEX | --long | --tsan]

Builds gRPC's core (tests/boringssl/core.sh), this checkout with its headers, and
the programs of tests and examples with its libgrpc.so; then runs the tests that
are about gRPC, the quickstart, pairs.sh, whose other half is this checkout on the
machine's gRPC, and hosts.sh with that: keys in SoftHSM, both roles, by signers.
And compiles boringssl.hpp by clang.

  --cache FOLDER   where core and build are kept; default: that of core.sh
  --tests REGEX    these tests only, by ctest's -R, and no more
  --long           instead: exits, 50 of each order, tokens that fail and are pulled
                   under load, 30,000 signatures and 20,000 handshakes of which many
                   are cancelled: half an hour
  --tsan           instead: the tests with threads under ThreadSanitizer, of our code
  --help           this text

Exit status: 0 all passed; 1 some failed, or it did not build; 2 could not be tried.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"
# shellcheck source=tests/packages.sh
. "$top/tests/packages.sh"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/nodekey-boringssl
chosen=
then=
preset=dev
status=0
tests='^(abi|attacks|close|crowd|damage|fault_churn|fault_fork|fault_hang|fault_start|fault_threads|federations|'
tests+='footprint|fork_nodes|fork_signers|guest|handshake|handshake_churn|kept_hosts|lent|lifecycle|live|load|mesh|'
tests+='misconfig|misuse|p2pfl|policy_matrix|private_folder|refusals|reload|resumed|service|signer|suites|told_signer|'
tests+='unreached|verifier|verify_crowd|verify_peer)$'

die() {
  echo "run.sh: $*" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
  --cache | --tests)
    [ $# -ge 2 ] || die "$1 needs a value"
    case $1 in
    --cache) cache=$2 ;;
    --tests) chosen=$2 ;;
    esac
    shift
    ;;
  --long)
    chosen='^(exit|fault_heal|fault_pin|fault_table|fork|p11-kit|softhsm)$'
    then=long
    ;;
  --tsan)
    chosen='^(close|crowd|exit_signers|fault_start|fork_signers|handshake|handshake_churn|lifecycle|live|load|reload|signer|'
    chosen+='verify_crowd)$'
    then=tsan
    preset=tsan
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
install_missing "${packages[@]}" clang || exit 2
mkdir -p "$cache" || exit 2
cache=$(realpath "$cache")
build=$cache/$([ $preset = dev ] && echo build || echo $preset)
other=$cache/openssl
log=$cache/build.log

make_core() {
  local said
  said=$("$here/core.sh" --cache "$cache") || exit
  prefix=${said##*$'\n'}
}

# Without C++ hosts and static cores, which want libgrpc++ and Debian's archives: of this core there are none.
build_all() {
  local targets
  PKG_CONFIG_PATH=$prefix/lib/shared/pkgconfig cmake -S "$top" --preset $preset -B "$build" -DNODEKEY_CORE_IS_BORINGSSL=ON \
    -DNODEKEY_GRPCPP=OFF || return 1
  mapfile -t targets < <(awk -v chosen="${chosen:-$tests}" '$1 ~ chosen { print $2 }' "$build/tests/built" | sort -u)
  cmake --build "$build" --target nodekey_plugin nodekey_provider_module nodekey node "${targets[@]}"
}

build_openssl() {
  cmake -S "$top" --preset dev -B "$other" -DBUILD_TESTING=OFF &&
    cmake --build "$other" --target nodekey_plugin nodekey node
}

# By gcc they are at each commit.
try_headers() {
  local list
  (cd "$top" && fetch_pypi) || return 1
  for list in grpcio-tools-oldest grpcio-tools; do
    "$top/tests/contract/boringssl_headers.sh" "$top" "$top/build/$list" clang++ || return 1
  done
}

does_not_build() {
  grep -E 'error|warning' -A 5 "$log" | head -n 40
  echo "does not build; all of it: $log"
  exit 1
}

# by_hand PROGRAM...: with more runs than by ctest.
by_hand() {
  env NODEKEY_MODULE="$build/nodekey.so" MALLOC_ARENA_MAX=1 "$@" >"$log" 2>&1 || {
    echo "$* FAILED"
    tail -n 40 "$log"
    status=1
  }
  grep -E ' started, | handshakes: |^resident, KiB|test\(s\) run' "$log" || true
}

run_long() {
  cmake --build "$build" --target test_exit test_fault_churn test_handshake_churn 2>&1 | show_progress "$log" || does_not_build
  by_hand NODEKEY_EXIT_RUNS=50 "$build/tests/node/test_exit" signers
  by_hand "$build/tests/fault/test_fault_churn" --starts 30000
  by_hand GRPC_VERBOSITY=NONE "$build/tests/fault/test_handshake_churn" --handshakes 20000
}

run_tsan() {
  local options=suppressions=$build/tests/tsan.supp:ignore_noninstrumented_modules=1:atexit_sleep_ms=0
  cmake --build "$build" --target test_fault_churn 2>&1 | show_progress "$log" || does_not_build
  by_hand "TSAN_OPTIONS=$options" "$build/tests/fault/test_fault_churn" --starts 30000
}

make_core
build_all 2>&1 | show_progress "$log" || does_not_build
ctest --test-dir "$build" -j2 -R "${chosen:-$tests}" --no-tests=error 2>&1 | show_progress "$log" || status=1
grep -E '^[0-9]+% tests passed|\(Failed\)|\(Timeout\)|\(SEGFAULT\)|^No tests' "$log" || tail -n 20 "$log"
case $then in
long) run_long ;;
tsan) run_tsan ;;
esac
if [ -z "$chosen" ]; then
  try_headers 2>&1 | show_progress "$log" || status=1
  grep -E '^clang' "$log" || tail -n 20 "$log"
  "$top/examples/quickstart.sh" --build "$build" >"$log" 2>&1 || status=1
  grep -E ' of 9 ordered pairs| of 13 intruders|FAILED' "$log" || tail -n 20 "$log"
  build_openssl 2>&1 | show_progress "$log" || does_not_build
  "$here/pairs.sh" "$build" "$other" || status=1
  "$here/hosts.sh" "$prefix" "$other" "$cache/hosts" || status=1
fi
exit $status
