#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, runs every test. Works as root on a plain Debian 12, from any
# folder, any number of times.
# usage: tests/run.sh [PRESET]    dev (default), clang, asan, tsan or release
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=${1:-dev}
packages=(
  cmake ninja-build pkg-config gcc g++ libc6-dev
  libgrpc-dev libgrpc++-dev libssl-dev openssl libjansson-dev libp11-kit-dev libpkcs11-helper1-dev
  softhsm2 libcmocka-dev protobuf-c-compiler libprotobuf-c-dev
  ca-certificates # without the system's roots gRPC leaks when it looks for them
  gdb # gcore, for dumps that must not hold the PIN
  opensc opensc-pkcs11 p11-kit p11-kit-modules swtpm tpm2-tools libtpm2-pkcs11-1 libtss2-tcti-swtpm0 python3 python3-jsonschema
  python3-cryptography-vectors # NIST PKITS
  libengine-pkcs11-openssl # the rival of tests/bench
  libnss3-tools # a token whose module wants init arguments
  pcscd vsmartcard-vpcd python3-cryptography iproute2 # a virtual PIV card
  gnutls-bin python3-grpcio python3-venv # peers on other stacks
  shellcheck
  nginx haproxy curl # programs on OpenSSL, for examples/openssl
  systemd procps # its tools, and /bin/kill: it need not be PID 1
)

case $preset in
-h | --help)
  sed -n '3,5s/^# //p' "${BASH_SOURCE[0]}"
  exit 0
  ;;
clang) packages+=(clang) ;;
dev | asan | tsan | release) ;;
*)
  echo "run.sh: unknown preset: $preset" >&2
  exit 2
  ;;
esac

# shellcheck source=examples/install.sh
. "$here/examples/install.sh"
install_missing "${packages[@]}"

cd "$here"
grpcio=build/grpcio # PyPI's, on BoringSSL; a folder of its own, since pip would put it over Debian's
if ! "$grpcio/bin/python" -c 'import grpc' 2>/dev/null; then
  rm -rf "$grpcio"
  /usr/bin/python3 -m venv "$grpcio"
  "$grpcio/bin/pip" install --quiet --disable-pip-version-check grpcio==1.85.3
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cmake --preset "$preset" >"$log" 2>&1 || {
  cat "$log"
  exit 1
}
cmake --build --preset "$preset"
ctest --preset "$preset"
