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

# From PyPI, into build/ of this folder, what the lists in tests/pypi say: each into a folder of its name, with the list.
# Pip takes nothing of another hash. A grpcio has a Python of its own, since pip would put it over Debian's.
fetch_pypi() {
  local headers=('*/grpc_root/include' '*/third_party/abseil-cpp/absl/*.h' '*/third_party/abseil-cpp/absl/*.inc')
  fetch_grpcio grpcio &&
    fetch_grpcio grpcio-oldest --without-pip &&
    fetch_sources grpcio-tools "${headers[@]}" &&
    fetch_sources grpcio-tools-oldest "${headers[@]}" &&
    fetch_sources grpcio-sdist '*/third_party/boringssl-with-bazel'
}

fetch_grpcio() { # list, options of venv
  local list=tests/pypi/$1.txt venv=build/$1
  ! cmp -s "$list" "$venv/list.txt" || return 0
  rm -rf "$venv" &&
    /usr/bin/python3 -m venv "${@:2}" "$venv" &&
    build/grpcio/bin/pip --python "$venv/bin/python" install --quiet --disable-pip-version-check --require-hashes \
      --no-compile --only-binary :all: --requirement "$list" &&
    cp "$list" "$venv/list.txt"
}

# Headers of gRPC and of the Abseil that it carries; BoringSSL.
fetch_sources() { # list, what of it, by patterns of tar
  local list=tests/pypi/$1.txt folder=build/$1
  ! cmp -s "$list" "$folder/list.txt" || return 0
  rm -rf "$folder" &&
    mkdir "$folder" &&
    build/grpcio/bin/pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-binary :all: \
      --no-build-isolation --requirement "$list" --dest "$folder" &&
    tar -C "$folder" --no-same-owner --strip-components=1 --wildcards -xzf "$folder"/*.tar.gz "${@:2}" &&
    rm "$folder"/*.tar.gz &&
    cp "$list" "$folder/list.txt"
}
