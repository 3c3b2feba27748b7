#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# examples/node as a service manager runs it: SIGHUP is a reload, SIGTERM an orderly end, and the exit
# status says whether to start it again.
# usage: service.sh --build DIR
# shellcheck source=tests/tokens/rig.sh
. "$(dirname "${BASH_SOURCE[0]}")/rig.sh"

mkdir "$folder/tokens"
printf 'directories.tokendir = %s/tokens\nlog.level = ERROR\n' "$folder" >"$folder/softhsm2.conf"
export SOFTHSM2_CONF=$folder/softhsm2.conf FAULTY_MODULE=/usr/lib/softhsm/libsofthsm2.so
export FAULTY_LOG=$folder/logins # a line for each C_Login
config node "$faulty" node '"reload": {"interval_seconds": 3600}'
quietly "$nodekey" init "$folder/node.json" --so-pin-file "$folder/so.pin"
enroll node P-256

pid=
put_away() { [ -z "$pid" ] || kill "$pid" || true; }

# eventually COMMAND…: at most 30 s.
eventually() {
  local until=$((SECONDS + 30))
  until "$@"; do
    [ $SECONDS -lt $until ] || { cat "$folder/out" "$folder/err" >&2; return 1; }
    sleep 0.1
  done
}
told() { grep -qF -- "$2" "$folder/$1"; } # out or err, TEXT
node=("$build/examples/node" --plugin "$NODEKEY_MODULE" --listen 127.0.0.1:0 --beat 0)

# start [OPTION…]: in the background, its words in out and err, of which `forget` empties both.
forget() {
  : >"$folder/out"
  : >"$folder/err"
}
start() {
  forget
  "${node[@]}" --config "$folder/node.json" "$@" >>"$folder/out" 2>>"$folder/err" &
  pid=$!
}
serves() { start --ready-file "$folder/ready" && eventually test -s "$folder/ready"; }
ends_with() { # STATUS
  local status=0
  wait "$pid" || status=$?
  pid=
  [ "$status" = "$1" ] || { echo "status $status, not $1" >&2; cat "$folder/err" >&2; return 1; }
}
talks() { # nobody is in this federation but node a, so the node talks to itself
  "${node[@]}" --config "$folder/node.json" --no-serve --greet "$(<"$folder/ready")" >"$folder/talk" 2>&1 &&
    grep -q '^talked .* ok' "$folder/talk"
}

check "serves" serves
check "talks before" talks

deny() { # NAME of the rule
  sed "s#\"admit\":#\"deny\": [{\"name\": \"$1\", \"uri\": [\"spiffe://federation.example/node/a\"]}],\n  &#" \
    "$folder/node.json" >"$folder/next.json"
  mv "$folder/node.json" "$folder/former.json"
  mv "$folder/next.json" "$folder/node.json"
}
hang_up() { forget && kill -HUP "$pid" && eventually told "$@"; }
refuses() { forget && ! talks && eventually told err ": denied: rule leavers matches"; }
deny leavers
check "SIGHUP: a new rule is in force" hang_up out reloaded
mv "$folder/node.json" "$folder/denying.json"
cp "$folder/former.json" "$folder/node.json" # for who dials: our rules are the same file
check "SIGHUP: who is denied is refused" refuses

echo '{' >"$folder/node.json"
check "SIGHUP: a broken configuration is told" hang_up err "node: reload: "
cp "$folder/former.json" "$folder/node.json"
check "SIGHUP: what was in force stayed" refuses
check "SIGHUP: mended" hang_up out reloaded
check "talks after" talks
kill "$pid"
check "SIGTERM ends it with 0" ends_with 0

start --wait 60 --greet 127.0.0.1:9
check "dials a node that is not there" eventually told out serving
check "SIGHUP while it dials" hang_up out reloaded
kill "$pid"
check "SIGTERM while it dials" eventually told out "talked 127.0.0.1:9 failed"
check "SIGTERM: whom it did not reach is no fault of its own" ends_with 0

# ends STATUS TEXT CONFIG [OPTION…]: a start that fails with this status and says so.
ends() {
  local status=0
  "${node[@]}" --config "$folder/$3.json" "${@:4}" >"$folder/out" 2>"$folder/err" || status=$?
  if ! grep -hF -- "$2" "$folder/err" || [ $status != "$1" ]; then
    echo "status $status" >&2
    cat "$folder/err" >&2
    return 1
  fi
}
logins() { wc -l <"$FAULTY_LOG"; }
asks() { # TIMES COMMAND…: so many C_Logins
  local before
  before=$(logins)
  "${@:2}" || return 1
  [ $(($(logins) - before)) = "$1" ] || { echo "C_Logins: $(($(logins) - before))" >&2; return 1; }
}
printf %s "0000-willow" >"$folder/wrong.pin"
sed 's/node\.pin/wrong.pin/' "$folder/node.json" >"$folder/wrong.json"
sed 's/node\.pin/absent.pin/' "$folder/node.json" >"$folder/absent.json"
sed 's/"version": 1/"version": 2/' "$folder/node.json" >"$folder/version.json"
sed 's/"version": 1/"version": 1, "status_file": "s"/' "$folder/node.json" >"$folder/later.json"
sed 's/"node\.pem"/"absent.pem"/' "$folder/node.json" >"$folder/bare.json"
check "4: the token refuses the PIN" asks 1 ends 4 "refuses the PIN" wrong
check "4: at the next start it is not asked" asks 0 ends 4 "has refused this PIN before" wrong
check "4: no PIN" asks 0 ends 4 absent.pin absent
check "6: a configuration of another version" asks 0 ends 6 version version
check "6: one that this version does not enforce" asks 0 ends 6 status_file later
check "6: no configuration" asks 0 ends 6 nosuch.json nosuch
check "6: no plugin" asks 0 ends 6 nosuch.so node --plugin "$folder/nosuch.so"
check "2: wrong usage" asks 0 ends 2 "not a number" node --beat never
check "1: no certificate yet" ends 1 absent.pem bare
node=("$build/examples/node" --plugin "$NODEKEY_MODULE")
check "2: --addr, and nowhere to serve" asks 0 ends 2 "--listen are needed" node --addr 127.0.0.1:7000
check "1: --addr says who greets, and nobody is there" ends 1 "our identity" node --no-serve --addr 127.0.0.1:7000 --greet 127.0.0.1:1
check "and it did greet" told out "talked 127.0.0.1:1 failed"
