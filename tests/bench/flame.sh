#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Where the time of a handshake goes: flame graphs of nodekey and of gRPC's own TLS, to be laid side by side.
set -euo pipefail

usage() {
    cat <<'END'
usage: tests/bench/flame.sh [--key TYPE] [--handshakes N] [--build FOLDER] [OUT]

Installs what is missing (linux-perf), builds the preset "release" where it is out of date, profiles
bench_handshake --handshakes N, both ends, with and without --plain, and writes nodekey-TYPE.svg and
plain-TYPE.svg into the folder OUT (default: build/release/flame): boxes as wide as their share of
the samples, callers below, with a tooltip each. Root, or kernel.perf_event_paranoid at most 1.

  --key TYPE        of both ends, as bench_handshake has it; default: P-256
  --handshakes N    of each graph; default: 2000, some 20 s
  --build FOLDER    use this build as it is, and install nothing
  --help            this text

Functions have names where their libraries show them: -dbgsym packages show more.

Exit status: 0 both are written; 1 one is not; 2 on wrong usage.
END
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname -- "$(dirname -- "$here")")
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"
key=P-256
handshakes=2000
build=""
out=""

misused() {
    usage >&2
    exit 2
}

while (($# > 0)); do
    case $1 in
    --key)
        [[ ${2:-} =~ ^[A-Za-z0-9-]+$ ]] || misused
        key=$2
        shift
        ;;
    --handshakes)
        [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || misused
        handshakes=$2
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
    -*) misused ;;
    *)
        [[ -z $out ]] || misused
        out=$1
        ;;
    esac
    shift
done

make_release() {
    install_missing linux-perf python3
    cd -- "$top"
    [[ -f build/release/build.ninja ]] || cmake --preset release
    cmake --build --preset release --target nodekey_plugin bench_handshake
}

if [[ -z $build ]]; then
    build=$top/build/release
    (make_release) >&2 # in its own shell: it changes folder
fi
out=${out:-$build/flame}
mkdir -p "$out"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Debian's libraries keep no frame pointers, so the stack is copied and read afterwards.
draw() { # name, title, option of bench_handshake...
    local name=$1-$key
    echo "$name: $handshakes handshakes" >&2
    NODEKEY_MODULE=$build/nodekey.so perf record --quiet --output "$scratch/samples" --mmap-pages 16M \
        --event cpu-clock --freq 499 --call-graph dwarf,16384 -- \
        "$build/tests/bench/bench_handshake" --handshakes "$handshakes" --threads 1 --key "$key" "${@:3}" >&2 || return 1
    echo "$name: reading the stacks" >&2
    perf script --input "$scratch/samples" --no-inline --fields comm,pid,tid,ip,sym,dso 2>"$scratch/said" |
        /usr/bin/python3 "$here/report/flame.py" "$2, $key" >"$scratch/graph" || {
        cat "$scratch/said" >&2
        return 1
    }
    mv "$scratch/graph" "$out/$name.svg"
    echo "$out/$name.svg"
}

draw nodekey nodekey || exit 1
draw plain "gRPC's own TLS, keys in memory" --plain || exit 1
