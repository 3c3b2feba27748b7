#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A software TPM: examples/tpm/tpm.json; RSA with a PSS of the TPM's own and without; p11-kit's server
# in front of it; then nodes talk while the TPM goes and comes back. Its own count of wrong PINs and
# unorderly restarts says whether a node sends a PIN too many.
# usage: tpm.sh --build DIR [--times N] [--handshakes N] [--only TEXT]
# shellcheck disable=SC2016 # what the command files expand
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tokens/rig.sh
. "$here/rig.sh"
cd "$folder"
test_tpm=$build/tests/tokens/test_tpm
module=$modules/libtpm2_pkcs11.so

# --- the TPM, and hands at it ---

mkdir tpm store
export TPM2TOOLS_TCTI="swtpm:path=$folder/s" TPM2_PKCS11_TCTI="swtpm:path=$folder/s"
export TPM2_PKCS11_STORE=$folder/store TSS2_LOG=all+NONE TPM2_PKCS11_LOG_LEVEL=0
command_file start <<'SH'
rm -f "$folder/s" "$folder/s.ctrl"
swtpm socket --tpm2 --tpmstate "dir=$folder/tpm" --server "type=unixio,path=$folder/s" \
  --ctrl "type=unixio,path=$folder/s.ctrl" --flags not-need-init,startup-clear \
  --seccomp action=none >>"$folder/swtpm.log" 2>&1 &
echo $! >"$folder/pid"
for _ in $(seq 200); do
  tpm2_getcap properties-fixed >/dev/null 2>&1 && exit 0
  sleep 0.05
done
cat "$folder/swtpm.log"
exit 1
SH
command_file kill <<'SH'
pid=$(<"$folder/pid")
kill -KILL "$pid"
for _ in $(seq 500); do
  grep -qs '^State:.*[^Z] (' "/proc/$pid/status" || exit 0
  sleep 0.02
done
exit 1
SH
command_file restart <<'SH'
"$folder/kill"
"$folder/start"
SH
command_file freeze <<<'kill -STOP "$(<"$folder/pid")"'
command_file thaw <<<'kill -CONT "$(<"$folder/pid")"'
# What died processes left in the TPM, which without a resource manager has room for three objects.
command_file flush_objects <<<'tpm2_flushcontext -t'
command_file flush_sessions <<<'tpm2_flushcontext -l'
command_file lockout_count <<'SH'
tpm2_getcap properties-variable | sed -n 's/^TPM2_PT_LOCKOUT_COUNTER: *//p'
SH
command_file lockout_clear <<<'tpm2_dictionarylockout --clear-lockout'
command_file lockout_at_one <<<'tpm2_dictionarylockout --setup-parameters --max-tries=1 --recovery-time=600 --lockout-recovery-time=600'
command_file lockout_far <<<'tpm2_dictionarylockout --setup-parameters --max-tries=32 --recovery-time=600 --lockout-recovery-time=600'
put_away() { ./kill; }
quietly ./start

# --- a token made as examples/tpm does; that page itself is the test recipe_tpm's ---

cp "$here/../../examples/tpm/tpm.json" node.json
cp ca.pem federation-ca.pem
cp node.pin node-a.pin
export CREDENTIALS_DIRECTORY=$folder
./lockout_far
quietly "$nodekey" init node.json --so-pin-file so.pin
enroll node P-256
./flush_objects # C_InitToken leaves one
check "examples/tpm/tpm.json" "$test_tpm" talks node.json

# --- three starts with a wrong PIN, each a process ---

# TRIES CONFIG: how many wrong PINs the TPM counts.
three_starts_cost() {
  ./lockout_clear
  for _ in 1 2 3; do
    "$storm" --refused "PIN" "$2" || return 1
  done
  echo "the TPM counts $(./lockout_count) wrong PINs after three starts"
  [ $(($(./lockout_count))) -eq "$1" ]
}
printf wrong >wrong.pin
sed 's|"credential": "node-a.pin"|"credential": "wrong.pin"|' node.json >wrong.json
sed '/"state_dir"/d' wrong.json >stateless.json
check "three starts of examples/tpm/tpm.json with a wrong PIN" three_starts_cost 1 wrong.json
mkdir systemd
export STATE_DIRECTORY=$folder/systemd
check "three starts with systemd's folder alone" three_starts_cost 1 stateless.json
unset STATE_DIRECTORY
check "three starts without a state_dir" three_starts_cost 3 stateless.json
./lockout_clear
rm -rf systemd state/*

# --- RSA: our padding, the TPM's own, both also in another process ---

# NAME MODULE [MEMBERS]: like node.json, for another object of the token.
tpm_config() {
  cat >"$1.json" <<JSON
{ "version": 1,
  "node": { "module": "$2", "key": "pkcs11:token=node-a;object=$3", "certificate": "$4",
    "pin": { "file": "${5-node-a.pin}" } },
  "federation": { "roots": ["ca.pem"] },
  "admit": [ { "name": "members", "uri": ["spiffe://federation.example/node/*"] } ]${6:+, $6} }
JSON
}
listed() { pkcs11-tool --module "$module" --list-mechanisms 2>/dev/null | grep -q '^ *RSA-PKCS-PSS'; }
not_listed() { ! listed; }
# MECHANISM MODULE: what a node with the RSA key there signs its handshakes with; they come last.
signs_with() {
  rm -f spy.log
  PKCS11SPY=$2 PKCS11SPY_OUTPUT=$folder/spy.log "$test_tpm" talks rsa-spy.json || return 1
  local last
  last=$(grep -A3 C_SignInit spy.log | sed -n 's/.*pMechanism->type = \([A-Z0-9_]*\).*/\1/p' | tail -n 1)
  echo "the last C_SignInit is for $last"
  [ "$last" = "$1" ]
}
tpm_config rsa "$module" rsa rsa.pem
tpm_config rsa-spy "$modules/pkcs11-spy.so" rsa rsa.pem
quietly "$build/nodekey" enroll rsa.json --key-type RSA-2048 --san URI:spiffe://federation.example/node/a --san IP:127.0.0.1 --out rsa.csr
certify rsa
./flush_objects

export P11_KIT_SERVER_ADDRESS=unix:path=$folder/p
command_file serve <<SH
rm -f "\$folder/p"
p11-kit server -f --provider "$module" -n "\$folder/p" pkcs11: >>"\$folder/server.log" 2>&1 &
echo \$! >"\$folder/server.pid"
for _ in \$(seq 500); do
  [ -S "\$folder/p" ] && exit 0
  sleep 0.01
done
exit 1
SH
command_file serve_no_more <<'SH'
server=$(<"$folder/server.pid")
kill -KILL "$server" $(cat "/proc/$server/task/$server/children")
tpm2_flushcontext -t
tpm2_flushcontext -l
SH
tpm_config remote-ec p11-kit identity node-a.pem
# MECHANISM: what is left of RSA for a client of p11-kit's.
remotely() {
  ./serve
  check "p11-kit's server: P-256" "$test_tpm" talks remote-ec.json
  ./flush_objects
  check "p11-kit's server: RSA by $1" signs_with "$1" "$modules/p11-kit-client.so"
  ./serve_no_more
}
check "a token made like this lists no PSS" not_listed
check "the module puts PSS together" signs_with CKM_RSA_PKCS_PSS "$module"
remotely CKM_RSA_X_509 # in pieces that p11-kit's protocol does not carry: the padding is ours
/usr/bin/python3 - "$TPM2_PKCS11_STORE/tpm2_pkcs11.sqlite3" <<'PY'
import sqlite3
import sys

# As tpm2_ptool does it: a TPM whose PSS has the salt that TLS wants is used for PSS.
store = sqlite3.connect(sys.argv[1])
good = '  ? !!str "pss-sigs-good"\n  : !!bool "true",\n}\n...'
store.execute("update tokens set config = replace(config, ?, ?)", ("}\n...", good))
store.commit()
PY
check "the same token with the TPM's own PSS" listed
check "RSA by that" signs_with CKM_RSA_PKCS_PSS "$module"
remotely CKM_RSA_PKCS_PSS

# --- room for three objects: the login's and two keys ---

# NAME: an EC key of its own, and its certificate.
ec_key() {
  tpm_config "$1" "$module" "$1" "$1.pem"
  quietly "$build/nodekey" enroll "$1.json" --key-type P-256 --san URI:spiffe://federation.example/node/a --san IP:127.0.0.1 --out "$1.csr"
  certify "$1"
  ./flush_objects
}
ec_key third
tpm_config roles "$module" identity node-a.pem node-a.pin '"client": { "key": "pkcs11:token=node-a;object=rsa", "certificate": "rsa.pem" }'
check "a key for each role, and a third" "$test_tpm" room
./lockout_clear
tpm_config ec "$module" identity node-a.pem
dies() { ! "$test_tpm" dies ec.json 2>/dev/null; }
check "a process dies and leaves its objects" dies
check "so does another" dies
check "then there is no room" "$storm" --refused "tpm2_flushcontext" ec.json
./flush_objects
./flush_sessions
check "flushed" "$test_tpm" talks ec.json

# --- outages ---

tpm_config deadline "$module" identity node-a.pem node-a.pin '"token": {"sign_timeout_ms": 4000, "login_timeout_ms": 4000}'
tpm_config wrong "$module" identity node-a.pem wrong.pin
printf wrong >wrong.pin
./lockout_clear
check "outages, one by one" "$test_tpm" outages
./lockout_clear
check "PINs" "$test_tpm" pins
./lockout_clear

# NAME BREAK CURE [OPTION…]. What the TPM counts is what the breaks cost, and no wrong PIN.
storm_counts_tries() {
  local name=$1 breaks=$2 cures=$3
  ./lockout_clear
  FAULTY_MODULE=${behind:-$module} "$storm" --times "$times" --handshakes "$handshakes" "${@:4}" "$name.json" "$folder/$breaks" "$folder/$cures" || return 1
  echo "the TPM counts $(./lockout_count) tries after $times breaks"
  [ $(($(./lockout_count))) -le "$times" ]
}
tpm_config storm "$faulty" identity node-a.pem
# nodekey knows p11-kit's client by its name.
ln "$faulty" "$folder/p11-kit-client.so"
tpm_config storm-remote "$folder/p11-kit-client.so" identity node-a.pem
tpm_config storm-deadline "$faulty" identity node-a.pem node-a.pin '"token": {"sign_timeout_ms": 15000}'
check "killed and restarted" storm_counts_tries storm kill start
check "killed and restarted, deadline" storm_counts_tries storm-deadline kill start
check "stopped without a word" storm_counts_tries storm-deadline freeze thaw --expect "signatures fail at once"
./serve
behind=$modules/p11-kit-client.so
check "p11-kit's server killed and restarted" storm_counts_tries storm-remote serve_no_more serve
./serve_no_more
