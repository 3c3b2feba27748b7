#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A federation on this machine: three nodes, each with its key in a PKCS#11 token of its own, all
# talk to all, and thirteen intruders are refused. For Debian 12.
set -euo pipefail

usage() {
    cat <<'END'
usage: examples/quickstart.sh [--keep] [--build FOLDER]

Installs what is missing (as root), builds nodekey, makes a federation with three members whose keys
are generated in SoftHSM tokens, lets every member talk to every member, and then lets intruders
try. Everything happens in a temporary folder and on loopback addresses.

  --keep            keep the temporary folder, with configurations, certificates and logs
  --build FOLDER    use this build as it is, instead of building the preset "release"
  --help            this text

Exit status: 0 if everything held, 1 if something did not, 2 if it could not be tried.
END
}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname -- "$here")
weights=$((8 * 1024 * 1024))
letters=(a b c)
declare -A ip=([a]=127.0.0.11 [b]=127.0.0.12 [c]=127.0.0.13)
declare -A key_type=([a]=RSA-2048 [b]=P-256 [c]=P-384)
packages=(cmake ninja-build gcc g++ pkgconf libgrpc-dev libgrpc++-dev libssl-dev libjansson-dev
    libp11-kit-dev libpkcs11-helper1-dev libcmocka-dev protobuf-c-compiler libprotobuf-c-dev
    softhsm2 openssl)

keep=false
build=""
work=""
pids=()
failures=()

# shellcheck source-path=SCRIPTDIR source=install.sh
source "$here/install.sh"
# shellcheck source-path=SCRIPTDIR source=quickstart/federation.sh
source "$here/quickstart/federation.sh"
# shellcheck source-path=SCRIPTDIR source=quickstart/intruders.sh
source "$here/quickstart/intruders.sh"

step() {
    printf '\n%s\n' "$*"
}

die() {
    printf 'quickstart: %s\n' "$*" >&2
    exit 2
}

# Runs a tool that talks too much; what it said is shown if it fails.
quietly() {
    if ! "$@" >tool.log 2>&1; then
        tail -n 20 tool.log >&2
        die "failed: $*"
    fi
}

# Polls a command until it succeeds, at most so many seconds.
wait_for() { # seconds, command and its arguments
    local until=$((SECONDS + $1 + 1))
    shift
    until "$@"; do
        if ((SECONDS >= until)); then
            return 1
        fi
        sleep 0.1
    done
}

stop() { # process id of a child
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

none_alive() {
    local pid
    for pid in "${pids[@]}"; do
        ! kill -0 "$pid" 2>/dev/null || return 1
    done
}

clean_up() {
    local pid
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    if ! wait_for 8 none_alive; then
        kill -KILL "${pids[@]}" 2>/dev/null || true
    fi
    if [[ -n $work ]] && ! $keep; then
        rm -rf -- "$work"
    elif [[ -n $work ]]; then
        printf 'kept: %s\n' "$work"
    fi
}

read_options() {
    while (($# > 0)); do
        case $1 in
        --keep) keep=true ;;
        --build)
            [[ $# -ge 2 && -d $2 ]] || die "--build needs a folder"
            build=$(cd -- "$2" && pwd)
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
}

# Shows ninja's lines on one line of a terminal, and nothing elsewhere.
show_progress() {
    local line
    while IFS= read -r line; do
        printf '%s\n' "$line" >>build.log
        if [[ -t 1 && $line == \[* ]]; then
            printf '\r\033[K  %.76s' "$line"
        fi
    done
    if [[ -t 1 ]]; then
        printf '\r\033[K'
    fi
}

build_release() {
    build=$top/build/release
    step "building nodekey in $build"
    quietly cmake -S "$top" --preset release
    if ! cmake --build "$build" --target nodekey_plugin nodekey node host 2>&1 | show_progress; then
        tail -n 40 build.log >&2
        die "the build failed"
    fi
}

find_build() {
    plugin=$build/nodekey.so
    nodekey=$build/nodekey
    node=$build/examples/node
    host=$build/examples/host
    local file
    for file in "$plugin" "$nodekey" "$node" "$host"; do
        [[ -f $file ]] || die "$file is missing: build the targets nodekey_plugin, nodekey, node and host"
    done
}

answers() { # IP address, port
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

# One port that is free at every address we use, and the next one, too.
choose_port() {
    local try address
    for try in {1..50}; do
        port=$((20000 + (RANDOM + try) % 10000))
        for address in "${ip[@]}" 127.0.0.21 127.0.0.22; do
            if answers "$address" "$port" || answers "$address" $((port + 1)); then
                continue 2
            fi
        done
        return
    done
    die "no free port found"
}

make_federation() {
    local letter
    step "a federation CA, and three tokens that make their own keys"
    make_authority federation
    prepare_tokens
    for letter in "${letters[@]}"; do
        make_member "$letter" "${key_type[$letter]}" "${ip[$letter]}"
        printf '  spiffe://%s/node/%s  %-8s  %s\n' "$domain" "$letter" \
            "${key_type[$letter]}" "${ip[$letter]}"
    done
}

start_node() { # letter
    local letter options=()
    for letter in "${letters[@]}"; do
        options+=(--greet "${ip[$letter]}:$port")
    done
    "$node" --plugin "$plugin" --config "node-$1.json" --listen "${ip[$1]}:$port" --beat 0 \
        --wait 20 --weights "$weights" "${options[@]}" >"node-$1.out" 2>"node-$1.err" &
    pids+=("$!")
}

# "ok" and the time it took, if the receiver's log knows the very bytes that the sender sent.
pair_result() { # dialling letter, dialled letter
    local line digest
    line=$(grep "^talked ${ip[$2]}:$port ok sha256:" "node-$1.out") || return 1
    digest=$(cut -d ' ' -f 4,5 <<<"$line")
    grep -q "^weights $digest from spiffe://$domain/node/$1\$" "node-$2.out" || return 1
    [[ $digest == *" $weights" ]] && printf 'ok %s ms\n' "$(cut -d ' ' -f 6 <<<"$line")"
}

all_greeted() {
    local letter
    for letter in "${letters[@]}"; do
        (($(count '^talked ' "node-$letter.out") == ${#letters[@]})) || return 1
    done
}

let_all_talk() {
    local letter
    step "nine ordered pairs: handshake, 8 MiB of weights, disconnect"
    for letter in "${letters[@]}"; do
        start_node "$letter"
    done
    wait_for 45 all_greeted || failures+=("not every node came up and greeted all others")
    print_pairs
}

print_pairs() {
    local from to result
    pairs=0
    printf '\n  %-18s' 'dials \ answers'
    for to in "${letters[@]}"; do
        printf '%-18s' "$to ${ip[$to]}"
    done
    printf '\n'
    for from in "${letters[@]}"; do
        printf '  %-18s' "$from ${key_type[$from]}"
        for to in "${letters[@]}"; do
            if result=$(pair_result "$from" "$to"); then
                pairs=$((pairs + 1))
            else
                result=FAILED
                failures+=("node $from did not talk to node $to")
            fi
            printf '%-18s' "$result"
        done
        printf '\n'
    done
}

run_host() {
    step "the same credentials in C++"
    if timeout 20 "$host" "$plugin" node-a.json "${ip[a]}:0" >host.out 2>host.err; then
        sed 's/^/  /' host.out
    else
        failures+=("examples/host failed")
    fi
}

print_intruders() {
    local row what by why
    printf '\n  %-40s %-11s %s\n' intruder 'refused by' why
    for row in "${rows[@]}"; do
        IFS='|' read -r what by why <<<"$row"
        printf '  %-40s %-11s %s\n' "$what" "$by" "$why"
    done
}

print_verdict() {
    local failure file
    printf '\n%d of 9 ordered pairs talked, 8 MiB each, SHA-256 equal\n' "$pairs"
    printf '%d of 13 intruders refused\n' "${#rows[@]}"
    if ((${#failures[@]} == 0)); then
        return 0
    fi
    printf '\n'
    for failure in "${failures[@]}"; do
        printf 'FAILED: %s\n' "$failure"
    done
    for file in node-?.err node-?.out *.log host.err; do
        if [[ -s $file ]]; then
            printf '\n--- the end of %s\n' "$file"
            tail -n 8 "$file"
        fi
    done
    return 1
}

main() {
    read_options "$@"
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    work=$(mktemp -d "${TMPDIR:-/tmp}/nodekey-quickstart.XXXXXX")
    cd -- "$work"
    export RUNTIME_DIRECTORY=$work # nodekey's own folders, too, go when this one does
    install_missing "${packages[@]}" || exit 2
    [[ -n $build ]] || build_release
    find_build
    choose_port
    make_federation
    let_all_talk
    run_host
    step "intruders"
    make_intruders
    run_intruders
    print_intruders
    print_verdict
}

main "$@"
