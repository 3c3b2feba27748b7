#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A software TPM, the commands of README's TPM section as they stand there, then the test.
# usage: tpm.sh README TEST_PROGRAM
set -euo pipefail
readme=$(realpath "$1")
program=$(realpath "$2")

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
export PIN=8461-spruce SO_PIN=so-8461-spruce
swtpm socket --tpm2 --tpmstate "dir=$folder/state" --server "type=unixio,path=$folder/s" \
  --ctrl "type=unixio,path=$folder/s.ctrl" --flags not-need-init,startup-clear \
  --seccomp action=none >"$folder/swtpm.log" 2>&1 &
tpm=$!
for _ in $(seq 200); do
  tpm2_getcap properties-fixed >/dev/null 2>&1 && break
  sleep 0.05
done
tpm2_dictionarylockout --setup-parameters --max-tries=1000 --recovery-time=1 --lockout-recovery-time=1

awk '/^## /{section = $2} /^```/{inside = section == "TPM" && !inside; next} inside' "$readme" >"$folder/commands.sh"
[ "$(grep -c pkcs11-tool "$folder/commands.sh")" -ge 4 ] || { echo "README's TPM commands are gone" >&2; exit 1; }
cd "$folder"
bash -euo pipefail commands.sh >commands.log 2>&1 || { cat commands.log; exit 1; }

# A token set up by pkcs11-tool has no PSS of its own: the other way to sign for TLS 1.3.
module=$(pkg-config --variable=p11_module_path p11-kit-1)/libtpm2_pkcs11.so
rsa() { pkcs11-tool --module "$module" --token-label node-a "$@" >>rsa.log 2>&1 || { cat rsa.log; exit 1; }; }
tpm2_flushcontext -t
rsa --login --pin "$PIN" --keypairgen --key-type rsa:2048 --label rsa --id 02
rsa --read-object --type pubkey --label rsa -o node-a-rsa.pub.der
pkcs11-tool --module "$module" --list-mechanisms 2>/dev/null | grep -q '^ *RSA-PKCS-PSS' && { echo "the TPM has PSS: nothing is shown by it" >&2; exit 1; }
tpm2_flushcontext -t # pkcs11-tool leaves an object behind, and a TPM without a resource manager has room for three
"$program"
