#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A PIV card in a reader: tests/tokens/piv_card.py, pcscd and OpenSC, in namespaces of their own, since
# the reader's socket and port have fixed names. Keys are made on the card, certificates written to
# it; then nodes talk while the card and pcscd go and come back.
# usage: piv.sh --build DIR [--times N] [--only TEXT]
# shellcheck disable=SC2016 # what the command files expand
if [ -z "${NODEKEY_PIV_NAMESPACES-}" ]; then
  if ! why=$(unshare --mount --net --propagation private true 2>&1); then
    echo "piv.sh: the card's reader needs a mount and a network namespace of its own, which cannot be made" \
      "(run as root; a container needs CAP_SYS_ADMIN): $why" >&2
    exit 1
  fi
  NODEKEY_PIV_NAMESPACES=1 exec unshare --mount --net --propagation private "${BASH_SOURCE[0]}" "$@"
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tokens/rig.sh
. "$here/rig.sh"
cd "$folder"
ip link set lo up
mount -t tmpfs none /run # pcscd's socket
mkdir /run/pcscd card
cat >reader.conf <<'CONF'
FRIENDLYNAME "Virtual reader"
DEVICENAME   /dev/null:0x8C7B
LIBPATH      /usr/lib/pcsc/drivers/serial/libifdvpcd.so
CHANNELID    0x8C7B
CONF
# OpenSC 0.23 hangs for ever, with all its threads, when it begins to talk to a card that is gone and
# pcscd does not know it yet. One that keeps the card for itself from login to logout does not begin.
cat >opensc.conf <<'CONF'
app opensc-pkcs11 {
  pkcs11 {
    lock_login = true;
  }
}
CONF

# --- hands at the reader ---

# Under an init that never reaps, a zombie counts as gone.
cat >end_now <<'SH'
kill -KILL "$1"
for _ in $(seq 500); do
  grep -qs '^State:.*[^Z] (' "/proc/$1/status" || exit 0
  sleep 0.02
done
exit 1
SH
command_file put <<SH
"$here/reader_says.py" empty # pcscd looks at the reader 2.5 times a second
"$here/piv_card.py" card >>card.log 2>&1 &
echo \$! >card.pid
"$here/reader_says.py" card
SH
command_file pull <<<'bash end_now "$(<card.pid)"'
command_file freeze <<<'kill -STOP "$(<card.pid)"'
command_file thaw <<<'kill -CONT "$(<card.pid)"'
command_file reader_kill <<<'bash end_now "$(<pcscd.pid)"'
# Since 2.0 pcscd asks polkit who may come in, which nobody answers here.
open_to_all=
if pcscd --help | grep -q -e --disable-polkit; then
  open_to_all=--disable-polkit
fi
command_file reader_start <<SH
rm -f /run/pcscd/* # left by a killed one; systemd tidies up, too
pcscd --foreground $open_to_all --config "\$folder/reader.conf" >>pcscd.log 2>&1 &
echo \$! >pcscd.pid
"$here/reader_says.py" there
SH
command_file reader_and_card <<SH
./reader_start
"$here/reader_says.py" card
SH
put_away() {
  local pid
  for pid in card.pid pcscd.pid; do
    [ ! -e "$folder/$pid" ] || kill -KILL "$(<"$folder/$pid")" || true
  done
}

# --- keys and certificates ---

cat >extensions.cnf <<'CONF'
subjectAltName = URI:spiffe://federation.example/node/a, IP:127.0.0.1
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
CONF

# SLOT ALGORITHM. piv-tool of OpenSC 0.23 cannot read the public key that it gets from the card (with
# OpenSSL 3), which has kept a copy; and ends with the number of bytes it wrote.
make_key() {
  quietly opensc-tool --send-apdu "00:47:00:$1:05:AC:03:80:01:$2"
  quietly openssl x509 -new -force_pubkey "card/${1,,}.pub" -subj "/CN=piv-$1" -CA ca.pem -CAkey ca.key -days 3 \
    -extfile extensions.cnf -out "$1.pem"
  piv-tool --cert "$1" --in "$1.pem" >/dev/null 2>&1 || true
}

token=pkcs11:token=piv-9A # labelled by the name in the certificate of 9A
export FAULTY_MODULE=$modules/opensc-pkcs11.so
# NAME ID CERTIFICATE [PIN_FILE [TOKEN [MODULE]]]
card_config() {
  cat >"$1.json" <<JSON
{ "version": 1,
  "node": { "module": "${6-opensc-pkcs11}", "key": "$token;id=%$2", "certificate": "$3", "pin": { "file": "${4-right.pin}" } },
  "federation": { "roots": ["ca.pem"] },
  "admit": [ { "name": "members", "uri": ["spiffe://federation.example/node/*"] } ],
  "token": { ${5-} } }
JSON
}

quietly ./reader_start
quietly ./put
make_key 9A 07 # RSA-2048
make_key 9C 07 # RSA-2048 that wants the PIN for each signature
make_key 9E 11 # P-256 that wants no PIN
printf 123456 >right.pin
printf 654321 >wrong.pin
printf 111111 >wrong-too.pin
for key in 9A:01 9C:02 9E:04; do
  card_config "${key%:*}-file" "${key#*:}" "${key%:*}.pem"
  card_config "${key%:*}-token" "${key#*:}" "$token;id=%${key#*:}"
done
# What `nodekey tokens` prints for a key is taken for node.key as it stands.
pasted=$("$build/nodekey" tokens --module opensc-pkcs11 | sed -n 's/^ *\(pkcs11:.*id=%04.*type=private\)$/\1/p')
[ -n "$pasted" ] || { echo "nodekey tokens does not show the key of 9E" >&2; exit 1; }
sed "s#\"key\": \"[^\"]*\"#\"key\": \"$pasted\"#" 9E-file.json >pasted.json
card_config deadline 01 9A.pem right.pin '"sign_timeout_ms": 4000, "login_timeout_ms": 4000'
card_config storm 01 9A.pem right.pin '' "$faulty"
card_config storm-deadline 01 9A.pem right.pin '"sign_timeout_ms": 15000' "$faulty"
card_config wrong 01 9A.pem wrong.pin
card_config wrong-too 01 9A.pem wrong-too.pin

# NAME BREAK CURE. What the node sends by C_Login is what the card is sent, no more.
storm_counts_pins() {
  : >card/verify.log
  "$storm" --times "$times" --handshakes "$handshakes" --logins 2 "$1.json" "$folder/$2" "$folder/$3" | tee storm.log || return 1
  local sent
  sent=$(grep -c . card/verify.log)
  echo "PINs that the card was sent: $sent"
  ! grep -v right card/verify.log && grep -q "C_Login $sent, of these failed 0" storm.log
}
# The card is good for 25 handshakes a second: 500 of them by hand only.
handshakes=$((times > 3 ? 500 : 60))
check "OpenSC as shipped: a hung module" "$build/tests/tokens/test_piv" hangs
export OPENSC_CONF=$folder/opensc.conf
check "roles, outages and PINs" "$build/tests/tokens/test_piv" all
check "pulled and put back" storm_counts_pins storm pull put
check "pulled and put back, deadline" storm_counts_pins storm-deadline pull put
check "pcscd killed and restarted" storm_counts_pins storm reader_kill reader_and_card
