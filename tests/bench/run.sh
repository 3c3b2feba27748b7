#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All benchmarks of this folder, one row each, on a build with optimisation.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/bench/run.sh [--json] [--rounds N] [--build FOLDER]

Installs what is missing, builds the preset "release" where it is out of date, runs the benchmarks
one after the other and prints a row for each figure: the median of its rounds, the 95% interval of
that median, the bound, and CPU time per operation with and without what is measured. "Holds" means
that the interval reaches the bound; one that is too wide to say is "not resolved", which counts as
not held. Rows without a bound are for comparison: the bare token, keys in memory, and the rival,
libp11's engine; "cannot" stands where the rival does not do it at all. Quiet machines resolve more.

  --json            an array of objects with name, value, bound, holds and more, instead of the
                    table; value is null for "cannot", bound and holds for rows without a bound
  --rounds N        interleaved rounds of every row, instead of each benchmark's own number
  --build FOLDER    use this build as it is, and install nothing
  --help            this text

Exit status: 0 if all ran, whatever the figures say; 1 if one did not; 2 on wrong usage.
END
}

benches=(sign handshake cores storm judge rpc program) # a new bench_<what> is named here

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname -- "$(dirname -- "$here")")
json=false
build=""
rounds=()

misused() {
    usage >&2
    exit 2
}

while (($# > 0)); do
    case $1 in
    --json) json=true ;;
    --rounds)
        [[ ${2:-} =~ ^[1-9][0-9]{0,4}$ ]] || misused
        rounds=(--rounds "$2")
        shift
        ;;
    --build)
        [[ -d ${2:-} ]] || misused
        build=$(cd -- "$2" && pwd)
        shift
        ;;
    --help)
        usage
        exit 0
        ;;
    *) misused ;;
    esac
    shift
done

# What tests/run.sh installs comes with a build; the rival is needed here alone.
install_rival() {
    # shellcheck source=examples/install.sh
    . "$top/examples/install.sh"
    install_missing libengine-pkcs11-openssl
}

make_release() {
    cd -- "$top"
    [[ -f build/release/build.ninja ]] || cmake --preset release
    cmake --build --preset release --target nodekey_plugin "${benches[@]/#/bench_}"
}

if [[ -z $build ]]; then
    build=$top/build/release
    (install_rival && make_release) >&2 # in its own shell: it changes folder
fi
export NODEKEY_MODULE=$build/nodekey.so

if ! $json; then
    for bench in "${benches[@]}"; do
        echo "bench_$bench" >&2
        "$build/tests/bench/bench_$bench" "${rounds[@]}" || exit 1
    done
    exit 0
fi
rows="" # whole before any is printed: half an array is none
for bench in "${benches[@]}"; do
    echo "bench_$bench" >&2
    rows+=$("$build/tests/bench/bench_$bench" "${rounds[@]}" --json) || exit 1
    rows+=$'\n'
done
printf '[\n%s\n]\n' "$(sed '$!s/$/,/' <<<"${rows%$'\n'}")"
