#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All benchmarks of this folder, one row each, on a build with optimisation, here or on another Debian.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/bench/run.sh [--on PLATFORM [--cache FOLDER]] [--json | --results] [--rounds N]
       tests/bench/run.sh --build FOLDER [--json | --results] [--rounds N]

Installs what is missing, builds the preset "release" where it is out of date, runs the benchmarks
one after the other and prints a row for each figure: the median of its rounds, the 95% interval of
that median, the bound, and CPU time per operation with and without what is measured. "Holds" means
that the interval reaches the bound; one that is too wide to say is "not resolved", which counts as
not held. Rows without a bound are for comparison: the bare token, keys in memory, and the rivals,
libp11's engine and, where Debian has it, pkcs11-provider; "cannot" stands where a rival does not do
it at all. Quiet machines resolve more.

  --on PLATFORM     in a tree of trixie (Debian 13) or sid-grpc (gRPC 1.83), as tests/platforms.sh
                    --few makes it, which takes some minutes the first time; default: this system
  --cache FOLDER    where that tree is kept; default: that of tests/platforms.sh
  --json            an array of objects with name, what, value, bound, holds and more, instead of
                    the table; value is null for "cannot", bound and holds for rows without a bound
  --results         tables in Markdown instead, with date, processor and versions, which also
                    replace those of this system, or of PLATFORM, in tests/bench/RESULTS.md
  --rounds N        interleaved rounds of every row, instead of each benchmark's own number
  --build FOLDER    use this build as it is, and install nothing
  --help            this text

Exit status: 0 if all ran, whatever the figures say; 1 if one did not; 2 on wrong usage.
END
}

benches=(sign handshake cores storm judge rpc program) # a new bench_<what> is named here

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname -- "$(dirname -- "$here")")
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"
# shellcheck source=tests/platform_trees.sh
. "$top/tests/platform_trees.sh"
platform=""
output=table
build=""
rounds=()

misused() {
    usage >&2
    exit 2
}

while (($# > 0)); do
    case $1 in
    --on)
        [[ ${2:-} =~ ^(trixie|sid-grpc)$ ]] || misused
        platform=$2
        shift
        ;;
    --cache)
        [[ -n ${2:-} ]] || misused
        cache=$2
        shift
        ;;
    --json | --results) output=${1#--} ;;
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
[[ -z $build || -z $platform ]] || misused

# --- where: this system, or a tree ---

tree=""
there=() # before a command that runs there, and
look=()  # before one that only reads there

# Debian's, where it has them: the second came with 13.
install_rivals() {
    local package
    apt-cache show libssl-dev >/dev/null 2>&1 || apt-get update -q
    for package in libengine-pkcs11-openssl pkcs11-provider; do
        ! apt-cache show "$package" >/dev/null 2>&1 || install_missing "$package"
    done
}

prepare_here() {
    install_missing "${few_packages[@]}"
    install_rivals
    cd -- "$top"
    [[ -f build/release/build.ninja ]] || cmake --preset release
    cmake --build --preset release --target "$@"
}

prepare_tree_of() { # platform, target...
    have_tree "$1"
    copy_checkout "$tree"
    chroot "$tree" bash -euc ". $sources/examples/install.sh; $(declare -f install_rivals); install_rivals"
    configure_in "$tree" release
    make_in "$tree" release "${@:2}"
}

targets=(nodekey_plugin "${benches[@]/#/bench_}")
if [[ -n $platform ]]; then
    few=.few
    open_cache >&2 || exit 1
    tree=$cache/$platform$few
    there=(inside "$tree")
    look=(chroot "$tree")
    build=$sources/build/release
    (prepare_tree_of "$platform" "${targets[@]}") >&2
elif [[ -z $build ]]; then
    build=$top/build/release
    (prepare_here "${targets[@]}") >&2 # in its own shell: it changes folder
fi

# --- what is written of it ---

version_of() { # package
    local version
    # shellcheck disable=SC2016 # dpkg-query's
    version=$("${look[@]}" dpkg-query -W -f '${Version}' "$1" 2>/dev/null) || version="not there"
    echo "${version:-not there}"
}

# One line of Markdown.
describe() {
    local core
    core=$("${look[@]}" pkg-config --modversion grpc)
    printf '%s; %s, %d processors, Linux %s; Debian %s; OpenSSL %s; gRPC %s (core %s); SoftHSM %s; ' \
        "$(date -u +%F)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)" \
        "$("${look[@]}" cat /etc/debian_version)" "$(version_of libssl-dev)" "$(version_of libgrpc-dev)" "${core%%.*}" \
        "$(version_of softhsm2)"
    printf 'libp11 %s; pkcs11-provider %s' "$(version_of libengine-pkcs11-openssl)" "$(version_of pkcs11-provider)"
}

# "Debian 12", "Debian sid".
title() {
    # shellcheck disable=SC2016 # the inner shell's
    "${look[@]}" sh -c '. /etc/os-release && echo "$PRETTY_NAME"' | sed -E 's/ GNU\/Linux//; s/ \(.*//; s/[a-z]+\/sid/sid/'
}

run_bench() { # name, option...
    echo "bench_$1" >&2
    "${there[@]}" env NODEKEY_MODULE="$build/nodekey.so" "$build/tests/bench/bench_$1" "${rounds[@]}" "${@:2}"
}

if [[ $output == table ]]; then
    for bench in "${benches[@]}"; do
        run_bench "$bench" || exit 1
    done
    exit 0
fi
rows="" # whole before any is printed: half an array is none
for bench in "${benches[@]}"; do
    rows+=$(run_bench "$bench" --json) || exit 1
    rows+=$'\n'
done
rows=$(printf '[\n%s\n]\n' "$(sed '$!s/$/,/' <<<"${rows%$'\n'}")")
if [[ $output == json ]]; then
    echo "$rows"
else
    install_missing python3 >&2
    /usr/bin/python3 "$here/report/results.py" "$here/RESULTS.md" "$(title)" "$(describe)" <<<"$rows"
fi
