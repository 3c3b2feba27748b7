#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two nodes of an ordinary user's that talk, in his home: the commands per node are printed as they are
# run, and counted. Whoever runs it needs nodekey, examples/node and openssl in PATH.
# usage: ordinary_user_nodes.sh softhsm|tpm
set -euo pipefail
kind=$1
most=5 # commands per node
domain=federation.example
letters=(a b)
declare -A port=([a]=7001 [b]=7002)
failed=0

seconds_since() { # EPOCHREALTIME
  local micros=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
  printf '%d.%02d' $((micros / 1000000)) $((micros / 10000 % 100))
}

# --- what is there before the first command ---

# The federation's CA, which another makes once.
make_ca() {
  local letter
  mkdir -m 700 ca
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj "/CN=$domain" \
    -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca/ca.key -out ca/ca.pem 2>/dev/null
  for letter in "${letters[@]}"; do
    cat >"ca/node-$letter.ext" <<END
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = URI:spiffe://$domain/node/$letter, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
  done
}

# The CA's command.
signature() { # letter
  echo "openssl x509 -req -in node-$1/node.csr -subj /CN=node-$1 -CA ca/ca.pem -CAkey ca/ca.key -extfile ca/node-$1.ext -days 90 -out node-$1/node.crt"
}

# What Debian's SoftHSM says to whoever is not of its group, before he has a store of his own.
softhsm_without_store() {
  local said
  rm -rf ~/.config/softhsm2 ~/.local/share/softhsm2
  if said=$(nodekey init node-a/node.json --so-pin-file node-a/so.pin 2>&1) ||
    ! grep -q 'write a file of your own.*SOFTHSM2_CONF' <<<"$said"; then
    printf 'FAILED: without a store of one'\''s own nodekey does not say what to do: %s\n' "$said"
    failed=1
  fi
  printf '  without a store of one'\''s own: %s\n' "$said"
}

softhsm_store() {
  mkdir -p ~/.config/softhsm2 ~/.local/share/softhsm2
  mkdir -m 700 ~/.local/share/softhsm2/tokens
  printf 'directories.tokendir = %s\nobjectstore.backend = file\n' ~/.local/share/softhsm2/tokens \
    >~/.config/softhsm2/softhsm2.conf
}

node_folder() { # letter, module
  mkdir "node-$1"
  mkdir -m 700 "node-$1/state" "node-$1/store"
  (
    umask 077
    openssl rand -hex 8 >"node-$1/so.pin"
    openssl rand -hex 8 >"node-$1/node.pin"
  )
  cp ca/ca.pem "node-$1/federation-ca.pem"
  cat >"node-$1/node.json" <<END
{
  "version": 1,
  "node": {
    "module": "$2",
    "key": "pkcs11:token=node-$1;object=identity",
    "certificate": "node.pem",
    "pin": { "file": "node.pin" }
  },
  "federation": { "roots": ["federation-ca.pem"] },
  "admit": [ { "name": "members", "uri": ["spiffe://$domain/node/*"] } ],
  "state_dir": "state"
}
END
}

# The machine's TPM, each node's own. It has no resource manager, as /dev/tpmrm0 is one, so
# that what a command leaves in it is flushed here after each.
start_tpm() { # letter
  mkdir -p "tpm-$1"
  swtpm socket --tpm2 --tpmstate "dir=tpm-$1" --server "type=unixio,path=tpm-$1/socket" \
    --ctrl "type=unixio,path=tpm-$1/socket.ctrl" --flags not-need-init,startup-clear >"tpm-$1/log" 2>&1 &
  for _ in {1..200}; do
    ! TPM2TOOLS_TCTI=swtpm:path=$PWD/tpm-$1/socket tpm2_getcap properties-fixed >/dev/null 2>&1 || return 0
    sleep 0.05
  done
  cat "tpm-$1/log"
  return 1
}
tpm_environment() { # letter
  export TPM2_PKCS11_TCTI=swtpm:path=$PWD/tpm-$1/socket TPM2_PKCS11_STORE=$PWD/node-$1/store
}
flush() { # letter
  [ "$kind" != tpm ] || TPM2TOOLS_TCTI=swtpm:path=$PWD/tpm-$1/socket tpm2_flushcontext -t
}

# --- the commands of one node ---

# A command of the user's, as it stands here; the nodes themselves run on.
run() { # letter, text
  local began=$EPOCHREALTIME
  commands=$((commands + 1))
  if [[ $2 == 'node '* ]]; then
    bash -c "exec $2" >"node-$1/out" 2>"node-$1/log" &
  else
    bash -c "$2" >"node-$1/said" 2>&1 || { printf '  $ %s\n' "$2"; cat "node-$1/said"; exit 1; }
    flush "$1"
  fi
  printf '  $ %s\n      (%s s)\n' "$2" "$(seconds_since "$began")"
}

make_node() { # letter, options of the start
  local folder=node-$1 commands=0
  [ "$kind" != tpm ] || tpm_environment "$1"
  printf '\nnode %s%s\n' "$1" "${TPM2_PKCS11_TCTI:+, with TPM2_PKCS11_TCTI=$TPM2_PKCS11_TCTI TPM2_PKCS11_STORE=$TPM2_PKCS11_STORE}"
  run "$1" "nodekey init $folder/node.json --so-pin-file $folder/so.pin"
  run "$1" "nodekey enroll $folder/node.json --san URI:spiffe://$domain/node/$1 --san IP:127.0.0.1 --out $folder/node.csr"
  run "$1" "$(signature "$1")"
  run "$1" "nodekey import $folder/node.json $folder/node.crt"
  run "$1" "node --plugin $plugin --config $folder/node.json --listen 127.0.0.1:${port[$1]}${2:+ $2}"
  printf 'node %s: %d commands\n' "$1" "$commands"
  ((commands <= most)) || failed=1
}

talked() { grep -qs '^talked 127.0.0.1:7001 ok' node-b/out; }
wait_for_talk() {
  local began=$EPOCHREALTIME
  for _ in {1..300}; do
    if talked; then
      printf '\nnode b talked to node a (%s s after its start)\n' "$(seconds_since "$began")"
      return
    fi
    sleep 0.1
  done
  printf '\nFAILED: the nodes did not talk\n'
  tail -n 20 node-?/out node-?/log
  failed=1
}

umask 022
cd
rm -rf two-nodes
mkdir two-nodes
cd two-nodes
trap 'kill $(jobs -rp) 2>/dev/null || true' EXIT
printf 'user: %s; XDG_RUNTIME_DIR: %s\n' "$(id)" "${XDG_RUNTIME_DIR-not set}"
plugin=$(realpath "$(pkg-config --variable=plugin nodekey)")
make_ca
for letter in "${letters[@]}"; do
  node_folder "$letter" "${kind/tpm/tpm2}"
done
case $kind in
softhsm)
  softhsm_without_store
  softhsm_store
  ;;
tpm)
  start_tpm a
  start_tpm b
  ;;
esac
printf 'there before: %s\n' "$(find ca node-? ~/.config -type f -printf '%p ')"
make_node a
make_node b "--greet 127.0.0.1:7001 --wait 20"
wait_for_talk
printf 'what the nodes logged:\n'
sed 's/^/  /' node-a/log node-b/log
exit $failed
