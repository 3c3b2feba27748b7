# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A software TPM of an ordinary user's, without a resource manager: three places for keys.
# shellcheck disable=SC2016 # what the reader's bash expands
# shellcheck disable=SC2034,SC2154 # run.sh's variables
as_user=64123

# NAME: swtpm has no word for "ready", so it is asked.
start_tpm() {
  as_reader mkdir -p "$tree/run/$1.state"
  as_reader swtpm socket --tpm2 --tpmstate "dir=$tree/run/$1.state" --server "type=unixio,path=$tree/run/$1" \
    --ctrl "type=unixio,path=$tree/run/$1.ctrl" --flags not-need-init,startup-clear --seccomp action=none \
    >"$tree/log/$1" 2>&1 &
  for _ in {1..200}; do
    ! TPM2TOOLS_TCTI="swtpm:path=$tree/run/$1" tpm2_getcap properties-fixed >/dev/null 2>&1 || return 0
    sleep 0.05
  done
  cat "$tree/log/$1"
  return 1
}

before() {
  export TSS2_LOG=all+NONE TPM2_PKCS11_LOG_LEVEL=0
  start_tpm a
  export TPM2_PKCS11_TCTI=swtpm:path=$tree/run/a
  as_reader openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj "/CN=federation.example" \
    -addext keyUsage=critical,keyCertSign,cRLSign -keyout federation-ca.key -out federation-ca.pem 2>/dev/null
}

as_at_the_end() {
  as_reader env TPM2TOOLS_TCTI="${TPM2_PKCS11_TCTI}" TPM2_PKCS11_STORE="$HOME/.tpm2_pkcs11" CREDENTIALS_DIRECTORY="$folder" \
    bash -c "umask 077; $1"
}
says() { # TEXT COMMAND: it fails, and says so
  local said
  ! said=$(as_at_the_end "$2" 2>&1) || { echo "it does not fail: $said"; return 1; }
  grep -qF -- "$1" <<<"$said" || { echo "$said"; return 1; }
}
flush() { as_at_the_end 'tpm2_flushcontext -t; tpm2_flushcontext -l'; }
# Wrong PINs cost a try at the first start, none at the next.
one_try() {
  as_at_the_end 'printf wrong >wrong.pin; sed "s/node-a.pin/wrong.pin/" node.json >wrong.json
    for _ in 1 2 3; do nodekey csr wrong.json --san DNS:a.example; done
    tpm2_getcap properties-variable | grep -E "LOCKOUT_COUNTER: *0x1$"'
}
lock() { as_at_the_end 'tpm2_dictionarylockout --setup-parameters --max-tries=1 --recovery-time=600 --lockout-recovery-time=3600'; }
# The page's last block.
unlock() { as_at_the_end "set -e; $(cat "$(printf '%s\n' "$tree"/block-*.sh | tail -n 1)")"; }
signs() { as_at_the_end 'nodekey csr node.json --san DNS:a.example'; }

# The page once more, for node-b and a TPM of its own.
second_node() {
  local commands
  start_tpm b
  commands=$(for block in "$tree"/block-*.sh; do cat "$block"; done |
    sed -n '/^umask/,/^nodekey import/p' | sed 's,node-a,node-b,g; s,/node/a,/node/b,g; s,node\.json,node-b.json,g; s,>so.pin,>so-b.pin,; s,n so.pin,n so-b.pin,')
  as_reader env TPM2_PKCS11_TCTI="swtpm:path=$tree/run/b" TPM2TOOLS_TCTI="swtpm:path=$tree/run/b" TPM2_PKCS11_STORE="$HOME/b" \
    bash -ec "sed s/node-a/node-b/ tpm.json >b.json; ${commands/cp tpm.json/cp b.json}; tpm2_flushcontext -t"
}
talk() {
  as_at_the_end "plugin=\$(pkg-config --variable=plugin nodekey); rm -f address
    node --plugin \$plugin --config node.json --listen 127.0.0.1:0 --ready-file address 2>a.log &
    until [ -s address ]; do sleep 0.1; done
    TPM2_PKCS11_TCTI=swtpm:path=$tree/run/b TPM2_PKCS11_STORE=$HOME/b \
      node --plugin \$plugin --config node-b.json --listen 127.0.0.1:0 --no-serve --once --greet \$(cat address); talked=\$?
    kill %1; wait; cat a.log; exit \$talked"
}

after() {
  check "flushed: what C_InitToken leaves" flush
  check "all of it is the user's, and nobody else reads it" as_at_the_end '! find ~ . -maxdepth 1 -name "*.pin" -perm /077 | grep . &&
    ! find ~/.tpm2_pkcs11 state -perm /077 | grep .'
  check "two nodes, each with its TPM" second_node
  check "they talk" talk
  check "three starts with a wrong PIN cost one try" one_try
  check "and no more" lock
  check "then it is locked" says 'its user PIN is locked' 'nodekey csr node.json --san DNS:a.example'
  check "the page's cure" unlock
  check "it signs" signs
  check "no device" says 'cannot open /dev/tpmrm7' 'TPM2_PKCS11_TCTI=device:/dev/tpmrm7 nodekey tokens --module tpm2'
  check "no store" says 'cannot write its store' 'TPM2_PKCS11_STORE=/nowhere nodekey tokens --module tpm2'
  check "another store" says 'no such token' 'mkdir other; TPM2_PKCS11_STORE=$PWD/other nodekey tokens --login node.json'
  check "a kind that no TPM has" says 'Ed25519' 'sed s/identity/other/ node.json >other.json; nodekey enroll other.json --key-type Ed25519 --san DNS:a.example'
}
