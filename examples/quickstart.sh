#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A federation on this machine: three nodes, each with its key in a PKCS#11 token of its own, all
# talk to all, and thirteen intruders are refused. For Debian 12.
set -euo pipefail

usage() {
    cat <<'END'
usage: examples/quickstart.sh [--keep] [--build FOLDER]
       examples/quickstart.sh --again FOLDER [--build FOLDER]

Installs what is missing (as root), builds nodekey, makes a federation with
three members whose keys are generated in SoftHSM tokens, lets every member talk
to every member, and then lets intruders try. Everything happens in a temporary
folder and on loopback addresses.

  --keep           keep the temporary folder: members, CA, intruders, logs
  --again FOLDER   start the three nodes of a folder that was kept, until Ctrl-C
  --build FOLDER   use this build, instead of building the preset "release"
  --help           this text

Exit status: 0 if everything held, 1 if something did not, 2 if it could not be
tried.
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
again=false
build=""
work=""
shown_member=""
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

# Runs a tool that talks too much; what it said is shown if it fails, or takes long.
quietly() {
    if ! "$@" 2>&1 | show_progress tool.log; then
        tail -n 20 tool.log >&2
        die "failed: $*"
    fi
}

# Polls a command until it succeeds, at most so many seconds.
wait_for() { # seconds, what for, command and its arguments
    local until=$((SECONDS + $1 + 1)) what=$2 status=0
    shift 2
    begin_progress
    until "$@"; do
        if ((SECONDS >= until)); then
            status=1
            break
        fi
        tell_progress "waiting for $what"
        sleep 0.1
    done
    end_progress
    return $status
}

stop() { # process id of a child
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

none_alive() {
    [[ -z $(jobs -rp) ]]
}

clean_up() {
    local alive
    mapfile -t alive < <(jobs -rp)
    kill "${alive[@]}" 2>/dev/null || true
    if ! wait_for 8 "the nodes to stop" none_alive; then # gRPC's own threads may take some seconds
        mapfile -t alive < <(jobs -rp)
        kill -KILL "${alive[@]}" 2>/dev/null || true
    fi
    if [[ -n $work ]] && ! $keep; then
        rm -rf -- "$work"
    fi
}

read_options() {
    while (($# > 0)); do
        case $1 in
        --keep) keep=true ;;
        --again)
            [[ $# -ge 2 && -f $2/node-a/node.json ]] || die "--again needs a folder that --keep left"
            work=$(cd -- "$2" && pwd)
            again=true
            keep=true
            shift
            ;;
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

build_release() {
    build=$top/build/release
    step "building nodekey in $build"
    quietly cmake -S "$top" --preset release
    if ! cmake --build "$build" --target nodekey_plugin nodekey_provider_module nodekey node host \
        2>&1 | show_progress build.log; then
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
    for file in "$plugin" "$nodekey" "$node"; do
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
    step "a federation CA, and three members, whose tokens make their own keys"
    mkdir ca intruders
    make_authority ca/federation
    for letter in "${letters[@]}"; do
        make_member "$letter" "${key_type[$letter]}" "${ip[$letter]}"
        printf '  spiffe://%s/node/%s  %-8s  %s\n' "$domain" "$letter" \
            "${key_type[$letter]}" "${ip[$letter]}"
    done
}

start_node() { # letter
    local folder=node-$1 letter options=()
    for letter in "${letters[@]}"; do
        options+=(--greet "${ip[$letter]}:$port")
    done
    SOFTHSM2_CONF=$work/$folder/softhsm2.conf \
        "$node" --plugin "$plugin" --config "$folder/node.json" --listen "${ip[$1]}:$port" \
        --beat 0 --wait 20 --weights "$weights" "${options[@]}" \
        >"$folder/node.out" 2>"$folder/node.err" &
}

# "ok" and the time it took, if the receiver's log knows the very bytes that the sender sent.
pair_result() { # dialling letter, dialled letter
    local line digest
    line=$(grep "^talked ${ip[$2]}:$port ok sha256:" "node-$1/node.out") || return 1
    digest=$(cut -d ' ' -f 4,5 <<<"$line")
    grep -q "^weights $digest from spiffe://$domain/node/$1\$" "node-$2/node.out" || return 1
    [[ $digest == *" $weights" ]] && printf 'ok %s ms\n' "$(cut -d ' ' -f 6 <<<"$line")"
}

all_greeted() {
    local letter
    for letter in "${letters[@]}"; do
        (($(count '^talked ' "node-$letter/node.out") == ${#letters[@]})) || return 1
    done
}

let_all_talk() {
    local letter
    step "nine ordered pairs: handshake, 8 MiB of weights, disconnect"
    for letter in "${letters[@]}"; do
        start_node "$letter"
    done
    wait_for 45 "the nodes to greet each other" all_greeted || failures+=("not every node came up and greeted all others")
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
    if [[ ! -f $host ]]; then
        echo "  $host is not there: it needs grpc++"
        return
    fi
    if SOFTHSM2_CONF=$work/node-a/softhsm2.conf timeout 20 "$host" "$plugin" node-a/node.json \
        "${ip[a]}:0" 2>host.err | show_progress host.log; then
        sed 's/^/  /' host.log
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

print_failures() {
    local failure file
    printf '\n'
    for failure in "${failures[@]}"; do
        printf 'FAILED: %s\n' "$failure"
    done
    for file in node-?/node.err node-?/node.out *.log *.err intruders/*.log; do
        if [[ -s $file ]]; then
            printf '\n--- the end of %s\n' "$file"
            tail -n 8 "$file"
        fi
    done
}

print_verdict() {
    printf '\n%d of 9 ordered pairs talked, 8 MiB each, SHA-256 equal\n' "$pairs"
    if ! $again; then
        printf '%d of 13 intruders refused\n' "${#rows[@]}"
    fi
    if ((${#failures[@]} > 0)); then
        print_failures
        return 1
    fi
}

print_kept() {
    cat <<END
What lies where, in $work:
  node-a/ node-b/ node-c/  the members: node.json, node.pin and so.pin, their
                           certificate node.pem, the token in tokens/, node.out
                           and node.err with what the node said
  ca/                      the federation's root and site CA, and what they issued
  intruders/               the intruders' keys and certificates, what each saw

Next:
  $here/quickstart.sh --again $work --build $build
      starts the three nodes again
  SOFTHSM2_CONF=$work/node-a/softhsm2.conf $nodekey check $work/node-a/node.json
      says whether all that the node needs is sound, and what mends it
  $nodekey explain $work/node-a/node.json $work/node-b/node.pem --target ${ip[b]}
      who may join, and why, before anybody dials
END
}

print_gone() {
    cat <<END
What lies where: nodekey.so and the command nodekey in $build;
the federation was in a temporary folder that is gone now.

Next:
  $here/quickstart.sh --keep --build $build
      the same, and the folders stay
  cmake --install $build
      as root: installs plugin, command and headers below /usr/local
  $nodekey --help
      the operator's command
END
}

print_end() {
    cat <<END

What was shown: three nodes proved by mutual TLS who they are, each with a key that
was made in its own PKCS#11 token and cannot leave it; who was not certified, or not
admitted by a rule, got not one call through.

END
    if $keep; then
        print_kept
    else
        print_gone
    fi
}

# The folder of an earlier run, whose certificates know addresses and no ports.
start_again() {
    trap 'exit 0' INT TERM
    let_all_talk
    print_verdict || exit 1
    printf '\nthe nodes serve on port %s; Ctrl-C ends them\n' "$port"
    wait
    die "the nodes have ended; see $work/node-a/node.err"
}

main() {
    read_options "$@"
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    work=${work:-$(mktemp -d "${TMPDIR:-/tmp}/nodekey-quickstart.XXXXXX")}
    cd -- "$work"
    export RUNTIME_DIRECTORY=$work # nodekey's own folders, too, go when this one does
    install_missing "${packages[@]}" || exit 2
    [[ -n $build ]] || build_release
    find_build
    choose_port
    if $again; then
        start_again
    fi
    make_federation
    let_all_talk
    run_host
    step "intruders"
    cd intruders
    make_intruders
    run_intruders
    cd ..
    print_intruders
    print_verdict
    print_end
}

main "$@"
