# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by tests/run.sh and tests/platform_trees.sh: Debian's packages that build and test use, and PyPI's.
# shellcheck disable=SC2034 # read there
few_packages=( # of these, what builds nodekey and tests nodes whose keys are in SoftHSM
  cmake ninja-build pkg-config gcc g++ libc6-dev
  libgrpc-dev libssl-dev openssl libjansson-dev libp11-kit-dev libpkcs11-helper1-dev softhsm2 libcmocka-dev
  ca-certificates # without the system's roots gRPC leaks when it looks for them
  netbase # the address of localhost
)
packages=(
  "${few_packages[@]}" libgrpc++-dev protobuf-c-compiler libprotobuf-c-dev
  android-libboringssl # a library with functions of OpenSSL's names
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

# Into build/grpcio of this folder, on BoringSSL; a folder of its own, since pip would put it over Debian's.
fetch_grpcio() {
  local grpcio=build/grpcio
  if ! "$grpcio/bin/python" -c 'import grpc' 2>/dev/null; then
    rm -rf "$grpcio"
    /usr/bin/python3 -m venv "$grpcio"
    "$grpcio/bin/pip" install --quiet --disable-pip-version-check grpcio==1.85.3
  fi
}
