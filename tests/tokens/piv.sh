#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A PIV card in a reader (tests/tokens/piv_card.py, pcscd, OpenSC), keys made on it and certificates
# written to it, then the test. The reader's socket and port are in namespaces of their own.
# usage: piv.sh TEST_PROGRAM [ARGUMENT...]
set -euo pipefail
if [ -z "${PIV_FOLDER-}" ]; then
  if ! why=$(unshare --mount --net --propagation private true 2>&1); then
    echo "piv.sh: no mount and network namespace of its own can be made, which the card's reader needs" \
      "(run as root; a container needs CAP_SYS_ADMIN): $why" >&2
    exit 1
  fi
  PIV_FOLDER=$(mktemp -d /tmp/nodekey-piv-XXXXXX)
  export PIV_FOLDER
  exec unshare --mount --net --propagation private "${BASH_SOURCE[0]}" "$@"
fi

program=$(realpath "$1")
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export TOKEN_CONTROL=$here/piv_control.sh
cd "$PIV_FOLDER"
cleanup() {
  for pid in card.pid pcscd.pid; do
    if [ -e "$pid" ]; then kill -9 "$(cat "$pid")" 2>/dev/null || true; fi
  done
  rm -rf "$PIV_FOLDER"
}
trap cleanup EXIT

ip link set lo up
mount -t tmpfs none /run # pcscd's socket
mkdir /run/pcscd card
cat >reader.conf <<'CONF'
FRIENDLYNAME "Virtual reader"
DEVICENAME   /dev/null:0x8C7B
LIBPATH      /usr/lib/pcsc/drivers/serial/libifdvpcd.so
CHANNELID    0x8C7B
CONF
"$TOKEN_CONTROL" reader-start
"$TOKEN_CONTROL" put

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj "/CN=federation.example" \
  -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem 2>/dev/null
cat >extensions.cnf <<'CONF'
subjectAltName = URI:spiffe://federation.example/node/a, IP:127.0.0.1
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
CONF

# SLOT ALGORITHM: a key pair is generated on the card, certified, and the certificate written to it.
# piv-tool of OpenSC 0.23 does not understand the public key that it gets (OpenSSL 3); the card has
# kept it, too. piv-tool's exit code is the number of bytes written.
enrol() {
  opensc-tool --send-apdu "00:47:00:$1:05:AC:03:80:01:$2" >enrol.log 2>&1
  openssl x509 -new -force_pubkey "card/${1,,}.pub" -subj "/CN=piv-$1" -CA ca.pem -CAkey ca.key -days 3 \
    -extfile extensions.cnf -out "$1.pem"
  piv-tool --cert "$1" --in "$1.pem" >>enrol.log 2>&1 || true
}
enrol 9A 07 # RSA-2048
enrol 9C 07 # RSA-2048 that wants the PIN for each signature
enrol 9E 11 # P-256 that wants no PIN

# NAME KEY CERTIFICATE PIN_FILE TOKEN
config() {
  cat >"$1.json" <<JSON
{ "version": 1,
  "node": { "module": "opensc-pkcs11", "key": "$2", "certificate": "$3", "pin": { "file": "$4" } },
  "federation": { "roots": ["ca.pem"] },
  "admit": [ { "name": "members", "uri": ["spiffe://federation.example/node/*"] } ],
  "token": { $5 } }
JSON
}
umask 077
printf 123456 >right.pin
printf 654321 >wrong.pin
printf 111111 >wrong-too.pin
token=pkcs11:token=piv-9A # the label is the name in the certificate of 9A
for key in 9A:01 9C:02 9E:04; do
  config "${key%:*}-file" "$token;id=%${key#*:}" "${key%:*}.pem" right.pin ''
  config "${key%:*}-token" "$token;id=%${key#*:}" "$token;id=%${key#*:}" right.pin ''
done
config deadline "$token;id=%01" 9A.pem right.pin '"sign_timeout_ms": 1000'
config wrong "$token;id=%01" 9A.pem wrong.pin ''
config wrong-too "$token;id=%01" 9A.pem wrong-too.pin ''
"$program" "$@"
