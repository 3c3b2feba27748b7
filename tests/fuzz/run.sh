#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets with libFuzzer, ASan and UBSan, and lets each search for a while. Works as root on a plain
# Debian 12. What crashes a target is kept in build/fuzz/crashes, what it learns in build/fuzz/corpus.
# usage: tests/fuzz/run.sh [SECONDS] [TARGET…]    60 seconds of each target: peer config rules claim …
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$here/build/fuzz
case ${1:-} in
-h | --help)
  sed -n '3,5s/^# //p' "${BASH_SOURCE[0]}"
  exit 0
  ;;
esac
seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
  seconds=$1
  shift
fi
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for seeds in "$here"/tests/fuzz/seeds/*/; do
    targets+=("$(basename "$seeds")")
  done
fi

# shellcheck source=examples/install.sh
. "$here/examples/install.sh"
install_missing clang libclang-rt-14-dev cmake ninja-build pkg-config gcc g++ libc6-dev \
  libgrpc-dev libgrpc++-dev libssl-dev libjansson-dev libp11-kit-dev libpkcs11-helper1-dev libcmocka-dev

mkdir -p "$build/crashes" "$build/corpus"
cmake -S "$here" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
  -DCMAKE_C_FLAGS_DEBUG="-g -O1" -DNODEKEY_SANITIZE=address,undefined,fuzzer-no-link >"$build/configure.log" || {
  cat "$build/configure.log"
  exit 1
}
cmake --build "$build" --target "${targets[@]/#/fuzz_}"

failed=()
for target in "${targets[@]}"; do
  mkdir -p "$build/corpus/$target"
  log=$build/$target.log
  result=ok
  printf '%-10s ' "$target"
  "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=4096 \
    -print_final_stats=1 -artifact_prefix="$build/crashes/$target-" "$build/corpus/$target" \
    "$here/tests/fuzz/seeds/$target" >"$log" 2>&1 || result=FAILED
  printf '%-6s %10s runs, coverage %6s, %s\n' "$result" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
    "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)" "$log"
  [ "$result" = ok ] || failed+=("$target")
done
if [ ${#failed[@]} -gt 0 ]; then
  for target in "${failed[@]}"; do
    grep -m 5 -E '^fuzz: |ERROR: |runtime error|SUMMARY|Test unit written' "$build/$target.log" || tail -n 20 "$build/$target.log"
  done
  exit 1
fi
