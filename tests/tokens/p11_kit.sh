#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A token in another process: p11-kit's server in front of SoftHSM. Away when the node opens, killed
# with all that serves its clients, stopped without a word, all under load.
# usage: p11_kit.sh --build DIR [--times N] [--handshakes N]
# shellcheck source=tests/tokens/rig.sh
. "$(dirname "${BASH_SOURCE[0]}")/rig.sh"

# nodekey knows p11-kit's client by its file name, and treats it accordingly: the counter must bear it.
ln "$faulty" "$folder/p11-kit-client.so"
faulty=$folder/p11-kit-client.so

mkdir "$folder/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$folder/tokens" >"$folder/softhsm2.conf"
export SOFTHSM2_CONF=$folder/softhsm2.conf
export P11_KIT_SERVER_ADDRESS=unix:path=$folder/s FAULTY_MODULE=$modules/p11-kit-client.so

command_file start <<'SH'
p11-kit server -f --provider /usr/lib/softhsm/libsofthsm2.so -n "$folder/s" pkcs11: >"$folder/server.log" 2>&1 &
echo $! >"$folder/pid"
for _ in $(seq 500); do
  [ -S "$folder/s" ] && exit 0
  sleep 0.01
done
cat "$folder/server.log"
exit 1
SH
# The listener stops first, so that no client gets a new process meanwhile.
command_file kill <<'SH'
server=$(<"$folder/pid")
kill -STOP "$server"
rm -f "$folder/s"
kill -KILL "$server" $(cat "/proc/$server/task/$server/children")
SH
command_file kill_remotes <<'SH'
server=$(<"$folder/pid")
kill -KILL $(cat "/proc/$server/task/$server/children")
SH
command_file stop <<'SH'
server=$(<"$folder/pid")
kill -STOP "$server" $(cat "/proc/$server/task/$server/children")
SH
command_file go_on <<'SH'
server=$(<"$folder/pid")
kill -CONT "$server" $(cat "/proc/$server/task/$server/children")
SH
put_away() { "$folder/kill"; }

config ec "$faulty" ec
config rsa "$faulty" rsa
config ed "$faulty" ed
config deadline "$faulty" ec '"token": {"sign_timeout_ms": 10000}'
config hasty "$faulty" ec '"token": {"sign_timeout_ms": 1000}'
quietly "$folder/start"
quietly "$nodekey" init "$folder/ec.json" --so-pin-file "$folder/so.pin"
enroll ec P-256
enroll rsa RSA-2048
FAULTY_MODULE=/usr/lib/softhsm/libsofthsm2.so enroll ed Ed25519 # p11-kit's protocol has no EdDSA
check "Ed25519" "$storm" --refused "has no mechanism CKM_EDDSA" "$folder/ed.json"
check "RSA" "$storm" --handshakes 20 "$folder/rsa.json"
quietly "$folder/kill"
check "away at open, then there" "$storm" --times 0 --handshakes 20 --absent "no such token" "$folder/ec.json" \
  "$folder/kill" "$folder/start"
[ -S "$folder/s" ] || quietly "$folder/start" # it was left out
check "killed and restarted, deadline" under_load "$folder/deadline.json" "$folder/kill" "$folder/start"
check "killed and restarted, direct" under_load "$folder/ec.json" "$folder/kill" "$folder/start"
check "its connections killed, but not the server" under_load --felt 0 "$folder/ec.json" \
  "$folder/kill_remotes" /bin/true
check "stopped without a word" under_load --expect "signatures fail at once" "$folder/hasty.json" \
  "$folder/stop" "$folder/go_on"
