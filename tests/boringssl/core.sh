#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gRPC's core on BoringSSL, built from the sdist of PyPI's grpcio: what no package of Debian's has. A command of its
# own: some 20 minutes of one processor the first time.
set -euo pipefail

usage() {
  cat <<'END'
usage: tests/boringssl/core.sh [--cache FOLDER] [--boringssl-only]

Fetches the sdist of grpcio, builds the core that it carries, installs it as
FOLDER/grpcio-VERSION with include/ and lib/, and proves that it works by a
server and a client on it. What was built is not built again, also after an
interruption. A host is linked with it by

  PKG_CONFIG_PATH=FOLDER/grpcio-VERSION/lib/pkgconfig \
    pkg-config --static --cflags --libs grpc-boringssl

and with its BoringSSL alone by `boringssl` instead. A program that uses OpenSSL,
too, takes libgrpc.so, which hides its BoringSSL: `grpc` of lib/shared/pkgconfig.

  --cache FOLDER     where sdist, objects and result are kept, 0.4 GB;
                     default: ~/.cache/nodekey-boringssl
  --boringssl-only   not gRPC: a minute instead of ten
  --help             this text

$JOBS compilers run at once; default: one per processor.

Exit status: 0 it is there; 1 it does not build or does not work; 2 could not be
tried.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"

list=$top/tests/pypi/grpcio-sdist.txt
version=$(sed -n 's/^grpcio==\([0-9.]*\) .*/\1/p' "$list")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nodekey-boringssl
parts=(boringssl grpc)
targets=(boringssl boringssl_shared grpc grpc_shared)

fail() { # status, text
  echo "core.sh: $2" >&2
  exit "$1"
}

while [ $# -gt 0 ]; do
  case $1 in
  --cache)
    [ $# -ge 2 ] || fail 2 "$1 needs a value"
    cache=$2
    shift
    ;;
  --boringssl-only) parts=(boringssl) targets=(boringssl boringssl_shared) ;;
  --help)
    usage
    exit 0
    ;;
  *)
    usage >&2
    exit 2
    ;;
  esac
  shift
done
install_missing cmake ninja-build pkg-config gcc g++ libc6-dev openssl python3 python3-venv util-linux || exit 2
mkdir -p "$cache" || exit 2
cache=$(realpath "$cache")
sdist=$cache/sdist-$version
objects=$cache/objects-$version
prefix=$cache/grpcio-$version
log=$cache/log
exec {lock}>"$cache/lock"
flock "$lock"

# What is said goes to the log, whose end is shown when COMMAND fails.
run() { # status, what failed, command
  local status=$1 what=$2
  shift 2
  "$@" 2>&1 | show_progress "$log" || {
    grep -E -A 5 'error|ERROR|FAILED' "$log" | head -n 40 >&2 || tail -n 20 "$log" >&2
    fail "$status" "$what; all of it: $log"
  }
}

# By pip, which knows this machine's mirror; it looks at the hash before it runs anything of the sdist.
fetch_sdist() {
  local new=$cache/sdist.new
  rm -rf --one-file-system "$new"
  mkdir "$new" &&
    /usr/bin/python3 -m venv "$new/venv" &&
    "$new/venv/bin/pip" download --disable-pip-version-check --no-deps --no-binary grpcio --require-hashes \
      --requirement "$list" --dest "$new" &&
    tar -C "$new" --no-same-owner -xzf "$new/grpcio-$version.tar.gz" &&
    mv "$new/grpcio-$version" "$sdist" &&
    rm -rf --one-file-system "$new"
}

# The project is in the cache, too, which serves any checkout. Files that are as they were keep their time.
copy_project() {
  local file
  mkdir -p "$cache/project" &&
    for file in "$here"/core/*; do
      cmp -s "$file" "$cache/project/${file##*/}" || cp "$file" "$cache/project/" || return
    done
}

build() {
  local part
  copy_project &&
  cmake -S "$cache/project" -B "$objects" -G Ninja -DCMAKE_INSTALL_PREFIX="$prefix" -DSDIST="$sdist" -DVERSION="$version" &&
  cmake --build "$objects" --parallel "${JOBS:-$(nproc)}" --target "${targets[@]}" || return
  for part in "${parts[@]}"; do
    cmake --install "$objects" --component "$part" || return
  done
}

# What the host says is in the file `said`.
# shellcheck disable=SC2046 # words of pkg-config
prove() {
  local tests=$top/tests proof=$cache/proof
  rm -f "$proof/said"
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
  mkdir -p "$proof" &&
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$proof/key.pem" -out "$proof/cert.pem" \
      -days 2 -subj /CN=proof -addext subjectAltName=IP:127.0.0.1 &&
    cc -std=c11 -D_GNU_SOURCE -c -I "$tests" $(pkg-config --cflags grpc-boringssl) "$tests/fixtures/wire/rpc_server.c" \
      -o "$proof/rpc_server.o" &&
    cc -std=c11 -D_GNU_SOURCE -c -I "$tests" $(pkg-config --cflags grpc-boringssl) "$tests/fixtures/wire/rpc_client.c" \
      -o "$proof/rpc_client.o" &&
    c++ -std=c++17 -I "$tests" $(pkg-config --cflags grpc-boringssl boringssl) "$here/core/proof.cc" "$proof"/rpc_*.o \
      $(pkg-config --static --libs grpc-boringssl) -o "$proof/proof" &&
    timeout 120 "$proof/proof" "$proof/cert.pem" "$proof/key.pem" >"$proof/said"
}

[ -d "$sdist" ] || run 2 "no sdist" fetch_sdist
run 1 "does not build" build
if [ ${#parts[@]} -eq 2 ]; then
  run 1 "does not work, says $cache/proof/said" prove
  cat "$cache/proof/said"
fi
echo "$prefix"
