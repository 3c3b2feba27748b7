#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A software TPM, the commands of README's TPM section as they stand there, then the test.
# usage: tpm.sh README CONFIG NODEKEY TEST_PROGRAM
set -euo pipefail
readme=$(realpath "$1")
config=$(realpath "$2")
nodekey=$(realpath "$3")
program=$(realpath "$4")

folder=$(mktemp -d /tmp/nodekey-tpm-XXXXXX) # short: a socket's path must fit sun_path
tpm=
cleanup() {
  if [ -n "$tpm" ]; then kill "$tpm" 2>/dev/null || true; wait "$tpm" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT

mkdir "$folder/state" "$folder/store"
export TPM2TOOLS_TCTI="swtpm:path=$folder/s" TPM2_PKCS11_TCTI="swtpm:path=$folder/s"
export TPM2_PKCS11_STORE=$folder/store TSS2_LOG=all+NONE TPM2_PKCS11_LOG_LEVEL=0
export PATH=$(dirname "$nodekey"):$PATH CREDENTIALS_DIRECTORY=$folder
swtpm socket --tpm2 --tpmstate "dir=$folder/state" --server "type=unixio,path=$folder/s" \
  --ctrl "type=unixio,path=$folder/s.ctrl" --flags not-need-init,startup-clear \
  --seccomp action=none >"$folder/swtpm.log" 2>&1 &
tpm=$!
for _ in $(seq 200); do
  tpm2_getcap properties-fixed >/dev/null 2>&1 && break
  sleep 0.05
done

cp "$config" "$folder/node.json"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj "/CN=federation.example" \
  -addext keyUsage=critical,keyCertSign,cRLSign \
  -keyout "$folder/federation-ca.key" -out "$folder/federation-ca.pem" 2>/dev/null
awk '/^## /{section = $2} /^```/{inside = section == "TPM" && !inside; next} inside' "$readme" >"$folder/commands.sh"
[ "$(grep -c '^nodekey ' "$folder/commands.sh")" -ge 3 ] || { echo "README's TPM commands are gone" >&2; exit 1; }
cd "$folder"
bash -euo pipefail commands.sh >commands.log 2>&1 || { cat commands.log; exit 1; }
flush() { tpm2_flushcontext -t; } # C_InitToken leaves an object behind, and a TPM without a resource manager has room for three
flush
"$program" node.json

# A token set up like this offers no PSS of its own: the other way to sign for TLS 1.3.
module=$(pkg-config --variable=p11_module_path p11-kit-1)/libtpm2_pkcs11.so
if pkcs11-tool --module "$module" --list-mechanisms 2>/dev/null | grep -q '^ *RSA-PKCS-PSS'; then
  echo "the TPM has PSS: nothing is shown by it" >&2
  exit 1
fi
sed 's/object=identity/object=rsa/; s/node-a.pem/node-a-rsa.pem/' node.json >rsa.json
flush
{
  nodekey enroll rsa.json --key-type RSA-2048 --san URI:spiffe://federation.example/node/a --san IP:127.0.0.1 --out rsa.csr
  openssl x509 -req -in rsa.csr -CA federation-ca.pem -CAkey federation-ca.key -copy_extensions copy -days 90 -out rsa.crt
  nodekey import rsa.json rsa.crt
} >rsa.log 2>&1 || { cat rsa.log; exit 1; }
flush
"$program" rsa.json
