# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# SoftHSM as an ordinary user: no name, no group, nothing but a home.
# shellcheck disable=SC2016 # what the reader's bash expands
# shellcheck disable=SC2034,SC2154 # run.sh's variables
as_user=64123

# What the page's variables are at its end, and where it ends.
as_at_the_end() {
  as_reader env SOFTHSM2_CONF="$HOME/.config/softhsm2/softhsm2.conf" bash -c "umask 077; cd ~/node; $1"
}
says() { # TEXT COMMAND: it fails, and says so
  local said
  ! said=$(as_at_the_end "$2" 2>&1) || { echo "it does not fail: $said"; return 1; }
  grep -qF -- "$1" <<<"$said" || { echo "$said"; return 1; }
}
# The page once more, from `init' on, for node-b of the same user.
second_node() {
  local block commands
  commands=$(for block in "$tree"/block-*.sh; do cat "$block"; done |
    sed -n '/^nodekey init/,/^nodekey import/p' | sed 's,node-a,node-b,g; s,/node/a,/node/b,g; s,node\.json,node-b.json,')
  as_at_the_end "set -e; sed s/node-a/node-b/ node.json >node-b.json; cp node-a.pin node-b.pin; $commands" &&
    as_at_the_end "nodekey tokens --login node-b.json" | grep 'token=node-b.*type=private'
}
talk() {
  as_at_the_end "plugin=\$(pkg-config --variable=plugin nodekey); rm -f address
    node --plugin \$plugin --config node.json --listen 127.0.0.1:0 --ready-file address 2>a.log &
    until [ -s address ]; do sleep 0.1; done
    node --plugin \$plugin --config node-b.json --listen 127.0.0.1:0 --no-serve --once --greet \$(cat address); talked=\$?
    kill %1; wait; cat a.log; exit \$talked"
}
new_pin() {
  as_at_the_end 'so=$(cat so.pin) new=84618461 pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label node-a \
    --login --login-type so --init-pin --so-pin env:so --new-pin env:new && printf 84618461 >node-a.pin &&
    nodekey tokens --login node.json | grep "P-256, generated here"'
}

after() {
  local mine='! find ~ ! -user $(id -u) | grep . && ! find ~/node ~/.config ~/.local -perm /077 ! -name "*.pem" ! -name "*.csr" | grep .'
  check "all of it is the user's, and nobody else reads it" as_at_the_end "$mine"
  check "no PIN is in the shell's variables" bash -c "! grep -qF -f '$HOME/node/node-a.pin' '$tree/log/environment'"
  check "two nodes of this user" second_node
  check "they talk" talk
  check "without a store of one's own: the page's message" says 'cannot read /etc/softhsm/softhsm2.conf (Permission denied)' \
    'env -u SOFTHSM2_CONF HOME=/ nodekey tokens'
  check "without the variable, but with HOME" as_at_the_end 'env -u SOFTHSM2_CONF nodekey tokens --login node.json'
  check "a folder that is not there" says 'does not initialise' \
    'sed "s,tokens$,gone," $SOFTHSM2_CONF >gone.conf; SOFTHSM2_CONF=$PWD/gone.conf nodekey tokens'
  check "another store" says 'no such token' \
    'mkdir other; sed "s,= .*tokens$,= $PWD/other," $SOFTHSM2_CONF >other.conf; SOFTHSM2_CONF=$PWD/other.conf nodekey tokens --login node.json'
  check "a second init" says 'is there already' 'nodekey init node.json --so-pin-file so.pin'
  check "require_hardware" says 'require_hardware' \
    'sed "s/\"module\"/\"require_hardware\": true, &/" node.json >hard.json; nodekey csr hard.json --san DNS:a.example'
  check "a wrong PIN" says 'refuses the PIN' \
    'printf wrong >wrong.pin; sed s/node-a.pin/wrong.pin/ node.json >wrong.json; nodekey csr wrong.json --san DNS:a.example'
  check "a lost PIN: the page's command, by the SO's" new_pin
  check "the token is deleted" as_at_the_end 'softhsm2-util --delete-token --token node-a && ! nodekey tokens --login node.json'
}
