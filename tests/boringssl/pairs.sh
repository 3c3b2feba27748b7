#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A federation over both worlds: all talk to all, each with a key in a SoftHSM token of its own.
set -euo pipefail

usage() {
  cat <<'END'
usage: tests/boringssl/pairs.sh BORINGSSL-BUILD OPENSSL-BUILD

Nodes of examples/, eleven: four of BORINGSSL-BUILD whose tokens sign within
gRPC's call, four of it whose tokens sign asynchronously, and three of
OPENSSL-BUILD, whose gRPC reads key references by OpenSSL. Every node dials every
node and sends it 64 KiB. Prints how many ordered pairs of each two groups talked.

Exit status: 0 all did, each signing as its group does; 1 some did not; 2 could
not be tried.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"
# shellcheck source=examples/quickstart/federation.sh
. "$top/examples/quickstart/federation.sh"

groups=(synchronous asynchronous openssl)
names=() # of members, in the order in which they are made and started
declare -A builds members said=([synchronous]="at once" [asynchronous]="asynchronously" [openssl]="")
declare -A key_type ip group_of process
weights=65536
port=$((20000 + RANDOM % 10000))
shown_member=none
status=0

die() {
  echo "pairs.sh: $*" >&2
  exit 2
}

quietly() {
  "$@" >tool.log 2>&1 || {
    tail -n 20 tool.log >&2
    die "failed: $*"
  }
}

# shellcheck disable=SC2317 # trapped
clean_up() {
  local alive
  mapfile -t alive < <(jobs -rp)
  [ ${#alive[@]} -eq 0 ] || kill -KILL "${alive[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf --one-file-system "$work"
}

# make_group NAME KEY-TYPE...: its members are NAME-1 and so on.
make_group() {
  local group=$1 type name
  shift
  for type in "$@"; do
    name=$group-$((++number))
    members[$group]+=" $name"
    names+=("$name")
    group_of[$name]=$group
    key_type[$name]=$type
    ip[$name]=127.0.0.$((40 + number))
    nodekey=${builds[$group]}/nodekey
    make_member "$name" "$type" "${ip[$name]}"
  done
}

# A token with a deadline is asked by threads of nodekey's, however quick it is.
sign_asynchronously() {
  local name
  for name in ${members[asynchronous]}; do
    sed -i 's/^  "state_dir"/  "token": { "sign_timeout_ms": 3000 },\n&/' "node-$name/node.json"
  done
}

# One after the other, and before what else runs here: a token that is measured meanwhile is found slow.
start_all() {
  local name other try options=()
  for other in "${names[@]}"; do
    options+=(--greet "${ip[$other]}:$port")
  done
  for name in "${names[@]}"; do
    local build=${builds[${group_of[$name]}]}
    SOFTHSM2_CONF=$work/node-$name/softhsm2.conf nice -n -10 "$build/examples/node" --plugin "$build/nodekey.so" \
      --config "node-$name/node.json" --listen "${ip[$name]}:$port" --beat 0 --wait 20 --weights "$weights" "${options[@]}" \
      >"node-$name/node.out" 2>"node-$name/node.err" &
    process[$name]=$!
    for ((try = 0; try < 100; try++)); do
      grep -qs '^serving ' "node-$name/node.out" && break
      sleep 0.1
    done
  done
}

stop_all() {
  local name code
  kill "${process[@]}" 2>/dev/null || true
  for name in "${names[@]}"; do
    code=0
    wait "${process[$name]}" || code=$?
    [ $code -eq 0 ] || {
      echo "FAILED: $name ended with $code: $(tail -n 3 "node-$name/node.err")"
      status=1
    }
  done
}

all_have_greeted() {
  local name
  for name in "${names[@]}"; do
    [ "$(grep -c '^talked ' "node-$name/node.out")" -eq ${#names[@]} ] || return 1
  done
}

await_all() {
  local until=$((SECONDS + 120))
  begin_progress
  until all_have_greeted; do
    [ $SECONDS -lt $until ] || return 0
    tell_progress "$(cat node-*/node.out | grep -c '^talked ') of $((${#names[@]} * ${#names[@]}))"
    sleep 0.2
  done
  end_progress
}

talked() { # dialling member, dialled member
  local digest
  digest=$(sed -n "s/^talked ${ip[$2]}:$port ok \(sha256:[0-9a-f]* $weights\) .*/\1/p" "node-$1/node.out")
  [ -n "$digest" ] && grep -q "^weights $digest from spiffe://$domain/node/$1\$" "node-$2/node.out"
}

print_pairs() { # dialling group, dialled group
  local from to good=0 all=0
  for from in ${members[$1]}; do
    for to in ${members[$2]}; do
      all=$((all + 1))
      if talked "$from" "$to"; then
        good=$((good + 1))
      else
        echo "FAILED: $from (${key_type[$from]}) to $to (${key_type[$to]}): $(grep "^talked ${ip[$to]}:" "node-$from/node.out" || echo "no answer")"
        status=1
      fi
    done
  done
  printf '%-13s dials %-13s %2d of %d\n' "$1" "$2" $good $all
}

# Which way a group signs is settled by a measurement at `open`, so its log is asked.
check_logs() {
  local name group
  for name in "${names[@]}"; do
    if grep 'warning:\|error:' "node-$name/node.err" | grep -v 'revocation is off\|on gRPC 1.51' >tool.log; then
      echo "FAILED: $name: $(head -n 1 tool.log)"
      status=1
    fi
    group=${group_of[$name]}
    if [ -n "${said[$group]}" ] && ! grep -q "signers, the server's ${said[$group]}, the client's ${said[$group]};" "node-$name/node.err"; then
      echo "FAILED: $name does not sign ${said[$group]}: $(grep -h 'signers' "node-$name/node.err" || tail -n 3 "node-$name/node.err")"
      status=1
    fi
  done
}

if [ "${1-}" = --help ]; then
  usage
  exit 0
fi
[ $# -eq 2 ] || {
  usage >&2
  exit 2
}
for folder in "$1" "$2"; do
  for file in nodekey.so nodekey examples/node; do
    [ -e "$folder/$file" ] || die "$folder/$file is not there: build the targets nodekey_plugin, nodekey and node"
  done
done
builds[synchronous]=$(realpath "$1")
builds[asynchronous]=${builds[synchronous]}
builds[openssl]=$(realpath "$2")
work=$(mktemp -d "${TMPDIR:-/tmp}/nodekey-pairs.XXXXXX")
trap clean_up EXIT
cd "$work"
export RUNTIME_DIRECTORY=$work
mkdir ca
make_authority ca/federation
number=0
make_group synchronous RSA-2048 P-256 P-384 P-256 # RSA-3072 takes longer than what is signed at once
make_group asynchronous RSA-2048 P-256 P-384 RSA-3072
make_group openssl RSA-2048 P-256 P-384
sign_asynchronously
start_all
await_all
stop_all
check_logs
for from in "${groups[@]}"; do
  for to in "${groups[@]}"; do
    print_pairs "$from" "$to"
  done
done
exit $status
