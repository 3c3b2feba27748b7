#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SoftHSM: keys of each type made on the token, both roles, the token's folder moved away and back,
# re-made with another key, and re-made as another token, all under load.
# usage: softhsm.sh --build DIR [--times N] [--handshakes N]
# shellcheck source=tests/tokens/rig.sh
. "$(dirname "${BASH_SOURCE[0]}")/rig.sh"

# store NAME: a place for tokens, and its configuration.
store() {
  mkdir "$folder/$1"
  printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$folder/$1" >"$folder/$1.conf"
}
store tokens
store remade
store stranger
export SOFTHSM2_CONF=$folder/tokens.conf FAULTY_MODULE=/usr/lib/softhsm/libsofthsm2.so

config ec "$faulty" ec
config rsa "$faulty" rsa
config third "$faulty" third
config deadline "$faulty" ec '"token": {"sign_timeout_ms": 10000}'
quietly "$nodekey" init "$folder/ec.json" --so-pin-file "$folder/so.pin"
enroll ec P-256
enroll rsa RSA-2048
third=Ed25519
grep -q '^NODEKEY_CORE_IS_BORINGSSL:.*=ON$' "$build/CMakeCache.txt" && third=P-384 # that core has no Ed25519
enroll third "$third"

# pair SERVER CLIENT: one node with two keys.
pair() {
  config "$1-$2" "$faulty" "$1" "\"client\": {\"key\": \"pkcs11:token=node;object=$2\", \"certificate\": \"$2.pem\"}"
}
pair rsa ec
pair ec third
pair third rsa
for names in rsa-ec ec-third third-rsa; do
  check "server and client: $names" "$storm" --handshakes 20 "$folder/$names.json"
done

command_file unplug <<'SH'
mv "$folder/tokens" "$folder/away"
mkdir "$folder/tokens"
SH
command_file replug <<'SH'
rmdir "$folder/tokens"
mv "$folder/away" "$folder/tokens"
SH
check "moved away and back, direct" under_load --expect "is away" "$folder/ec.json" "$folder/unplug" "$folder/replug"
check "moved away and back, two keys" under_load --expect "is away" "$folder/third-rsa.json" "$folder/unplug" "$folder/replug"
check "moved away and back, deadline" under_load --expect "is away" "$folder/deadline.json" "$folder/unplug" "$folder/replug"

# swap NAME: programs that put the folder NAME in the place of the token's, and back.
swap() {
  command_file "$1-in" <<SH
mv "\$folder/tokens" "\$folder/away"
mv "\$folder/$1" "\$folder/tokens"
SH
  command_file "$1-out" <<SH
mv "\$folder/tokens" "\$folder/$1"
mv "\$folder/away" "\$folder/tokens"
SH
}

# The same token, but with another key under the same name.
cp -a "$folder/tokens/." "$folder/remade"
for type in privkey pubkey; do
  quietly env SOFTHSM2_CONF="$folder/remade.conf" pkcs11-tool --module "$FAULTY_MODULE" --token-label node \
    --login --pin "$(<"$folder/node.pin")" --delete-object --type $type --label ec
done
SOFTHSM2_CONF=$folder/remade.conf quietly "$nodekey" enroll "$folder/ec.json" --key-type P-256 \
  --san IP:127.0.0.1 --out "$folder/remade.csr"
swap remade
check "re-made with another key, then the old one again" under_load --logins 2 --expect "does not match" \
  "$folder/ec.json" "$folder/remade-in" "$folder/remade-out"

# Another token with the same label, PIN and key name.
SOFTHSM2_CONF=$folder/stranger.conf quietly "$nodekey" init "$folder/ec.json" --so-pin-file "$folder/so.pin"
SOFTHSM2_CONF=$folder/stranger.conf quietly "$nodekey" enroll "$folder/ec.json" --key-type P-256 \
  --san IP:127.0.0.1 --out "$folder/stranger.csr"
swap stranger
check "another token of that name, then the old one again" under_load --expect "is away" \
  "$folder/ec.json" "$folder/stranger-in" "$folder/stranger-out"
