# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2016 # run.sh sets what is used here; what check evaluates
# Sourced by run.sh: two nodes of examples/federation go through examples/operations/README.md.

# The other page up to its "Revoke", without the node that it leaves running.
before() {
  local log=$tree/federation.log
  sed '/^## Revoke/,$d' ../federation/README.md | awk '/^```sh/ { run = 1; next } /^```/ { run = 0 } run' >"$tree/federation.sh"
  # shellcheck disable=SC2016 # in that shell
  echo 'kill $!' >>"$tree/federation.sh"
  (cd ../federation && bash -e "$tree/federation.sh") >"$log" 2>&1 || die "examples/federation: $(tail -n 5 "$log")"
}

issued() { # node, number of the certificate, the first is 1
  local site
  site=$(awk -v node="$1" '$2 == node { print $1 }' nodes.txt)
  printf '%s/issued/%s.pem\n' "$site" "$(awk -F '\t' -v name="/CN=node-$1" '$6 == name { print $4 }' "$site/index" | sed -n "$2p")"
}

digest() { # node, number: as logs abbreviate it
  openssl x509 -in "$(issued "$1" "$2")" -outform DER | sha256sum | cut -c1-16
}

key_of() { # node, number
  openssl x509 -in "$(issued "$1" "$2")" -noout -pubkey
}

same_key() { # node, two numbers
  [ "$(key_of "$1" "$2")" = "$(key_of "$1" "$3")" ]
}

saw() { # log, direction, node, number of its certificate
  grep -q "admitted $2 peer CN=node-$3.*sha256:$(digest "$3" "$4")" "$1"
}

refused() { # label, certificates
  local said
  ! said=$(nodekey explain node-a/node.json "$2" --role client) && grep -q "^reason *$1:" <<<"$said"
}

# With its issuer, as a peer shows it.
shown() { # node, number
  cat "$(issued "$1" "$2")" "$(dirname "$(issued "$1" "$2")")/../site.pem" >"$tree/shown.pem"
  printf '%s\n' "$tree/shown.pem"
}

keys_of() { # node's folder, how many
  local keys
  keys=$(SOFTHSM2_CONF=$PWD/$1/softhsm2.conf nodekey tokens --login "$1/node.json" | grep -c '^private key .*generated here')
  [ "$keys" = "$2" ]
}

alive() { # node
  grep -qs . "/proc/$(cat "node-$1/pid")/cmdline"
}

# A node whose nodekey.so is changed while it runs: SIGBUS or SIGSEGV once a peer dials, or what a sanitizer makes of them.
dies_of() { # command that is given two files: a new one, and the one that the node has loaded
  local status=0 address=$tree/tmp/address loaded=$tree/tmp/loaded.so pid
  rm -f "$address" "$loaded"
  cp "$plugin" "$loaded"
  SOFTHSM2_CONF=$PWD/node-a/softhsm2.conf node --plugin "$loaded" --config node-a/node.json --listen 127.1.0.1:0 \
    --ready-file "$address" --beat 0 >"$tree/dies.log" 2>&1 &
  pid=$!
  timeout 20 sh -c "until [ -s '$address' ]; do sleep 0.1; done" || return 1
  "$@" "$plugin" "$loaded"
  SOFTHSM2_CONF=$PWD/node-b/softhsm2.conf node --plugin "$plugin" --config node-b/node.json --listen 127.2.0.1:0 \
    --no-serve --greet "$(cat "$address")" || true
  kill "$pid" || true
  wait "$pid" || status=$?
  echo "exit status $status"
  [ $status != 0 ]
}

installed_again() {
  local inode
  inode=$(stat -c %i "$plugin")
  touch -d 2000-01-01 "$plugin" # else it is the newest, and left as it is
  cmake --install "$build" --prefix "$prefix" && [ "$(stat -c %i "$plugin")" != "$inode" ]
}

after() {
  local log=stolen/talk.log pid
  cd ../federation || return
  PATH=$folder:$PATH
  plugin=$(pkg-config --variable=plugin nodekey)

  check "renewed: for the same key" same_key a 1 2
  check "renewed: b saw the old certificate of the running a" saw "$log" outbound a 1
  check "renewed: and then the new one" saw "$log" outbound a 2
  check "a new key: another" eval '! same_key a 2 3'
  check "a new key: both were made on the token" keys_of node-a 2
  check "a new key: b saw it" saw "$log" outbound a 3
  check "a new key: the certificate of the old one is revoked" refused revoked "$(shown a 2)"
  check "another token: a key of its own" eval '! same_key b 1 2'
  check "another token: a saw it" saw node-a/talk.log outbound b 2
  check "another token: the old certificate is revoked" refused revoked "$(shown b 1)"
  check "another token: the old token is gone" [ "$(find stolen/tokens -mindepth 1 -maxdepth 1 | wc -l)" = 1 ]
  sed -i 's|/node-b/|/stolen/|' stolen/softhsm2.conf
  check "the PIN: its file is newer than what came before" [ stolen/user-2.pin -nt stolen/node-2.pem ]
  check "the PIN: the token takes it" keys_of stolen 1
  check "deny: by its name" grep -q 'refused inbound peer CN=node-b.*denied: rule b matches' node-a/log
  check "stolen: denied by its key" grep -q 'refused inbound peer CN=node-b.*denied: rule stolen matches' node-a/log
  check "stolen: revoked" refused revoked "$(shown b 2)"
  check "stolen: the new machine is let in under the old name" saw node-a/log inbound b 3
  check "dead token: a's log says so" grep -q 'token node: no signature: CKR_' node-a/log
  check "dead token: a lives" alive a
  for words in 'no signature: ' 'has not come back from ' 'its user PIN is locked' 'refuses the PIN ' \
    'our renewed certificate is in use' 'a new key takes '; do
    check "the page's words are the log's: $words" grep -qaF "$words" "$plugin"
  done
  check "upgraded: b lives" alive b
  check "no PIN is in a log or in the shell's variables" eval '! cat */*.pin | grep -qFf - */*log "$tree/log/environment"'

  check "written into by cp, the node dies" dies_of cp
  check "emptied, the node dies" dies_of emptied
  for way in install 'cp --remove-destination' mv_over; do
    check "replaced by $way, it lives" eval "! dies_of $way && tail -n 1 \$tree/check.log | grep -qx 'exit status 0'"
  done
  pid=$(cat node-b/pid)
  check "cmake --install replaces it" installed_again
  check "b, which runs, does not mind" talk.sh a b
  check "b is the process of before" [ "$pid" = "$(cat node-b/pid)" ]
}

emptied() { # from, to
  : >"$2"
}

mv_over() { # from, to
  cp "$1" "$2.new" && mv "$2.new" "$2"
}
