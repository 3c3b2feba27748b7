# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the tests of this folder, with their arguments: a folder of the test's own, a federation
# of one node in it, made with the nodekey command, and the storm.
#   --build DIR     the build to test
#   --times N       how often the token is broken under load; default 3
#   --handshakes N  that must succeed after that; default 100, or 500 after more than 3 breaks
#   --only TEXT     of the checks, those that have this in their names
set -euo pipefail

times=3
handshakes=
only=
build=
while [ $# -gt 0 ]; do
  case $1 in
  --build) build=$(realpath "$2") ;;
  --times) times=$2 ;;
  --handshakes) handshakes=$2 ;;
  --only) only=$2 ;;
  *)
    echo "usage: $(basename "$0") --build DIR [--times N] [--handshakes N] [--only TEXT]" >&2
    exit 2
    ;;
  esac
  shift 2
done
[ -n "$build" ] || { echo "$(basename "$0"): --build names the build to test" >&2; exit 2; }

handshakes=${handshakes:-$((times > 3 ? 500 : 100))}
nodekey=$build/nodekey
storm=$build/tests/tokens/token_storm
export NODEKEY_MODULE=${NODEKEY_MODULE:-$build/nodekey.so}
# shellcheck disable=SC2034 # for whoever sources this
modules=$(pkg-config --variable=p11_module_path p11-kit-1)

umask 077
folder=$(mktemp -d /tmp/nk-XXXXXX) # short: a socket's path must fit sun_path
put_away() { :; }                  # what a test leaves running
clean_up() {
  put_away || true
  rm -rf "$folder"
}
trap clean_up EXIT
mkdir "$folder/state"
faulty=$folder/faulty_token.so # counts PINs; $FAULTY_MODULE is the module behind it
# A checkout may be of another user than who runs the tests: modules are not loaded from there.
cp "$build/tests/fixtures/faulty/faulty_token.so" "$faulty"
export FAULTY_PATH=$faulty
printf %s "so-8461-spruce" >"$folder/so.pin"
printf %s "8461-spruce" >"$folder/node.pin"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj "/CN=federation.example" \
  -addext keyUsage=critical,keyCertSign,cRLSign \
  -keyout "$folder/ca.key" -out "$folder/ca.pem" 2>/dev/null

# Runs quietly; what it printed is shown if it fails.
quietly() {
  "$@" >"$folder/quietly.log" 2>&1 || { echo "$*" >&2; cat "$folder/quietly.log" >&2; return 1; }
}

# config NAME MODULE OBJECT [MEMBERS]: NAME.json, for the key OBJECT of token "node". MEMBERS: JSON
# text that goes before the last brace, such as '"token": {"sign_timeout_ms": 1000}'.
config() {
  cat >"$folder/$1.json" <<JSON
{
  "version": 1,
  "node": {
    "module": "$2",
    "key": "pkcs11:token=node;object=$3",
    "certificate": "$3.pem",
    "pin": { "file": "node.pin" }
  },
  "federation": { "roots": ["ca.pem"] },
  "admit": [ { "name": "members", "uri": ["spiffe://federation.example/node/*"] } ],
  "state_dir": "state"${4:+,
  $4}
}
JSON
}

# certify NAME: signs NAME.csr and imports the certificate for NAME.json.
certify() {
  cat >"$folder/$1.ext" <<END
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = URI:spiffe://federation.example/node/a, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
  quietly openssl x509 -req -in "$folder/$1.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" \
    -extfile "$folder/$1.ext" -days 2 -out "$folder/$1.crt" &&
    quietly "$nodekey" import "$folder/$1.json" "$folder/$1.crt"
}

# enroll NAME TYPE: a key of this type, made on the token, and its certificate.
enroll() {
  quietly "$nodekey" enroll "$folder/$1.json" --key-type "$2" --san URI:spiffe://federation.example/node/a \
    --san IP:127.0.0.1 --out "$folder/$1.csr" &&
    certify "$1"
}

# command_file NAME <<'SH': a program of this name in $folder, which knows $folder.
command_file() {
  { printf '#!/usr/bin/env bash\nset -euo pipefail\nfolder=%q\n' "$folder"; cat; } >"$folder/$1"
  chmod 700 "$folder/$1"
}

# check WHAT COMMAND…: says what comes, and stops the test if it fails.
check() {
  [[ $1 == *"$only"* ]] || return 0
  echo "== $1"
  "${@:2}" || { echo "FAILED ($?): $1" >&2; exit 1; }
}

# under_load [OPTION…] CONFIG BREAK CURE: the storm, as often and as long as asked for.
under_load() { "$storm" --times "$times" --handshakes "$handshakes" "$@"; }
